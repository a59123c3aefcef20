"""Writes tests/golden/activations.json: every activation of transformers that has no parameters, at a few inputs.

    pip install torch transformers
    python tests/golden/make_activations.py
"""

import json
from pathlib import Path

import torch
from transformers.activations import ACT2CLS, ACT2FN

INPUTS = [-30.0, -4.0, -3.0, -1.0, -0.25, 0.0, 0.25, 0.5, 1.0, 3.0, 4.0, 7.5, 30.0]
PARAMETRIC = ("prelu", "xielu")


def main():
    values = {"inputs": INPUTS}
    for name in sorted(ACT2CLS):
        if name not in PARAMETRIC:
            values[name] = ACT2FN[name](torch.tensor(INPUTS)).tolist()
    lines = [f"  {json.dumps(name)}: {json.dumps(numbers)}" for name, numbers in values.items()]
    (Path(__file__).parent / "activations.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
