//! The `harness` protocols on their whole test sets against lm-evaluation-harness on the same weights.

use gpt2_model::request::Response;
use serde::Deserialize;
use serde_json::Value;

use crate::common::{records, run_on_shared_data, say, scores, shared};

/// A task here and in lm-evaluation-harness.
struct Case {
    task: &'static str,
    /// Its name in the files of the reference.
    reference: &'static str,
    samples: usize,
    tolerance: Tolerance,
    /// Our metrics, each with its name in the reference.
    metrics: &'static [(&'static str, &'static str)],
}

/// Largest accepted difference of a log-likelihood. The references are printed with five decimals and round in f32.
enum Tolerance {
    /// In nats.
    Absolute(f64),
    Relative(f64),
}

const CASES: [Case; 3] = [
    Case {
        task: "lambada",
        reference: "lambada",
        samples: 5153,
        tolerance: Tolerance::Absolute(2e-4),
        metrics: &[("perplexity", "perplexity"), ("accuracy", "acc")],
    },
    Case {
        task: "winograd",
        reference: "wsc273",
        samples: 273,
        tolerance: Tolerance::Absolute(3e-4),
        metrics: &[("accuracy", "acc")],
    },
    Case {
        task: "wikitext2",
        reference: "wikitext",
        samples: 62,
        tolerance: Tolerance::Relative(1e-6),
        metrics: &[
            ("word_perplexity", "word_perplexity"),
            ("byte_perplexity", "byte_perplexity"),
            ("bits_per_byte", "bits_per_byte"),
        ],
    },
];

/// A line of a reference: the responses of one sample.
#[derive(Deserialize)]
struct Reference {
    i: usize,
    r: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expected {
    LogLikelihood(f64, bool),
    Rolling(f64),
}

#[test]
fn harness_protocols_equal_lm_evaluation_harness() {
    let Some(summary) = shared("golden/lm_eval.json") else { return };
    let summary: Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    for case in &CASES {
        let task = format!("{}:harness", case.task);
        let Some(run) = run_on_shared_data(&task, &[]) else { return };
        for model in ["tiny-3M", "tiny-8M"] {
            let name = format!("golden/lm_eval.{model}.{}.jsonl", case.reference);
            let Some(reference) = shared(&name) else { return };
            let text = std::fs::read_to_string(reference).unwrap();
            let reference: Vec<Reference> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let records = records(&run, model, &format!("{}.harness", case.task));
            assert_eq!((reference.len(), records.len()), (case.samples, case.samples), "{task}");
            let mut largest = 0f64;
            for (reference, record) in reference.iter().zip(&records) {
                assert_eq!(record.id, format!("{:05}", reference.i), "{model} {task}");
                assert_eq!(reference.r.len(), record.responses.len(), "{model} {task} {}", record.id);
                for (expected, response) in reference.r.iter().zip(&record.responses) {
                    let (found, expected) = match (expected, response) {
                        (Expected::LogLikelihood(expected, greedy), Response::LogLikelihood(score)) => {
                            assert_eq!(score.greedy, *greedy, "{model} {task} {}", record.id);
                            (score.log_likelihood, expected)
                        }
                        (Expected::Rolling(expected), Response::Rolling(score)) => {
                            (score.log_likelihood, expected)
                        }
                        _ => panic!("{task}: {record:?}"),
                    };
                    largest = largest.max(match case.tolerance {
                        Tolerance::Absolute(_) => (found - expected).abs(),
                        Tolerance::Relative(_) => (found / expected - 1.0).abs(),
                    });
                }
            }
            let (kind, bound) = match case.tolerance {
                Tolerance::Absolute(bound) => ("absolute", bound),
                Tolerance::Relative(bound) => ("relative", bound),
            };
            say(&format!("{model} {task}: largest {kind} difference of a log-likelihood is {largest:.2e}"));
            assert!(largest < bound, "{model} {task}: {largest}");
            let mut found = scores(&run, model, &task);
            if records.iter().any(|record| record.cluster.is_some()) {
                // lm-evaluation-harness takes the schemas of a pair as independent.
                for (_, value, stderr) in found.iter_mut().filter(|(name, ..)| name == "accuracy") {
                    *stderr = (*value * (100.0 - *value) / (case.samples - 1) as f64).sqrt();
                }
            }
            compare_metrics(case, &summary[model][case.reference], &found, model);
        }
    }
}

/// Perplexities and bits may differ by 1e-4 of their value, accuracies and their errors only by rounding.
fn compare_metrics(case: &Case, expected: &Value, found: &[(String, f64, f64)], model: &str) {
    assert_eq!(found.len(), case.metrics.len(), "{}: {found:?}", case.task);
    for (metric, reference) in case.metrics {
        let (_, value, stderr) = found.iter().find(|(name, ..)| name == metric).unwrap();
        let number = |name: &str| expected[name].as_f64().unwrap();
        if *metric == "accuracy" {
            for (found, name) in [(value, (*reference).to_owned()), (stderr, format!("{reference}_stderr"))] {
                assert!(
                    (found - 100.0 * number(&name)).abs() < 1e-12,
                    "{model} {} {name}: {found}",
                    case.task
                );
            }
            continue;
        }
        let relative = (value / number(reference) - 1.0).abs();
        say(&format!("{model} {}: {metric} {value:.4}, relative difference {relative:.1e}", case.task));
        assert!(relative < 1e-4, "{model} {} {metric}: {value}", case.task);
    }
}
