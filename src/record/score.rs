//! Rows of `scores.csv` and `breakdowns.csv`.

use serde::{Deserialize, Serialize};

/// One row of `scores.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Score {
    /// Label of the model, or name of a method without one.
    pub model: String,
    /// Its parameters; none without a model.
    pub parameters: Option<u64>,
    /// Name of the task.
    pub task: String,
    /// Protocol with its options, and `data=sample`, `limit=100`… where not all of the test set was used.
    pub protocol: String,
    /// Name of the metric.
    pub metric: String,
    /// Its value; accuracies in percent.
    pub value: f64,
    /// Its standard error, in the metric's unit; absent for a single sample.
    pub stderr: Option<f64>,
    /// Lower end of the 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub ci95_high: Option<f64>,
    /// Samples.
    pub n: usize,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// What the GPT-2 paper has for this model, task, protocol and metric.
    pub paper: Option<f64>,
    /// Samples that failed and are counted in nothing else.
    pub failed: usize,
}

/// One row of `breakdowns.csv`: a metric of a group of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupScore {
    /// Label of the model.
    pub model: String,
    /// Name of the task.
    pub task: String,
    /// As in [`Score`].
    pub protocol: String,
    /// What makes the groups: `domain`, `confidence`.
    pub breakdown: String,
    /// The group.
    pub group: String,
    /// Name of the metric.
    pub metric: String,
    /// Its value; accuracies in percent.
    pub value: f64,
    /// Its standard error, in the metric's unit.
    pub stderr: Option<f64>,
    /// Lower end of the 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub ci95_high: Option<f64>,
    /// Samples of the group.
    pub n: usize,
}
