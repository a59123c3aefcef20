"""Writes lm_eval.json: completions and scores of lm-evaluation-harness 0.4.13 with the bundled models.

    python3 -m venv venv && venv/bin/pip install "lm_eval[hf]==0.4.13" torch transformers==5.23.0 sacrebleu rouge-score
    venv/bin/python tests/golden/make_lm_eval.py ../shared models tests/golden/lm_eval.json

The tasks are the installed ones, but they read local files in the hub's format. Metrics that need another model or hours are
omitted (BERTScore, TER). Of completions, the file has the first 8 digits of the sha256, since some completions repeat their
prompts. transformers 5.23 lacks `squad_metrics`, which the task `coqa` imports: copy the file from transformers 4.57.1 to the
path of that import. The script takes about 90 minutes on two cores with batch size 1.
"""

import csv
import hashlib
import json
import os
import re
import sys
import tempfile

import lm_eval
from lm_eval.tasks import TaskManager

SHARED, MODELS, OUT = sys.argv[1:4]
DATA = os.path.join(SHARED, "data")
INSTALLED = os.path.join(os.path.dirname(lm_eval.__file__), "tasks")


def lines(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def segments(name):
    text = open(os.path.join(DATA, "wmt14", name), encoding="utf-8", newline="").read()
    return re.findall(r'<seg id="\d+">(.*?)</seg>', text, re.S)


def coqa(path):
    for story in json.load(open(path, encoding="utf-8"))["data"]:
        texts = lambda turns: {"input_text": [turn["input_text"] for turn in turns]}
        more = {key: texts(turns) for key, turns in story["additional_answers"].items()}
        yield {
            "story": story["story"],
            "questions": texts(story["questions"]),
            "answers": texts(story["answers"]),
            "additional_answers": more,
        }


def articles():
    csv.field_size_limit(10**9)
    name = "cnn_dailymail/cnn_dailymail_test.first-500-rows.subset-500.csv"
    with open(os.path.join(DATA, name), encoding="utf-8", newline="") as file:
        return [{key: row[key] for key in ("article", "highlights", "id")} for row in csv.DictReader(file)]


french, english = segments("newstest2014-fren-src.fr.sgm"), segments("newstest2014-fren-ref.en.sgm")
pairs = [{"translation": {"fr": a, "en": b}} for a, b in zip(french, english)]
# Our task: (installed YAML, split, records, metrics, maximum number of samples).
TASKS = {
    "nq": ("nq_open/nq_open.yaml", "validation", lines(os.path.join(DATA, "nq_open/NQ-open.dev.jsonl")), ["exact_match"], None),
    "coqa": ("coqa/default.yaml", "validation", list(coqa("tasks/coqa/sample.json")), ["f1", "em"], None),
    "wmt14-fr-en": ("translation/wmt14_fr-en.yaml", "test", pairs, ["bleu"], None),
    "wmt14-en-fr": ("translation/wmt14_en-fr.yaml", "test", pairs, ["bleu"], 500),
    "cnn_dailymail": ("cnn_dailymail/cnn_dailymail.yaml", "test", articles(), ["rouge1", "rouge2", "rougeL"], None),
}


def yaml(folder, name):
    original, split, records, metrics, _ = TASKS[name]
    data = os.path.join(folder, f"{name}.jsonl")
    with open(data, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    text = f"include: {INSTALLED}/{original}\ntask: ours_{name}\ndataset_path: json\ndataset_name: null\n"
    text += f"dataset_kwargs:\n  data_files:\n    {split}: {data}\ntraining_split: null\ntag: null\n"
    if name.startswith("wmt14"):
        text += "validation_split: null\nfewshot_split: null\nmetric_list:\n  - metric: bleu\n"
    if name == "cnn_dailymail":
        text += "metric_list:\n"
        text += "".join(f"  - metric: {metric}\n    aggregation: mean\n    higher_is_better: true\n" for metric in metrics)
    with open(os.path.join(folder, f"ours_{name}.yaml"), "w") as file:
        file.write(text)


golden = {}
with tempfile.TemporaryDirectory() as folder:
    for name in TASKS:
        yaml(folder, name)
    for model in ["tiny-3M", "tiny-8M"]:
        for name, (_, _, _, metrics, limit) in TASKS.items():
            results = lm_eval.simple_evaluate(
                model="hf",
                model_args=f"pretrained={os.path.join(MODELS, model)},dtype=float32",
                tasks=[f"ours_{name}"],
                device="cpu",
                batch_size=1,
                limit=limit,
                log_samples=True,
                task_manager=TaskManager(include_path=folder),
            )
            samples = sorted(results["samples"][f"ours_{name}"], key=lambda sample: sample["doc_id"])
            scores = results["results"][f"ours_{name}"]
            each = [] if name.startswith("wmt14") else [[sample[metric] for metric in metrics] for sample in samples]
            golden.setdefault(name, {})[model] = {
                "metrics": {metric: next(v for k, v in scores.items() if k.split(",")[0] == metric) for metric in metrics},
                "texts": [hashlib.sha256(sample["resps"][0][0].encode()).hexdigest()[:8] for sample in samples],
                "samples": each,
            }
with open(OUT, "w") as file:
    json.dump(golden, file, separators=(",", ":"))
    file.write("\n")
