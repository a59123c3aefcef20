//! `manifest.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Protocol;
use crate::plan::{Plan, PlannedTask};
use gpt2_model::GPT2_POSITIONS;

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Running, or killed.
    Started,
    /// Every sample has a result; [`Manifest::failed_samples`] of them have an error instead of values.
    Complete,
    /// Stopped by the user; finished samples are kept.
    Interrupted,
    /// Ended by an error; finished samples are kept.
    Failed,
}

/// `manifest.json`: everything needed to believe, repeat or resume a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Manifest {
    /// Version of the files of a run directory; raised when a field changes.
    #[schemars(extend("const" = super::SCHEMA_VERSION))]
    pub schema_version: u32,
    /// State of the run.
    pub status: Status,
    /// Tasks, models and options of the run.
    pub plan: Plan,
    /// Everything that decides the result; all files of a run directory have the same identity.
    pub identity: Identity,
    /// The tasks with their file names, in the plan's order.
    pub tasks: Vec<MeasuredTask>,
    /// Everything else about how the run was made.
    pub environment: Environment,
    /// Usage of each task on each model, one entry for each session that computed samples of it.
    pub usage: Vec<TaskUsage>,
    /// The shards that this run was merged from, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardSummary>,
    /// Samples with an error instead of values, over all models and tasks.
    pub failed_samples: usize,
    /// Start of the last session of this run, RFC 3339, UTC.
    pub started: String,
    /// End of the last session.
    pub ended: Option<String>,
    /// The error that ended it, for a failed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Everything that decides a run's result: contents, not paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Identity {
    /// Version of the engine's arithmetic.
    pub engine_version: u32,
    /// Backend: `flex`, `ndarray`, `wgpu`, `cuda`.
    pub backend: String,
    /// Number format of the arithmetic: `f32`, or a mode of bf16 with the SIMD level, such as `bf16 (Avx512Bf16)`.
    pub dtype: String,
    /// In the plan's order.
    pub models: Vec<ModelIdentity>,
    /// In the plan's order.
    pub tasks: Vec<PlannedTask>,
    /// The custom tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tasks: Vec<CustomTaskIdentity>,
    /// The data of each task, in the plan's order.
    pub data: Vec<DataIdentity>,
    /// Maximum number of samples of each task.
    pub limit: Option<usize>,
    /// Version of the rule by which the limit chooses samples; none without a limit. Version 1, which chose by the ids of
    /// the samples, has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<u32>,
    /// Seed of subsets, few-shot examples and sampling.
    pub seed: u64,
    /// The shard of every task that this run measures; all samples without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// One of several runs that together measure all samples.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Shard {
    /// Index, from 0.
    pub index: usize,
    /// Number of shards.
    pub count: usize,
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}

/// When and where a merged shard ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShardSummary {
    /// The shard.
    pub shard: Shard,
    /// Name of the machine.
    pub host: Option<String>,
    /// Its CPU.
    pub cpu: String,
    /// Start of its last session, RFC 3339, UTC.
    pub started: String,
    /// End of that session.
    pub ended: Option<String>,
}

/// A task of the run: enough to compute its scores without data or model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MeasuredTask {
    /// Name of the task.
    pub task: String,
    /// The protocol that ran.
    pub protocol: Protocol,
    /// The protocol in tables: with `data=`, `limit=`… where not all of the published test set was used.
    pub label: Protocol,
    /// Name of its file in `samples/<model>/`, `baselines/` and `prompts/`.
    pub journal: String,
    /// Number of records in the data file.
    pub records: usize,
    /// Number of samples that are measured: fewer with a limit, and in a shard.
    pub samples: usize,
}

/// Usage of a task on a model in the session that computed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TaskUsage {
    /// Label of the model.
    pub model: String,
    /// Name of the task.
    pub task: String,
    /// Protocol with its options.
    pub protocol: String,
    /// Kernels: `burn`, or the SIMD level of the fused CPU kernels.
    pub kernels: String,
    /// Seconds, without loading the model.
    pub seconds: f64,
    /// Tokens of the requests of this session, without sharing.
    pub requested_tokens: u64,
    /// Tokens that the model read: fewer where requests are the same or share a prefix.
    pub read_tokens: u64,
    /// Padding tokens that the model also read.
    pub padding_tokens: u64,
    /// Maximum size of the KV cache, in bytes.
    pub kv_cache_bytes: u64,
}

