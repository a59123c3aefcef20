//! Completions of the `harness` protocols and their scores against lm-evaluation-harness on the same weights.
//! `tests/golden/make_lm_eval.py` made the reference.

use gpt2_eval::record::SampleResult;
use gpt2_model::request::Response;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::common::{Run, records, run_on_sample, run_on_shared_data, scores};

const MODELS: [&str; 2] = ["tiny-3M", "tiny-8M"];

fn golden(task: &str, model: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../golden/lm_eval.json")).unwrap();
    all[task][model].clone()
}

fn text_of(record: &SampleResult) -> &str {
    match record.responses.as_slice() {
        [Response::Generate(generated)] => &generated.text,
        other => panic!("{other:?}"),
    }
}

/// Compares the completions, and these values of each sample if the reference has them. Returns the number of completions.
fn compare(run: &Run, task: &str, values: &[&str]) -> usize {
    let mut compared = 0;
    for model in MODELS {
        let golden = golden(task, model);
        let texts = golden["texts"].as_array().unwrap();
        let samples = golden["samples"].as_array().unwrap();
        for (index, record) in records(run, model, &format!("{task}.harness")).iter().enumerate() {
            // CoQA names its samples by story and turn, the others by their index in the file.
            let index: usize = if task == "coqa" { index } else { record.id.parse().unwrap() };
            let Some(expected) = texts.get(index) else { continue };
            let digest: String =
                Sha256::digest(text_of(record)).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(expected, &digest, "{model} {task} {}: {:?}", record.id, text_of(record));
            if let Some(sample) = samples.get(index) {
                for (name, expected) in values.iter().zip(sample.as_array().unwrap()) {
                    let difference = (record.values[*name] - expected.as_f64().unwrap()).abs();
                    assert!(difference < 1e-12, "{model} {task} {} {name}: {difference}", record.id);
                }
            }
            compared += 1;
        }
    }
    compared
}

fn metrics_equal(run: &Run, task: &str, label: &str, names: &[(&str, &str)]) {
    for model in MODELS {
        let golden = golden(task, model);
        let found = scores(run, model, &format!("{task}:{label}"));
        for (ours, theirs) in names {
            let (_, value, _) = found.iter().find(|(metric, ..)| metric == ours).unwrap();
            let expected = 100.0 * golden["metrics"][theirs].as_f64().unwrap();
            assert!((value - expected).abs() < 1e-10, "{model} {task} {ours}: {value}, expected {expected}");
        }
    }
}

#[test]
fn coqa_equals_the_harness() {
    let run = run_on_sample("coqa:harness", &[]);
    assert_eq!(compare(&run, "coqa", &["f1", "exact_match"]), 40);
    metrics_equal(&run, "coqa", "harness,data=sample", &[("f1", "f1"), ("exact_match", "em")]);
}

#[test]
fn natural_questions_equal_the_harness() {
    let Some(run) = run_on_shared_data("nq:harness", &[]) else { return };
    assert_eq!(compare(&run, "nq", &["correct"]), 2 * 3610);
    metrics_equal(&run, "nq", "harness", &[("exact_match", "exact_match")]);
}

#[test]
fn translations_equal_the_harness() {
    for task in ["wmt14-fr-en", "wmt14-en-fr"] {
        let Some(run) = run_on_shared_data(&format!("{task}:harness"), &["--limit", "150"]) else { return };
        assert!(compare(&run, task, &[]) >= 20, "{task}");
    }
}

#[test]
fn summaries_equal_the_harness() {
    let Some(run) = run_on_shared_data("cnn_dailymail:harness", &["--limit", "40"]) else { return };
    assert_eq!(compare(&run, "cnn_dailymail", &["rouge1", "rouge2", "rougeL"]), 80);
}
