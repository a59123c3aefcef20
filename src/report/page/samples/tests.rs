//! The data of small runs.

use super::*;
use crate::record::{CandidateSet, MeasuredTask, Protocol, RequestText, SampleResult};
use crate::tasks::find;
use gpt2_model::request::{Completion, FinishReason, LogLikelihood, Response};
use serde_json::{Value, json};
use text_metrics::{Aggregate, Metric, SampleValues};

const METRICS: [Metric; 2] = [
    Metric { name: "perplexity", aggregate: Aggregate::Perplexity { log_likelihood: "l", units: "u" } },
    Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "right" } },
];

fn identity(label: &str, weights: &str) -> ModelIdentity {
    let text = |text: &str| text.to_owned();
    ModelIdentity {
        label: text(label),
        parameters: 1,
        n_positions: 1024,
        config_sha256: text("c"),
        weights_sha256: text(weights),
        tokenizer_sha256: text("another"),
    }
}

const MAT: u32 = 2603;
const PERIOD: u32 = 13;
const RAN: u32 = 4966;
const SAT: u32 = 3332;

fn scored(tokens: &[(u32, f32)]) -> Response {
    let (tokens, log_probs): (Vec<u32>, Vec<f32>) = tokens.iter().copied().unzip();
    Response::LogLikelihood(LogLikelihood {
        log_likelihood: log_probs.iter().map(|&log_prob| f64::from(log_prob)).sum(),
        greedy: false,
        tokens,
        token_log_probs: log_probs,
        filtered: None,
        context_tokens: 3,
        truncated_tokens: 0,
    })
}

fn record(id: &str, responses: Vec<Response>, right: f64) -> SampleResult {
    SampleResult {
        id: id.to_owned(),
        cluster: None,
        key: String::new(),
        prompt_sha256: String::new(),
        context_tokens: 3,
        target_tokens: 2,
        truncated_tokens: 0,
        responses,
        candidate_sets: Vec::new(),
        values: SampleValues::from([
            ("right".to_owned(), right),
            ("l".to_owned(), -2.0),
            ("u".to_owned(), 1.0),
        ]),
        error: None,
    }
}

fn prompt(id: &str, requests: &[(Option<&str>, Option<&str>)]) -> PromptRecord {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let requests = requests
        .iter()
        .map(|&(context, target)| RequestText { context: owned(context), target: owned(target) });
    PromptRecord {
        id: id.to_owned(),
        location: format!("file:{id}"),
        requests: requests.collect(),
        expected: Vec::new(),
    }
}

type RunFiles<'a> = (&'a [ModelIdentity], &'a [Vec<SampleResult>], &'a [PromptRecord]);

fn data_of(runs: &[RunFiles<'_>]) -> Value {
    let measured = MeasuredTask {
        task: "t".to_owned(),
        protocol: Protocol::new("paper"),
        label: Protocol::new("paper"),
        journal: "t.jsonl".to_owned(),
        records: 2,
        samples: 2,
    };
    let mut samples = Samples::new(&[]).unwrap();
    for (models, records, prompts) in runs {
        let task = FinishedTask {
            measured: measured.clone(),
            config: find("lambada").unwrap().config(),
            window: None,
            metrics: METRICS.to_vec(),
            breakdowns: Vec::new(),
            prompts: prompts.to_vec(),
            records: records.to_vec(),
            baselines: Vec::new(),
        };
        samples.add_task(models, &task).unwrap();
    }
    serde_json::to_value(&samples).unwrap()
}

fn details(answers: &Value, index: usize) -> Value {
    serde_json::from_str(answers["details"][index].as_str().unwrap()).unwrap()
}

#[test]
fn targets_and_candidates() {
    let models = [identity("m", "w")];
    let prompts = [
        prompt("0", &[(Some("The cat sat on the"), Some(" mat."))]),
        prompt("1", &[(Some("The dog"), Some(" ran.")), (None, Some(" sat."))]),
    ];
    let records = [vec![
        record("0", vec![scored(&[(MAT, -1.0), (PERIOD, -2.0)])], 1.0),
        SampleResult {
            candidate_sets: vec![CandidateSet::consecutive(0, 2, 0)],
            ..record(
                "1",
                vec![scored(&[(RAN, -3.0), (PERIOD, -1.0)]), scored(&[(SAT, -1.0), (PERIOD, -1.0)])],
                0.0,
            )
        },
    ]];
    let data = data_of(&[(&models, &records, &prompts)]);
    let (task, answers) = (&data["tasks"][0], &data["tasks"][0]["answers"][0]);
    assert_eq!((&task["right"], &task["metrics"]), (&json!("accuracy"), &json!(["perplexity", "accuracy"])));
    assert_eq!((&answers["right"], &answers["best"]), (&json!([1, 0]), &json!([0, 1])));
    assert_eq!(answers["loss"], json!([1.5, 1.0]));
    let share = answers["confidence"][1].as_f64().unwrap();
    assert!((share - 1.0 / (1.0 + (-2.0f64).exp())).abs() < 1e-5, "of two candidates");
    assert!((answers["confidence"][0].as_f64().unwrap() - (-3.0f64).exp()).abs() < 1e-5, "of a target");
    // The context of the second candidate is that of the first.
    assert_eq!(task["requests"][1][0], task["requests"][1][2]);
    let first = details(answers, 0);
    let tokens: Vec<&str> = first[5][0][5]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| data["tokens"][index.as_u64().unwrap() as usize].as_str().unwrap())
        .collect();
    assert_eq!(tokens, [" mat", "."]);
    assert_eq!((&first[0], &details(answers, 1)[4]), (&json!([7.38906, 100.0]), &json!([[[0, 1], 0]])));
    assert_eq!(data["models"], json!([{"name": "m", "other_tokenizer": true}]));
}

