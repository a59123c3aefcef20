"""Writes moses.json: invented texts of every awkward kind, and their tokens by sacremoses.

    pip install sacremoses==0.2.0 && python3 make_moses.py
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

from sacremoses import MosesTokenizer

SACREMOSES = "0.2.0"
SEED = 20140626
RECOMBINED = 240  # of each language

SENTENCES = {
    "en": """
        Don't tell Mrs. Pym's cousins that the ferry won't sail until 6 p.m. on Friday.
        "We've had 1,204 letters," said the postmaster, "and I'd answer them all if they weren't so dull."
        The dogs' kennel -- painted in the 1980's -- cost £3.50, or $4.75 (about 5% of Ed's wages).
        No. 7 has a blue door; No one lives there. See pp. 12-14, Art. 3 and art. IV.
        He wrote to R. L. Harkness, Ph.D., of the U.S.S. Marigold... and waited....
        Is this the well-known, state-of-the-art kettle?! "Yes", they replied. 'No', he thought.
        Visit https://www.example.org/a_b?c=1&d=2#e or write to marta.o'neil@example.com, please.
        Rock 'n' roll, '68, o'clock, y'all'd've, Jones's, 5's, 5't, 5'10", it's'.
        [sic] {curly} <b>bold</b> (round) | pipe \\ slash/back ~ tilde ^ caret * star + plus = equal _ low
        R&D at AT&T cost 50 % more; C++ & C# are #1 @work &amp; &quot;home&quot;.
        He said: 'It is the end.'
        She added, "so it is."
        The value is 3.14159, not 3,14159 nor 3 . 14; version 2.0.1 came at 10:45.
        Jan. 3, Feb. 30 and Sept. 9 are dates; Messrs. Able vs. Baker is not, i.e. it is a case, e.g. in law.
        “Curly quotes” and ‘single ones’ aren’t ASCII—neither are dashes – or ellipses…
        A sentence. another one. Third one. 4th one. $5 one. état one. Ünder one. ßo one.
    """,
    "fr": """
        L'eau qu'on boit aujourd'hui n'est pas celle d'hier, c'est-à-dire l'an passé.
        «\u00a0Entrez donc\u00a0!\u00a0» cria-t-il\u00a0; personne n'entra\u2026
        Le pont mesure 1\u00a0234,5 m et coûte 12,5\u00a0% de plus, soit 3,2\u202fM€.
        M. Dupré et Mme. Lenoir, cf. p. 12, chap. 3, éd. rev., etc. Puis rien.
        Jusqu'où l'œuvre d'Éloïse s'étend-elle, s'il vous plaît ? « Jusqu'à l'Isère », dit l'Ânesse.
        L’apostrophe courbe n’est pas l'apostrophe droite ; 'guillemets' et "guillemets".
        Il est né le 1er mai 1902 av. J.-C. (p.ex. ou c.-à-d. jamais), N.B. sans suite. T.S.V.P.
        Tél. : 01.23.45.67.89 ; vol. 2, fig. 7. Voir n/réf. 44 — ou bien – non.
        L' espace, l'1, d'«or», qu'', 'tit, 12', 5'3, l'«aube'.
        Rendez-vous à http://exemple.fr/l'ete?x=1,2 !
        C'est la fin.'
        Elle dit : 'oui.' '
    """,
    "de": """
        Wie geht's Herrn Dr. Öztürk und Prof. h.c. Über? Gut, sagt er, z.B. am 3. Mai bzw. am 100. Tag.
        „Das kostet 1.234,50 €“, rief sie, ‚nicht mehr‘ – und 12,5% Rabatt!
        Karl V. und Heinrich XXI. trafen Ludwig XIV. um 18.30 Uhr, d.h. zu spät usw. Danach nichts.
        Ku'damm, Hans' Haus, 's war's, 90'er, »so'n Quatsch«.
        Ca. 5 Mio. Euro, ca. 3 Mrd. Dollar, Nr. 7, Art. 1 Abs. 2 GG, vgl. S. 3 ff. u.a.m.
        Die Straßen-/Wegenutzung (s.o.) beträgt 2.000.000,00 qm; 1/2, ½ und 3² auch.
        Groß- und Kleinschreibung ... macht's aus. ähnlich. Ähnlich. 99. Hundert.
        „Schluss.“ 'Schluss.' "Schluss."
        Das Ende.'
    """,
}

# Of no language: these are tokenized as all three.
ODD = [
    "", " ", "\t\n", "\u00a0", ".", "..", "...", ". . .", "'", "''", "`'", ",", ",,,", "-", "--", ".'",
    "..'", " .' ", "a.'", "a .'", "a. '", "'.'", "A.B.C.", "a.b.", "1.b.", "1.2.", ".a.", "..a.", "a..",
    "a...b", "a.. .b", "....'", "DOTMULTI", "xDOTDOTMULTIx", "DOT MULTI", "... DOTMULTI", "DOT...", "5,",
    ",5", "5,5", "5,a", "a,5", "a,b,c,d", "5,,5", "²,³", "½,٣", "5,\u00a05", "a\u0000b\u0007c",
    "a \u0001 b", "a\u001cb\u001d\u001fc", "a\u0085b\u2028c", "a\u200bb\ufeffc", "a\u00adb",
    "e\u0301t\u0301", "a\u0363'b", "東京は、雨。", "서울, 비.", "カタカナ'ひらがな", "Привет, мир. да.", "שלום. a",
    "नमस्ते'नमः.", "ა. ბ", "b. ◌x", "x. ʕʕ", "\U0001d400.\U0001d41a.", "𐐨 a. 𐐨", "👩\u200d👩 🇫🇷.", "a.🙂.",
    "№ 5.", "x. ª", "ⅷ, ⅷ", "Ⅷ. ⅷ.", "①,②", "a'①", "①'s", "١'s", "\u00b4a´ `b` ``c''", "No. 5", "No. ٥",
    "No. V", "No.", "Nr. x", "pp. 5a", "Nos. V", "St. X.", "st. X", "e.g. X", "eg. X", "#. X", "a.#.",
]

MARKS = """. , ; : ! ? ... .. -- - ' '' " ( ) [ ] { } / \\ @ # $ % ^ & * _ + = | ~ ` < > « » „ “ ” ’ … – — € £ § °
    """.split()
GLUE = [""] * 3 + [" "] * 7 + ["  ", "\u00a0", "\u202f", "\t", "\u200b", ",", ".", "'", "-", "\x1f"]


def recombined(rng, words):
    text = ""
    for _ in range(rng.randint(1, 12)):
        text += rng.choice(MARKS if rng.random() < 0.25 else ODD if rng.random() < 0.1 else words) + rng.choice(GLUE)
    return text


def main():
    assert version("sacremoses") == SACREMOSES, version("sacremoses")
    rng = random.Random(SEED)
    triples = []
    for language, block in SENTENCES.items():
        # Only line ends separate: the sentences keep their no-break spaces.
        sentences = [line.strip(" ") for line in block.split("\n") if line.strip(" ")]
        words = [word for sentence in sentences for word in sentence.split(" ")]
        foreign = [sentence for other in SENTENCES if other != language
                   for sentence in SENTENCES[other].split("\n")[1:4]]
        texts = sentences + foreign + ODD + [recombined(rng, words) for _ in range(RECOMBINED)]
        tokenizer = MosesTokenizer(language)
        # The list, not the string: the string has stray spaces around a final `.'`.
        triples += [[language, text, " ".join(tokenizer.tokenize(text, escape=False))] for text in texts]
    lines = ",\n".join(json.dumps(triple) for triple in triples)
    made_by = f"crates/text-metrics/tests/golden/make_moses.py; sacremoses {SACREMOSES}"
    path = Path(__file__).with_name("moses.json")
    path.write_text(f'{{"made_by": "{made_by}",\n"triples": [\n{lines}\n]}}\n', encoding="ascii")
    print(f"{path}: {len(triples)} triples")


if __name__ == "__main__":
    main()
