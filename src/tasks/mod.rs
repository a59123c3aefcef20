//! The tasks: what is asked of a model and how its answers are scored.
//!
//! A new task is one file here, one folder in `tasks/`, and one line in [`REGISTRY`].

mod card;
mod cbt;
mod choice;
mod enwik8;
mod erased;
mod lambada;
mod one_billion_word;
mod penn_treebank;
mod perplexity;
mod text8;
mod wikitext103;
mod wikitext2;
mod winograd;

pub use card::{Card, ProtocolCard};
pub use erased::{AnyTask, LoadedTask};

use crate::data::{DataError, DataFile};
use crate::metrics::Metric;
use crate::record::{Protocol, Statistics};
use crate::request::{Request, Response};

/// Every task, in the order of the paper's tables.
pub static REGISTRY: &[&dyn AnyTask] = &[
    &lambada::Lambada,
    &cbt::COMMON_NOUNS,
    &cbt::NAMED_ENTITIES,
    &wikitext2::TASK,
    &penn_treebank::TASK,
    &enwik8::TASK,
    &text8::TASK,
    &wikitext103::TASK,
    &one_billion_word::TASK,
    &winograd::Winograd,
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

/// A task of the paper.
pub trait Task: Sync {
    /// One example as the task understands it.
    type Doc: Send + Sync + 'static;

    /// Its card.
    fn card(&self) -> &Card;

    /// The bundled sample, in the format of the test set.
    fn sample(&self) -> &'static [u8];

    /// Reads all examples. `Err` names file and line.
    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<Self::Doc>>, DataError>;

    /// What to ask the model about one example. Pure.
    fn requests(&self, doc: &Self::Doc, protocol: &Protocol) -> Vec<Request>;

    /// Sufficient statistics of the answers, which come in the order of the requests. Pure.
    fn score(
        &self,
        doc: &Self::Doc,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<Statistics, TaskError>;

    /// What is computed from the statistics, headline first.
    fn metrics(&self, protocol: &Protocol) -> Vec<Metric>;
}

/// The task of this name.
pub fn find(name: &str) -> Option<&'static dyn AnyTask> {
    REGISTRY.iter().copied().find(|task| task.card().name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DataSource;

    #[test]
    fn cards_agree_with_the_registry_and_samples_load() {
        for task in REGISTRY {
            let card = task.card();
            assert!(find(&card.name).is_some());
            assert!(card.groups.contains(&"all".to_owned()), "{}: every task is in `all`", card.name);
            for protocol in &card.protocols {
                let protocol = Protocol::new(&protocol.name);
                let loaded = task.load(&DataSource::Sample, &protocol).unwrap();
                // A stream has as many samples as it has parts.
                let fewest = if card.groups.contains(&"lm".to_owned()) { 1 } else { 20 };
                assert!(loaded.len() >= fewest, "{} has {} samples", card.name, loaded.len());
                assert!(!task.metrics(&protocol).is_empty());
            }
        }
    }
}
