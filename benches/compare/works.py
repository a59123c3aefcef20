"""The whole commands that are compared: their records, in our files and in lm-evaluation-harness's form.

A work reads its records once. It writes the first records as a data directory for `gpt2-eval --data`, and as JSON lines
with a task file for lm-evaluation-harness. Both programs then send the model the same requests.
"""

import json
import random
import re
import xml.etree.ElementTree
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional


@dataclass(frozen=True)
class Work:
    """One whole command."""

    name: str
    title: str
    # Our task and protocol, the file that it reads, and its maximal number of records.
    ours: str
    file: str
    max_records: Optional[int]
    unit: str
    # From the data directory to the records; `None` where its file is missing.
    read: Callable[[Path], Optional[list]]
    # The records as the text of our file, and as lm-evaluation-harness's documents.
    to_ours: Callable[[list], str]
    to_theirs: Callable[[list], list]
    # Their task: the installed task file to include, its split, and further lines of the task file.
    include: Optional[str]
    split: str
    body: str
    requests_per_record: int
    # Tokens of the longest request, all of whose logits are kept in memory; 0 for generation.
    longest: int
    # Estimate for lm-evaluation-harness with 117M on two cores; decides how many records are measured.
    seconds_per_record: float
    # Least ratio by precision.
    targets: dict


def read_text(path):
    """The whole file, or `None` where there is none."""
    return path.read_bytes().decode("utf-8") if path.is_file() else None


def read_json_lines(path):
    """The records of a file of JSON lines, or `None` where there is none."""
    text = read_text(path)
    return None if text is None else [json.loads(line) for line in text.split("\n") if line.strip()]


def write_json_lines(records):
    """Records as JSON lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read_winograd(data):
    """The 273 schemas of the collection as the hub's `winograd_wsc` has them."""
    path = data / "winograd" / "WSCollection.xml"
    if not path.is_file():
        return None
    collapsed = lambda parent, name: " ".join((parent.findtext(name) or "").split())
    records = []
    for schema in xml.etree.ElementTree.fromstring(path.read_bytes()).findall("schema")[:273]:
        sentence = schema.find("text")
        left, pronoun, right = (collapsed(sentence, name) for name in ("txt1", "pron", "txt2"))
        records.append(
            {
                "text": " ".join([left, pronoun, right]).strip(),
                "pronoun": pronoun,
                "pronoun_loc": len(left) + 1 if left else 0,
                "options": [" ".join(answer.text.split()) for answer in schema.find("answers")],
                "label": int("B" in collapsed(schema, "correctAnswer")),
            }
        )
    return records


def read_pages(data):
    """The articles of WikiText, which together are the file."""
    text = read_text(data / "wikitext" / "wiki.test.raw")
    if text is None:
        return None
    pages = re.split(r"(?m)^(?= = [^=\n](?:[^\n]*[^=\n])? = $)", text)
    # Text before the first heading belongs to the first article.
    return ["".join(pages[:2]), *pages[2:]]


def pages_to_theirs(pages):
    """Articles in the hub's form: without the empty line before the first and the last line's end between them."""
    pages = [page.removeprefix(" \n") for page in pages]
    return [{"page": page} for page in [*(page.removesuffix("\n") for page in pages[:-1]), pages[-1]]]


BLANK = "XXXXX"
# Our de-tokenizer for books, src/tasks/detokenize.rs.
BOOK_RULES = [
    (r"-LRB- ", "("),
    (r" -RRB-", ")"),
    (r"`` ", '"'),
    (r" ''", '"'),
    (r"` ", "'"),
    (r" n't", "n't"),
    (r" '(s|S|re|ve|ll|m|d|em)\b", r"'\1"),
    (r" ([,.;:!?%)])", r"\1"),
    (r" '($|[ ,.;:!?\"\n])", r"'\1"),
]


def read_questions(data):
    """The questions of the Children's Book Test, each as its 21 lines."""
    for name in ("cbtest_NE_valid.lookalike-300.txt", "cbtest_NE_valid_2000ex.txt"):
        text = read_text(data / "cbt" / name)
        if text is not None:
            lines = [line for line in text.split("\n") if line.strip()]
            return [lines[start : start + 21] for start in range(0, len(lines) - 20, 21)]
    return None


def question_to_theirs(lines):
    """Story and query up to the blank, and every candidate with the rest of the query."""
    query, answer, _, candidates = lines[20].split("\t")
    text = " ".join(line.split(" ", 1)[1] for line in [*lines[:20], query])
    for pattern, replacement in BOOK_RULES:
        text = re.sub(pattern, replacement, text)
    before, after = text.rsplit(BLANK, 1)
    candidates = candidates.split("|")
    choices = [candidate + after for candidate in candidates]
    return {"before": before, "choices": choices, "label": candidates.index(answer)}


WORDS = (
    "the of and to in he was that his it with as had for on at by but from not they she which were her all this have one"
    " so him said them there who their when would more no out up into then what about some could time only little man two"
    " other may upon its now great house old day came made first after down over before long hand way night father water"
    " door garden road letter market boat window river school morning friend table winter green bread horse village"
).split()


