"""Times gpt2-eval and lm-evaluation-harness or transformers on the same inputs, in turns, and prints a table of ratios.

    benches/compare/setup.sh && cargo build --release && cargo build --release --example throughput
    python3 benches/compare/compare.py --size 117M

README.md in this directory describes the options. This script needs only Python's standard library; the other side runs
in its own virtual environment.
"""

import argparse
import datetime
import json
import math
import os
import platform
import signal
import statistics
import sys
from pathlib import Path

from sides import ROOT, Failed, Ours, Theirs, agreement, best_batch_size, run
from works import WORKS, write_inputs

SIZES = ["117M", "345M", "762M", "1542M"]
PARAMETERS_117M = 124_439_808
# Requests of the trial that chooses a batch size.
TRIAL_REQUESTS = 32
# Case, batch, tokens of a sequence (of the prompt for decode), target ratio by our precision. `bf16` is compared with
# transformers in bfloat16 for prefill, and in float32 for decode.
MODEL_CASES = [
    ("full", 8, 128, {"f32": 1.15, "bf16x3": 2.3, "bf16": 1.9}),
    ("full", 1, 1024, {"f32": 1.15, "bf16x3": 2.3}),
    ("full", 1, 128, {"f32": 1.0}),
    ("last", 8, 128, {"f32": 1.15, "bf16x3": 2.3}),
    ("last", 4, 512, {"f32": 1.15, "bf16x3": 2.3}),
    ("decode", 1, 32, {"f32": 1.15, "bf16": 2.1}),
    ("decode", 8, 32, {"f32": 1.8, "bf16": 3.5}),
]
NEW_TOKENS = 32
TITLES = {"full": "prefill, all positions", "last": "prefill, last position", "decode": f"decode {NEW_TOKENS} tokens"}


def report(text):
    """Prints a line of progress to stderr."""
    print(text, file=sys.stderr, flush=True)


def parameters(model):
    """Parameters of a GPT-2 by its config."""
    config = json.loads((model / "config.json").read_text())
    width, layers = config["n_embd"], config["n_layer"]
    blocks = layers * (12 * width + 13) * width
    return blocks + (config["vocab_size"] + config["n_positions"] + 2) * width


def in_turns(repeats, ours, theirs):
    """Calls both sides `repeats` times, alternating which is first."""
    measured = ([], [])
    for repeat in range(repeats):
        order = [(ours, measured[0]), (theirs, measured[1])]
        for side, results in order if repeat % 2 == 0 else reversed(order):
            results.append(side())
        report(f"  round {repeat + 1} of {repeats} done")
    return measured


def record_count(work, records, arguments, model):
    """Number of records to measure: all of them, or as many as take about `--seconds` on each side."""
    available = min(len(records), work.max_records or len(records))
    if arguments.records is not None:
        return min(available, arguments.records)
    if arguments.full:
        return available
    seconds_per_record = work.seconds_per_record * parameters(model) / PARAMETERS_117M
    return min(available, max(1, math.ceil(arguments.seconds / seconds_per_record)))


