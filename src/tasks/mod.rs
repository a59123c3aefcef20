//! The tasks: the requests that they make to a model and the scoring of its responses.
//!
//! A new task is one file here, one folder in `tasks/`, and one line in [`REGISTRY`].

mod cbt;
mod choice;
mod clusters;
mod cnn_dailymail;
mod config;
mod coqa;
mod core;
mod custom;
pub mod detokenize;
mod erased;
mod generation;
mod lambada;
mod nq;
mod perplexity;
mod proof;
mod registry;
mod translation;
mod winograd;

pub use config::{ProtocolConfig, TaskConfig};
pub use core::{CORE_TASKS, CoreBaselines};
pub use custom::{CUSTOM_GROUP, CustomTaskConfig, FieldPath, Record, TaskConfigError, Template};
pub use erased::{AnyTask, Source, TaskSamples};
pub use perplexity::PAPER_STRIDE;
pub use registry::Registry;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::data::{BundledFile, DataError, DataFile, Split};
use crate::plan::DataSource;
use crate::record::{CandidateSet, Protocol};
use gpt2_model::request::{Request, Response, Window};
use text_metrics::SampleValues;
use text_metrics::{Breakdown, Metric};

/// The tasks of the paper, in the order of its tables.
static OF_THE_PAPER: &[&dyn AnyTask] = &[
    &lambada::Lambada,
    &cbt::COMMON_NOUNS,
    &cbt::NAMED_ENTITIES,
    &perplexity::WIKITEXT_2,
    &perplexity::PTB,
    &perplexity::ENWIK8,
    &perplexity::TEXT8,
    &perplexity::WIKITEXT_103,
    &perplexity::ONE_BILLION_WORD,
    &winograd::Winograd,
    &coqa::Coqa,
    &cnn_dailymail::CnnDailyMail,
    &translation::FRENCH_ENGLISH,
    &translation::ENGLISH_FRENCH,
    &translation::ENGLISH_GERMAN,
    &nq::NaturalQuestions,
];

/// Every built-in task: those of the paper, the 22 of CORE, then those that are a config alone.
pub static REGISTRY: LazyLock<Vec<&'static dyn AnyTask>> = LazyLock::new(|| {
    let core = core::TASKS.iter().map(|task| task as &dyn AnyTask);
    let configs = custom::BUILT_IN.iter().map(|task| task as &dyn AnyTask);
    OF_THE_PAPER.iter().copied().chain(core).chain(configs).collect()
});

/// The engine answered with another kind or number of responses than the task requested: a defect of the program.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected} as response {index}, found {found}")]
pub struct UnexpectedResponse {
    /// Index of the response, from 0.
    pub index: usize,
    /// Kind of the response to the task's request.
    pub expected: &'static str,
    /// Kind of the response that arrived.
    pub found: &'static str,
}

/// A sample as it was read from the data.
#[derive(Debug, Clone)]
pub struct Item<Doc> {
    /// Stable id within the data, the same in every run.
    pub id: String,
    /// The cluster of the sample, such as its story, where samples are not independent.
    pub cluster: Option<String>,
    /// Line of its record in the data file, from 1.
    pub line: usize,
    /// The task's own type.
    pub doc: Doc,
}

/// Samples, and notes on how they were read.
pub type ItemsAndNotes<Doc> = (Vec<Item<Doc>>, Vec<String>);

/// Everything besides the sample that decides its requests.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Protocol and options.
    pub protocol: &'a Protocol,
    /// Few-shot examples with their separators; empty without `--shots`.
    pub few_shot_examples: &'a str,
    /// Seed of this sample for sampling.
    pub seed: u64,
}

/// The values of a method without a model, such as Lede-3 or the majority's choice.
#[derive(Debug, Clone, PartialEq)]
pub struct HeuristicBaseline {
    /// Name in tables, as in the paper.
    pub name: String,
    pub values: Vec<SampleValues>,
    /// The cluster of each sample; the registry fills it in.
    pub clusters: Vec<Option<String>>,
}

impl HeuristicBaseline {
    pub(crate) fn new(name: &str, values: Vec<SampleValues>) -> Self {
        Self { name: name.to_owned(), values, clusters: Vec::new() }
    }
}

/// A task of the paper, or a custom task.
pub trait Task: Sync {
    /// A sample as the task understands it.
    type Doc: Send + Sync + 'static;

    fn config(&self) -> &TaskConfig;

    /// The bundled sample files that the task config names, in the format of the test set.
    fn samples(&self) -> &'static [BundledFile];

    /// Opens the protocol's file of a split; `Ok(None)` if there is none.
    fn open(
        &self,
        source: &DataSource,
        split: Split,
        protocol: &Protocol,
    ) -> Result<Option<DataFile>, DataError> {
        let TaskConfig { name, data, .. } = self.config();
        DataFile::open(name, &data.for_protocol(&protocol.name), self.samples(), source, split)
    }

    /// Reads all samples. `Err` names file and line.
    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<Self::Doc>>, DataError>;

    /// The samples, and notes for the user on how the file was read, such as lines that were skipped.
    fn docs_and_notes(
        &self,
        file: &DataFile,
        protocol: &Protocol,
    ) -> Result<ItemsAndNotes<Self::Doc>, DataError> {
        Ok((self.docs(file, protocol)?, Vec::new()))
    }

    /// Whether the heuristic baselines learn from the training split, so that a run needs it even without few-shot
    /// examples.
    fn baselines_learn(&self) -> bool {
        false
    }

    /// Options that the content of the data adds to the protocol in outputs.
    fn label(
        &self,
        file: &DataFile,
        items: &[Item<Self::Doc>],
        protocol: &Protocol,
    ) -> BTreeMap<String, String> {
        let _ = (file, items, protocol);
        BTreeMap::new()
    }

