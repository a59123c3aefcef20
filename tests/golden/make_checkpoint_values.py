"""Writes tests/golden/checkpoint_values.json: log-likelihoods of a text by variants of the bundled tiny-3M.

    pip install torch transformers safetensors
    python tests/golden/make_checkpoint_values.py

The tests write the same variants in all formats (`tests/suite/wild_checkpoints.rs`). Everything is computed in float32.
"""

import json
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.activations import ACT2CLS

ROOT = Path(__file__).parent.parent.parent
WEIGHTS = {
    name.removeprefix("transformer."): values.float()
    for name, values in load_file(ROOT / "models/tiny-3M/model.safetensors").items()
}
CONFIG = json.loads((ROOT / "models/tiny-3M/config.json").read_text())
TEXT = "The lighthouse keeper counted seven gulls on the rail, and then the lamp went out."
# <|endoftext|>, then TEXT by GPT-2's tokenizer.
TOKENS = [50256, 464, 46371, 28356, 14789, 3598, 43289, 82, 319, 262, 6787, 11, 290, 788, 262, 20450, 1816, 503, 13]
PARAMETRIC = ("prelu", "xielu")


def noise(shape):
    """Numbers from -0.1012 to 0.1012 that every language computes alike."""
    numbers = (numpy.arange(numpy.prod(shape), dtype=numpy.int64) * 7919) % 1013 - 506
    return torch.from_numpy(numbers.astype(numpy.float32) * numpy.float32(2e-4)).reshape(shape)


def log_likelihood(weights, **config):
    model = GPT2LMHeadModel(GPT2Config(**{**CONFIG, "vocab_size": len(weights["wte.weight"]), **config}))
    state = {name if name == "lm_head.weight" else f"transformer.{name}": values for name, values in weights.items()}
    state.setdefault("lm_head.weight", weights["wte.weight"])
    model.load_state_dict(state)
    with torch.no_grad():
        logits = model.float().eval()(torch.tensor([TOKENS[:-1]])).logits[0]
    chosen = logits.log_softmax(-1)[torch.arange(len(TOKENS) - 1), torch.tensor(TOKENS[1:])]
    return round(chosen.double().sum().item(), 5)


def main():
    embedding = WEIGHTS["wte.weight"]
    output = {**WEIGHTS, "lm_head.weight": embedding + noise(embedding.shape)}
    padded = {**WEIGHTS, "wte.weight": torch.nn.functional.pad(embedding, (0, 0, 0, 50_304 - len(embedding)))}
    no_biases = {name: values * 0 if name.endswith(".bias") else values for name, values in WEIGHTS.items()}
    values = {
        "text": TEXT,
        "tokens": TOKENS,
        "tied": log_likelihood(WEIGHTS),
        "untied": log_likelihood(output, tie_word_embeddings=False),
        "padded": log_likelihood(padded),
        "no_biases": log_likelihood(no_biases),
        "exact_gelu": log_likelihood(WEIGHTS, activation_function="gelu"),
        "exact_gelu_untied": log_likelihood(output, activation_function="gelu", tie_word_embeddings=False),
        "activations": {
            name: log_likelihood(WEIGHTS, activation_function=name)
            for name in sorted(ACT2CLS)
            if name not in PARAMETRIC
        },
    }
    (Path(__file__).parent / "checkpoint_values.json").write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
