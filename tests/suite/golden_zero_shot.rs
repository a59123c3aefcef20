//! The zero-shot tasks against lm-evaluation-harness, and `HellaSwag` also against karpathy/llm.c, on the same records and
//! weights: requests, log-likelihoods and answers.

use std::collections::BTreeMap;
use std::path::Path;

use gpt2_eval::data::Split;
use gpt2_eval::plan::DataSource;
use gpt2_eval::record::Protocol;
use gpt2_eval::tasks::{self, Source, TaskSamples};
use gpt2_model::engine::{Planner, Work};
use gpt2_model::request::{LogLikelihood, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use text_metrics::SampleValues;

use crate::common::{Loaded, bundled, say, shared};

/// Largest accepted difference of a mean log-likelihood, in nats.
const TOLERANCE: f64 = 2e-4;

/// The same of a sum. The references have five decimals and add hundreds of tokens in f32, which has seven digits.
fn tolerance(log_likelihood: f64) -> f64 {
    TOLERANCE + 5e-7 * log_likelihood.abs()
}

#[derive(Deserialize)]
struct Golden {
    lm_eval: LmEval,
    hellaswag_llm_c: BTreeMap<String, LlmC>,
}

#[derive(Deserialize)]
struct LmEval {
    models: BTreeMap<String, BTreeMap<String, OfTask>>,
    data_of_the_first_records: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct OfTask {
    acc: f64,
    acc_norm: Option<f64>,
    records: Vec<Record>,
    requests_of_the_first_records: Vec<Vec<(String, String)>>,
}

#[derive(Deserialize)]
struct Record {
    i: usize,
    lls: Vec<f64>,
    acc: f64,
    acc_norm: Option<f64>,
}

#[derive(Deserialize)]
struct LlmC {
    acc: f64,
    acc_norm: f64,
    records: Vec<LlmCRecord>,
}

#[derive(Deserialize)]
struct LlmCRecord {
    i: usize,
    ctx: usize,
    ending: Vec<usize>,
    sum: Vec<f64>,
    mean: Vec<f64>,
    acc: f64,
    acc_norm: f64,
}

fn golden() -> Option<Golden> {
    let text = std::fs::read(shared("golden/core.json")?).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// A record of CORE as the hub has it.
type Convert = fn(&Value) -> Value;

/// CORE's file of a task and how a record of it looks on the hub; the other tasks have look-alikes in the hub's form.
const FROM_CORE: [(&str, &str, Convert); 7] = [
    ("arc_easy", "arc_easy", arc),
    ("arc_challenge", "arc_challenge", arc),
    ("piqa", "piqa", |record| {
        let goal = query(record).trim_start_matches("Question: ").trim_end_matches('\n');
        json!({ "goal": goal, "sol1": record["choices"][0], "sol2": record["choices"][1], "label": record["gold"] })
    }),
    ("openbookqa", "openbook_qa", |record| {
        let Value::Object(mut fields) = arc(record) else { panic!("an object") };
        let question = fields.remove("question").unwrap();
        fields.insert("question_stem".to_owned(), question);
        Value::Object(fields)
    }),
    ("winogrande", "winogrande", |record| {
        let context = |index: usize| record["context_options"][index].as_str().unwrap();
        let (first, second) = (context(0), context(1));
        let common = first.bytes().zip(second.bytes()).take_while(|(a, b)| a == b).count();
        let before =
            first.as_bytes()[..common].iter().rposition(|&byte| byte == b' ').map_or(0, |space| space + 1);
        json!({
            "sentence": format!("{}_ {}", &first[..before], record["continuation"].as_str().unwrap()),
            "option1": first[before..],
            "option2": second[before..],
            "answer": (record["gold"].as_u64().unwrap() + 1).to_string(),
        })
    }),
    ("boolq", "boolq.first-200", |record| {
        let (passage, question) = query(record).rsplit_once("\nQuestion: ").unwrap();
        json!({
            "passage": passage.trim_start_matches("Passage: "),
            "question": question.trim_end().strip_suffix('?').unwrap(),
            "label": record["gold"],
        })
    }),
    ("copa", "copa", |record| {
        let (premise, connective) = query(record).rsplit_once(", ").unwrap();
        let kind = if connective == "because" { "cause" } else { "effect" };
        json!({
            "premise": format!("{premise}."),
            "question": kind,
            "choice1": record["choices"][0],
            "choice2": record["choices"][1],
            "label": record["gold"],
        })
    }),
];

fn query(record: &Value) -> &str {
    record["query"].as_str().unwrap()
}

fn arc(record: &Value) -> Value {
    let choices = record["choices"].as_array().unwrap();
    let labels = &["A", "B", "C", "D", "E"][..choices.len()];
    json!({
        "question": query(record).trim_start_matches("Question: "),
        "choices": { "text": choices, "label": labels },
        "answerKey": labels[record["gold"].as_u64().unwrap() as usize],
    })
}

/// Writes the records of CORE's files in the hub's form below `directory`.
fn write_hub_files(directory: &Path) -> Option<()> {
    for (task, file, hub) in FROM_CORE {
        let text = std::fs::read_to_string(shared(&format!("data/core/{file}.jsonl"))?).unwrap();
        let lines = text.lines().map(|line| format!("{}\n", hub(&serde_json::from_str(line).unwrap())));
        std::fs::create_dir_all(directory.join(task)).unwrap();
        std::fs::write(directory.join(format!("{task}/{task}.jsonl")), lines.collect::<String>()).unwrap();
    }
    Some(())
}

fn load(task: &str, protocol: &str, data: &Path) -> Box<dyn TaskSamples> {
    let data = DataSource::Directory(data.to_owned());
    let task = tasks::find(task).unwrap();
    task.load(&Source::new(&data, Split::Test, 0), &Protocol::new(protocol)).unwrap()
}

/// Log-likelihoods and values of the samples `indices`.
fn scores(
    model: &Loaded,
    samples: &dyn TaskSamples,
    indices: impl Iterator<Item = usize> + Clone,
) -> Vec<(Vec<LogLikelihood>, SampleValues)> {
    let mut planner = Planner::new(&model.checkpoint.tokenizer, model.checkpoint.config.n_positions);
    let of_sample: Vec<Vec<Work>> = indices
        .clone()
        .map(|index| samples.requests(index).iter().map(|request| planner.plan(request).unwrap()).collect())
        .collect();
    let counts: Vec<usize> = of_sample.iter().map(Vec::len).collect();
    let mut responses = model.run(&of_sample.into_iter().flatten().collect::<Vec<_>>(), 4096).into_iter();
    indices
        .zip(counts)
        .map(|(index, count)| {
            let own: Vec<_> = responses.by_ref().take(count).collect();
            let values = samples.score(index, &own).unwrap();
            let scores = own.into_iter().map(|response| match response {
                gpt2_model::request::Response::LogLikelihood(score) => score,
                other => panic!("{other:?}"),
            });
            (scores.collect(), values)
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn zero_shot_tasks_equal_lm_evaluation_harness() {
    let Some(Golden { lm_eval, .. }) = golden() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (Some(()), Some(data)) = (write_hub_files(directory.path()), shared("data")) else { return };
    for (task, ..) in FROM_CORE {
        // The conversion makes the records that the reference read.
        let path = directory.path().join(format!("{task}/{task}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap();
        for (line, expected) in text.lines().zip(&lm_eval.data_of_the_first_records[task]) {
            assert_eq!(&serde_json::from_str::<Value>(line).unwrap(), expected, "{task}");
        }
    }
    for (label, expected) in &lm_eval.models {
        let model = bundled(label);
        let (mut requests, mut responses, mut records, mut largest) = (0, 0, 0, 0f64);
        for (task, expected) in expected {
            let is_core = FROM_CORE.iter().any(|(name, ..)| name == task);
            let samples = load(task, "harness", if is_core { directory.path() } else { &data });
            for (index, expected) in expected.requests_of_the_first_records.iter().enumerate() {
                let found: Vec<(String, String)> = samples
                    .requests(index)
                    .into_iter()
                    .map(|request| match request {
                        Request::LogLikelihood { context, continuation, .. } => (context, continuation),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                assert_eq!(&found, expected, "{task} {index}");
                requests += found.len();
            }
            let found = scores(&model, &*samples, expected.records.iter().map(|record| record.i));
            for (record, (scores, values)) in expected.records.iter().zip(&found) {
                assert_eq!(scores.len(), record.lls.len(), "{task} {}", record.i);
                for (score, &expected) in scores.iter().zip(&record.lls) {
                    let difference = (score.log_likelihood - expected).abs();
                    largest = largest.max(difference);
                    let place = format!("{label} {task} {}", record.i);
                    assert!(
                        difference < tolerance(expected),
                        "{place}: {}, {expected}",
                        score.log_likelihood
                    );
                }
                responses += scores.len();
                assert_eq!(values["correct"], record.acc, "{label} {task} {}", record.i);
                assert_eq!(values.get("correct_normalized").copied(), record.acc_norm, "{task} {}", record.i);
            }
            records += found.len();
            let accuracy = mean(found.iter().map(|(_, values)| values["correct"]));
            assert!((accuracy - expected.acc).abs() < 1e-12, "{label} {task}: {accuracy}");
            if let Some(acc_norm) = expected.acc_norm {
                let normalized = mean(found.iter().map(|(_, values)| values["correct_normalized"]));
                assert!((normalized - acc_norm).abs() < 1e-12, "{label} {task}: {normalized}");
            }
        }
        say(&format!(
            "{label}: {} tasks, {records} records, {responses} log-likelihoods and {requests} requests equal \
             lm-evaluation-harness's, largest difference {largest:.1e}",
            expected.len()
        ));
        assert!(records > 600, "{label}: {records}");
    }
}

#[test]
fn hellaswag_equals_llm_c() {
    let (Some(golden), Some(data)) = (golden(), shared("data")) else { return };
    let samples = load("hellaswag", "llm.c", &data);
    for (label, expected) in &golden.hellaswag_llm_c {
        let model = bundled(label);
        let found = scores(&model, &*samples, expected.records.iter().map(|record| record.i));
        let mut largest = 0f64;
        for (record, (scores, values)) in expected.records.iter().zip(&found) {
            for (index, score) in scores.iter().enumerate() {
                let tokens = score.tokens.len();
                assert_eq!(
                    (score.context_tokens, tokens),
                    (record.ctx, record.ending[index]),
                    "{}",
                    record.i
                );
                let sum = -score.log_likelihood;
                largest = largest.max((sum - record.sum[index]).abs());
                assert!((sum - record.sum[index]).abs() < tolerance(sum), "{}: {sum}", record.i);
                assert!((sum / tokens as f64 - record.mean[index]).abs() < TOLERANCE, "{}", record.i);
            }
            assert_eq!(
                (values["correct"], values["correct_normalized"]),
                (record.acc, record.acc_norm),
                "{}",
                record.i
            );
        }
        let of = |name: &str| mean(found.iter().map(|(_, values)| values[name]));
        assert!((of("correct") - expected.acc).abs() < 1e-12, "{label}");
        assert!((of("correct_normalized") - expected.acc_norm).abs() < 1e-12, "{label}");
        let count = found.len();
        say(&format!(
            "{label}: {count} records of HellaSwag equal llm.c's, largest difference {largest:.1e}"
        ));
        assert!(count >= 20, "{label}");
    }
}

/// `bits_per_byte` and `probability_correct` by their definitions from the reference's log-likelihoods.
#[test]
fn bits_and_probability_follow_from_the_references_log_likelihoods() {
    let (Some(golden), Some(data)) = (golden(), shared("data")) else { return };
    let text = std::fs::read_to_string(data.join("core/sciq.lookalike.jsonl")).unwrap();
    let bytes: Vec<usize> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["correct_answer"].as_str().unwrap().len())
        .collect();
    let samples = load("sciq", "harness", &data);
    for (label, expected) in &golden.lm_eval.models {
        let records = &expected["sciq"].records;
        let found = scores(&bundled(label), &*samples, records.iter().map(|record| record.i));
        let values: Vec<_> =
            found.iter().map(|(_, values)| text_metrics::Sample { values, cluster: None }).collect();
        let metrics = tasks::find("sciq").unwrap().metrics(&Protocol::new("harness"));
        let metric = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == name).unwrap();
            metric.estimate(&values).unwrap().value
        };
        let nats: f64 = records.iter().map(|record| -record.lls[3]).sum();
        let bits = nats / std::f64::consts::LN_2 / bytes.iter().sum::<usize>() as f64;
        assert!((metric("bits_per_byte") - bits).abs() < 1e-4, "{label}");
        let share = |record: &Record| {
            let weights: Vec<f64> = record.lls.iter().map(|score| score.exp()).collect();
            weights[3] / weights.iter().sum::<f64>()
        };
        let percent = 100.0 * mean(records.iter().map(share));
        assert!((metric("probability_correct") - percent).abs() < 0.02, "{label}");
    }
}
