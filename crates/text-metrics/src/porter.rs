//! Porter's suffix stripper: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980.

/// Versions of the algorithm. They differ on few words, but enough to change ROUGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PorterMode {
    /// NLTK's `PorterStemmer` with its default `NLTK_EXTENSIONS`, as used by Google's `rouge-score`.
    Nltk,
    /// The published algorithm, as used by ROUGE-1.5.5.
    Original,
}

use PorterMode::{Nltk, Original};

/// A suffix and its replacement.
type Rule = (&'static str, &'static str);

const STEP_1A: [Rule; 4] = [("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")];

const STEP_2: [Rule; 19] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
];
// No word ends in one of these and in one of `STEP_2`, so their order among those does not matter.
const STEP_2_NLTK: [Rule; 2] = [("bli", "ble"), ("fulli", "ful")];
const STEP_2_ORIGINAL: [Rule; 1] = [("abli", "able")];

const STEP_3: [Rule; 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

// Without "ion", which has a condition of its own.
const STEP_4: [Rule; 18] = [
    ("al", ""),
    ("ance", ""),
    ("ence", ""),
    ("er", ""),
    ("ic", ""),
    ("able", ""),
    ("ible", ""),
    ("ant", ""),
    ("ement", ""),
    ("ment", ""),
    ("ent", ""),
    ("ou", ""),
    ("ism", ""),
    ("ate", ""),
    ("iti", ""),
    ("ous", ""),
    ("ive", ""),
    ("ize", ""),
];

/// The stem of a lower-case word. Everything except a, e, i, o, u and some y counts as a consonant, even digits.
///
/// ```
/// use text_metrics::{PorterMode, porter_stem};
/// assert_eq!(porter_stem("relational", PorterMode::Nltk), "relat");
/// assert_eq!(porter_stem("dying", PorterMode::Nltk), "die");
/// assert_eq!(porter_stem("dying", PorterMode::Original), "dy");
/// ```
pub fn porter_stem(word: &str, mode: PorterMode) -> String {
    if mode == Nltk {
        if let Some(stem) = irregular(word) {
            return stem.to_owned();
        }
        if word.chars().nth(2).is_none() {
            return word.to_owned();
        }
    }
    let mut word = word.to_owned();
    step_1a(&mut word, mode);
    step_1b(&mut word, mode);
    step_1c(&mut word, mode);
    step_2(&mut word, mode);
    apply(&mut word, &STEP_3, 1);
    step_4(&mut word);
    step_5(&mut word, mode);
    word
}

fn irregular(word: &str) -> Option<&'static str> {
    Some(match word {
        "sky" | "skies" => "sky",
        "dying" => "die",
        "lying" => "lie",
        "tying" => "tie",
        "news" => "news",
        "innings" | "inning" => "inning",
        "outings" | "outing" => "outing",
        "cannings" | "canning" => "canning",
        "howe" => "howe",
        "proceed" => "proceed",
        "exceed" => "exceed",
        "succeed" => "succeed",
        _ => return None,
    })
}

/// For every letter, whether it is a consonant: not a, e, i, o, u, nor a y after a consonant.
fn consonants(word: &str) -> impl Iterator<Item = bool> {
    word.chars().scan(false, |after_consonant, letter| {
        *after_consonant = match letter {
            'a' | 'e' | 'i' | 'o' | 'u' => false,
            'y' => !*after_consonant,
            _ => true,
        };
        Some(*after_consonant)
    })
}

/// The paper's m: the number of vowel groups followed by a consonant.
fn measure(word: &str) -> usize {
    let mut after_vowel = false;
    let mut count = 0;
    for consonant in consonants(word) {
        count += usize::from(consonant && after_vowel);
        after_vowel = !consonant;
    }
    count
}

/// The paper's *v*.
fn contains_vowel(word: &str) -> bool {
    consonants(word).any(|consonant| !consonant)
}

/// The paper's *o: consonant, vowel, consonant other than w, x, y. NLTK takes a whole word of vowel, consonant too.
fn ends_cvc(word: &str, mode: PorterMode) -> bool {
    let flags: Vec<bool> = consonants(word).collect();
    match flags.as_slice() {
        [false, true] => mode == Nltk,
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        _ => false,
    }
}

/// The paper's *d: the letter of a double consonant at the end.
fn double_consonant(word: &str) -> Option<char> {
    let mut letters = word.chars().rev();
    let last = letters.next()?;
    (letters.next() == Some(last) && consonants(word).last() == Some(true)).then_some(last)
}

/// Shortens `word` by `suffix`, which it ends in, and adds `replacement`.
fn replace(word: &mut String, suffix: &str, replacement: &str) {
    word.truncate(word.len() - suffix.len());
    word.push_str(replacement);
}

/// The first rule whose suffix matches decides, even where the stem's measure is below `at_least` and the word stays
/// as it is.
fn apply<'a>(word: &mut String, rules: impl IntoIterator<Item = &'a Rule>, at_least: usize) {
    for (suffix, replacement) in rules {
        if let Some(stem) = word.strip_suffix(suffix) {
            if measure(stem) >= at_least {
                replace(word, suffix, replacement);
            }
            return;
        }
    }
}

