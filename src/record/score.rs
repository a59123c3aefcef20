//! Rows of `scores.csv` and `breakdowns.csv`.

use serde::{Deserialize, Serialize};

/// One row of `scores.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Score {
    /// Label of the model, or name of a heuristic baseline.
    pub model: String,
    /// Number of parameters; none for a heuristic baseline.
    pub parameters: Option<u64>,
    /// Name of the task.
    pub task: String,
    /// Protocol with its options, and `data=sample`, `limit=100`… where not all of the test set was used.
    pub protocol: String,
    /// Name of the metric.
    pub metric: String,
    /// Its value; accuracies in percent.
    pub value: f64,
    /// Standard error, in the metric's unit; absent for a single sample.
    pub stderr: Option<f64>,
    /// Lower end of the 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub ci95_high: Option<f64>,
    /// Number of samples.
    pub n: usize,
    /// Whether a higher value is better.
    pub higher_is_better: bool,
    /// Value in the GPT-2 paper for this model, task, protocol and metric.
    pub paper: Option<f64>,
    /// Number of failed samples; the value is without them.
    pub failed: usize,
    /// Value that others published for this model, task, protocol and metric (`results/published.csv`).
    #[serde(default)]
    pub published: Option<f64>,
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
    /// Name of the grouping: `domain`, `confidence`.
    pub breakdown: String,
    /// The group.
    pub group: String,
    /// Name of the metric.
    pub metric: String,
    /// Its value; accuracies in percent.
    pub value: f64,
    /// Standard error, in the metric's unit.
    pub stderr: Option<f64>,
    /// Lower end of the 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub ci95_high: Option<f64>,
    /// Number of samples in the group.
    pub n: usize,
}
