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
pub use executor::{Failures, execute};
pub use finished::{FinishedRun, FinishedTask};
pub use inputs::ShardSamples;
pub use journal::Journal;
pub use loaded::LoadedTask;
pub(crate) use merge::merge;
pub use preflight::Preflight;

use crate::data::DataError;
use crate::record::{ModelIdentity, SampleResult};
use crate::tasks::TaskConfigError;
use gpt2_model::engine::EngineError;
use gpt2_model::{CheckpointError, ComputeDevice};

/// How a plan is run; no option changes a result.
pub struct RunOptions<'a> {
    /// Device of the models.
    pub device: &'a ComputeDevice,
    /// Maximum tokens of a forward pass, padding included.
    pub batch_tokens: usize,
    /// Whether the first sample or task that fails ends the run.
    pub fail_fast: bool,
    /// Whether the user wants the run to stop; called after every batch.
    pub stop_wanted: &'a dyn Fn() -> bool,
}

/// Receives the progress and the results of a run.
pub trait Observer {
    /// A task begins on a model; the journal already has the answers to `resumed_tokens` tokens.
    fn begin(&mut self, model: &str, task: &str, resumed_tokens: u64);
    /// The model has read `tokens` more tokens.
    fn progress(&mut self, tokens: usize);
    /// A note for the user, one sentence.
    fn note(&mut self, text: &str);
    /// The task with index `task` in the plan is finished on a model; `records` are in the order of the data.
    fn finished(
        &mut self,
        model: &ModelIdentity,
        task: usize,
        records: &[SampleResult],
    ) -> Result<(), RunError>;
    /// The task with index `task` in the plan has failed on a model; the run continues with the next task.
    fn task_failed(&mut self, model: &ModelIdentity, task: usize, error: &RunError) -> Result<(), RunError>;
}

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
