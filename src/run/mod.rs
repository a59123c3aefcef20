//! Running a plan: preflight, journals, execution; and reading and merging run directories.

mod directory;
mod executor;
mod finished;
mod inputs;
mod journal;
mod loaded;
mod merge;
mod preflight;
mod selection;
mod task_run;

use std::path::Path;

pub use directory::RunDirectory;
pub use executor::{Failures, Observer, RunOptions, execute};
pub use finished::{FinishedRun, FinishedTask};
pub use inputs::ShardSamples;
pub use journal::Journal;
pub use loaded::LoadedTask;
pub(crate) use merge::merge;
pub use preflight::Preflight;

use crate::data::DataError;
use crate::tasks::TaskConfigError;
use gpt2_model::CheckpointError;
use gpt2_model::engine::EngineError;

/// Why a run cannot begin, ended early, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A model cannot be used.
    #[error("model {label}: {source}")]
    Checkpoint {
        /// Label of the model.
        label: String,
        /// Why.
        source: CheckpointError,
    },
    /// The model failed while it ran.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A journal is damaged, or has results of another model, engine or prompt.
    #[error("{0}")]
    Journal(String),
    /// Some shards of a merge are missing or not complete.
    #[error("{0}")]
    Incomplete(String),
    /// The user stopped the run.
    #[error("stopped")]
    Stopped,
    /// A task's data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The task config of a custom task cannot be used.
    #[error(transparent)]
    TaskConfig(#[from] TaskConfigError),
    /// Any other error, with its location and remedy.
    #[error("{0}")]
    Other(String),
}

/// Replaces the file at `path`; after a crash it is the old one or the new one.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), RunError> {
    untrusted_input::write_atomically(path, content).map_err(|error| RunError::write(path, &error))
}

impl RunError {
    /// The file or directory at `path` cannot be written.
    pub(crate) fn write(path: &Path, error: &std::io::Error) -> Self {
        Self::Other(format!(
            "cannot write {}: {error}; finished results are kept: remove the cause and run the same command again",
            path.display()
        ))
    }

    /// The file at `path` cannot be read or is not valid.
    fn read(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Other(format!("cannot read {}: {reason}", path.display()))
    }

    fn unknown_task(name: &str) -> Self {
        Self::Other(format!("unknown task `{name}`: `gpt2-eval ls` lists the tasks"))
    }

    /// Whether the other tasks of the run can be measured after this error.
    fn affects_only_this_task(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::Checkpoint { .. })
    }
}
