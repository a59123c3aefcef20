//! CORE's tasks against nanochat on the same records and weights: prompts, spans, losses and answers.

use std::collections::BTreeMap;

use gpt2_eval::data::Split;
use gpt2_eval::plan::DataSource;
use gpt2_eval::record::Protocol;
use gpt2_eval::tasks::{self, Source, TaskSamples};
use gpt2_model::engine::{Planner, Work};
use gpt2_model::request::{Request, Response};
use serde::Deserialize;

use crate::common::{Loaded, bundled, say, shared};

/// Largest accepted difference of a mean loss, in nats.
const TOLERANCE: f64 = 2e-4;

#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Rendered>,
    /// Rows of each task, without a model: one list for each of its runs.
    items: BTreeMap<String, Vec<Vec<Rows>>>,
    models: BTreeMap<String, OfModel>,
}

#[derive(Deserialize)]
struct Rendered {
    task: String,
    max_per_task: Option<usize>,
    idx: usize,
    prompts: Vec<String>,
}

#[derive(Deserialize)]
struct Rows {
    idx: usize,
    line: usize,
    len: Vec<usize>,
    start: Vec<usize>,
    end: Vec<usize>,
}

#[derive(Deserialize)]
struct OfModel {
    tasks: BTreeMap<String, Vec<OfRun>>,
    /// Of the model with all tasks.
    core_v1: Option<f64>,
    core_v2: Option<f64>,
}

#[derive(Deserialize)]
struct OfRun {
    run: String,
    accuracy: Option<f64>,
    records: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    idx: usize,
    correct: f64,
    /// Mean losses of a choice's rows; `null` where nothing is scored.
    losses: Option<Vec<Option<f64>>>,
    /// Mean loss of a continuation.
    loss: Option<f64>,
}

fn golden() -> Option<Golden> {
    let text = std::fs::read(shared("golden/core.json")?).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// The records of a task as nanochat keeps and shuffles them.
fn load(label: &str, max_per_task: Option<usize>) -> Option<Box<dyn TaskSamples>> {
    let task = tasks::find(&format!("core-{label}"))?;
    let mut protocol = Protocol::new("nanochat");
    if let Some(max) = max_per_task {
        protocol.options.insert("max_per_task".to_owned(), max.to_string());
    }
    let data = DataSource::Directory(shared("data")?);
    Some(task.load(&Source::new(&data, Split::Test, 0), &protocol).unwrap())
}

/// N of `--max-per-task N`.
fn max_per_task(run: &str) -> Option<usize> {
    run.strip_prefix("--max-per-task ").map(|max| max.parse().unwrap())
}

#[test]
fn prompts_are_nanochats_to_the_last_white_space() {
    let Some(golden) = golden() else { return };
    let mut compared = 0;
    for rendered in &golden.prompts {
        let Some(samples) = load(&rendered.task, rendered.max_per_task) else { continue };
        let rows: Vec<String> = samples
            .requests(rendered.idx)
            .into_iter()
            .map(|request| match request {
                Request::LogLikelihood { context, continuation, .. } => format!("{context}{continuation}"),
                other => panic!("{other:?}"),
            })
            .collect();
        // Of a language_modeling record nanochat renders the context alone, then the whole row.
        let expected = if rows.len() == 1 { &rendered.prompts[1..] } else { &rendered.prompts[..] };
        assert_eq!(rows, expected, "{} {}", rendered.task, rendered.idx);
        compared += rows.len();
    }
    say(&format!("CORE: {compared} rows equal nanochat's prompts"));
    assert!(compared > 20);
}

#[test]
fn spans_losses_and_answers_are_nanochats() {
    let Some(golden) = golden() else { return };
    for (label, expected) in &golden.models {
        let model = bundled(label);
        let (mut compared, mut largest) = (0, 0f64);
        for (task, runs) in &expected.tasks {
            for (number, run) in runs.iter().enumerate() {
                let Some(samples) = load(task, max_per_task(&run.run)) else { continue };
                let rows = &golden.items[task][number.min(golden.items[task].len() - 1)];
                compared += compare(&model, &*samples, rows, run, &mut largest);
            }
        }
        say(&format!("{label}: {compared} CORE records equal nanochat's, largest difference {largest:.1e}"));
        assert!(compared > 1000, "{label}: {compared}");
    }
}

/// Compares all records of a run, and returns their number.
fn compare(
    model: &Loaded,
    samples: &dyn TaskSamples,
    rows: &[Rows],
    run: &OfRun,
    largest: &mut f64,
) -> usize {
    let context = model.checkpoint.config.n_positions;
    let mut planner = Planner::new(&model.checkpoint.tokenizer, context);
    let mut work = Vec::new();
    for expected in &run.records {
        let known = rows.iter().find(|rows| rows.idx == expected.idx).expect("rows of every record");
        assert_eq!(samples.id(expected.idx), format!("{:05}", known.line));
        let of_record: Vec<Work> =
            samples.requests(expected.idx).iter().map(|request| planner.plan(request).unwrap()).collect();
        let lengths: Vec<(usize, usize)> = of_record.iter().map(scored).collect();
        let expected: Vec<(usize, usize)> = (0..known.len.len())
            .map(|row| (known.len[row].saturating_sub(context), known.end[row] - known.start[row]))
            .collect();
        assert_eq!(lengths, expected, "{} {}", samples.location(known.idx), run.run);
        work.extend(of_record);
    }
    let mut responses = model.run(&work, 4096).into_iter();
    for expected in &run.records {
        let losses = expected.losses.clone().unwrap_or_else(|| vec![expected.loss]);
        let own: Vec<Response> = responses.by_ref().take(losses.len()).collect();
        for (response, loss) in own.iter().zip(&losses) {
            let Response::LogLikelihood(score) = response else { panic!("{response:?}") };
            let found = -score.log_likelihood / score.tokens.len() as f64;
            let difference = loss.map_or(f64::from(u8::from(!found.is_nan())), |loss| (found - loss).abs());
            *largest = largest.max(difference);
            assert!(difference < TOLERANCE, "{}: {found}, {loss:?}", samples.location(expected.idx));
        }
        let values = samples.score(expected.idx, &own).unwrap();
        assert_eq!(values["correct"], expected.correct, "{}", samples.location(expected.idx));
    }
    run.records.len()
}

/// Tokens that a row lost, and its scored tokens.
fn scored(work: &Work) -> (usize, usize) {
    let Work::Score { sequences, truncated_tokens, .. } = work else { panic!("{work:?}") };
    (*truncated_tokens, sequences.iter().map(|sequence| sequence.targets.len()).sum())
}

#[test]
fn core_is_the_mean_of_the_references_accuracies() {
    let Some(golden) = golden() else { return };
    let expected = &golden.models["tiny-3M"];
    let centered = |guessing: f64, accuracy: f64| (accuracy - guessing) / (1.0 - guessing);
    let mean = |guessing: &dyn Fn(&tasks::CoreBaselines) -> f64| {
        let sum: f64 = tasks::CORE_TASKS
            .iter()
            .map(|task| {
                let runs = &expected.tasks[task.name.trim_start_matches("core-")];
                centered(guessing(task), runs.iter().find_map(|run| run.accuracy).unwrap())
            })
            .sum();
        sum / tasks::CORE_TASKS.len() as f64
    };
    assert!((mean(&|task| task.baseline) - expected.core_v1.unwrap()).abs() < 1e-9);
    assert!((mean(&|task| task.corrected_baseline) - expected.core_v2.unwrap()).abs() < 1e-9);
}
