//! `wikitext2:harness` on the 62 pages of the test file against lm-evaluation-harness on the same weights.

use gpt2_model::request::Response;

use crate::common::{records, run_on_shared_data, say, scores, shared};

#[derive(serde::Deserialize)]
struct Reference {
    r: Vec<f64>,
}

#[test]
fn harness_protocol_equals_lm_evaluation_harness() {
    let Some(summary) = shared("golden/lm_eval.json") else { return };
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let Some(run) = run_on_shared_data("wikitext2:harness", &[]) else { return };
    for model in ["tiny-3M", "tiny-8M"] {
        let Some(reference) = shared(&format!("golden/lm_eval.{model}.wikitext.jsonl")) else { return };
        let text = std::fs::read_to_string(reference).unwrap();
        let reference: Vec<Reference> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let records = records(&run, model, "wikitext2.harness");
        assert_eq!((reference.len(), records.len()), (62, 62));
        let mut largest = 0f64;
        for (expected, record) in reference.iter().zip(&records) {
            let [Response::Rolling(score)] = record.responses.as_slice() else { panic!("{record:?}") };
            largest = largest.max((score.log_likelihood / expected.r[0] - 1.0).abs());
        }
        say(&format!("{model} wikitext2:harness: largest relative difference of a page is {largest:.1e}"));
        assert!(largest < 1e-6, "{model}: {largest}");
        for (metric, value, _) in scores(&run, model, "wikitext2:harness") {
            let expected = summary[model]["wikitext"][&metric].as_f64().unwrap();
            let relative = (value / expected - 1.0).abs();
            say(&format!(
                "{model} wikitext2:harness: {metric} {value:.4}, relative difference {relative:.1e}"
            ));
            assert!(relative < 1e-4, "{model} {metric}: {value} and {expected}");
        }
    }
}
