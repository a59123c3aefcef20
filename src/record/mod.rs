//! The on-disk schema: protocol labels, sample records, scores, the manifest.
//!
//! A leaf: this module knows nothing but the other leaves, [`crate::plan`] and [`crate::request`].

mod manifest;
mod protocol;
mod sample;
mod score;

pub use manifest::{
    CustomTaskIdentity, DataIdentity, Environment, FileFingerprint, HubFile, Identity, Manifest,
    MeasuredTask, ModelIdentity, Shard, ShardSummary, Status, TaskUsage,
};
pub use protocol::Protocol;
pub use sample::{CandidateSet, HeuristicResult, PromptRecord, RequestText, SampleResult};
pub use score::{GroupScore, Score};

/// Version of every file that this program writes; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 3;
