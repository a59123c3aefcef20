"""Makes a GPT-2 of one of the paper's sizes with random weights, in Hugging Face's layout.

    target/compare-venv/bin/python benches/compare/make_model.py 117M target/compare/models/117M

The weights are GPT-2's initialization, N(0, 0.02), from a seed. A token costs the same whatever the weights are.
"""

import argparse
import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MERGES = ROOT / "models" / "gpt2-bpe" / "vocab.bpe"
# n_layer, n_embd and n_head.
SIZES = {"117M": (12, 768, 12), "345M": (24, 1024, 16), "762M": (36, 1280, 20), "1542M": (48, 1600, 25)}
END_OF_TEXT = "<|endoftext|>"


def byte_symbols():
    """GPT-2's 256 characters for bytes, in the order of their ids."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(others)]


def vocabulary(merges):
    """Ids of all tokens: the bytes, one token for each merge, and the end of the text."""
    pairs = [line for line in merges.splitlines()[1:] if line]
    tokens = byte_symbols() + [pair.replace(" ", "") for pair in pairs] + [END_OF_TEXT]
    return {token: number for number, token in enumerate(tokens)}


def write_tokenizer(folder, source):
    """Writes `vocab.json` and `merges.txt`: copies from `source`, or made from the bundled merges."""
    if source is not None:
        for name in ("vocab.json", "merges.txt"):
            shutil.copyfile(source / name, folder / name)
        return
    merges = MERGES.read_text(encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(vocabulary(merges), ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text(merges, encoding="utf-8")


def write_model(folder, size, seed):
    """Writes `config.json` and `model.safetensors` in float32."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    n_layer, n_embd, n_head = SIZES[size]
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(n_layer=n_layer, n_embd=n_embd, n_head=n_head))
    model.save_pretrained(folder, max_shard_size="100GB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", type=Path, help="directory with vocab.json and merges.txt to copy")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_tokenizer(arguments.out, arguments.tokenizer)
    write_model(arguments.out, arguments.size, arguments.seed)
    print(f"{arguments.size}: {arguments.out}")


if __name__ == "__main__":
    main()
