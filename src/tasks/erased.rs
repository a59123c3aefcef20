//! Tasks without their document type, so that the registry can hold all of them.

use super::{Card, Item, Task, TaskError};
use crate::data::{DataError, DataFile, Provenance};
use crate::metrics::Metric;
use crate::plan::DataSource;
use crate::record::{Protocol, Statistics};
use crate::request::{Request, Response};

/// A [`Task`] of any document type.
pub trait AnyTask: Sync {
    /// Its card.
    fn card(&self) -> &Card;
    /// Reads its examples from `source`.
    fn load(
        &'static self,
        source: &DataSource,
        protocol: &Protocol,
    ) -> Result<Box<dyn LoadedTask>, DataError>;
    /// What is computed from the statistics, headline first.
    fn metrics(&self, protocol: &Protocol) -> Vec<Metric>;
}

/// A task with its examples in memory.
pub trait LoadedTask: Send + Sync {
    /// Examples.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Stable name of example `index`.
    fn id(&self, index: usize) -> &str;
    /// Story or article of example `index`.
    fn cluster(&self, index: usize) -> Option<&str>;
    /// File and line of example `index`, for messages.
    fn place(&self, index: usize) -> String;
    /// What to ask about example `index`.
    fn requests(&self, index: usize) -> Vec<Request>;
    /// Statistics of the answers about example `index`.
    fn score(&self, index: usize, responses: &[Response]) -> Result<Statistics, TaskError>;
    /// The file the examples are from.
    fn file_name(&self) -> &str;
    /// sha256 of that file.
    fn file_sha256(&self) -> &str;
    /// Whether that file is the published test set.
    fn provenance(&self) -> Provenance;
}

struct Loaded<T: Task + 'static> {
    task: &'static T,
    protocol: Protocol,
    items: Vec<Item<T::Doc>>,
    file_name: String,
    file_sha256: String,
    provenance: Provenance,
}

impl<T: Task + 'static> AnyTask for T {
    fn card(&self) -> &Card {
        Task::card(self)
    }

    fn load(
        &'static self,
        source: &DataSource,
        protocol: &Protocol,
    ) -> Result<Box<dyn LoadedTask>, DataError> {
        let card = Task::card(self);
        let file = DataFile::open(&card.name, &card.data, self.sample(), source)?;
        let items = self.docs(&file, protocol)?;
        Ok(Box::new(Loaded {
            task: self,
            protocol: protocol.clone(),
            items,
            file_name: file.name,
            file_sha256: file.sha256,
            provenance: file.provenance,
        }))
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        Task::metrics(self, protocol)
    }
}

impl<T: Task> LoadedTask for Loaded<T> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn id(&self, index: usize) -> &str {
        &self.items[index].id
    }

    fn cluster(&self, index: usize) -> Option<&str> {
        self.items[index].cluster.as_deref()
    }

    fn place(&self, index: usize) -> String {
        format!("{}:{}", self.file_name, self.items[index].line)
    }

    fn requests(&self, index: usize) -> Vec<Request> {
        self.task.requests(&self.items[index].doc, &self.protocol)
    }

    fn score(&self, index: usize, responses: &[Response]) -> Result<Statistics, TaskError> {
        self.task.score(&self.items[index].doc, &self.protocol, responses)
    }

    fn file_name(&self) -> &str {
        &self.file_name
    }

    fn file_sha256(&self) -> &str {
        &self.file_sha256
    }

    fn provenance(&self) -> Provenance {
        self.provenance
    }
}
