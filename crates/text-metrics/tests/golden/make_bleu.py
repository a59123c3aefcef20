"""Makes bleu.json: texts of every awkward kind, and what the sacrebleu package says of them.

    pip install sacrebleu==2.6.0 && python make_bleu.py
"""

import json
import random
import sys
from pathlib import Path

import sacrebleu

SACREBLEU = "2.6.0"
SEED = 20021311
PAIRS = 500

# Name in bleu.json, and sacreBLEU's.
TOKENIZERS = {"mteval_13a": "13a", "none": "none"}

WORDS = """the a of to and in dog cat man bit had it was not that The Paris l'homme n'est aujourd'hui rouge-gorge
    don't well-known state-of-the-art""".split()
NUMBERS = "1,000.5 1.000,5 3.14 .5 5. 10-year 1990-1995 -7 50% $20 1,2,3 ١٢٣,٤ ½ 2²".split()
PUNCTUATION = ". , ; : ! ? ... -- - ' \" ( ) [ ] { } / \\ @ # $ % ^ & * _ + = | ~ ` < > ., ,.".split()
MARKUP = "&amp; &quot; &lt; &gt; &amp;lt; &amp;amp; &nbsp; R&D <skipped> <skip -<skipped>".split()
# Split at spaces only: the first keeps its no-break spaces.
FOREIGN = ("«\u00a0oui\u00a0» « » \u2014 \u2026 \u201cdit\u201d \u2019 œuvre É e\u0301 ß 東京 は、 世界。 안녕 Привет, "
           "\u0645\u0631\u062d\u0628\u0627\u060c 🙂 👩\u200d👩\u200d👧. 🇫🇷").split(" ")
GLUED = "U.S.-based U.S. e.g., Mr.Smith end.Start a,b 3.a a.3 3-a a-3 http://x.org/?a=1&b=2 C++ (it's) \"Oui\",".split()
SEPARATORS = ["  ", "\t", "\n", "-\n", "\r\n", "\u00a0", "\u202f", "\u3000", "\u2028", "\u0085", "\x0b", "\x1c", "\x1f",
              "\u200b", "\ufeff", ""]
# Characters that the rules of mteval-v13a treat differently, to meet each other in every order.
SOUP = ".,.,--0199aé '\n&;<>\"\u00a0٣"


def word(rng):
    kind = rng.random()
    for share, words in ((0.6, WORDS), (0.7, NUMBERS), (0.8, PUNCTUATION), (0.86, MARKUP), (0.93, FOREIGN)):
        if kind < share:
            return rng.choice(words)
    return rng.choice(GLUED)


def join(rng, words, plain):
    """The words, with a space between most of them, and at times something at either end."""
    parts = []
    for each in words:
        parts += [each, " " if plain or rng.random() < 0.85 else rng.choice(SEPARATORS)]
    if parts and rng.random() < 0.8:
        parts.pop()
    if rng.random() < 0.1:
        parts.insert(0, rng.choice(SEPARATORS))
    return "".join(parts)


def altered(rng, words, new, share):
    """The words with about `share` of them dropped, replaced, doubled or moved."""
    result = []
    for each in words:
        if rng.random() >= share:
            result.append(each)
            continue
        change = rng.randrange(4)
        if change == 1:
            result.append(new(rng))
        elif change == 2:
            result += [each] * rng.randint(2, 4)
        elif change == 3:
            result.insert(rng.randint(0, len(result)), each)
    return result


def text_length(rng, index):
    if index % 167 == 0:
        return 2000
    if index % 10 == 1:
        return rng.randint(0, 1)
    return rng.randint(2, 5) if index % 10 == 2 else rng.randint(4, 24)


def make_pair(rng, index):
    """A hypothesis and its references, 2 or 3 of them in every twelfth pair."""
    length = text_length(rng, index)
    if index % 5 == 3:
        new, glue = (lambda r: r.choice(SOUP)), (lambda words: "".join(words))
        length *= 2
    elif length == 2000:
        new, glue = (lambda r: r.choice(WORDS)), (lambda words: join(rng, words, True))
    else:
        plain = rng.random() < 0.5
        new, glue = word, (lambda words: join(rng, words, plain))
    base = [new(rng) for _ in range(length)]
    count = rng.randint(2, 3) if index % 12 == 5 else 1
    references = [glue(altered(rng, base, new, rng.choice([0, 0.1, 0.2])) if k else base) for k in range(count)]
    hypothesis = glue(altered(rng, base, new, rng.choice([0, 0.05, 0.15, 0.3, 0.6])))
    if index % 50 == 7:
        hypothesis = rng.choice(["", " ", "\n", "\u00a0"])
    if index % 50 == 9:
        references = [rng.choice(["", " \t"])]
    if index % 50 == 10:
        hypothesis = glue([new(rng) for _ in range(length)])
    return {"hypothesis": hypothesis, "references": references}


def evaluate(pairs):
    """Score, hypothesis length, reference length, the four correct and the four total counts, by tokenizer."""
    most = max(len(pair["references"]) for pair in pairs)
    hypotheses = [pair["hypothesis"] for pair in pairs]
    # sacreBLEU takes None where a segment has fewer references than others.
    padded = [pair["references"] + [None] * (most - len(pair["references"])) for pair in pairs]
    result = {}
    for name, tokenize in TOKENIZERS.items():
        bleu = sacrebleu.corpus_bleu(hypotheses, [list(stream) for stream in zip(*padded)], smooth_method="exp",
                                     force=True, lowercase=False, tokenize=tokenize, use_effective_order=False)
        result[name] = [bleu.score, bleu.sys_len, bleu.ref_len, *bleu.counts, *bleu.totals]
    return result


def make(seed, count):
    rng = random.Random(seed)
    pairs = [make_pair(rng, index) for index in range(count)]
    for pair in pairs:
        pair |= evaluate([pair])
    # Corpora name their pairs by index: everything, single and several references, short texts, random draws.
    everything = range(count)
    corpora = [
        list(everything),
        [i for i in everything if len(pairs[i]["references"]) > 1],
        [i for i in everything if len(pairs[i]["hypothesis"]) < 20],
        sorted(rng.sample(everything, count // 5)),
        sorted(rng.sample(everything, count // 20)),
    ]
    return pairs, [{"pairs": chosen} | evaluate([pairs[i] for i in chosen]) for chosen in corpora]


def write(path, pairs, corpora):
    def lines(rows):
        return ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)

    path.write_text(f'{{"sacrebleu":"{SACREBLEU}",\n"pairs":[\n{lines(pairs)}\n],\n"corpora":[\n{lines(corpora)}\n]}}\n')


if __name__ == "__main__":
    if sacrebleu.__version__ != SACREBLEU:
        sys.exit(f"sacrebleu {sacrebleu.__version__} is installed; bleu.json is of {SACREBLEU}")
    write(Path(__file__).with_name("bleu.json"), *make(SEED, PAIRS))
