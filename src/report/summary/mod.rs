//! The summary: the paper's tables with one row per model and one column per task and metric, under default protocols.

mod build;
mod columns;
mod layout;

#[cfg(test)]
pub(super) use build::tests::paper_table;

use serde::Serialize;

use super::distinct::distinct;

/// The summary of one run or several.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// In the paper's order; the last group has the tasks that the paper lacks.
    pub groups: Vec<SummaryGroup>,
    /// Explanations of the symbols.
    #[serde(skip)]
    footnotes: Vec<String>,
}

/// A group of columns.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SummaryGroup {
    /// `Table 3 of the paper`.
    pub title: String,
    pub columns: Vec<SummaryColumn>,
}

/// A column: a metric of a task.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SummaryColumn {
    /// Name of the task.
    pub task: String,
    /// Name of the metric.
    pub metric: String,
    /// The task as the paper calls it.
    pub name: String,
    /// The metric as the paper calls it.
    pub unit: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Options that differ from the protocol's own, such as `stride=1024`.
    pub other_options: String,
    /// Stride of the windows in tokens, for tasks that read windows.
    pub stride: Option<usize>,
    /// Number of few-shot examples, for tasks that take them.
    pub shots: Option<usize>,
    /// One per model that was measured or failed, by increasing size.
    pub cells: Vec<SummaryCell>,
}

/// A cell: the value of a model.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct SummaryCell {
    /// Label of the model.
    pub model: String,
    /// Protocol with its options, as in the scores.
    pub protocol: String,
    /// Our value; absent where the task failed.
    pub value: Option<f64>,
    /// Its standard error.
    pub stderr: Option<f64>,
    /// Lower end of its 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub ci95_high: Option<f64>,
    /// Number of samples.
    pub n: usize,
    /// The paper's value.
    pub paper: Option<f64>,
    /// Whether the paper's value was read off a curve.
    pub paper_is_reading: bool,
    /// Ours minus the paper's.
    pub difference: Option<f64>,
    /// The value that others published.
    pub published: Option<f64>,
    /// Symbols of the caveats.
    pub symbols: String,
    /// Whether every other model of the column is worse, and prints otherwise.
    pub is_best: bool,
}

impl Summary {
    /// Number of its tasks.
    pub fn tasks(&self) -> usize {
        let columns = self.groups.iter().flat_map(|group| &group.columns);
        distinct(columns.map(|column| column.task.as_str())).len()
    }
}
