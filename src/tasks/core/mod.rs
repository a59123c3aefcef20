//! The 22 tasks of DCLM's CORE metric (Li et al. 2024) as nanochat measures them (karpathy/nanochat,
//! `nanochat/core_eval.py`).
//!
//! Records are shuffled with a fixed seed; each record draws its few-shot examples from all others with a seed of its own.

mod python_random;
mod record;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::choice::{BITS_OF_ANSWER, PROBABILITY_OF_ANSWER, answer_values, scores};
use super::{Item, ProtocolConfig, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::sources::UpstreamConfig;
use crate::data::{BundledFile, DataConfig, DataError, DataFile, FileConfig, Split};
use crate::record::{CandidateSet, Protocol};
use gpt2_model::request::{LogLikelihood, Request, Response};
use python_random::PythonRandom;
use record::{Kind, Record};
use text_metrics::{Aggregate, Metric, SampleValues};

/// Seed of the shuffle.
const SHUFFLE_SEED: u64 = 1337;
/// Seed of the few-shot examples of the first record; the next has the next seed.
const SHOTS_SEED: u64 = 1234;

/// Name of the only protocol.
const PROTOCOL: &str = "nanochat";
/// Option with the number of records that are kept after the shuffle.
const MAX_PER_TASK: &str = "max_per_task";

/// The files of most tasks, as nanochat and DCLM took them over.
const FOUNDRY: &str = "https://raw.githubusercontent.com/mosaicml/llm-foundry/\
                       8c8dd48f72168c5d51e2f7b151595892a8fba43d/scripts/eval/local_data";
/// nanochat's bundle of all files. No checksum of it is pinned, because none could be verified; most files in it have one.
const BUNDLE: &str = "https://karpathy-public.s3.us-west-2.amazonaws.com/eval_bundle.zip";

/// A task and the accuracies of guessing, fractions.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreBaselines {
    /// Name of the task.
    pub name: String,
    /// As nanochat's bundle has it (v1).
    pub baseline: f64,
    /// As DCLM corrected it in September 2025 (v2).
    pub corrected_baseline: f64,
}

/// The tasks of CORE in nanochat's order.
pub static CORE_TASKS: LazyLock<Vec<CoreBaselines>> = LazyLock::new(|| {
    let fraction = |tenths: u16| 0.01 * (f64::from(tenths) / 10.0);
    TASKS
        .iter()
        .map(|task| CoreBaselines {
            name: task.config.name.clone(),
            baseline: fraction(task.baseline),
            corrected_baseline: fraction(task.corrected_baseline),
        })
        .collect()
});

/// One of the 22 tasks.
pub(super) struct CoreTask {
    kind: Kind,
    shots: usize,
    /// Text between context and continuation.
    delimiter: String,
    /// Accuracy of guessing, in tenths of a percent.
    baseline: u16,
    corrected_baseline: u16,
    config: TaskConfig,
}

/// The tasks in nanochat's order.
pub(super) static TASKS: LazyLock<Vec<CoreTask>> =
    LazyLock::new(|| parse(include_str!("../../../tasks/core/core.toml")));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CoreConfig {
    tasks: Vec<CoreTaskConfig>,
}

/// A task in `tasks/core/core.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CoreTaskConfig {
    /// nanochat's name.
    label: String,
    title: String,
    measures: String,
    kind: Kind,
    shots: usize,
    delimiter: String,
    /// Path below the bundle's `eval_data`.
    file: String,
    records: usize,
    sha256: Option<String>,
    /// Accuracy of guessing, in percent.
    baseline: f64,
    corrected_baseline: f64,
}

/// # Panics
/// If the config is invalid, which a test rules out.
#[allow(clippy::panic)]
fn parse(toml: &str) -> Vec<CoreTask> {
    let config: CoreConfig = toml::from_str(toml).unwrap_or_else(|error| panic!("core.toml: {error}"));
    config.tasks.iter().map(CoreTask::new).collect()
}