#[test]
fn completions_failures_and_unknown_samples() {
    let completion = Response::Generate(Completion {
        text: " yes".to_owned(),
        tokens: vec![3763, 198],
        token_log_probs: vec![-0.5, -1.5],
        finish: FinishReason::StopString,
        prompt_tokens: 4,
        truncated_tokens: 0,
    });
    let mut failed = record("1", Vec::new(), 0.0);
    failed.values.clear();
    failed.error = Some("too long".to_owned());
    let records = [vec![
        record("0", vec![completion], 0.0),
        failed,
        record("unknown", vec![scored(&[(SAT, -1.0)])], 1.0),
    ]];
    let prompts = [prompt("0", &[(Some("Q"), None)]), prompt("1", &[(Some("R"), None)])];
    let data = data_of(&[(&[identity("m", "w")], &records, &prompts)]);
    let answers = &data["tasks"][0]["answers"][0];
    assert_eq!(answers["right"], json!([0, null, 1]));
    assert_eq!(answers["loss"], json!([1.0, null, 1.0]));
    assert!(
        (answers["confidence"][0].as_f64().unwrap() - (-0.5f64).exp()).abs() < 1e-5,
        "of the answer's tokens"
    );
    let error = answers["error"][1].as_u64().unwrap() as usize;
    assert_eq!((&data["texts"][error], &answers["error"][0]), (&json!("too long"), &Value::Null));
    let text = answers["completions"][0][0].as_u64().unwrap() as usize;
    assert_eq!(data["texts"][text], " yes");
    // Tokens of another vocabulary have no text without a target to compare with.
    assert_eq!(details(answers, 2)[5][0][5], Value::Null);
    assert_eq!(data["tasks"][0]["requests"][2], json!([]));
}

#[test]
fn several_runs() {
    let prompts = [prompt("0", &[(Some("The cat"), Some(" sat"))])];
    let other = [prompt("0", &[(Some("Another"), Some(" text"))])];
    let records = [vec![record("0", vec![scored(&[(SAT, -1.0)])], 1.0)]];
    let run = |label, weights| [identity(label, weights)];
    let (a, b, c) = (run("a", "1"), run("b", "2"), run("a", "3"));
    let data = data_of(&[
        (&a, &records, &prompts),
        (&b, &records, &prompts),
        (&c, &records, &other),
        (&a, &records, &prompts),
    ]);
    let names: Vec<&Value> = data["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["a", "b", "a (2)", "a (3)"]);
    assert_eq!(data["tasks"].as_array().unwrap().len(), 1);
    let samples: Vec<&Value> =
        data["tasks"][0]["answers"].as_array().unwrap().iter().map(|answers| &answers["samples"]).collect();
    assert_eq!(
        samples,
        [&json!([0]), &json!([0]), &json!([1]), &json!([0])],
        "samples are equal if their requests are"
    );
}
