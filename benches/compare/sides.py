"""Runs and times both sides, finds the best batch size of lm-evaluation-harness, and compares the answers."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VOCABULARY = 50257


class Failed(Exception):
    """A command that failed, was stopped or is missing."""


def run(command, environment=None, limit=None):
    """Runs a command and returns its wall time and output. Kills it and its children after `limit` seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, errors = process.communicate(timeout=limit)
    except BaseException as interruption:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(interruption, subprocess.TimeoutExpired):
            raise Failed(f"stopped after {limit:.0f} s") from None
        raise
    if process.returncode != 0:
        last_lines = "\n".join(errors.strip().splitlines()[-8:])
        raise Failed(f"{command[0]} ended with {process.returncode}:\n{last_lines}")
    return time.perf_counter() - start, printed


def empty(folder):
    """Makes `folder` an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Ours:
    """gpt2-eval and its example `throughput`."""

    def __init__(self, binary, model, threads, precision):
        self.binary, self.model, self.threads = binary, model, threads
        self.precision = [] if precision == "f32" else ["--precision", precision]
        self.throughput_binary = binary.parent / "examples" / "throughput"

    def whole_command(self, work, folder):
        """Seconds of the whole command."""
        out = folder / "ours"
        shutil.rmtree(out, ignore_errors=True)
        command = [self.binary, "--tasks", work.ours, "--model", f"m={self.model}", "--data", folder / "data"]
        command += ["--threads", self.threads, "--quiet", "--out", out, *self.precision]
        return run(command)[0]

    def responses(self, folder):
        """All answers of the model, in the order of the file's samples."""
        path = next((folder / "ours" / "samples" / "m").glob("*.jsonl"))
        samples = sorted(map(json.loads, path.open(encoding="utf-8")), key=lambda sample: sample["id"])
        return [response for sample in samples for response in sample["responses"]]

    def answers(self, folder):
        """Log-likelihood or text of every request."""
        return [response.get("log_likelihood", response.get("text")) for response in self.responses(folder)]

    def generated_tokens(self, folder):
        """Number of tokens of every completion."""
        return [len(response["tokens"]) for response in self.responses(folder) if response["kind"] == "generate"]

    def throughput(self, arguments):
        """Seconds of each repeat and tokens in one."""
        if not self.throughput_binary.is_file():
            raise Failed(f"{self.throughput_binary} is not built")
        command = [self.throughput_binary, "--model", self.model, *arguments, "--threads", self.threads, *self.precision]
        return json.loads(run(command)[1])


class Theirs:
    """lm-evaluation-harness and transformers in the virtual environment."""

    def __init__(self, python, model, threads, work_folder):
        self.python, self.model, self.threads = python, model, threads
        self.environment = {
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "RAYON_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
            "CUDA_VISIBLE_DEVICES": "",
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "HF_HOME": str(work_folder / "huggingface"),
            "PYTHONWARNINGS": "ignore",
        }

    def installed_tasks(self):
        """Folder of the task files that come with lm-evaluation-harness."""
        found = sorted(self.python.parents[1].glob("lib/python*/site-packages/lm_eval/tasks"))
        if not found:
            raise Failed(f"no lm_eval in {self.python.parents[1]}: run benches/compare/setup.sh")
        return found[0]

    def whole_command(self, work, folder, batch_size, records=None, limit=None):
        """Seconds of the whole command, and of the model's requests in it."""
        out, times = empty(folder / "theirs_out"), folder / "times.json"
        command = [self.python, HERE / "timed_lm_eval.py", "run", "--model", "hf", "--device", "cpu"]
        command += ["--model_args", f"pretrained={self.model},dtype=float32", "--include_path", folder / "theirs"]
        command += ["--tasks", f"compare_{work.name}", "--batch_size", batch_size, "--log_samples", "--output_path", out]
        command += [] if records is None else ["--limit", records]
        seconds, _ = run(command, {**self.environment, "COMPARE_TIMES": str(times)}, limit)
        return seconds, sum(json.loads(times.read_text()).values())

    def answers(self, folder):
        """Log-likelihood or text of every request, in the order of the file's samples."""
        path = next((folder / "theirs_out").glob("**/samples_*.jsonl"))
        samples = sorted(map(json.loads, path.open(encoding="utf-8")), key=lambda sample: sample["doc_id"])
        value = lambda answer: answer[0] if isinstance(answer, list) else answer
        return [value(request[0]) for sample in samples for request in sample["resps"]]

    def throughput(self, arguments, dtype):
        """Seconds of each repeat and tokens in one."""
        command = [self.python, HERE / "throughput.py", "--model", self.model, *arguments]
        command += ["--threads", self.threads, "--dtype", dtype]
        return json.loads(run(command, self.environment)[1].splitlines()[-1])


def available_memory():
    """Bytes available without swapping; infinite where /proc/meminfo is missing."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def best_batch_size(theirs, work, folder, sizes, records, report):
    """The batch size with which lm-evaluation-harness's model is fastest on a small part of the records.

    Tries large sizes first and stops a smaller one once it must be slower. Skips sizes whose logits, twice in float32, need
    more than half of the available memory.
    """
    best, best_seconds, whole = None, float("inf"), None
    trials = {}
    for size in sorted(sizes, reverse=True):
        if size * work.longest * VOCABULARY * 8 > available_memory() / 2:
            report(f"batch size {size}: not enough memory")
            continue
        try:
            limit = None if whole is None else 2 * whole + 10
            seconds_of_all, seconds = theirs.whole_command(work, folder, size, records, limit)
        except Failed as failure:
            report(f"batch size {size}: {failure}")
            continue
        trials[size] = seconds
        report(f"batch size {size}: {seconds:.1f} s in the model for {records} documents")
        if seconds < best_seconds:
            best, best_seconds, whole = size, seconds, seconds_of_all
    if best is None:
        raise Failed("no batch size works")
    return best, trials


# Both sides did the same work if scores differ by at most this, relative, and at least this share of texts is equal (texts
# may differ where two tokens nearly tie).
SAME_SCORES = {"f32": 1e-4, "bf16x3": 1e-3, "bf16": 3e-2}
SAME_TEXTS = {"f32": 0.9, "bf16x3": 0.8, "bf16": 0.0}


def agreement(ours, theirs, precision):
    """Compares the answers of both sides: a description, the difference, and whether it is small enough."""
    if len(ours) != len(theirs):
        return {"text": f"{len(ours)} answers against {len(theirs)}", "agree": False}
    pairs = list(zip(ours, theirs))
    if isinstance(ours[0], str):
        equal = sum(mine == other for mine, other in pairs)
        agree = equal >= SAME_TEXTS[precision] * len(pairs)
        return {"text": f"{equal} of {len(pairs)} texts equal", "equal": equal, "agree": agree}
    apart = max(abs(mine - float(other)) / max(1.0, abs(mine)) for mine, other in pairs)
    return {"text": f"scores within {apart:.0e} relative", "apart": apart, "agree": apart <= SAME_SCORES[precision]}
