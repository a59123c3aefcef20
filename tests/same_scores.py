#!/usr/bin/env python3
"""Compares two run directories bit for bit: values in scores.csv, and in the journals every log-likelihood, token
log-probability, completion and sample value. Reads schema versions 2 and 3. Exit code 1 if anything differs.

Usage: same_scores.py OLD_RUN NEW_RUN
"""
import csv, json, pathlib, sys

RENAMED_VALUES = {}

def scores(run):
    with open(run / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["model"], row["task"], row["protocol"], row["metric"]): row for row in rows}

def journal(path):
    samples = {}
    for line in path.read_text().splitlines():
        sample = json.loads(line)
        samples[sample["id"]] = sample
    return samples

def bits(response):
    keys = ("kind", "log_likelihood", "greedy", "token_log_probs", "filtered", "context_tokens", "truncated_tokens", "windows",
            "bytes", "text", "finish", "prompt_tokens")
    found = {key: response[key] for key in keys if key in response}
    if response["kind"] == "generate" or response["kind"] == "rolling":
        found["tokens"] = response["tokens"]
    return found

def main():
    old, new = map(pathlib.Path, sys.argv[1:3])
    differences = 0
    old_scores, new_scores = scores(old), scores(new)
    columns = ("value", "stderr", "ci95_low", "ci95_high", "n", "failed", "paper", "difference")
    for key in sorted(old_scores.keys() | new_scores.keys()):
        a, b = old_scores.get(key), new_scores.get(key)
        if a is None or b is None or any(a.get(c) != b.get(c) for c in columns):
            differences += 1
            print("scores.csv differs:", key, a and a.get("value"), b and b.get("value"))
    counts = {"samples": 0, "responses": 0, "token log-probabilities": 0, "values": 0}
    for path in sorted((old / "samples").glob("*/*.jsonl")):
        other = new / path.relative_to(old)
        if not other.exists():
            differences += 1
            print("no journal", other)
            continue
        a, b = journal(path), journal(other)
        if list(a) != list(b):
            differences += 1
            print("other samples or order:", path.relative_to(old))
            continue
        for name in a:
            counts["samples"] += 1
            x, y = a[name].get("statistics", a[name].get("values")), b[name].get("values", b[name].get("statistics"))
            counts["values"] += len(x)
            same = x == y and [bits(r) for r in a[name]["responses"]] == [bits(r) for r in b[name]["responses"]]
            counts["responses"] += len(a[name]["responses"])
            counts["token log-probabilities"] += sum(len(r.get("token_log_probs", ())) for r in a[name]["responses"])
            if not same:
                differences += 1
                print("differs:", path.relative_to(old), name)
    print(f"{len(old_scores)} scores,", ", ".join(f"{n:,} {what}" for what, n in counts.items()), f"compared; {differences} differences")
    sys.exit(1 if differences else 0)

main()
