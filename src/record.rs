//! The on-disk schema: protocol labels, sample records, scores, the manifest.
//!
//! A leaf: this module knows nothing but the other leaves, [`crate::plan`] and [`crate::request`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{Plan, PlannedTask};
use crate::request::Response;

/// Version of every file that this program writes; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// How a task is measured: a protocol's name and its options, written `paper,stride=1024`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Protocol {
    /// `paper`, `harness`, `raw`, `detok`…
    pub name: String,
    /// Options that change the number, in alphabetical order.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

impl Protocol {
    /// A protocol without options.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), options: BTreeMap::new() }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        self.options.iter().try_for_each(|(name, value)| write!(formatter, ",{name}={value}"))
    }
}

/// Numbers from which every metric of a sample set is computed; a metric never needs the text again.
pub type Statistics = BTreeMap<String, f64>;

/// One line of a journal: a finished sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// Stable name of the sample within its data.
    pub id: String,
    /// Story or article it belongs to, where samples are not independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Hash of weights, tokenizer, dtype, backend, engine version and requests.
    pub key: String,
    /// sha256 of the requests' text.
    pub prompt_sha256: String,
    /// Tokens the model read without being scored on them, over all requests.
    pub context_tokens: usize,
    /// Tokens that were scored or written, over all requests.
    pub target_tokens: usize,
    /// Tokens dropped because the input was longer than the window.
    pub truncated_tokens: usize,
    /// What the model said.
    pub responses: Vec<Response>,
    /// What the metrics are computed from.
    pub statistics: Statistics,
    /// Why the sample has no statistics, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One row of `scores.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

/// One row of `breakdowns.csv`: a metric of a group of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Begun; not finished, or cut off.
    Started,
    /// Every sample is there.
    Complete,
    /// Ended by an error; what was finished is kept.
    Failed,
}

/// `manifest.json`: everything needed to believe, repeat or resume a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// How far it has come.
    pub status: Status,
    /// What was asked for.
    pub plan: Plan,
    /// What decides the result; a run directory never mixes two identities.
    pub identity: Identity,
    /// What does not.
    pub environment: Environment,
    /// What each task cost, where something was left to compute.
    #[serde(default)]
    pub effort: Vec<TaskEffort>,
    /// When the last run into this directory began, RFC 3339, UTC.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// Why, for a failed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What decides a run's result: contents, not places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the engine's arithmetic.
    pub engine_version: u32,
    /// Backend: `flex`, `ndarray`, `wgpu`, `cuda`.
    pub backend: String,
    /// Type of the arithmetic: `f32`.
    pub dtype: String,
    /// In the plan's order.
    pub models: Vec<ModelIdentity>,
    /// In the plan's order.
    pub tasks: Vec<PlannedTask>,
    /// One a task, in the plan's order.
    pub data: Vec<DataIdentity>,
    /// Most samples of each task.
    pub limit: Option<usize>,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

/// What a task cost on a model, in the session that computed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEffort {
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
    pub key_value_bytes: u64,
}

/// Fingerprint of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Fingerprint of a data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `complete` (equal to the published test set), `sample`, `subset` or `unverified`.
    pub provenance: String,
}

/// What a run was made with; no part of its identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this program.
    pub program_version: String,
    /// Git revision it was built from, where known.
    pub git_revision: Option<String>,
    /// The command as typed.
    pub command: Vec<String>,
    /// Where the weights were read, and the types they are stored in.
    pub weight_files: Vec<String>,
    /// Where the tokenizers were read.
    pub tokenizers: Vec<String>,
    /// Where the data were read.
    pub data_files: Vec<String>,
    /// The device in its own words.
    pub device: String,
    /// Threads of the CPU work.
    pub threads: usize,
    /// Most tokens in one forward pass.
    pub batch_tokens: usize,
    /// Processor.
    pub processor: String,
    /// Operating system and machine type.
    pub system: String,
    /// Name of the machine.
    pub host: Option<String>,
    /// Version of Burn.
    pub burn_version: String,
}