fn has_four_letters(word: &str) -> bool {
    word.chars().count() == 4
}

/// Plurals.
fn step_1a(word: &mut String, mode: PorterMode) {
    if mode == Nltk && word.ends_with("ies") && has_four_letters(word) {
        return replace(word, "ies", "ie");
    }
    apply(word, &STEP_1A, 0);
}

/// -ed and -ing.
fn step_1b(word: &mut String, mode: PorterMode) {
    if mode == Nltk && word.ends_with("ied") {
        let replacement = if has_four_letters(word) { "ie" } else { "i" };
        return replace(word, "ied", replacement);
    }
    if word.ends_with("eed") {
        return apply(word, &[("eed", "ee")], 1);
    }
    let Some(suffix) = ["ed", "ing"].into_iter().find(|suffix| word.ends_with(suffix)) else { return };
    if !word.strip_suffix(suffix).is_some_and(contains_vowel) {
        return;
    }
    replace(word, suffix, "");
    if ["at", "bl", "iz"].iter().any(|end| word.ends_with(end)) {
        word.push('e');
    } else if let Some(letter) = double_consonant(word) {
        if !['l', 's', 'z'].contains(&letter) {
            word.pop();
        }
    } else if measure(word) == 1 && ends_cvc(word, mode) {
        word.push('e');
    }
}

/// y to i.
fn step_1c(word: &mut String, mode: PorterMode) {
    let becomes_i = word.strip_suffix('y').is_some_and(|stem| match mode {
        Nltk => stem.chars().nth(1).is_some() && consonants(stem).last() == Some(true),
        Original => contains_vowel(stem),
    });
    if becomes_i {
        replace(word, "y", "i");
    }
}

/// Double suffixes to single ones.
fn step_2(word: &mut String, mode: PorterMode) {
    match mode {
        Original => apply(word, STEP_2_ORIGINAL.iter().chain(&STEP_2), 1),
        Nltk => {
            // What -alli leaves goes through the step again: from "radicalli" to "radical".
            while word.strip_suffix("alli").is_some_and(|stem| measure(stem) > 0) {
                replace(word, "alli", "al");
            }
            match word.strip_suffix("ogi") {
                // The l counts as the stem's, so that "geolog" is one.
                Some(stem) if stem.ends_with('l') => {
                    if measure(stem) > 0 {
                        replace(word, "i", "");
                    }
                }
                _ => apply(word, STEP_2_NLTK.iter().chain(&STEP_2), 1),
            }
        }
    }
}

/// Suffixes of long words.
fn step_4(word: &mut String) {
    match word.strip_suffix("ion") {
        Some(stem) => {
            if measure(stem) > 1 && stem.ends_with(['s', 't']) {
                replace(word, "ion", "");
            }
        }
        None => apply(word, &STEP_4, 2),
    }
}

/// A last e, and one l of two.
fn step_5(word: &mut String, mode: PorterMode) {
    if let Some(stem) = word.strip_suffix('e') {
        let measure = measure(stem);
        if measure > 1 || (measure == 1 && !ends_cvc(stem, mode)) {
            word.pop();
        }
    }
    if word.ends_with("ll") && word.strip_suffix('l').is_some_and(|stem| measure(stem) > 1) {
        word.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_examples() {
        for (word, stem) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("agreed", "agre"),
            ("hopping", "hop"),
            ("filing", "file"),
            ("hissing", "hiss"),
            ("happy", "happi"),
            ("conditional", "condit"),
            ("electriciti", "electr"),
            ("adoption", "adopt"),
            ("controll", "control"),
            ("generalizations", "gener"),
        ] {
            assert_eq!(porter_stem(word, Nltk), stem);
            assert_eq!(porter_stem(word, Original), stem);
        }
    }

    #[test]
    fn the_modes_differ() {
        for (word, nltk, original) in [
            ("skies", "sky", "ski"),
            ("dies", "die", "di"),
            ("enjoy", "enjoy", "enjoi"),
            ("possibly", "possibl", "possibli"),
            ("geology", "geolog", "geologi"),
            ("as", "as", "a"),
        ] {
            assert_eq!(porter_stem(word, Nltk), nltk);
            assert_eq!(porter_stem(word, Original), original);
        }
    }

    #[test]
    fn measures() {
        for (word, m) in [("", 0), ("tree", 0), ("by", 0), ("trouble", 1), ("ivy", 1), ("private", 2)] {
            assert_eq!(measure(word), m, "{word}");
        }
    }

    #[test]
    fn any_text_has_a_stem() {
        for word in ["", "s", "é", "ꪪꪪing", "ééed", "yyyy", "1122ing", "ing", "日本ies"] {
            for mode in [Nltk, Original] {
                let _ = porter_stem(word, mode);
            }
        }
    }
}
