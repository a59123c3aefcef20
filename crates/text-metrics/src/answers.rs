//! Scores of short answers against reference answers: `SQuAD` v1.1, CoQA and lm-evaluation-harness.
//!
//! All scores are fractions in 0..=1. The three rules share [`normalize_answer`] and differ in two points:
//!
//! | | tokens on neither side | several references |
//! |---|---|---|
//! | [`squad_f1`] | F1 is 0 (exact match is 1) | maximum |
//! | [`coqa_score`] | F1 is 1 | leave one out, duplicates kept |
//! | [`coqa_harness_score`] | F1 is 1 | leave one out, duplicates dropped |

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use untrusted_input::{is_python_space, strip};

/// Exact match and F1 of one answer, both in 0..=1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AnswerScore {
    /// Fraction of the reference sets in which one reference equals the answer after [`normalize_answer`].
    pub exact_match: f64,
    /// Bag-of-words F1 against the best reference, averaged over the reference sets.
    pub f1: f64,
}

/// Normalizes an answer for comparison: lower case, then no ASCII punctuation, then no words `a`, `an` and `the`, then
/// single spaces.
///
/// Equal to `normalize_answer` of the evaluation scripts of `SQuAD` v1.1 and CoQA: `the_end` becomes `theend`, `A.`
/// becomes empty, and `a—b` (not ASCII) becomes ` —b`.
pub fn normalize_answer(text: &str) -> String {
    let mut text = text.to_lowercase();
    text.retain(|character| !character.is_ascii_punctuation());
    let text = without_articles(&text);
    let words: Vec<&str> = text.split(is_python_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// 1 if `prediction` equals a reference after [`normalize_answer`], else 0 (no references: 0).
///
/// `exact_match_score` under `metric_max_over_ground_truths` of the `SQuAD` v1.1 evaluation script.
pub fn squad_exact_match(prediction: &str, references: &[&str]) -> f64 {
    let prediction = normalize_answer(prediction);
    indicator(references.iter().any(|reference| normalize_answer(reference) == prediction))
}

/// Bag-of-words F1 in 0..=1 against the best reference (no references: 0).
///
/// `f1_score` under `metric_max_over_ground_truths` of the `SQuAD` v1.1 evaluation script: 0 without a common
/// word, even where neither side has words.
pub fn squad_f1(prediction: &str, references: &[&str]) -> f64 {
    let prediction = normalize_answer(prediction);
    maximum(references.iter().map(|reference| overlap_f1(&prediction, &normalize_answer(reference))))
}

/// Score of one turn by CoQA's `evaluate-v1.0.py`: leaves each reference out in turn, takes the maximum over the others,
/// and averages. People, who are compared with the other references, and models thus face equally many.
///
/// Duplicates are kept. A single reference is compared directly; without references both scores are 0. Where
/// either side has no words, F1 is 1 if both have none, else 0.
pub fn coqa_score(prediction: &str, references: &[&str]) -> AnswerScore {
    let prediction = normalize_answer(prediction);
    let scores: Vec<AnswerScore> = references
        .iter()
        .map(|reference| {
            let reference = normalize_answer(reference);
            AnswerScore {
                exact_match: indicator(reference == prediction),
                f1: if reference.is_empty() || prediction.is_empty() {
                    indicator(reference == prediction)
                } else {
                    overlap_f1(&prediction, &reference)
                },
            }
        })
        .collect();
    AnswerScore {
        exact_match: leave_one_out(&scores, |score| score.exact_match),
        f1: leave_one_out(&scores, |score| score.f1),
    }
}

/// Score of one turn as `process_results` of the task `coqa` of lm-evaluation-harness 0.4.13 computes it.
///
/// Only the first line of the stripped prediction counts. References that equal an earlier one in lower case are
/// dropped; for the rest it is [`coqa_score`]. `references` starts with the turn's own answer, the additional
/// answers follow.
pub fn coqa_harness_score(prediction: &str, references: &[&str]) -> AnswerScore {
    let prediction = strip(prediction).split('\n').next().unwrap_or_default();
    let mut seen = HashSet::new();
    let references: Vec<&str> =
        references.iter().copied().filter(|reference| seen.insert(reference.to_lowercase())).collect();
    coqa_score(prediction, &references)
}

/// 1 if `prediction` equals a reference as the task `nq_open` of lm-evaluation-harness 0.4.13 compares them, else 0.
///
/// Removes white space around the prediction, then on both sides the articles that its regular expression lists, then
/// case and ASCII punctuation. Other white space stays.
pub fn harness_nq_exact_match(prediction: &str, references: &[&str]) -> f64 {
    let prediction = without_harness_articles(strip(prediction));
    indicator(references.iter().any(|reference| without_harness_articles(reference) == prediction))
}

fn without_harness_articles(text: &str) -> String {
    static ARTICLES: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b(?:The |the |An |A |The |a |an )").ok());
    let text = match ARTICLES.as_ref() {
        Some(articles) => articles.replace_all(text, "").to_lowercase(),
        None => text.to_lowercase(),
    };
    text.chars().filter(|character| !character.is_ascii_punctuation()).collect()
}

/// Replaces every match of Python's `\b(a|an|the)\b` by a space.
///
/// A match is always a maximal sequence of word characters.
fn without_articles(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_word_character(c)).unwrap_or(rest.len()));
        kept.push_str(if matches!(word, "a" | "an" | "the") { " " } else { word });
        let (between, next) = after.split_at(after.find(is_word_character).unwrap_or(after.len()));
        kept.push_str(between);
        rest = next;
    }
    kept
}

