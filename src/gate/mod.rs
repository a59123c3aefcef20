//! Regression gates: two runs compared sample by sample, baselines that are kept, and the decision whether a run is worse.

mod baseline;
mod changes;
mod check;
mod check_tables;
mod column;
mod compare;
mod compare_tables;
mod exact;
mod junit;
mod pairing;
mod side;
#[cfg(test)]
mod simulation;
mod tolerance;

use std::path::PathBuf;

pub use baseline::{
    BASELINE_VERSION, BaselineMetric, BaselineModel, BaselineTask, RegressionBaseline, SampleIds,
};
pub use changes::{ChangedAnswer, ChangedSample, Changes};
pub use check::{Check, CheckOptions, CheckedMetric, Verdict, check};
pub use check_tables::{check_sections, check_summary};
pub use column::Column;
pub use compare::{CompareOptions, ComparedMetric, ComparedTask, Comparison, compare};
pub use compare_tables::{comparison_markdown, comparison_text};
pub use exact::{CheckedRecords, check_records};
pub use junit::junit;
pub use pairing::{LeftOut, ModelMap};
pub use side::Side;
pub use tolerance::{Tolerance, Tolerances};

use crate::run::RunError;
use crate::tasks::TaskConfigError;

/// Why runs cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// A run directory cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The card of a user's own task cannot be used.
    #[error(transparent)]
    TaskConfig(#[from] TaskConfigError),
    /// A baseline cannot be read.
    #[error("cannot read {path}: {reason}")]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A baseline cannot be made of a run.
    #[error("{path}: {reason}")]
    NoBaseline {
        /// The run directory.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The runs measured other things.
    #[error("{base} and {new} did not measure the same:\n{}{remedy}", differences.join("\n"))]
    Different {
        /// The one that is compared with.
        base: String,
        /// The other.
        new: String,
        /// One line a field.
        differences: Vec<String>,
        /// What to do.
        remedy: &'static str,
    },
    /// There is nothing to compare.
    #[error("{base} and {new} have nothing in common: {reason}")]
    NothingInCommon {
        /// The one that is compared with.
        base: String,
        /// The other.
        new: String,
        /// What each has.
        reason: String,
    },
    /// A model that is not there.
    #[error("--models {given}: {reason}")]
    Models {
        /// As typed.
        given: String,
        /// What is wrong.
        reason: String,
    },
    /// A tolerance that cannot be used.
    #[error("--tolerance {given}: {reason}")]
    Tolerance {
        /// As typed.
        given: String,
        /// What is wrong.
        reason: String,
    },
    /// A value that has no place in a file.
    #[error("cannot write the baseline: {0}")]
    Json(#[from] serde_json::Error),
}
