//! Figures of sample results and manifests.

use roxmltree::Document;

use super::{check, figures, named, pairs, plot, points, texts};
use crate::record::{Manifest, MeasuredTask, Protocol, SampleResult};
use crate::report::figures::Figure;
use crate::report::{ExportedRun, Results};
use crate::run::FinishedTask;
use crate::tasks::find;
use gpt2_model::request::{LogLikelihood, Response, RollingLogLikelihood};
use text_metrics::SampleValues;

fn manifest() -> Manifest {
    let usage = |task: &str, seconds: f64, tokens: u64| {
        serde_json::json!({"model": "a", "task": task, "protocol": "paper", "kernels": "k", "seconds": seconds,
            "requested_tokens": tokens, "read_tokens": tokens, "padding_tokens": 0, "kv_cache_bytes": 0})
    };
    serde_json::from_value(serde_json::json!({
        "schema_version": 3, "status": "complete",
        "plan": {"models": [], "tasks": [], "data": "sample", "limit": null, "seed": 0, "precision": "f32"},
        "identity": {"engine_version": 1, "backend": "flex", "dtype": "f32", "tasks": [], "data": [], "limit": null,
            "seed": 0, "models": [{"label": "a", "parameters": 5, "config_sha256": "", "weights_sha256": "",
            "tokenizer_sha256": ""}]},
        "tasks": [],
        "environment": {"program_version": "1", "git_revision": null, "git_dirty": null, "dependencies": {},
            "command": [], "files": [], "device": "flex", "threads": 2, "batch_tokens": 1, "cpu": "one",
            "system": "s", "host": null},
        "usage": [usage("one", 2.0, 1000), usage("two", 0.5, 1000), usage("one", 2.0, 1000), usage("none", 0.0, 5)],
        "failed_samples": 0, "started": "2026-01-31T12:00:00Z", "ended": null
    }))
    .unwrap()
}

fn record(responses: Vec<Response>) -> SampleResult {
    SampleResult {
        id: "0".to_owned(),
        cluster: None,
        key: String::new(),
        prompt_sha256: String::new(),
        context_tokens: 0,
        target_tokens: 0,
        truncated_tokens: 0,
        responses,
        candidate_sets: Vec::new(),
        values: SampleValues::new(),
        error: None,
    }
}

fn scored(token_log_probs: &[f32]) -> Response {
    Response::LogLikelihood(LogLikelihood {
        log_likelihood: 0.0,
        greedy: false,
        tokens: vec![7; token_log_probs.len()],
        token_log_probs: token_log_probs.to_vec(),
        filtered: None,
        context_tokens: 0,
        truncated_tokens: 0,
    })
}

/// The figures of a run without scores, with one task that has these records.
fn of_records(records: Vec<SampleResult>) -> Vec<Figure> {
    let (manifest, results) = (manifest(), Results::default());
    let protocol = Protocol::new("paper");
    let measured = MeasuredTask {
        task: "one".to_owned(),
        label: protocol.clone(),
        protocol,
        journal: "one".to_owned(),
        records: 1,
        samples: 1,
    };
    let task = FinishedTask {
        measured,
        config: find("lambada").unwrap().config(),
        window: None,
        metrics: Vec::new(),
        breakdowns: Vec::new(),
        prompts: Vec::new(),
        records: vec![records],
        baselines: Vec::new(),
    };
    let run = ExportedRun {
        name: "run".to_owned(),
        manifest: &manifest,
        results: &results,
        tasks: &[task],
        organization: "",
    };
    figures(&results, &[run])
}

#[test]
fn histograms_count_every_token() {
    let figures =
        of_records(vec![record(vec![scored(&[-0.05, -0.05, -9.05])]), record(vec![scored(&[-60.0])])]);
    let figure = named(&figures, "one-log-probabilities");
    check(figure);
    let document = Document::parse(&figure.svg).unwrap();
    let shown = texts(&document).join(" ");
    assert!(shown.contains("a: 4 scored tokens, mean −17.29"), "{shown}");
    assert!(shown.contains("The first bin also counts all lower values"), "{shown}");
    let line = document.descendants().find(|node| node.attribute("class") == Some("measured")).unwrap();
    let corners = pairs(line.first_element_child().unwrap());
    let (_, _, top, bottom) = plot(&document);
    // The last bin has half of the tokens, and the axis ends at half.
    let highest = corners.iter().map(|corner| corner.1).fold(f64::INFINITY, f64::min);
    assert!((highest - top).abs() < 0.02, "{highest} {top}");
    let quarter = f64::midpoint(top, bottom);
    assert_eq!(
        corners.iter().filter(|corner| (corner.1 - quarter).abs() < 0.02).count(),
        4,
        "two bins of a quarter"
    );

    let part = RollingLogLikelihood { log_likelihood: -30.0, tokens: 10, bytes: 30, windows: 1 };
    let figures = of_records(vec![record(vec![Response::Rolling(part)])]);
    let figure = named(&figures, "one-log-probabilities");
    check(figure);
    assert!(
        figure.description.contains("mean log-probability per token of a part of the text"),
        "{figure:?}"
    );
    assert!(figure.description.contains("a: mean −3.00"), "{}", figure.description);

    let failed = SampleResult { error: Some("no".to_owned()), ..record(vec![scored(&[-1.0])]) };
    let none = of_records(vec![failed, record(vec![scored(&[f32::NAN])])]);
    assert!(none.iter().all(|figure| figure.name != "one-log-probabilities"));
}

#[test]
fn throughput_sums_sessions() {
    let figures = of_records(Vec::new());
    let figure = named(&figures, "throughput");
    check(figure);
    let document = Document::parse(&figure.svg).unwrap();
    let tooltips: Vec<String> = points(&document, "measured").into_iter().map(|point| point.0).collect();
    assert_eq!(
        tooltips,
        [
            "one, a: 2,000 tokens in 4.0 s, 500 tokens per second",
            "two, a: 1,000 tokens in 0.5 s, 2,000 tokens per second"
        ]
    );
}