/// `\w` of Python's `re`: letters and numbers by general category, and the underscore.
///
/// Rust, unlike Python, also counts the vowel signs and symbols that Unicode calls alphabetic. Those that can follow a
/// Latin letter are excluded here; a vowel sign of another script right after `a`, `an` or `the` still differs.
fn is_word_character(character: char) -> bool {
    let mark_or_symbol = matches!(character,
        '\u{345}' | '\u{363}'..='\u{36f}' | '\u{1abf}'..='\u{1ac0}' | '\u{1acc}'..='\u{1ace}'
        | '\u{1dd3}'..='\u{1df4}' | '\u{24b6}'..='\u{24e9}' | '\u{2de0}'..='\u{2dff}'
        | '\u{1f130}'..='\u{1f149}' | '\u{1f150}'..='\u{1f169}' | '\u{1f170}'..='\u{1f189}');
    character == '_' || (character.is_alphanumeric() && !mark_or_symbol)
}

/// F1 of two normalized texts as bags of words; 0 if they share no word.
fn overlap_f1(prediction: &str, reference: &str) -> f64 {
    let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).count();
    let mut unmatched: HashMap<&str, usize> = HashMap::new();
    for word in reference.split(' ').filter(|word| !word.is_empty()) {
        *unmatched.entry(word).or_default() += 1;
    }
    let mut common = 0_usize;
    for word in prediction.split(' ') {
        if let Some(count) = unmatched.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 {
        return 0.0;
    }
    let precision = common as f64 / words(prediction) as f64;
    let recall = common as f64 / words(reference) as f64;
    (2.0 * precision * recall) / (precision + recall)
}

/// Mean, over the scores, of the maximum of the others. A single score is returned as it is; no scores give 0.
fn leave_one_out(scores: &[AnswerScore], value: impl Fn(&AnswerScore) -> f64) -> f64 {
    if let [only] = scores {
        return value(only);
    }
    let best_without = |left_out| {
        maximum(scores.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, s)| value(s)))
    };
    (0..scores.len()).map(best_without).sum::<f64>() / scores.len().max(1) as f64
}

/// The largest of non-negative `values`; 0 if there are none.
fn maximum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

fn indicator(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(exact_match: f64, f1: f64) -> AnswerScore {
        AnswerScore { exact_match, f1 }
    }

    #[test]
    fn normalizes_in_the_order_of_the_scripts() {
        assert_eq!(normalize_answer(" The  Cat's\u{1f}hat, an  A. "), "cats hat");
        assert_eq!(normalize_answer("the_end U.S.A. a-n"), "theend usa");
        assert_eq!(normalize_answer("a—b “an” théâtre éa ⓐa"), "—b “ ” théâtre éa ⓐ");
        assert_eq!(normalize_answer("ΟΔΟΣ İ"), "οδος i\u{307}");
    }

    #[test]
    fn squad_takes_the_best_reference() {
        assert_eq!(squad_exact_match("The Paris.", &["London", "paris"]), 1.0);
        assert_eq!(squad_f1("in paris", &["London", "Paris"]), 2.0 / 3.0);
        assert_eq!(squad_f1("x x y", &["x x x"]), 2.0 / 3.0);
        assert_eq!((squad_exact_match("yes", &[]), squad_f1("yes", &[])), (0.0, 0.0));
    }

    #[test]
    fn only_coqa_rewards_an_empty_answer() {
        assert_eq!((squad_exact_match("the", &["."]), squad_f1("the", &["."])), (1.0, 0.0));
        assert_eq!(coqa_score("the", &["."]), score(1.0, 1.0));
        assert_eq!(coqa_score("the", &["yes"]), score(0.0, 0.0));
        assert_eq!(coqa_score("yes", &[]), score(0.0, 0.0));
    }

    #[test]
    fn coqa_leaves_one_out_and_keeps_duplicates() {
        assert_eq!(coqa_score("white", &["white"]), score(1.0, 1.0));
        assert_eq!(coqa_score("white", &["white", "black"]), score(0.5, 0.5));
        assert_eq!(coqa_score("white", &["white", "White", "black"]), score(1.0, 1.0));
    }

    #[test]
    fn harness_exact_match_differs_from_squad() {
        assert_eq!(harness_nq_exact_match(" the Beatles. \n", &["Wings", "The Beatles"]), 1.0);
        assert_eq!(harness_nq_exact_match("THE Beatles", &["Beatles"]), 0.0, "not in the list of articles");
        assert_eq!(harness_nq_exact_match("the  Beatles", &["Beatles"]), 0.0, "a space is left");
        assert_eq!(harness_nq_exact_match("", &["A "]), 1.0);
        assert_eq!(harness_nq_exact_match("x", &[]), 0.0);
    }

    #[test]
    fn harness_drops_duplicates_and_later_lines() {
        assert_eq!(coqa_harness_score(" white\nQ: why", &["white", "White", "black"]), score(0.5, 0.5));
        // Only the case is ignored: with a full stop it is another reference.
        assert_eq!(coqa_harness_score("white", &["white", "white.", "black"]), score(1.0, 1.0));
        assert_eq!(coqa_harness_score("white", &["white", "WHITE"]), score(1.0, 1.0));
    }
}
