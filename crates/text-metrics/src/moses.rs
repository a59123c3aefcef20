//! Moses's tokenizer for English, French and German, on whose tokens papers of 2019 computed BLEU.
//!
//! The rules, their order and their mistakes are those of sacremoses 0.2.0, `MosesTokenizer(lang).tokenize(text,
//! escape=False)` (<https://github.com/hplt-project/sacremoses>, MIT licence), the Python port of Moses's
//! `tokenizer.perl`. No known Rust crate does this. The lists of abbreviations in `moses/*.txt` name their
//! source and licence.

use std::sync::LazyLock;

use regex::Regex;

/// The language that decides on apostrophes and abbreviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `don't` becomes `don 't`.
    English,
    /// `l'eau` becomes `l' eau`.
    French,
    /// Every apostrophe is a token.
    German,
}

/// Moses's tokens of `text`, separated by single spaces and not escaped (`&` stays `&`).
///
/// Equal to sacremoses, except that sacremoses leaves extra spaces around the last tokens of a text that ends in `.'`.
pub fn moses_tokenize(text: &str, language: Language) -> String {
    let text = hide_dots(&rewrite(text, &SEPARATE));
    let text = rewrite(&text, &COMMAS);
    let text = match language {
        Language::English => rewrite(&text, &ENGLISH_APOSTROPHES),
        Language::French => rewrite(&text, &FRENCH_APOSTROPHES),
        Language::German => text.replace('\'', " ' "),
    };
    let text = split_full_stops(&text, language);
    let text = match text.strip_suffix(".'") {
        Some(before) => format!("{} . '", before.trim_end()),
        None => text,
    };
    show_dots(text.trim_start())
}

// ---- character classes ----------------------------------------------------------------------------------------
// sacremoses carries lists of the characters of Perl's classes, made about 2014. These expressions are equal to the
// lists, character by character, also where regex comes to know a later Unicode.

/// `IsAlpha`: letters of Unicode 7 in the first plane, neither Chinese characters nor Hangul syllables (so each of
/// those becomes a token), and the signs of Indic scripts that sacremoses adds.
const ALPHA: &str =
    r"[[\p{Alphabetic}&&\p{Age=7.0}&&[\x{0}-\x{FFFF}]--[\p{Han}\x{AC00}-\x{D7A3}<later>]]<added>]";

/// Characters older than Unicode 7 that only became alphabetic after it.
const LATER: &str = "\u{363}-\u{36f}\u{f82}\u{f83}\u{1063}\u{1064}\u{1069}-\u{106d}\u{1087}-\u{108d}\u{108f}\
    \u{109a}\u{109b}\u{1c36}\u{1dd3}-\u{1de6}\u{a802}\u{a80b}\u{a9e5}\u{aa7b}-\u{aa7d}";

/// Viramas, nuktas, and two characters that are in the lists for no visible reason.
const ADDED: &str = "\u{93c}\u{94d}\u{9bc}\u{9cd}\u{a3c}\u{a4d}\u{abc}\u{acd}\u{afd}-\u{aff}\u{b3c}\u{b4d}\u{bcd}\
    \u{c4d}\u{cbc}\u{ccd}\u{d3b}\u{d3c}\u{d4d}\u{dca}\u{eba}\u{1039}\u{135f}\u{1714}\u{1bab}\u{1c37}\u{25cc}\u{a8c4}\
    \u{a953}\u{aaf6}\u{10a3f}\u{11046}\u{110b9}\u{110ba}\u{11133}\u{11173}\u{111c0}\u{111ca}\u{11235}\u{11236}\
    \u{112e9}\u{112ea}\u{1133c}\u{1134d}\u{11442}\u{11446}\u{114c2}\u{114c3}\u{115bf}\u{115c0}\u{1163f}\u{116b6}\
    \u{116b7}\u{11839}\u{1183a}\u{119e0}\u{11a34}\u{11c3f}\u{11d42}\u{11d45}\u{11d97}\u{1e94a}";

/// `IsAlnum`: [`ALPHA`] and decimal digits.
const ALNUM: &str = r"[<alpha>[\p{Nd}&&\p{Age=7.0}&&[\x{0}-\x{FFFF}]]]";