/// Fingerprint of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelIdentity {
    /// Label.
    pub label: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Length of the context in tokens; left out where it is that of GPT-2, 1,024.
    #[serde(default = "gpt2_context", skip_serializing_if = "is_gpt2_context")]
    pub n_positions: usize,
    /// sha256 of the parsed configuration.
    pub config_sha256: String,
    /// sha256 of the weight file.
    pub weights_sha256: String,
    /// sha256 of the tokenizer's files.
    pub tokenizer_sha256: String,
}

fn gpt2_context() -> usize {
    GPT2_POSITIONS
}

// Serde passes a reference to the field.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_gpt2_context(n_positions: &usize) -> bool {
    *n_positions == GPT2_POSITIONS
}

/// Fingerprint of a custom task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CustomTaskIdentity {
    /// Name of the task.
    pub task: String,
    /// sha256 of the task file.
    pub sha256: String,
}

/// Fingerprint of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataIdentity {
    /// Name of the task.
    pub task: String,
    /// sha256 of the file, or of the file and its companion.
    pub sha256: String,
    /// sha256 of the file with the few-shot examples and the training data of baselines, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples_sha256: Option<String>,
    /// Number of records in the file.
    pub records: usize,
    /// `complete` (equal to the published test set), `sample`, `subset`, `unverified`, or `custom` for a custom task.
    pub provenance: String,
}

/// The environment of a run; not part of its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Environment {
    /// Version of this program.
    pub program_version: String,
    /// Git revision of the build, where known.
    pub git_revision: Option<String>,
    /// Whether the build had uncommitted changes, where known.
    pub git_dirty: Option<bool>,
    /// Versions of Burn and its backends, by name.
    pub dependencies: BTreeMap<String, String>,
    /// The command as typed.
    pub command: Vec<String>,
    /// Every file of weights, tokenizers and data that was read.
    pub files: Vec<FileFingerprint>,
    /// The published files that they are or were made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hub: Vec<HubFile>,
    /// What users may not expect of a model's checkpoint; models without notes are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_notes: Vec<ModelNotes>,
    /// What proves that a task's data are the published ones, and what users may not expect of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_notes: Vec<DataNotes>,
    /// Name of the device.
    pub device: String,
    /// Number of CPU threads.
    pub threads: usize,
    /// Maximum tokens of a forward pass.
    pub batch_tokens: usize,
    /// Model of the CPU.
    pub cpu: String,
    /// Operating system and architecture.
    pub system: String,
    /// Name of the machine.
    pub host: Option<String>,
}

/// Notes on a model's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelNotes {
    /// Label of the model.
    pub label: String,
    /// One sentence each.
    pub notes: Vec<String>,
}

/// Notes on the data of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataNotes {
    /// Name of the task.
    pub task: String,
    /// What proves that they are the published set: `file` (its sha256) or `records` (the checksum over its records).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// One sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileFingerprint {
    /// `weights F32` with the stored types, `tokenizer`, or `data`.
    pub role: String,
    /// Path, or the name of a bundled file.
    pub path: String,
    /// sha256 of the content; for a tokenizer, of all its files in sequence.
    pub sha256: String,
}

/// A file of the Hugging Face hub, or an upstream file on another host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HubFile {
    /// `OWNER/NAME` of a model, `datasets/OWNER/NAME` of data; scheme and host of an upstream file.
    pub repository: String,
    /// The requested branch, tag or commit; empty for an upstream file.
    pub revision: String,
    /// The resolved commit; empty for an upstream file.
    pub commit: String,
    /// Path in the repository, or on the host.
    pub path: String,
    /// Checksum as published: `sha256 …`, or `git blob …` for small files of the hub; absent where none is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Checksum that was pinned on first use, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_checksum: Option<String>,
}
