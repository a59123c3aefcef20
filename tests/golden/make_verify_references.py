"""Writes examples/verify-tiny.toml: what transformers computes with the bundled models, in the form that
`gpt2-eval verify --references` reads. The texts and the sample of LAMBADA are this project's own.

    python tests/golden/make_verify_references.py
"""

import hashlib
import json
import math
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel
from tokenizers import ByteLevelBPETokenizer

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "transformers, by tests/golden/make_verify_references.py"
BEGIN_OF_TEXT = 50256


def read_tokenizer():
    merges = [
        tuple(line.split(" "))
        for line in (ROOT / "models/gpt2-bpe/vocab.bpe").read_text(encoding="utf-8").split("\n")[1:]
        if line
    ]
    # GPT-2's ids: the 256 bytes in its own order, then the merges, then <|endoftext|>.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(byte) for byte in printable]
    letters += [chr(256 + number) for number in range(256 - len(printable))]
    names = letters + ["".join(pair) for pair in merges] + ["<|endoftext|>"]
    return ByteLevelBPETokenizer(vocab={name: number for number, name in enumerate(names)}, merges=merges)


def log_probs(model, tokens):
    """Log-probabilities of tokens[1:], and the most probable tokens at their positions."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0, :-1].double()
    all_log_probs = logits.log_softmax(-1)
    targets = torch.tensor(tokens[1:])
    return all_log_probs.gather(-1, targets[:, None])[:, 0], logits.argmax(-1)


def score(model, tokenizer, context, continuation):
    """Sum of log-probabilities of a continuation, and whether it is greedy, as lm-evaluation-harness computes them."""
    whole = tokenizer.encode(context + continuation).ids
    start = len(tokenizer.encode(context).ids)
    values, best = log_probs(model, whole)
    targets = whole[start:]
    return values[start - 1 :].sum().item(), best[start - 1 :].tolist() == targets


def rolling(model, tokens, context):
    """Windows that do not overlap; the last is moved back to be full."""
    stream, values = [BEGIN_OF_TEXT, *tokens], []
    while len(values) < len(tokens):
        end = min(len(values) + context, len(tokens))
        begin = max(0, end - context)
        # `stream[end]` is the last target.
        of_window, _ = log_probs(model, stream[begin : end + 1])
        values += of_window[len(values) - begin :].tolist()
    return values


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def table(name, source=SOURCE, **fields):
    lines = [f"[[{name}]]"]
    for key, value in fields.items():
        lines.append(f"{key} = {quoted(value) if isinstance(value, str) else json.dumps(value)}")
    return "\n".join([*lines, f"source = {quoted(source)}", ""])


def main():
    tokenizer = read_tokenizer()
    passages = [json.loads(line)["text"] for line in (ROOT / "tasks/lambada/sample.jsonl").open(encoding="utf-8")]
    out = [
        "# What the bundled models give, computed with transformers: an example of a file of references, and the test of\n"
        "# `gpt2-eval verify` (docs/verify.md). Made by tests/golden/make_verify_references.py.\n"
    ]
    for label in ["tiny-3M", "tiny-8M"]:
        directory = ROOT / "models" / label
        model = GPT2LMHeadModel.from_pretrained(directory, dtype=torch.float32).eval()
        digest = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
        out.append(table("weights", source="models/ of this project", model=label, sha256=digest))
        prompt = "Once upon a time there was"
        ids = tokenizer.encode(prompt).ids
        with torch.no_grad():
            grown = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=16, pad_token_id=BEGIN_OF_TEXT)
        out.append(table("greedy", model=label, prompt=prompt, prompt_tokens=ids, tokens=grown[0, len(ids) :].tolist()))
        for context, continuation in [("The cat sat on the", " mat"), ("She opened the door and", " saw a small dog.")]:
            total, greedy = score(model, tokenizer, context, continuation)
            out.append(
                table("log_likelihood", model=label, context=context, continuation=continuation, sum=round(total, 6), greedy=greedy)
            )
        text = "The river ran past the mill, and nobody had seen the miller for a week."
        tokens = tokenizer.encode(text).ids
        for context in [1024, 5]:
            values = [round(value, 6) for value in rolling(model, tokens, context)]
            fields = {} if context == 1024 else {"context": context}
            out.append(table("rolling", model=label, text=text, **fields, token_log_probs=values))
        sums, hits = [], 0
        for passage in passages:
            context, word = passage.rsplit(" ", 1)
            total, greedy = score(model, tokenizer, context, " " + word)
            sums.append(total)
            hits += greedy
        for metric, value in [
            ("accuracy", 100 * hits / len(passages)),
            ("perplexity", math.exp(-sum(sums) / len(sums))),
        ]:
            out.append(
                table(
                    "score",
                    model=label,
                    task="lambada",
                    protocol="harness,data=sample",
                    metric=metric,
                    value=round(value, 6),
                    samples=len(passages),
                )
            )
    (ROOT / "examples/verify-tiny.toml").write_text("\n".join(out), encoding="utf-8")


main()
