//! Mutated regression baselines are refused by name, or checks against them stay sound.

use gpt2_eval::gate::{CheckOptions, RegressionBaseline, check, check_sections, junit};
use proptest::prop_assert;

use super::memory::bounded;
use super::mutate::mutated;
use super::{hold, is_good_message};

fn valid() -> String {
    let column = |from: f64| (0..6).map(|i| from - f64::from(i)).collect::<Vec<_>>();
    let model = serde_json::json!({
        "model": "m", "metrics": [{"metric": "perplexity", "value": 7.5}, {"metric": "accuracy", "value": 50.0}],
        "without": [2],
        "values": {"correct": [0, 1, 1, 0, 1, 0], "log_likelihood": column(-0.5), "words": [1, 1, 1, 1, 1, 1]},
        "records_sha256": "a",
    });
    let json = serde_json::json!({
        "baseline_version": 2, "program_version": "0", "engine_version": 1, "backend": "flex", "dtype": "f32", "seed": 0,
        "models": [{"label": "m", "parameters": 5, "config_sha256": "a", "weights_sha256": "b", "tokenizer_sha256": "c"}],
        "tasks": [{
            "task": "lambada", "protocol": {"name": "harness", "options": {"data": "sample"}},
            "data": {"task": "lambada", "sha256": "d", "records": 7, "provenance": "sample"},
            "samples": 7, "clusters": [0, 0, 1, 1, 2, 3, 3], "models": [model],
        }],
    });
    json.to_string()
}

#[test]
fn baselines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("base.json");
    let valid = valid();
    std::fs::write(&path, &valid).unwrap();
    let run = RegressionBaseline::read(&path).unwrap();
    let options = CheckOptions::default();
    let passed = check(("base", &run), ("run", &run), &options).unwrap();
    assert!(!passed.is_failure() && passed.metrics.len() == 2);
    let name = path.display().to_string();
    hold(mutated(&[valid.as_bytes()]), |bytes| {
        std::fs::write(&path, &bytes.0).unwrap();
        match bounded(bytes.0.len(), || RegressionBaseline::read(&path))? {
            Ok(read) => {
                if let Ok(checked) = check((&name, &read), ("run", &run), &options) {
                    let xml = junit(&checked, &[]);
                    prop_assert!(roxmltree::Document::parse(&xml).is_ok(), "{}", xml);
                    let cells = check_sections(&checked, &[]).into_iter().flat_map(|section| section.rows);
                    prop_assert!(!cells.flatten().any(|cell| cell.text.chars().any(char::is_control)));
                }
            }
            Err(error) => is_good_message(&error.to_string(), &name)?,
        }
        Ok(())
    });
}
