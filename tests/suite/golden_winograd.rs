//! `winograd:harness` on the 273 schemas of the collection against lm-evaluation-harness on the same weights.

use gpt2_model::request::Response;

use crate::common::{records, run_on_shared_data, say, scores, shared};

#[derive(serde::Deserialize)]
struct Reference {
    r: Vec<(f64, bool)>,
}

#[test]
fn harness_protocol_equals_lm_evaluation_harness() {
    let Some(summary) = shared("golden/lm_eval.json") else { return };
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let Some(run) = run_on_shared_data("winograd:harness", &[]) else { return };
    for model in ["tiny-3M", "tiny-8M"] {
        let Some(reference) = shared(&format!("golden/lm_eval.{model}.wsc273.jsonl")) else { return };
        let text = std::fs::read_to_string(reference).unwrap();
        let reference: Vec<Reference> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let records = records(&run, model, "winograd.harness");
        assert_eq!((reference.len(), records.len()), (273, 273));
        let mut largest = 0f64;
        for (expected, record) in reference.iter().zip(&records) {
            assert_eq!(expected.r.len(), record.responses.len());
            for ((log_likelihood, greedy), response) in expected.r.iter().zip(&record.responses) {
                let Response::LogLikelihood(score) = response else { panic!("{response:?}") };
                assert_eq!(score.greedy, *greedy, "{model} {}", record.id);
                largest = largest.max((score.log_likelihood - log_likelihood).abs());
            }
        }
        say(&format!("{model} winograd:harness: largest |Δ log-likelihood| is {largest:.2e}"));
        assert!(largest < 3e-4, "{model}: {largest}");
        let expected = &summary[model]["wsc273"];
        let (_, accuracy, stderr) = scores(&run, model, "winograd:harness").remove(0);
        assert!((accuracy - 100.0 * expected["acc"].as_f64().unwrap()).abs() < 1e-12, "{model}: {accuracy}");
        assert!(
            (stderr - 100.0 * expected["acc_stderr"].as_f64().unwrap()).abs() < 1e-12,
            "{model}: {stderr}"
        );
    }
}