/// `IsN`: everything that writes a number, `²` and `½` too.
const NUMBER: &str = r"[\p{N}&&\p{Age=7.0}&&[\x{0}-\x{FFFF}]--\p{Han}]";

/// `IsLower`: small letters of Unicode 9; Georgian has had capitals only since Unicode 11.
const LOWER: &str = r"[[\p{Lowercase}&&\p{Age=9.0}--[\x{10D0}-\x{10FA}\x{10FC}-\x{10FF}]]\x{295}\x{25CC}]";

/// Compiles `pattern`, in which names in angle brackets are character classes.
fn compile(pattern: &str) -> Option<Regex> {
    let pattern = pattern.replace("<alnum>", ALNUM).replace("<alpha>", ALPHA).replace("<number>", NUMBER);
    Regex::new(&pattern.replace("<later>", LATER).replace("<added>", ADDED)).ok()
}

// ---- rewrite rules --------------------------------------------------------------------------------------------

/// A pattern and its replacement.
type Rule = (Regex, &'static str);

fn rules(patterns: &[(&str, &'static str)]) -> Vec<Rule> {
    patterns.iter().filter_map(|(find, replace)| Some((compile(find)?, *replace))).collect()
}

fn rewrite(text: &str, rules: &[Rule]) -> String {
    rules.iter().fold(text.to_owned(), |text, (find, replace)| find.replace_all(&text, *replace).into_owned())
}

/// Replaces white space (Python's) by single spaces, drops control characters, and separates everything except letters,
/// digits and five marks that later rules handle.
static SEPARATE: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (r"[\s\x1C-\x1F]+", " "),
        (r"[\x00-\x1F]", ""),
        (r"^ +| +$", ""),
        (r"([^<alnum>\s.'`,\-])", " ${1} "),
    ])
});

/// Separates commas, except between two numbers.
static COMMAS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[(r"([^<number>]),", "${1} , "), (r",([^<number>])", " , ${1}"), (r"(<number>),$", "${1} , ")])
});

static ENGLISH_APOSTROPHES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (r"([^<alpha>])'([^<alpha>])", "${1} ' ${2}"),
        (r"([^<alpha><number>])'(<alpha>)", "${1} ' ${2}"),
        (r"(<alpha>)'([^<alpha>])", "${1} ' ${2}"),
        (r"(<alpha>)'(<alpha>)", "${1} '${2}"),
        (r"(<number>)'(s)", "${1} '${2}"),
    ])
});

static FRENCH_APOSTROPHES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    rules(&[
        (r"([^<alpha>])'([^<alpha>])", "${1} ' ${2}"),
        (r"([^<alpha>])'(<alpha>)", "${1} ' ${2}"),
        (r"(<alpha>)'([^<alpha>])", "${1} ' ${2}"),
        (r"(<alpha>)'(<alpha>)", "${1}' ${2}"),
    ])
});

// ---- dots -----------------------------------------------------------------------------------------------------

