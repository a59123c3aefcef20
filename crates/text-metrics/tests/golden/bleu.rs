//! BLEU against sacreBLEU: `tests/golden/bleu.json`, which `make_bleu.py` beside it makes, and the cases of sacreBLEU's
//! own tests.

use serde_json::Value;
use text_metrics::{BleuStatistics, BleuTokenizer};

use crate::{say, shared};

const TOKENIZERS: [(&str, BleuTokenizer); 2] =
    [("mteval_13a", BleuTokenizer::Mteval13a), ("none", BleuTokenizer::None)];

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Compares with `[score, hypothesis length, reference length, correct × 4, total × 4]` and returns how far off the
/// score is.
fn compare(values: &BleuStatistics, expected: &Value, name: &str) -> f64 {
    let counts: Vec<u64> = expected.as_array().unwrap()[1..].iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(counts[..2], [values.hypothesis_length, values.reference_length], "{name}: lengths");
    assert_eq!(counts[2..6], values.correct, "{name}: correct");
    assert_eq!(counts[6..], values.total, "{name}: total");
    let (score, golden) = (values.score(), expected[0].as_f64().unwrap());
    assert!((score - golden).abs() <= 1e-9, "{name}: {score}, not {golden}");
    (score - golden).abs()
}

#[test]
fn pairs_and_corpora_equal_sacrebleu() {
    let golden: Value = serde_json::from_str(include_str!("bleu.json")).unwrap();
    let pairs = golden["pairs"].as_array().unwrap();
    let corpora = golden["corpora"].as_array().unwrap();
    assert_eq!((pairs.len(), corpora.len()), (500, 5));

    let mut largest: f64 = 0.0;
    for (name, tokenizer) in TOKENIZERS {
        let mut segments = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            let hypothesis = pair["hypothesis"].as_str().unwrap();
            let values = BleuStatistics::of(hypothesis, &strings(&pair["references"]), tokenizer);
            largest = largest.max(compare(&values, &pair[name], &format!("{name}, pair {index}")));
            segments.push(values);
        }
        for (index, corpus) in corpora.iter().enumerate() {
            let chosen = corpus["pairs"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
            let values: BleuStatistics = chosen.map(|n| segments[n]).sum();
            largest = largest.max(compare(&values, &corpus[name], &format!("{name}, corpus {index}")));
        }
    }
    say(&format!("BLEU: largest difference from sacreBLEU {largest:e}"));
}

#[test]
fn cases_of_sacrebleus_own_tests() {
    let Some(path) = shared("data/golden/sacrebleu_cases.derived.json") else { return };
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut checked = 0;
    for case in golden["corpus_bleu"].as_array().unwrap() {
        let tokenizer = match case["tokenize"].as_str() {
            Some("13a") => BleuTokenizer::Mteval13a,
            Some("none") => BleuTokenizer::None,
            // International tokenization is not offered.
            _ => continue,
        };
        // One case is unsmoothed: it has matches of every order, so it must come out the same.
        let references: Vec<Vec<&str>> = case["refs"].as_array().unwrap().iter().map(strings).collect();
        let corpus: BleuStatistics = strings(&case["hyps"])
            .into_iter()
            .enumerate()
            .map(|(segment, hypothesis)| {
                let references: Vec<&str> = references.iter().map(|texts| texts[segment]).collect();
                BleuStatistics::of(hypothesis, &references, tokenizer)
            })
            .sum();
        // Given to six decimals at the least.
        let (score, expected) = (corpus.score(), case["bleu"].as_f64().unwrap());
        assert!((score - expected).abs() <= 1e-6, "{case}: {score}");
        checked += 1;
    }
    assert!(checked >= 4, "only {checked} cases were compared");
}
