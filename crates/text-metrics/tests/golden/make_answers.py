"""Writes answers.json: answer scores by the official rules, for answers.rs.

    pip download --no-deps -d WHEELS lm_eval==0.4.13 transformers==4.57.1
    python3 make_answers.py WHEELS

This script has its own implementation of the SQuAD v1.1 and CoQA rules; it shares nothing with the Rust code. The harness
scores come from lm_eval's tasks/coqa/utils.py in the wheels, which needs squad_metrics.py of transformers; version 5 no
longer has it. Every harness score is also compared with this script's implementation.
"""

import json
import pathlib
import random
import re
import string
import sys
import types
import zipfile
from collections import Counter

# ---- the rules -----------------------------------------------------------------------------------------------


def normalize(text):
    text = text.lower()
    text = "".join(c for c in text if c not in set(string.punctuation))
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def words_f1(prediction, reference):
    same = sum((Counter(prediction) & Counter(reference)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(prediction), same / len(reference)
    return (2 * precision * recall) / (precision + recall)


def squad_f1(prediction, reference):
    return words_f1(normalize(prediction).split(), normalize(reference).split())


def coqa_f1(prediction, reference):
    prediction, reference = normalize(prediction).split(), normalize(reference).split()
    if not prediction or not reference:
        return float(prediction == reference)
    return words_f1(prediction, reference)


def exact(prediction, reference):
    return float(normalize(prediction) == normalize(reference))


def leave_one_out(metric, prediction, references):
    if len(references) == 1:
        return metric(prediction, references[0])
    total = 0.0
    for i in range(len(references)):
        total += max(metric(prediction, r) for r in references[:i] + references[i + 1 :])
    return total / len(references)


def squad(prediction, references):
    return [max(metric(prediction, r) for r in references) for metric in (exact, squad_f1)]


def coqa(prediction, references):
    return [leave_one_out(metric, prediction, references) for metric in (exact, coqa_f1)]


def harness_by_hand(prediction, references):
    unique = {}
    for reference in references:
        unique.setdefault(reference.lower(), reference)
    return coqa(prediction.strip().split("\n")[0], list(unique.values()))


# ---- lm_eval's own -------------------------------------------------------------------------------------------


def module(name, source=None, **attributes):
    made = types.ModuleType(name)
    made.__package__ = name.rpartition(".")[0]
    made.__dict__.update(attributes)
    sys.modules[name] = made
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, made)
    if source is not None:
        exec(compile(source, name, "exec"), made.__dict__)
    return made


def member(wheels, pattern, path):
    (wheel,) = pathlib.Path(wheels).glob(pattern)
    return zipfile.ZipFile(wheel).read(path)


def load_harness(wheels):
    for package in ("transformers", "transformers.data", "transformers.data.metrics", "transformers.models"):
        module(package, __path__=[])
    module("transformers.models.bert", BasicTokenizer=None)
    module("transformers.utils", logging=types.SimpleNamespace(get_logger=lambda name: None))
    metrics = "transformers/data/metrics/squad_metrics.py"
    module("transformers.data.metrics.squad_metrics", member(wheels, "transformers-4.57.1-*.whl", metrics))
    utils = module("coqa_utils", member(wheels, "lm_eval-0.4.13-*.whl", "lm_eval/tasks/coqa/utils.py"))

    def score(prediction, references):
        document = {
            "questions": {"input_text": ["?"]},
            "answers": {"input_text": references[:1]},
            "additional_answers": {str(i): {"input_text": [r]} for i, r in enumerate(references[1:])},
        }
        scores = utils.process_results(document, [prediction])
        return [float(scores["em"]), float(scores["f1"])]

    return score


# ---- cases ---------------------------------------------------------------------------------------------------

# prediction, references, [squad em, f1], [coqa em, f1], [harness em, f1]: worked out by hand.
KNOWN = [
    ("white", ["white"], [1, 1], [1, 1], [1, 1]),
    ("white", ["black"], [0, 0], [0, 0], [0, 0]),
    ("White.", ["the white"], [1, 1], [1, 1], [1, 1]),
    ("", [""], [1, 0], [1, 1], [1, 1]),
    ("", ["white"], [0, 0], [0, 0], [0, 0]),
    ("white", [""], [0, 0], [0, 0], [0, 0]),
    ("the", ["an"], [1, 0], [1, 1], [1, 1]),
    ("...", ["A"], [1, 0], [1, 1], [1, 1]),
    ("white", ["white", "black"], [1, 1], [0.5, 0.5], [0.5, 0.5]),
    ("white", ["white", "white"], [1, 1], [1, 1], [1, 1]),
    ("white", ["white", "WHITE", "black"], [1, 1], [1, 1], [0.5, 0.5]),
    ("white", ["white", "white.", "black"], [1, 1], [1, 1], [1, 1]),
    ("white", ["white", "black", "grey", "red"], [1, 1], [0.75, 0.75], [0.75, 0.75]),
    ("in a barn", ["barn", "in the barn", "a barn", "Barn"], [1, 1], [0.75, 11 / 12], [2 / 3, 8 / 9]),
    ("white\nQ: And?", ["white"], [0, 0.5], [0, 0.5], [1, 1]),
    ("\n white \nblack", ["white"], [0, 2 / 3], [0, 2 / 3], [1, 1]),
    ("x x y", ["x x x"], [0, 2 / 3], [0, 2 / 3], [0, 2 / 3]),
    ("the_end", ["theend"], [1, 1], [1, 1], [1, 1]),
    ("a-n", ["an"], [1, 0], [1, 1], [1, 1]),
    ("U.S.A.", ["usa", "the US"], [1, 1], [0.5, 0.5], [0.5, 0.5]),
    ("", ["", "white"], [1, 0], [0.5, 0.5], [0.5, 0.5]),
    ("10,000", ["10000"], [1, 1], [1, 1], [1, 1]),
    ("$5.00", ["500", "5"], [1, 1], [0.5, 0.5], [0.5, 0.5]),
]

NORMALIZED = [
    ("", ""), ("a an the", ""), ("The", ""), ("  x \t\n y ", "x y"), ("a.b", "ab"), ("a b", "b"), ("an-a", "ana"),
    ("theatre", "theatre"), ("a’s", "’s"), ("a—the—an", "— —"), ("“The” x", "“ ” x"), ("éa aé a", "éa aé"),
    ("a\u0301", "\u0301"), ("a\u0363b", "\u0363b"), ("aⓐ", "ⓐ"), ("a²", "a²"), ("a½ aⅣ", "a½ aⅳ"), ("a中", "a中"),
    ("ΟΔΟΣ. ΣΑΣ Σ", "οδος σας σ"), ("İstanbul", "i̇stanbul"), ("ẞ ß STRASSE", "ß ß strasse"), ("_a_ a_", ""),
    ("x\u001cy\u001fz\u0085w\u00a0v\u3000u\u2028t", "x y z w v u t"), ("x\u200by\ufeffz", "x\u200by\ufeffz"),
    (string.punctuation, ""), ("¿Qué?", "¿qué"), ("a\u00a0b", "b"), ("ＴＨＥ", "ｔｈｅ"), ("a🙂an", "🙂"), ("the\u200dthe", "\u200d"),
    ("\u0661a a\u0966", "\u0661a a\u0966"), ("1 a 1", "1 1"), ("A A A x", "x"), ("thé the", "thé"), ("ª a", "ª"), ("ªa", "ªa"),
]

WORDS = (
    "a an the A The AN white barn cotton cat in of yes no unknown two 2 1,000 3.5 $10 U.S. it's don't mother-in-law "
    "Paris 北京 café naïve Straße ΣΑΣ İzmir “quoted” — – … ’s a’s the_end the. .a a, - ' \" !? ½ 5² ⓐ éa "
    "on under orange farm hay brown looked like Mr. she her his 1999 10:30 50% & he/she"
).split()
SPACES = [" "] * 9 + ["  ", "\t", "\u00a0", "\n", "", "\u001e"]


def phrase(rng):
    parts = []
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 6, 9])):
        parts += [rng.choice(WORDS), rng.choice(SPACES)]
    return "".join(parts)