impl CoreTask {
    fn new(config: &CoreTaskConfig) -> Self {
        let tenths = |percent: f64| (percent * 10.0).round() as u16;
        let protocol = ProtocolConfig {
            name: PROTOCOL.to_owned(),
            description: format!(
                "karpathy/nanochat's core_eval.py: {} few-shot examples, spans by common tokens, mean loss",
                config.shots
            ),
            options: vec![MAX_PER_TASK.to_owned()],
            defaults: BTreeMap::new(),
            question: None,
        };
        Self {
            kind: config.kind,
            shots: config.shots,
            delimiter: config.delimiter.clone(),
            baseline: tenths(config.baseline),
            corrected_baseline: tenths(config.corrected_baseline),
            config: TaskConfig {
                name: format!("core-{}", config.label),
                title: format!("CORE: {}", config.title),
                measures: config.measures.clone(),
                groups: vec!["core".to_owned()],
                cluster: None,
                citation: "Li et al. 2024, DataComp-LM (CORE); karpathy/nanochat, core_eval.py".to_owned(),
                protocols: vec![protocol],
                data: data(config),
            },
        }
    }
}

/// The whole file or a part of it in `core/`, then the unpacked bundle.
fn data(config: &CoreTaskConfig) -> DataConfig {
    let path = config.file.as_str();
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let stem = file_name.trim_end_matches(".jsonl");
    let whole = |name: String, url: Option<String>, member: Option<String>| FileConfig {
        name,
        sha256: config.sha256.clone(),
        records: Some(config.records),
        upstream: url.map(|url| UpstreamConfig {
            url,
            sha256: config.sha256.clone().filter(|_| member.is_none()),
            bytes: None,
            member,
        }),
        ..FileConfig::default()
    };
    let part = |kind: &str| FileConfig { name: format!("core/{stem}.{kind}.jsonl"), ..FileConfig::default() };
    let foundry = config.sha256.as_ref().map(|_| format!("{FOUNDRY}/{path}"));
    let member = format!("eval_bundle/eval_data/{path}");
    DataConfig {
        split: Split::Test,
        hub: None,
        files: vec![
            whole(format!("core/{file_name}"), foundry, None),
            part("first-200"),
            part("lookalike"),
            whole(member.clone(), Some(BUNDLE.to_owned()), Some(member)),
            whole(format!("eval_data/{path}"), None, None),
        ],
        samples: vec![FileConfig { name: file_name.to_owned(), ..FileConfig::default() }],
    }
}

/// A record at its place after the shuffle.
pub(super) struct CoreItem {
    /// All records of the task that are kept, shuffled.
    records: Arc<[Record]>,
    index: usize,
    /// Indices of the few-shot examples, in their order.
    shots: Vec<usize>,
}

impl CoreItem {
    fn record(&self) -> &Record {
        &self.records[self.index]
    }
}

/// Indices of the few-shot examples of the record at `index`: any other records of the `count` that are kept.
fn few_shot_indices(index: usize, count: usize, shots: usize) -> Vec<usize> {
    if shots == 0 {
        return Vec::new();
    }
    let others = PythonRandom::new(SHOTS_SEED + index as u64).sample(count.saturating_sub(1), shots);
    others.into_iter().map(|other| if other < index { other } else { other + 1 }).collect()
}

impl Task for CoreTask {
    type Doc = CoreItem;

    fn config(&self) -> &TaskConfig {
        &self.config
    }