/// Replaces two or more dots in a row by a word (`DOTDOTMULTI` for two) that the other rules leave alone.
fn hide_dots(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("..") {
        let after = rest[start..].trim_start_matches('.');
        let dots = rest.len() - start - after.len();
        hidden.push_str(&rest[..start]);
        hidden.push(' ');
        hidden.push_str(&"DOT".repeat(dots));
        hidden.push_str(if after.is_empty() { "MULTI" } else { "MULTI " });
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

/// Undoes [`hide_dots`]; a `DOTMULTI` of the text itself becomes a dot, as in sacremoses and Moses.
fn show_dots(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(end) = rest.find("DOTMULTI") {
        let before = rest[..end].trim_end_matches("DOT");
        shown.push_str(before);
        shown.push_str(&".".repeat(1 + (end - before.len()) / 3));
        rest = &rest[end + "DOTMULTI".len()..];
    }
    shown.push_str(rest);
    shown
}

/// Makes a full stop at the end of a word a token, unless [`keeps_full_stop`].
fn split_full_stops(text: &str, language: Language) -> String {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut split = String::with_capacity(text.len() + 2);
    for (index, token) in tokens.iter().enumerate() {
        if index > 0 {
            split.push(' ');
        }
        let next = tokens.get(index + 1).copied().unwrap_or_default();
        match token.strip_suffix('.') {
            Some(word) if !word.is_empty() && !keeps_full_stop(word, next, language) => {
                split.push_str(word);
                split.push_str(" .");
            }
            _ => split.push_str(token),
        }
    }
    split
}

/// Whether the full stop after `word` belongs to it: the word contains a dot and a letter, is a known abbreviation, or
/// the next token (`next`, empty at the end) starts with a lower-case letter.
fn keeps_full_stop(word: &str, next: &str, language: Language) -> bool {
    static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| compile("<alpha>"));
    static SMALL: LazyLock<Option<Regex>> = LazyLock::new(|| compile(&format!("^{LOWER}")));
    let matches = |regex: &Option<Regex>, text| regex.as_ref().is_some_and(|regex| regex.is_match(text));
    word.contains('.') && matches(&LETTER, word)
        || is_abbreviation(word, next, language)
        || matches(&SMALL, next)
}

/// Whether `word` is in the language's list, and a digit follows where the list asks for one.
fn is_abbreviation(word: &str, next: &str, language: Language) -> bool {
    let list = match language {
        Language::English => include_str!("moses/en.txt"),
        Language::French => include_str!("moses/fr.txt"),
        Language::German => include_str!("moses/de.txt"),
    };
    let mut lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.any(|line| match line.strip_suffix(" #NUMERIC_ONLY#") {
        Some(prefix) => prefix == word && next.starts_with(|first: char| first.is_ascii_digit()),
        None => line == word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: Language, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(moses_tokenize(text, language), *expected, "{text:?}");
        }
    }

    #[test]
    fn all_rules_compile() {
        assert_eq!((SEPARATE.len(), COMMAS.len()), (4, 3));
        assert_eq!((ENGLISH_APOSTROPHES.len(), FRENCH_APOSTROPHES.len()), (5, 4));
        assert!(compile("<alpha>").is_some() && Regex::new(LOWER).is_ok());
    }

    #[test]
    fn each_language_has_its_apostrophes() {
        check(
            Language::English,
            &[
                ("Don't!", "Don 't !"),
                ("the dogs' 1990's", "the dogs ' 1990 's"),
                ("'so' (it's)", "'so ' ( it 's )"),
                ("the end.'", "the end . '"),
                (".'", ". '"),
            ],
        );
        check(Language::French, &[("L'eau d'aujourd'hui.", "L' eau d' aujourd' hui .")]);
        check(Language::German, &[("Wie geht's?", "Wie geht ' s ?")]);
    }

    #[test]
    fn commas_stay_within_numbers() {
        check(Language::English, &[("1,000,5 a,b 3, x,3 5,", "1,000,5 a , b 3 , x , 3 5 ,"), (",", ",")]);
    }

    #[test]
    fn full_stops_stay_with_abbreviations() {
        check(
            Language::English,
            &[
                ("Dr. No met the U.S. Mr. X.", "Dr. No met the U.S. Mr. X."),
                ("No. 5 has no. No. It ends.", "No. 5 has no . No . It ends ."),
                ("Pages end. so do books.", "Pages end. so do books ."),
                ("Wait... what.. .", "Wait ... what .. ."),
                ("3.14. A 3.", "3.14 . A 3 ."),
            ],
        );
        check(Language::French, &[("p.ex. cf. No. 5", "p.ex. cf. No . 5")]);
        check(Language::German, &[("Am 3. Mai z.B. 100. Mal", "Am 3. Mai z.B. 100 . Mal")]);
    }

    #[test]
    fn unusual_characters_are_separated_or_dropped() {
        check(
            Language::French,
            &[
                ("", ""),
                (" \u{a0}\n", ""),
                ("«\u{a0}Oui\u{a0}»\u{1c}\u{1}non", "« Oui » non"),
                ("R&D <b> 5% $3 a-b", "R & D < b > 5 % $ 3 a-b"),
                ("東京 e\u{301}", "東 京 e \u{301}"),
                ("xDOTMULTI", "x."),
            ],
        );
    }
}
