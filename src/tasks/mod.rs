//! The tasks: what is asked of a model and how its answers are scored.
//!
//! A new task is one file here, one folder in `tasks/`, and one line in [`REGISTRY`].

mod cbt;
mod choice;
mod cnn_dailymail;
mod config;
mod coqa;
mod custom;
pub mod detokenize;
mod erased;
mod generation;
mod lambada;
mod nq;
mod perplexity;
mod registry;
mod translation;
mod winograd;

pub use config::{ProtocolConfig, TaskConfig};
pub use custom::{CUSTOM_GROUP, CustomTaskConfig, FieldPath, Record, TaskConfigError, Template};
pub use erased::{AnyTask, Source, TaskSamples};
pub use perplexity::PAPER_STRIDE;
pub use registry::Registry;

use crate::data::{BundledFile, DataError, DataFile, Split};
use crate::plan::DataSource;
use crate::record::{CandidateSet, Protocol};
use gpt2_model::request::{Request, Response};
use text_metrics::SampleValues;
use text_metrics::{Breakdown, Metric};

/// Every task, in the order of the paper's tables.
pub static REGISTRY: &[&dyn AnyTask] = &[
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

/// Why a task cannot score a sample.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The engine answered another question. A defect of the program, kept apart from a sample's own failure.
    #[error("expected {expected} as response {index}, found {found}")]
    Response {
        /// Which response, from 0.
        index: usize,
        /// Its kind by the task's request.
        expected: &'static str,
        /// Its kind.
        found: &'static str,
    },
}

/// One example.
#[derive(Debug, Clone)]
pub struct Item<Doc> {
    /// Stable name within the data, the same in every run.
    pub id: String,
    /// Story or article it belongs to, where samples are not independent.
    pub cluster: Option<String>,
    /// Line of its record in the data file, from 1.
    pub line: usize,
    /// What the task read.
    pub doc: Doc,
}

/// How examples are asked about.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Protocol and options.
    pub protocol: &'a Protocol,
    /// Solved examples of a few-shot prompt, each with what parts it from the next; empty without `--shots`.
    pub few_shot_examples: &'a str,
    /// Seed of everything that is drawn for this example.
    pub seed: u64,
}

/// What a method without a model scores on every example.
#[derive(Debug, Clone, PartialEq)]
pub struct HeuristicBaseline {
    /// Its name in tables, as the paper writes it.
    pub name: String,
    /// One for each example, in their order.
    pub values: Vec<SampleValues>,
}

/// A task of the paper, or a user's own.
pub trait Task: Sync {
    /// One example as the task understands it.
    type Doc: Send + Sync + 'static;

    /// Its card.
    fn config(&self) -> &TaskConfig;

    /// The bundled samples that the card names, in the format of the test set.
    fn samples(&self) -> &'static [BundledFile];

    /// The file of a split; `Ok(None)` if there is none.
    fn open(&self, source: &DataSource, split: Split) -> Result<Option<DataFile>, DataError> {
        let TaskConfig { name, data, .. } = self.config();
        DataFile::open(name, data, self.samples(), source, split)
    }

    /// Reads all examples. `Err` names file and line.
    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<Self::Doc>>, DataError>;

    /// An example with its answer, as it stands in a few-shot prompt, and what parts it from the next. Pure. Asked for
    /// only if the card's protocol takes `shots`.
    fn few_shot_example(&self, doc: &Self::Doc, protocol: &Protocol) -> String {
        let _ = (doc, protocol);
        String::new()
    }

    /// What would be right, for who reads a sample: references, or the right candidate. Empty where the request's own
    /// target says it. Pure; never scored.
    fn expected(&self, doc: &Self::Doc) -> Vec<String> {
        let _ = doc;
        Vec::new()
    }

    /// Which of the responses compete with each other, and which of them is correct; empty unless the task is a choice.
    /// Pure; recorded for readers of the samples, never scored.
    fn candidate_sets(&self, doc: &Self::Doc, protocol: &Protocol) -> Vec<CandidateSet> {
        let _ = (doc, protocol);
        Vec::new()
    }

    /// What to ask the model about one example. Pure.
    fn requests(&self, doc: &Self::Doc, setting: &Setting<'_>) -> Vec<Request>;

    /// Sufficient statistics of the answers, which come in the order of the requests. Pure.
    fn score(
        &self,
        doc: &Self::Doc,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, TaskError>;

    /// What is computed from the statistics, headline first.
    fn metrics(&self, protocol: &Protocol) -> Vec<Metric>;

    /// Tables that split the samples into groups.
    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown> {
        let _ = protocol;
        Vec::new()
    }

    /// What methods without a model score: rows of the same table. `training` are the examples that may be learned
    /// from, none if only the measured ones are at hand.
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

/// The program's task of this name; [`Registry::find`] knows the user's own too.
pub fn find(name: &str) -> Option<&'static dyn AnyTask> {
    REGISTRY.iter().copied().find(|task| task.config().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_agree_with_the_registry_and_samples_load() {
        for task in REGISTRY {
            let config = task.config();
            assert!(find(&config.name).is_some());
            assert!(config.groups.contains(&"all".to_owned()), "{}: every task is in `all`", config.name);
            for known in &config.protocols {
                let protocol = config.planned(&known.name).protocol;
                let loaded =
                    task.load(&Source::new(&DataSource::Sample, config.data.split, 0), &protocol).unwrap();
                // A stream has as many samples as it has parts.
                let fewest = if config.groups.contains(&"lm".to_owned()) { 1 } else { 20 };
                assert!(loaded.len() >= fewest, "{} has {} samples", config.name, loaded.len());
                assert!(!task.metrics(&protocol).is_empty());
                for index in 0..loaded.len() {
                    // What is right stands either in the one target or beside the requests.
                    let has_target = matches!(&loaded.requests(index)[..], [one] if !matches!(one, Request::Generate { .. }));
                    let expected = loaded.expected(index);
                    assert_eq!(expected.is_empty(), has_target || fewest == 1, "{} {index}", config.name);
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
    fn every_task_but_the_streams_takes_shots() {
        for task in REGISTRY {
            let config = task.config();
            let stream = config.groups.contains(&"lm".to_owned());
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