def whole_command(work, arguments, ours, theirs, folder):
    """A row for a whole command."""
    records = work.read(arguments.data)
    if records is None:
        raise Failed(f"no data for it in {arguments.data}")
    available = min(len(records), work.max_records or len(records))
    count = record_count(work, records, arguments, ours.model)
    folder = folder / work.name
    write_inputs(work, records[:count], folder, theirs.installed_tasks())
    documents = len(work.to_theirs(records[:count]))
    requests = count * work.requests_per_record
    trial = min(documents, math.ceil(TRIAL_REQUESTS * documents / requests))
    batch_size, trials = best_batch_size(theirs, work, folder, arguments.batch_sizes, trial, lambda text: report(f"  {text}"))
    mine, others = in_turns(
        arguments.repeats,
        lambda: ours.whole_command(work, folder),
        lambda: theirs.whole_command(work, folder, batch_size),
    )
    seconds, whole, model_only = (
        statistics.median(values) for values in (mine, [pair[0] for pair in others], [pair[1] for pair in others])
    )
    # On a part of the records, the other side's start-up and statistics would flatter us: only its model's time counts.
    is_part = count < available
    ratio = (model_only if is_part else whole) / seconds
    of_all = f"first {count:,} of {available:,}" if is_part else f"{count:,}"
    same = agreement(ours.answers(folder), theirs.answers(folder), arguments.precision)
    notes = [f"batch size {batch_size}", f"{model_only:.1f} s of theirs in the model", same["text"]]
    generated = ours.generated_tokens(folder)
    if generated:
        notes.append(f"{statistics.mean(generated):.0f} new tokens a text")
    if is_part:
        notes.append("ratio against those seconds, since this is a part")
    return {
        "work": f"{work.title}, {of_all} {work.unit}",
        "unit": "s",
        "ours": seconds,
        "theirs": whole,
        "ratio": ratio,
        "target": work.targets.get(arguments.precision),
        "notes": "; ".join(notes),
        "details": {
            "ours_seconds": mine,
            "theirs_seconds": [pair[0] for pair in others],
            "theirs_seconds_in_the_model": [pair[1] for pair in others],
            "ratio_of_whole_commands": whole / seconds,
            "ratio_against_the_model_alone": model_only / seconds,
            "batch_size": batch_size,
            "trials": trials,
            "records": count,
            "records_in_all": available,
            "agreement": same,
        },
    }


def model_case(case, batch, length, targets, arguments, ours, theirs):
    """A row for the model alone."""
    command = ["--case", case, "--batch", batch, "--length", length, "--repeats", arguments.repeats]
    command += ["--new-tokens", NEW_TOKENS] if case == "decode" else []
    dtype = "bfloat16" if arguments.precision == "bf16" and case != "decode" else "float32"
    measured = in_turns(
        arguments.rounds, lambda: ours.throughput(command), lambda: theirs.throughput(command, dtype)
    )
    speeds = [[result["tokens"] / second for result in side for second in result["seconds"]] for side in measured]
    mine, others = (statistics.median(speed) for speed in speeds)
    return {
        "work": f"{TITLES[case]}, " + (f"batch {batch}" if case == "decode" else f"{batch}×{length}"),
        "unit": "tokens/s",
        "ours": mine,
        "theirs": others,
        "ratio": mine / others,
        "target": targets.get(arguments.precision),
        "notes": f"transformers {dtype}",
        "details": {"ours_tokens_per_second": speeds[0], "theirs_tokens_per_second": speeds[1]},
    }


def verdict(row):
    """Whether the target is met, if both sides did the same work."""
    if not row["details"].get("agreement", {"agree": True})["agree"]:
        return "not comparable: the answers differ"
    if row["target"] is None:
        return "no target"
    return "met" if row["ratio"] >= row["target"] else f"missed by {(1 - row['ratio'] / row['target']) * 100:.0f} %"


