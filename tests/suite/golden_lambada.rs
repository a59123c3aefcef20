//! LAMBADA on all 5,153 passages against lm-evaluation-harness on the same weights.

use std::path::Path;

use gpt2_eval::record::SampleRecord;
use gpt2_eval::request::Response;
use serde::Deserialize;

use crate::common::{gpt2_eval, say, shared};

#[derive(Deserialize)]
struct Reference {
    i: usize,
    r: Vec<(f64, bool)>,
}

fn read_lines<T: serde::de::DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn scores(run: &Path, model: &str, task: &str) -> Vec<(String, f64, f64)> {
    let mut reader = csv::Reader::from_path(run.join("scores.csv")).unwrap();
    let rows = reader.records().map(Result::unwrap);
    rows.filter(|row| row[0] == *model && format!("{}:{}", &row[2], &row[3]) == task)
        .map(|row| (row[4].to_owned(), row[5].parse().unwrap(), row[6].parse().unwrap()))
        .collect()
}

#[test]
fn harness_protocol_equals_lm_evaluation_harness() {
    let (Some(data), Some(summary)) = (shared("data"), shared("golden/lm_eval.json")) else { return };
    let summary: serde_json::Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let output = gpt2_eval(directory.path())
        .args(["--tasks", "lambada:harness", "--sizes", "tiny", "--out", "run", "--quiet"])
        .arg("--data")
        .arg(&data)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = directory.path().join("run");

    for model in ["tiny-3M", "tiny-8M"] {
        let Some(reference) = shared(&format!("golden/lm_eval.{model}.lambada.jsonl")) else { return };
        let reference: Vec<Reference> = read_lines(&reference);
        let records: Vec<SampleRecord> =
            read_lines(&run.join(format!("samples/{model}/lambada.harness.jsonl")));
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