    /// The texts of the sample's record, from which `--limit` chooses samples: independent of line, protocol and model.
    /// The checksum over all records takes the same texts (`docs/data.md`). `None` for a part of a longer text, which has no
    /// content of its own without its position. Pure.
    fn content(&self, doc: &Self::Doc) -> Option<Vec<String>>;

    /// A sample with its answer as a few-shot example, with the separator after it. Pure. Called only if the protocol
    /// takes `shots`.
    fn few_shot_example(&self, doc: &Self::Doc, protocol: &Protocol) -> String {
        let _ = (doc, protocol);
        String::new()
    }

    /// The references or the correct candidate, for readers of the samples. Empty where the request has the target. Pure;
    /// never scored.
    fn expected(&self, doc: &Self::Doc, protocol: &Protocol) -> Vec<String> {
        let _ = (doc, protocol);
        Vec::new()
    }

    /// Which responses compete with each other, and which of them is correct; empty unless the task is a choice. Pure; for
    /// readers of the samples, never scored.
    fn candidate_sets(&self, doc: &Self::Doc, protocol: &Protocol) -> Vec<CandidateSet> {
        let _ = (doc, protocol);
        Vec::new()
    }

    /// The windows in which the requests read a text; `None` for tasks without windows.
    fn window(&self, protocol: &Protocol) -> Option<Window> {
        let _ = protocol;
        None
    }

    /// The requests of a sample. Pure.
    fn requests(&self, doc: &Self::Doc, setting: &Setting<'_>) -> Vec<Request>;

    /// The values of a sample, from which every metric can be computed. `responses` are in the order of the requests. Pure.
    fn score(
        &self,
        doc: &Self::Doc,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse>;

    /// The metrics, headline first.
    fn metrics(&self, protocol: &Protocol) -> Vec<Metric>;

    /// Tables of metrics over groups of samples.
    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown> {
        let _ = protocol;
        Vec::new()
    }

    /// The heuristic baselines on `items`: rows of the same table. They may learn from `training`, which is empty where
    /// the source has only the measured split.
    fn baselines(
        &self,
        items: &[Item<Self::Doc>],
        training: &[Item<Self::Doc>],
        protocol: &Protocol,
        seed: u64,
    ) -> Vec<HeuristicBaseline> {
        let _ = (items, training, protocol, seed);
        Vec::new()
    }
}

/// The built-in task of this name; [`Registry::find`] knows custom tasks too.
pub fn find(name: &str) -> Option<&'static dyn AnyTask> {
    REGISTRY.iter().copied().find(|task| task.config().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_configs_agree_with_the_registry_and_bundled_samples_load() {
        for task in REGISTRY.iter() {
            let config = task.config();
            assert!(find(&config.name).is_some());
            let is_in = |group: &str| config.groups.iter().any(|name| name == group);
            let of = ["all", "core", "zero-shot"].into_iter().filter(|group| is_in(group)).count();
            assert_eq!(of, 1, "{}: in `all`, `core` or `zero-shot`", config.name);
            for known in &config.protocols {
                let protocol = config.planned(&known.name).protocol;
                let loaded =
                    task.load(&Source::new(&DataSource::Sample, config.data.split, 0), &protocol).unwrap();
                // A stream has one sample for each part.
                let minimum = if config.groups.contains(&"lm".to_owned()) { 1 } else { 20 };
                assert!(loaded.len() >= minimum, "{} has {} samples", config.name, loaded.len());
                assert!(!task.metrics(&protocol).is_empty());
                for index in 0..loaded.len() {
                    // The answer is either the only target or in `expected`.
                    let has_target = matches!(&loaded.requests(index)[..], [one] if !matches!(one, Request::Generate { .. }));
                    let expected = loaded.expected(index);
                    assert_eq!(expected.is_empty(), has_target || minimum == 1, "{} {index}", config.name);
                    assert!(expected.iter().all(|text| !text.is_empty()), "{} {index}", config.name);
                    let requests = loaded.requests(index).len();
                    for set in loaded.candidate_sets(index) {
                        assert!(set.responses.contains(&set.correct), "{} {index}", config.name);
                        assert!(set.responses.iter().all(|&response| response < requests), "{}", config.name);
                    }
                }
            }
        }
    }

    #[test]
    fn every_task_except_streams_takes_shots() {
        for task in REGISTRY.iter() {
            let config = task.config();
            // Streams have no examples, and CORE's tasks always the same number.
            let stream = config.groups.iter().any(|group| ["lm", "core"].contains(&group.as_str()));
            for known in &config.protocols {
                assert_eq!(
                    known.options.contains(&"shots".to_owned()),
                    !stream,
                    "{}:{}",
                    config.name,
                    known.name
                );
                if stream {
                    continue;
                }
                let mut protocol = Protocol::new(&known.name);
                protocol.options.insert("shots".to_owned(), "2".to_owned());
                let source = Source::new(&DataSource::Sample, config.data.split, 0);
                let few = task.load(&source, &protocol).unwrap();
                protocol.options.insert("shots".to_owned(), "0".to_owned());
                let zero = task.load(&source, &protocol).unwrap();
                for index in 0..zero.len().min(5) {
                    assert_ne!(few.requests(index), zero.requests(index), "{}:{}", config.name, known.name);
                }
                let has_examples = config.data.samples.iter().any(|file| file.split == Some(Split::Train))
                    || config.data.samples.iter().any(|file| file.split == Some(Split::Validation));
                assert_eq!(few.label().contains_key("shots_from"), !has_examples, "{}", config.name);
            }
        }
    }
}