def table(rows):
    """The rows in Markdown."""
    lines = ["| work | ours | theirs | ratio | target | verdict | notes |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        if "skipped" in row:
            lines.append(f"| {row['work']} | | | | | skipped | {row['skipped']} |")
            continue
        number = lambda value: f"{value:,.1f} s" if row["unit"] == "s" else f"{value:,.0f} tokens/s"
        target = "" if row["target"] is None else f"{row['target']}×"
        cells = [row["work"], number(row["ours"]), number(row["theirs"]), f"{row['ratio']:.2f}×", target, verdict(row)]
        lines.append("| " + " | ".join([*cells, row["notes"]]) + " |")
    return "\n".join(lines)


def versions(python):
    """Versions of the other side."""
    packages = ["torch", "transformers", "lm_eval"]
    code = f"import importlib.metadata as m, json; print(json.dumps({{p: m.version(p) for p in {packages}}}))"
    return json.loads(run([python, "-c", code])[1])


def machine():
    """The CPU, its cores, and the load before the measurement."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor()
    return {"cpu": cpu, "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}


def read_arguments():
    """The command line."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    names = [work.name for work in WORKS] + ["full", "last", "decode"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="117M", help="random weights of this size")
    parser.add_argument("--model", type=Path, help="an existing GPT-2 directory instead; needs vocab.json and merges.txt")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="as for gpt2-eval --data")
    parser.add_argument("--only", action="append", choices=names, help="only this work; may be repeated")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side")
    parser.add_argument("--rounds", type=int, default=2, help="times that each side's model is loaded for its repeats")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "bf16x3", "bf16"], default="f32", help="ours")
    parser.add_argument("--batch-sizes", default="1,8,32", help="tried for lm-evaluation-harness")
    parser.add_argument("--seconds", type=float, default=180, help="target time of each side; decides the number of records")
    parser.add_argument("--full", action="store_true", help="all records, however long they take")
    parser.add_argument("--records", type=int, help="this many records")
    parser.add_argument("--binary", type=Path, default=target / "release" / "gpt2-eval")
    parser.add_argument("--venv", type=Path, default=target / "compare-venv")
    parser.add_argument("--folder", type=Path, default=target / "compare", help="models, inputs and results")
    arguments = parser.parse_args()
    if min(arguments.repeats, arguments.rounds, arguments.threads) < 1:
        parser.error("--repeats, --rounds and --threads are at least 1")
    arguments.batch_sizes = [int(size) for size in arguments.batch_sizes.split(",")]
    for name in ("data", "binary", "venv", "folder"):
        setattr(arguments, name, getattr(arguments, name).absolute())
    return arguments


def model_directory(arguments, python):
    """The model of the given size, made if it is not there."""
    if arguments.model is not None:
        return arguments.model.absolute()
    model = arguments.folder / "models" / arguments.size
    if not (model / "model.safetensors").is_file():
        report(f"making random weights: {model}")
        run([python, Path(__file__).parent / "make_model.py", arguments.size, model])
    return model


def main():
    # SIGTERM becomes an exception, so that the running command is killed too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    arguments = read_arguments()
    python = arguments.venv / "bin" / "python"
    for path, command in ((python, "benches/compare/setup.sh"), (arguments.binary, "cargo build --release")):
        if not path.exists():
            sys.exit(f"{path} is not there: run {command}")
    model = model_directory(arguments, python)
    name = f"{model.name}-{arguments.precision}"
    ours = Ours(arguments.binary, model, arguments.threads, arguments.precision)
    theirs = Theirs(python, model, arguments.threads, arguments.folder)
    jobs = [(work.name, work.title, whole_command, (work, arguments, ours, theirs, arguments.folder / name)) for work in WORKS]
    for case in MODEL_CASES:
        title = f"{TITLES[case[0]]}, {case[1]}×{case[2]}"
        jobs.append((case[0], title, model_case, (*case, arguments, ours, theirs)))

    header = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "model": model.name,
        "parameters": parameters(model),
        "precision": arguments.precision,
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "machine": machine(),
        "versions": versions(python),
    }
    rows = []
    result = arguments.folder / ("-".join([name, *(arguments.only or [])]) + ".json")
    for job, title, measure, parts in jobs:
        if arguments.only and job not in arguments.only:
            continue
        report(title)
        try:
            row = measure(*parts)
            row["verdict"] = verdict(row)
        except Failed as failure:
            report(f"  skipped: {failure}")
            row = {"work": title, "skipped": str(failure).splitlines()[0]}
        rows.append(row)
        result.parent.mkdir(parents=True, exist_ok=True)
        result.write_text(json.dumps({**header, "rows": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    report(f"also in {result}")
    facts = f"{header['machine']['cpu']}, {arguments.threads} threads, medians of {arguments.repeats}"
    print(f"{model.name} ({header['parameters']:,} parameters), {arguments.precision}; {facts}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
