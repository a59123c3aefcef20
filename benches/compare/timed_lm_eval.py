"""The command line of lm-evaluation-harness, which also records how long the model's requests took.

Arguments and results are those of `lm_eval`. Writes the seconds spent in the model's requests, without imports, loading
and statistics, to the file named by COMPARE_TIMES.
"""

import json
import os
import time
from pathlib import Path

from lm_eval.__main__ import cli_evaluate
from lm_eval.models.huggingface import HFLM

seconds = {}


def timed(name):
    """Wraps one of the model's three kinds of requests."""
    original = getattr(HFLM, name)

    def wrapper(self, *arguments, **options):
        start = time.perf_counter()
        answers = original(self, *arguments, **options)
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
        Path(os.environ["COMPARE_TIMES"]).write_text(json.dumps(seconds))
        return answers

    setattr(HFLM, name, wrapper)


if __name__ == "__main__":
    for kind in ("loglikelihood", "loglikelihood_rolling", "generate_until"):
        timed(kind)
    cli_evaluate()
