"""Writes rouge.json: what Google's rouge-score and NLTK's PorterStemmer give for made-up texts and words.

    python3 -m venv /tmp/rouge-venv && /tmp/rouge-venv/bin/pip install rouge-score==0.1.2 nltk==3.10.4
    /tmp/rouge-venv/bin/python make_rouge.py

"pairs": reference, hypothesis, scores without stemming, scores with. Scores are precision, recall and F of rouge1,
rouge2, rougeL and rougeLsum in turn; one number alone stands for twelve times that number.
"stems": word, stem and, where it differs, the stem of the original algorithm.
"""

import importlib.metadata
import json
import random
from pathlib import Path

VERSIONS = {"rouge_score": "0.1.2", "nltk": "3.10.4"}
for package, version in VERSIONS.items():
    found = importlib.metadata.version(package)
    assert found == version, f"{package} {found}, not {version}"

from nltk.stem.porter import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer

random.seed(20190214)

STEMS = """abat act adjust admir agree allow analog angul archaeo bl bowdl bus calm care cat ceas commun condit
conflat conform control crim cry decis defens depend differ digit dog dual dy electr emot enjoy fail fall feud fil fizz
fly form formal fulfil geo go good grav hap happ hesit hiss hom homolog hop hope infer irrit joy li log mat model motor
mov nation ob operat or pay philo phras play plaster pon poss predic prob radic rat reg relat replac reviv roll run sens
sensit shi siz sk sky spell spy squ st syzyg tan theo ti toy trad tri troubl try us val vietnam vil wal whisk yell
yy zig""".split()
ENDINGS = """s es ies sses ss ed eed ied ing ings y ying ly al ally alli ational tional ation ations ator ators enci ency
anci ance ances ence izer izers ize ized izing ization bli ably abli ibly able ible ability ibility biliti entli ently
ent ents ement ements ment ant eli ely ousli ously ous ousness alism alist aliti ality iveness ive ives iviti ivity
fulness ful fully fulli icate icated ative alize alized iciti icity ical ically ness nesses ion ions sion tion er ers
ic ics ou ism isms ate ated ates iti ll lled lling tted tting zzed logi logy logies ogi e ee ye yed 's 2 3rd""".split()
FIXED = """sky skies die dies died dying lie lies lying tie ties tying news inning innings outing outings canning
cannings howe proceed proceeds exceed exceeded succeed succeeds feed freed bleed sing king ring bed red ied ies eed ing
ness ful ion ational logi bli alli ally s y a i an as is us be by the was flies spied spies tried yyyy yyyying syzygy
say says saying 1990s 2nd 42 123456 1122ing x86 covid19 aaaa eeee eed0 enjoyed toys oats trees ivy private orrery oaten
alliedalli radicallialli possibly sensibilities rationally goodnesses ably oil ability added adding ended ending off
offed upped upping inned owed owing used using aged icing eyed eying""".split()
UNICODE = """café naïve ÉCOLE İstanbul Kelvin \u212aelvins STRASSE straße ΣΊΣΥΦΟΣ Ångström ﬁne ﬁsh １２３ ａｂｃ Привет 東京 日本語 🙂 ½
co\u0301operate e\u0301t\u00e9 don’t “quoted” a\u00a0b x\u2028y x\u0085y x\u200by ÀÉÎ0 ǅ ſtop ıd dıd I\u0307d""".split(" ")
PUNCTUATION = [".", ",", "!", "--", "'", '"', "(", ")", "&", "\t", "  ", "\r", "_", "#", "%"]


def ended():
    return random.choice(STEMS) + random.choice(ENDINGS)


def noise():
    return "".join(random.choice("aeiouyyylstbcdg0") for _ in range(random.randint(1, 9)))


SMALL = [ended() for _ in range(60)] + random.sample(FIXED, 40) + "the a of and to in it was on for".split() * 4


