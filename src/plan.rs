//! The fully resolved run: what is measured, with nothing left to defaults. No command-line types below this line.

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
    /// The cards of the user's own tasks among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tasks: Vec<CustomTaskFile>,
    /// Where examples come from.
    pub data: DataSource,
    /// Most samples of each task; a seeded, nested subset.
    pub limit: Option<usize>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// How exactly the models compute.
    #[serde(default)]
    pub precision: Precision,
    /// The part of every task that is measured; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// A model of the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedModel {
    /// The name it has in every output.
    pub label: String,
    /// Where it is.
    pub source: ModelSource,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// Part of the program.
    Bundled,
    /// A Hugging Face GPT-2 directory.
    Directory(PathBuf),
}

impl ModelSource {
    /// Whether it is part of the program.
    pub fn is_bundled(&self) -> bool {
        matches!(self, Self::Bundled)
    }
}

/// A task and how it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedTask {
    /// Name in the registry, or in a card of [`Plan::custom_tasks`].
    pub task: String,
    /// Protocol and options.
    pub protocol: Protocol,
}

/// The card of a user's own task, kept whole: a run directory can be read without the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CustomTaskFile {
    /// Its name.
    pub task: String,
    /// The card's file, as typed; data are looked for beside it.
    pub path: PathBuf,
    /// sha256 of the text.
    pub sha256: String,
    /// What stands in the file.
    pub text: String,
}

/// Where examples come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataSource {
    /// The samples that are part of the program.
    Sample,
    /// A directory with `<task>/<file>`.
    Directory(PathBuf),
    /// Only beside the task files of custom tasks.
    TaskFiles,
}
