//! Running a plan: preflight, journal, executor, manifest.

mod executor;
mod files;
mod finished;
mod inputs;
mod journal;
mod manifest;
mod merge;
mod preflight;
mod shard;
mod subset;
mod task_run;

use std::path::PathBuf;

pub use executor::{Failures, Observer, RunOptions, execute};
pub use files::write_atomically;
pub use finished::{FinishedRun, FinishedTask};
pub use inputs::{ShardPlaces, write_inputs};
pub use journal::{Journal, JournalError};
pub use manifest::{RunDirectory, now};
pub use merge::{MergeError, merge};
pub use preflight::{Preflight, ReadyModel, ReadyTask};

use crate::data::DataError;
use crate::tasks::{TaskConfigError, TaskError};
use gpt2_model::CheckpointError;
use gpt2_model::engine::{EngineError, PlanError};

/// Why a run cannot begin or ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A model cannot be used.
    #[error("model {label}: {source}")]
    Checkpoint {
        /// Its label.
        label: String,
        /// Why.
        source: CheckpointError,
    },
    /// A task's data cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The card of a user's own task cannot be used.
    #[error(transparent)]
    TaskConfig(#[from] TaskConfigError),
    /// A task of the plan is not in the registry.
    #[error("no task `{0}`")]
    UnknownTask(String),
    /// A sample cannot be asked of a model.
    #[error("{location}: sample {id} of {task} cannot be run on {model}: {source}")]
    Sample {
        /// File and line.
        location: String,
        /// The sample.
        id: String,
        /// The task.
        task: String,
        /// The model.
        model: String,
        /// Why.
        source: PlanError,
    },
    /// A file of the run directory cannot be written.
    #[error(
        "cannot write {path}: {source}; what was computed before is kept: make room and run the same command again"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the run directory cannot be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The run directory belongs to another run.
    #[error(
        "{directory} was made by a different run:\n{}\nuse another --out, or --fresh to delete what is there and start anew",
        differences.join("\n")
    )]
    OtherRun {
        /// The directory.
        directory: PathBuf,
        /// One line a field.
        differences: Vec<String>,
    },
    /// Another process writes to the run directory.
    #[error("{0} is in use by another gpt2-eval: wait until it is done, or use another --out")]
    Busy(PathBuf),
    /// A journal is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The model failed while it ran.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The user stopped the run.
    #[error("stopped")]
    Stopped,
    /// A sample has no result.
    #[error("{location}: sample {id} of {task} failed: {reason}")]
    FailedSample {
        /// File and line.
        location: String,
        /// The sample.
        id: String,
        /// The task.
        task: String,
        /// Why.
        reason: String,
    },
    /// A directory has no run in it, or one that cannot be used as it is.
    #[error("{directory}: {reason}")]
    NotARun {
        /// The directory.
        directory: PathBuf,
        /// What is missing and what to do.
        reason: String,
    },
    /// A task could not score what the engine answered.
    #[error("{task}, sample {id}: {source}")]
    Task {
        /// The task.
        task: String,
        /// The sample.
        id: String,
        /// Why.
        source: TaskError,
    },
}

impl RunError {
    /// Whether the other tasks of a run can be measured after this error.
    fn affects_only_this_task(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::Checkpoint { .. })
    }
}