def varied(rng, text):
    change = rng.randrange(9)
    if change == 0:
        return text.upper()
    if change == 1:
        return rng.choice(["the ", "a ", "An ", " "]) + text
    if change == 2:
        return text + rng.choice([".", "!", " ", "\n", "\nQ: x", "’"])
    if change == 3:
        return " ".join(rng.sample(text.split(), len(text.split())))
    if change == 4:
        return " ".join(text.split()[1:])
    if change == 5:
        return text + " " + phrase(rng)
    if change == 6:
        return phrase(rng)
    return text


def case(rng):
    base = phrase(rng)
    references = [varied(rng, base) for _ in range(rng.choice([1, 1, 2, 3, 4, 4, 4, 5]))]
    return varied(rng, base), references


def main():
    harness = load_harness(sys.argv[1])
    rng = random.Random(20190214)
    cases = [known[:2] for known in KNOWN] + [case(rng) for _ in range(400)]
    out = []
    for prediction, references in cases:
        scores = {"squad": squad, "coqa": coqa, "harness": harness}
        row = {name: rule(prediction, references) for name, rule in scores.items()}
        assert row["harness"] == harness_by_hand(prediction, references), (prediction, references)
        out.append({"prediction": prediction, "references": references, **row})
    for (prediction, references, *expected), row in zip(KNOWN, out):
        for name, pair in zip(("squad", "coqa", "harness"), expected):
            assert all(abs(x - y) < 1e-15 for x, y in zip(pair, row[name])), (prediction, references, name, row)
    for text, expected in NORMALIZED:
        assert normalize(text) == expected, (text, normalize(text), expected)
    texts = [text for text, _ in NORMALIZED] + [phrase(rng) + rng.choice(WORDS) + phrase(rng) for _ in range(100)]
    golden = {
        "made_by": "crates/text-metrics/tests/golden/make_answers.py; harness: lm_eval 0.4.13, transformers 4.57.1",
        "normalized": [[text, normalize(text)] for text in texts],
        "cases": out,
    }
    path = pathlib.Path(__file__).with_name("answers.json")
    rows = lambda values: ",\n".join(json.dumps(value) for value in values)
    path.write_text(
        '{{"made_by": {},\n"normalized": [\n{}\n],\n"cases": [\n{}\n]}}\n'.format(
            json.dumps(golden["made_by"]), rows(golden["normalized"]), rows(golden["cases"])
        )
    )
    same = sum(row["coqa"] != row["harness"] for row in out)
    mixed = sum(0 < row["coqa"][1] < 1 for row in out)
    print(f"{len(out)} cases, {len(texts)} texts; coqa != harness in {same}, 0 < coqa F1 < 1 in {mixed}; {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
