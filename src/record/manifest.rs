//! `manifest.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Protocol;
use crate::plan::{Plan, PlannedTask};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Begun; not finished, or cut off.
    Started,
    /// Every sample is there; [`Manifest::failed_samples`] of them with an error instead of statistics.
    Complete,
    /// Stopped by the user; what was finished is kept.
    Interrupted,
    /// Ended by an error; what was finished is kept.
    Failed,
}

/// `manifest.json`: everything needed to believe, repeat or resume a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Manifest {
    /// Version of the files of a run directory; raised when a field changes its meaning.
    #[schemars(extend("const" = super::SCHEMA_VERSION))]
    pub schema_version: u32,
    /// How far it has come.
    pub status: Status,
    /// What was asked for.
    pub plan: Plan,
    /// What decides the result; a run directory never mixes two identities.
    pub identity: Identity,
    /// What there is to find in `samples/`, in the plan's order.
    pub tasks: Vec<MeasuredTask>,
    /// What does not.
    pub environment: Environment,
    /// What each task cost, one entry for every time that something of it was computed.
    #[serde(default)]
    pub usage: Vec<TaskUsage>,
    /// The runs that this one was merged from, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardSummary>,
    /// Samples that have an error instead of statistics, over all models and tasks.
    pub failed_samples: usize,
    /// When the last run into this directory began, RFC 3339, UTC.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// Why, for a failed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What decides a run's result: contents, not places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Identity {
    /// Version of the engine's arithmetic.
    pub engine_version: u32,
    /// Backend: `flex`, `ndarray`, `wgpu`, `cuda`.
    pub backend: String,
    /// The arithmetic: `f32`, or a mode of bf16 with the processor's instructions, such as `bf16 (Avx512Bf16)`.
    pub dtype: String,
    /// In the plan's order.
    pub models: Vec<ModelIdentity>,
    /// In the plan's order.
    pub tasks: Vec<PlannedTask>,
    /// One a card of the user's own tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tasks: Vec<CustomTaskIdentity>,
    /// One a task, in the plan's order.
    pub data: Vec<DataIdentity>,
    /// Most samples of each task.
    pub limit: Option<usize>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// The part of every task that this run measures; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// One of several runs that together measure everything.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct Shard {
    /// Which, from 0.
    pub index: usize,
    /// Of how many.
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
    /// Which.
    pub shard: Shard,
    /// Name of the machine.
    pub host: Option<String>,
    /// Its processor.
    pub cpu: String,
    /// When its last session began, RFC 3339, UTC.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
}

/// A task of the run as its files have it: enough to compute its scores without data or model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MeasuredTask {
    /// Name of the task.
    pub task: String,
    /// The protocol that ran.
    pub protocol: Protocol,
    /// The same with `data=`, `limit=`… where not all of the published test set was used, as tables show it.
    pub label: Protocol,
    /// Name of its file in `samples/<model>/`, `baselines/` and `prompts/`.
    pub journal: String,
    /// Records of the data file.
    pub records: usize,
    /// Samples that are measured: fewer with a limit, and in a shard.
    pub samples: usize,
}

/// What a task cost on a model, in the session that computed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TaskUsage {
    /// Label of the model.
    pub model: String,
    /// Name of the task.
    pub task: String,
    /// Protocol with its options.
    pub protocol: String,
    /// What computed: `burn`, or the kernels with their instructions.
    pub kernels: String,
    /// Seconds, loading not counted.
    pub seconds: f64,
    /// Tokens that the requests of this session have, one by one.
    pub requested_tokens: u64,
    /// Tokens that the model read for them: fewer where requests share a prefix or are the same.
    pub read_tokens: u64,
    /// Tokens of padding that it read besides.
    pub padding_tokens: u64,
    /// Most bytes of keys and values that were kept at a time.
    pub kv_cache_bytes: u64,
}

/// Fingerprint of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModelIdentity {
    /// Label.
    pub label: String,
    /// Parameters.
    pub parameters: u64,
    /// sha256 of the configuration that was read, as this program understands it.
    pub config_sha256: String,
    /// sha256 of the weight file.
    pub weights_sha256: String,
    /// sha256 of the tokenizer's files.
    pub tokenizer_sha256: String,
}

/// Fingerprint of the card of a user's own task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CustomTaskIdentity {
    /// Name of the task.
    pub task: String,
    /// sha256 of the card.
    pub sha256: String,
}

/// Fingerprint of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DataIdentity {
    /// Task that reads it.
    pub task: String,
    /// sha256 of the file; of its and its companion's, where it has one.
    pub sha256: String,
    /// The same of the file that examples for prompts and baselines are from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples_sha256: Option<String>,
    /// Records in it.
    pub records: usize,
    /// `complete` (equal to the published test set), `sample`, `subset`, `unverified`, or `custom` for the data of a
    /// custom task.
    pub provenance: String,
}

/// What a run was made with; no part of its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Environment {
    /// Version of this program.
    pub program_version: String,
    /// Git revision it was built from, where known.
    pub git_revision: Option<String>,
    /// Whether it was built with changes that the revision does not have, where known.
    pub git_dirty: Option<bool>,
    /// Versions of Burn and of what it computes with, by name.
    pub dependencies: BTreeMap<String, String>,
    /// The command as typed.
    pub command: Vec<String>,
    /// Every file of weights, tokenizers and data that was read.
    pub files: Vec<FileFingerprint>,
    /// Every file of the Hugging Face hub that they are, or were made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hub: Vec<HubFile>,
    /// The device in its own words.
    pub device: String,
    /// Threads of the CPU work.
    pub threads: usize,
    /// Most tokens in one forward pass.
    pub batch_tokens: usize,
    /// Processor.
    pub cpu: String,
    /// Operating system and machine type.
    pub system: String,
    /// Name of the machine.
    pub host: Option<String>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileFingerprint {
    /// What for: `weights F32` with the types that are stored, `tokenizer`, `data`.
    pub role: String,
    /// Where, or the name of what is part of the program.
    pub path: String,
    /// sha256 of the content; of a tokenizer's files one after the other.
    pub sha256: String,
}

/// A file of the Hugging Face hub, or one where its makers have put it on the web.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HubFile {
    /// `OWNER/NAME` of a model, `datasets/OWNER/NAME` of data; of a file outside the hub, scheme and host.
    pub repository: String,
    /// The branch, tag or commit that was asked for; empty outside the hub.
    pub revision: String,
    /// The commit that it was; empty outside the hub.
    pub commit: String,
    /// Path in the repository, or on that host.
    pub path: String,
    /// Sum of the content by the hub: `sha256 …`, or `git blob …` for small files; where the hub tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The sum at the first use on this machine, if it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_digest: Option<String>,
}
