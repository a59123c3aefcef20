//! The resolved run: models, tasks and data, with every default filled in. Command-line types do not appear from here on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::record::{Protocol, Shard};
use gpt2_kernels::Precision;

/// Everything that a run measures, in the order of its tables.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Plan {
    /// Models, in order.
    pub models: Vec<PlannedModel>,
    /// Tasks with their protocols, in order.
    pub tasks: Vec<PlannedTask>,
    /// The task files of the custom tasks among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tasks: Vec<CustomTaskFile>,
    /// Source of the samples.
    pub data: DataSource,
    /// Maximum number of samples of each task: a seeded, nested subset. All samples without it.
    pub limit: Option<usize>,
    /// Seed of subsets, few-shot examples and sampling.
    pub seed: u64,
    /// Number format of weights and activations.
    pub precision: Precision,
    /// The shard of every task that is measured; all samples without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// A model of the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedModel {
    /// Name in every output.
    pub label: String,
    /// Source of its files.
    pub source: ModelSource,
}

/// Source of a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// Bundled with the program.
    Bundled,
    /// A checkpoint: a directory or a file.
    Directory(PathBuf),
}

impl ModelSource {
    /// Whether the model is bundled with the program.
    pub fn is_bundled(&self) -> bool {
        matches!(self, Self::Bundled)
    }
}

/// A task under a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedTask {
    /// Name of a built-in task, or of a custom task in [`Plan::custom_tasks`].
    pub task: String,
    /// Protocol and options.
    pub protocol: Protocol,
}

/// The task file of a custom task with its text, so that a run directory can be read without the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CustomTaskFile {
    /// Name of the task.
    pub task: String,
    /// Path as typed; the task's data are searched beside it.
    pub path: PathBuf,
    /// sha256 of the text.
    pub sha256: String,
    /// Content of the file.
    pub text: String,
}

/// Source of the samples.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataSource {
    /// The bundled samples.
    Sample,
    /// A directory with `<task>/<file>`.
    Directory(PathBuf),
    /// Only beside the task files of custom tasks.
    TaskFiles,
}