    fn samples(&self) -> &'static [BundledFile] {
        SAMPLES
    }

    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<CoreItem>>, DataError> {
        let mut records = record::read(file, self.kind)?;
        PythonRandom::new(SHUFFLE_SEED).shuffle(&mut records);
        if let Some(max) = protocol.options.get(MAX_PER_TASK).and_then(|max| max.parse().ok()) {
            records.truncate(max);
        }
        let available = records.len().saturating_sub(1);
        if self.shots > available {
            return Err(DataError::TooFewExamples {
                task: self.config.name.clone(),
                shots: self.shots,
                examples: available,
            });
        }
        let (lines, records): (Vec<usize>, Vec<Record>) = records.into_iter().unzip();
        let records: Arc<[Record]> = records.into();
        let item = |(index, line): (usize, usize)| Item {
            id: format!("{:05}", line - 1),
            cluster: None,
            line,
            doc: CoreItem {
                records: Arc::clone(&records),
                index,
                shots: few_shot_indices(index, records.len(), self.shots),
            },
        };
        Ok(lines.into_iter().enumerate().map(item).collect())
    }

    fn content(&self, doc: &CoreItem) -> Option<Vec<String>> {
        Some(doc.record().texts())
    }

    fn expected(&self, doc: &CoreItem, _: &Protocol) -> Vec<String> {
        doc.record().gold().map(|_| doc.record().answer().to_owned()).into_iter().collect()
    }

    fn candidate_sets(&self, doc: &CoreItem, _: &Protocol) -> Vec<CandidateSet> {
        let gold = doc.record().gold();
        gold.map(|(gold, candidates)| CandidateSet::consecutive(0, candidates, gold)).into_iter().collect()
    }

    fn requests(&self, doc: &CoreItem, _: &Setting<'_>) -> Vec<Request> {
        doc.record().requests(doc.shots.iter().map(|&shot| &doc.records[shot]), &self.delimiter)
    }

    fn score(
        &self,
        doc: &CoreItem,
        _: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let scores = scores(responses)?;
        let gold = doc.record().gold().map(|(gold, _)| gold);
        // A continuation is the only response.
        let answer = gold.unwrap_or(0);
        let Some(of_answer) = scores.get(answer) else {
            let index = responses.len();
            return Err(UnexpectedResponse { index, expected: "log_likelihood", found: "nothing" });
        };
        let correct = gold.map_or(of_answer.greedy, |gold| lowest_mean_loss(&scores) == gold);
        let sums: Vec<f64> = scores.iter().map(|score| score.log_likelihood).collect();
        let mut values = answer_values(&sums, &[answer], doc.record().scored().len());
        values.insert("correct".to_owned(), f64::from(u8::from(correct)));
        if gold.is_none() {
            // It competes with nothing.
            values.remove("probability_correct");
        }
        Ok(values)
    }

    fn metrics(&self, _: &Protocol) -> Vec<Metric> {
        let mut metrics = vec![
            Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "correct" } },
            Metric {
                name: "centered_accuracy",
                aggregate: Aggregate::CenteredAccuracy { correct: "correct", baseline_tenths: self.baseline },
            },
            BITS_OF_ANSWER,
        ];
        if self.kind != Kind::LanguageModeling {
            metrics.push(PROBABILITY_OF_ANSWER);
        }
        metrics
    }
}

/// Index of the row with the lowest mean loss, as Python's `losses.index(min(losses))`: the first of equals. The mean over
/// no token is NaN. A NaN in the first place wins, because no number is less than it; elsewhere it never does.
fn lowest_mean_loss(scores: &[&LogLikelihood]) -> usize {
    let mean = |score: &LogLikelihood| -score.log_likelihood / score.tokens.len() as f64;
    let mut lowest = 0;
    for (index, score) in scores.iter().enumerate() {
        if mean(score) < mean(scores[lowest]) {
            lowest = index;
        }
    }
    lowest
}

macro_rules! bundled {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../tasks/core/", $name)))
    };
}

/// 20 records of each file, written for this project.
const SAMPLES: &[BundledFile] = &[
    bundled!("agi_eval_lsat_ar.jsonl"),
    bundled!("arc_challenge.jsonl"),
    bundled!("arc_easy.jsonl"),
    bundled!("bigbench_cs_algorithms.jsonl"),
    bundled!("bigbench_dyck_languages.jsonl"),
    bundled!("bigbench_language_identification.jsonl"),
    bundled!("bigbench_operators.jsonl"),
    bundled!("bigbench_qa_wikidata.jsonl"),
    bundled!("bigbench_repeat_copy_logic.jsonl"),
    bundled!("boolq.jsonl"),
    bundled!("commonsense_qa.jsonl"),
    bundled!("copa.jsonl"),
    bundled!("coqa.jsonl"),
    bundled!("hellaswag.jsonl"),
    bundled!("jeopardy_all.jsonl"),
    bundled!("lambada_openai.jsonl"),
    bundled!("openbook_qa.jsonl"),
    bundled!("piqa.jsonl"),
    bundled!("squad.jsonl"),
    bundled!("winograd_wsc.jsonl"),
    bundled!("winogrande.jsonl"),
];
