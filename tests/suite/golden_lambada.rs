//! LAMBADA on all 5,153 passages against lm-evaluation-harness on the same weights.

use gpt2_model::request::Response;
use serde::Deserialize;

use crate::common::{records, run_on_shared_data, say, scores, shared};

#[derive(Deserialize)]
struct Reference {
    i: usize,
    r: Vec<(f64, bool)>,
}

#[test]
fn harness_protocol_equals_lm_evaluation_harness() {
    let Some(summary) = shared("golden/lm_eval.json") else { return };
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let Some(run) = run_on_shared_data("lambada:harness", &[]) else { return };

    for model in ["tiny-3M", "tiny-8M"] {
        let Some(reference) = shared(&format!("golden/lm_eval.{model}.lambada.jsonl")) else { return };
        let text = std::fs::read_to_string(reference).unwrap();
        let reference: Vec<Reference> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let records = records(&run, model, "lambada.harness");
        assert_eq!((reference.len(), records.len()), (5153, 5153));
        let mut largest = 0f64;
        for (expected, record) in reference.iter().zip(&records) {
            assert_eq!(record.id, format!("{:05}", expected.i));
            let [Response::LogLikelihood(score)] = record.responses.as_slice() else {
                panic!("{record:?}");
            };
            let (log_likelihood, greedy) = expected.r[0];
            assert_eq!(score.greedy, greedy, "{model} {}", record.id);
            largest = largest.max((score.log_likelihood - log_likelihood).abs());
        }
        say(&format!("{model} lambada:harness: largest |Δ log-likelihood| of a passage is {largest:.2e}"));
        // The reference is printed with five decimals and itself rounds in f32.
        assert!(largest < 2e-4, "{model}: {largest}");

        let expected = &summary[model]["lambada"];
        let found = scores(&run, model, "lambada:harness");
        let metric = |name: &str| found.iter().find(|(metric, ..)| metric == name).unwrap().clone();
        let (_, perplexity, _) = metric("perplexity");
        let expected_perplexity = expected["perplexity"].as_f64().unwrap();
        let relative = (perplexity / expected_perplexity - 1.0).abs();
        say(&format!(
            "{model} lambada:harness: perplexity {perplexity:.3}, relative difference {relative:.1e}"
        ));
        assert!(relative < 1e-4, "{model}: {perplexity}");
        let (_, accuracy, stderr) = metric("accuracy");
        assert!((accuracy - 100.0 * expected["acc"].as_f64().unwrap()).abs() < 1e-12, "{model}: {accuracy}");
        assert!(
            (stderr - 100.0 * expected["acc_stderr"].as_f64().unwrap()).abs() < 1e-12,
            "{model}: {stderr}"
        );
    }
}
