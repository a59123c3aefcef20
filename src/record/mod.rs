//! The files of a run directory: manifest, sample results, prompts, scores.

mod manifest;
mod protocol;
mod sample;
mod score;

pub use manifest::{
    CustomTaskIdentity, DataIdentity, DataNotes, Environment, FileFingerprint, HubFile, Identity, Manifest,
    MeasuredTask, ModelIdentity, ModelNotes, Shard, ShardSummary, Status, TaskUsage,
};
pub use protocol::Protocol;
pub use sample::{CandidateSet, HeuristicResult, PromptRecord, RequestText, SampleResult};
pub use score::{GroupScore, Score};

/// Version of the files of a run directory; raised when a field changes.
pub const SCHEMA_VERSION: u32 = 3;