def word():
    draw = random.random()
    if draw < 0.70:
        chosen = random.choice(SMALL)
    elif draw < 0.85:
        chosen = ended()
    elif draw < 0.93:
        chosen = random.choice(FIXED)
    elif draw < 0.96:
        chosen = random.choice(UNICODE)
    elif draw < 0.98:
        chosen = random.choice(PUNCTUATION)
    else:
        chosen = str(random.randint(0, 3000))
    return random.choice([str, str, str, str, str.capitalize, str.upper])(chosen)


def sentence(low, high):
    words = [word() for _ in range(random.randint(low, high))]
    return " ".join(words) + random.choice(["", ".", " .", "?", "\r", " "])


def text(sentences, low=1, high=12):
    return random.choice(["", "", "", "\n"]) + random.choice(["\n", "\n", "\n", "\n\n", "\n \n"]).join(
        sentence(low, high) for _ in range(sentences)
    )


def inflected(token):
    fitting = [stem for stem in STEMS if len(stem) > 2 and token.lower().startswith(stem)]
    return max(fitting, key=len) + random.choice(ENDINGS) if fitting else token + random.choice(["s", "ed", "ing"])


def edited(reference):
    """Drops, repeats, exchanges and inflects words of a reference, and moves its line ends."""
    keep = random.uniform(0.3, 1.0)
    words = []
    for token in reference.replace("\n", " \n ").split(" "):
        if token == "\n" and random.random() < 0.3:
            continue
        draw = random.random() * keep if token != "\n" else 0
        if draw < 0.30:
            words.append(token)
        elif draw < 0.45:
            words.append(inflected(token))
        elif draw < 0.60:
            words.append(word())
        elif draw < 0.68:
            words += [token, token]
        elif draw < 0.74:
            words.insert(random.randint(0, len(words)), token)
        elif draw < 0.80:
            words += [token, "\n"]
    return " ".join(words)


def pairs():
    for fixed in ["", " ", "\n", "\n\n.\n", "a", "news", "日本", "\u212a", "İ", "ab cd"]:
        for other in ["", "a", "\n", "k i\u0307", "AB\ncd"]:
            yield fixed, other
    for _ in range(25):
        reference = text(random.randint(1, 4))
        yield reference, reference
    for _ in range(40):
        yield word(), word()
    for _ in range(5):
        reference = text(40, 20, 30)
        yield reference, edited(reference)
    yield sentence(1000, 1000), sentence(900, 1000)
    yield text(3), text(60, 10, 20)
    for _ in range(90):
        yield text(random.randint(1, 5)), text(random.randint(1, 5))
    # Few different words: many subsequences of equal length, so that the choice among them shows.
    for _ in range(90):
        letters = random.sample("abcdefg", random.randint(2, 5))
        yield tuple(
            "\n".join(" ".join(random.choices(letters, k=random.randint(1, 14))) for _ in range(random.randint(1, 4)))
            for _ in range(2)
        )
    while True:
        reference = text(random.randint(1, 5))
        yield reference, edited(reference)


KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
SCORERS = [RougeScorer(KINDS, use_stemmer=stemming) for stemming in (False, True)]


def scores(scorer, reference, hypothesis):
    result = scorer.score(reference, hypothesis)
    values = [float(value) for kind in KINDS for value in result[kind]]
    return values[0] if len(set(values)) == 1 else values


def stems():
    words = dict.fromkeys(FIXED)
    while len(words) < 3000:
        made = noise() if random.random() < 0.1 else ended()
        words[made] = None
    nltk, original = PorterStemmer(), PorterStemmer(PorterStemmer.ORIGINAL_ALGORITHM)
    for made in words:
        row = [made, nltk.stem(made), original.stem(made)]
        yield row if row[1] != row[2] else row[:2]


rows = [[*pair, *(scores(scorer, *pair) for scorer in SCORERS)] for pair, _ in zip(pairs(), range(500))]
target = Path(__file__).with_name("rouge.json")
with target.open("w", encoding="utf-8", newline="\n") as out:
    dump = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    out.write('{"versions":' + dump(VERSIONS) + ',\n"pairs":[\n')
    out.write(",\n".join(map(dump, rows)))
    out.write('],\n"stems":' + dump(list(stems())) + "}\n")
print(target, target.stat().st_size)