def make_stories(_, stories=20, turns=15):
    """Stories and conversations of CoQA's length, sampled from a few words: some 280 words a story."""
    rng = random.Random(0)
    words = lambda low, high: " ".join(rng.choices(WORDS, k=rng.randint(low, high)))
    sentence = lambda: words(8, 20).capitalize() + "."
    return [
        {
            "source": "mctest",
            "id": f"story{number:02}",
            "story": " ".join(sentence() for _ in range(rng.randint(16, 24))),
            "turns": [(words(4, 8).capitalize() + "?", words(1, 4)) for _ in range(turns)],
        }
        for number in range(stories)
    ]


def stories_to_ours(stories):
    """CoQA's own JSON."""
    texts = lambda story, part: [
        {"input_text": turn[part], "turn_id": number} for number, turn in enumerate(story["turns"], 1)
    ]
    data = [
        {key: story[key] for key in ("source", "id", "story")}
        | {"questions": texts(story, 0), "answers": texts(story, 1)}
        for story in stories
    ]
    return json.dumps({"version": "1.0", "data": data})


def stories_to_theirs(stories):
    """The prompt of every turn: the story, the true answers so far and the question."""
    documents = []
    for story in stories:
        prompt = story["story"] + "\n\n"
        for question, answer in story["turns"]:
            prompt += f"Q: {question}\nA:"
            documents.append({"prompt": prompt, "answer": answer})
            prompt += f" {answer}\n"
    return documents


CHOICES = """output_type: multiple_choice
doc_to_text: before
doc_to_target: label
doc_to_choice: choices
target_delimiter: ""
metric_list:
  - metric: acc
"""
ANSWERS = """output_type: generate_until
doc_to_text: prompt
doc_to_target: answer
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 50
  do_sample: false
metric_list:
  - metric: exact_match
"""
SAME = lambda records: records

WORKS = [
    Work(
        name="lambada", title="LAMBADA", ours="lambada:harness", file="lambada/lambada_test.jsonl", max_records=None,
        unit="passages", read=lambda data: read_json_lines(data / "lambada" / "lambada_test.jsonl"),
        to_ours=write_json_lines, to_theirs=SAME, include="lambada/lambada_openai.yaml", split="test", body="",
        requests_per_record=1, longest=210, seconds_per_record=0.09, targets={"f32": 2.0, "bf16x3": 4.0},
    ),
    Work(
        name="winograd", title="Winograd", ours="winograd:harness", file="winograd/wsc273.jsonl", max_records=None,
        unit="schemas", read=read_winograd, to_ours=write_json_lines, to_theirs=SAME, include="wsc273/default.yaml",
        split="test", body="", requests_per_record=2, longest=50, seconds_per_record=0.05, targets={"f32": 2.0},
    ),
    Work(
        name="wikitext", title="WikiText", ours="wikitext2:harness", file="wikitext/wiki.test.raw", max_records=None,
        unit="pages", read=read_pages, to_ours="".join, to_theirs=pages_to_theirs, include="wikitext/wikitext.yaml",
        split="test", body="validation_split: null\n", requests_per_record=5, longest=1024, seconds_per_record=5.5,
        targets={"f32": 1.3, "bf16x3": 2.5},
    ),
    Work(
        name="cbt", title="Children's Book Test, ten candidates a question", ours="cbt-ne:paper",
        file="cbt/cbtest_NE_valid.lookalike-300.txt", max_records=300, unit="questions", read=read_questions,
        to_ours=lambda blocks: "".join("\n".join(block) + "\n\n" for block in blocks),
        to_theirs=lambda blocks: [question_to_theirs(block) for block in blocks], include=None, split="test",
        body=CHOICES, requests_per_record=10, longest=800, seconds_per_record=5.0, targets={"f32": 10.0},
    ),
    Work(
        name="coqa", title="CoQA-shaped stories of 15 turns, at most 50 new tokens", ours="coqa:paper",
        file="coqa/coqa-dev-v1.0.json", max_records=None, unit="stories", read=make_stories, to_ours=stories_to_ours,
        to_theirs=stories_to_theirs, include=None, split="test", body=ANSWERS, requests_per_record=15, longest=0,
        seconds_per_record=14.0, targets={"f32": 6.0},
    ),
    Work(
        name="nq", title="Natural Questions, at most 256 new tokens", ours="nq:harness",
        file="nq_open/NQ-open.dev.jsonl", max_records=None, unit="questions",
        read=lambda data: read_json_lines(data / "nq_open" / "NQ-open.dev.jsonl"), to_ours=write_json_lines,
        to_theirs=SAME, include="nq_open/nq_open.yaml", split="validation", body="", requests_per_record=1, longest=0,
        seconds_per_record=2.2, targets={},
    ),
]


def write_inputs(work, records, folder, installed_tasks):
    """Writes `folder/data/…` for us, and `folder/theirs/` with documents and task file for lm-evaluation-harness."""
    ours = folder / "data" / work.file
    theirs = folder / "theirs"
    ours.parent.mkdir(parents=True, exist_ok=True)
    theirs.mkdir(parents=True, exist_ok=True)
    ours.write_bytes(work.to_ours(records).encode("utf-8"))
    documents = theirs / f"{work.name}.jsonl"
    documents.write_bytes(write_json_lines(work.to_theirs(records)).encode("utf-8"))
    task = f"include: {installed_tasks / work.include}\n" if work.include else ""
    task += f"task: compare_{work.name}\ndataset_path: json\ndataset_name: null\n"
    task += f"dataset_kwargs:\n  data_files:\n    {work.split}: {documents}\n"
    task += f"training_split: null\n{work.split}_split: {work.split}\n{work.body}"
    (theirs / f"compare_{work.name}.yaml").write_text(task)
