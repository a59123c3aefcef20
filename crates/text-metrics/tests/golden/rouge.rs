//! ROUGE and Porter's stemmer against Google's rouge-score and NLTK, and against ROUGE-1.5.5.

use serde::Deserialize;
use text_metrics::{PorterMode, Rouge, RougeScore, Stemming, porter_stem, rouge, rouge_with};

use crate::{say, shared};

/// What `tests/golden/make_rouge.py` wrote.
#[derive(Deserialize)]
struct Golden {
    pairs: Vec<(String, String, Scores, Scores)>,
    stems: Vec<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scores {
    Each([f64; 12]),
    AllEqual(f64),
}

impl Scores {
    fn values(&self) -> [f64; 12] {
        match self {
            Self::Each(values) => *values,
            Self::AllEqual(value) => [*value; 12],
        }
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("rouge.json")).unwrap()
}

fn flat(scores: &[RougeScore]) -> Vec<f64> {
    scores.iter().flat_map(|score| [score.precision, score.recall, score.f1]).collect()
}

fn flat_rouge(rouge: &Rouge) -> Vec<f64> {
    flat(&[rouge.rouge1, rouge.rouge2, rouge.rouge_l, rouge.rouge_lsum])
}

fn largest_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn rouge_equals_google_rouge_score() {
    let golden = golden();
    assert_eq!(golden.pairs.len(), 500);
    let mut largest = 0f64;
    for (index, (reference, hypothesis, plain, stemmed)) in golden.pairs.iter().enumerate() {
        for (stemming, expected) in [(false, plain), (true, stemmed)] {
            let ours = flat_rouge(&rouge(reference, hypothesis, stemming));
            let difference = largest_difference(&ours, &expected.values());
            assert!(difference < 1e-9, "pair {index}, stemming {stemming}: {ours:?}");
            largest = largest.max(difference);
        }
    }
    say(&format!("rouge-score 0.1.2: largest |Δ| on 500 pairs, with and without stemming, is {largest:.2e}"));
}

#[test]
fn stems_equal_nltk() {
    let golden = golden();
    assert_eq!(golden.stems.len(), 3000);
    for row in &golden.stems {
        let (word, nltk) = (&row[0], &row[1]);
        let original = row.get(2).unwrap_or(nltk);
        assert_eq!(porter_stem(word, PorterMode::Nltk), *nltk, "{word}");
        assert_eq!(porter_stem(word, PorterMode::Original), *original, "{word}, original");
    }
}

/// A line of `rouge155_realsumm.derived.jsonl`.
#[derive(Deserialize)]
struct Realsumm {
    id: String,
    hyp: Vec<String>,
    r#ref: Vec<String>,
    rouge155: Rouge155,
    reproduced_porter_only: bool,
}

#[derive(Deserialize)]
struct Rouge155 {
    rouge1_p: f64,
    rouge1_r: f64,
    rouge1_f: f64,
    rouge2_p: f64,
    rouge2_r: f64,
    rouge2_f: f64,
    rougel_p: f64,
    rougel_r: f64,
    rougel_f: f64,
}

impl Rouge155 {
    fn values(&self) -> [f64; 9] {
        [
            self.rouge1_p,
            self.rouge1_r,
            self.rouge1_f,
            self.rouge2_p,
            self.rouge2_r,
            self.rouge2_f,
            self.rougel_p,
            self.rougel_r,
            self.rougel_f,
        ]
    }
}

#[test]
fn rouge_equals_rouge_155_where_that_has_no_exceptions() {
    let Some(path) = shared("data/golden/rouge155_realsumm.derived.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut pairs, mut nltk_differs, mut largest, mut largest_nltk) = (0, 0, 0f64, 0f64);
    for line in text.lines() {
        let row: Realsumm = serde_json::from_str(line).unwrap();
        if !row.reproduced_porter_only {
            continue;
        }
        pairs += 1;
        let difference = |mode| {
            let ours = rouge_with(&row.r#ref.join("\n"), &row.hyp.join("\n"), Stemming::Porter(mode));
            largest_difference(&flat(&[ours.rouge1, ours.rouge2, ours.rouge_lsum]), &row.rouge155.values())
        };
        let original = difference(PorterMode::Original);
        // ROUGE-1.5.5 prints five decimals and computes F from rounded numbers.
        assert!(original < 2e-5, "{}: {original}", row.id);
        largest = largest.max(original);
        let nltk = difference(PorterMode::Nltk);
        nltk_differs += usize::from(nltk >= 2e-5);
        largest_nltk = largest_nltk.max(nltk);
    }
    assert_eq!((pairs, nltk_differs), (1805, 60));
    say(&format!(
        "ROUGE-1.5.5: largest |Δ| on {pairs} pairs is {largest:.2e}; with NLTK's stemmer {nltk_differs} differ, by \
         up to {largest_nltk:.4}"
    ));
}
