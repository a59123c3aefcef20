//! The on-disk schema: protocol labels, sample records, scores, the manifest.
//!
//! A leaf: this module knows nothing but the other leaves, [`crate::plan`] and [`crate::request`].

mod manifest;
mod protocol;
mod sample;
mod score;

pub use manifest::{
    DataIdentity, Environment, FileFingerprint, HubFile, Identity, Manifest, MeasuredTask, ModelIdentity,
    OwnTaskIdentity, Shard, ShardSummary, Status, TaskEffort,
};
pub use protocol::Protocol;
pub use sample::{BaselineRecord, PromptRecord, RequestText, SampleRecord, Statistics};
pub use score::{GroupScore, Score};

/// Version of every file that this program writes; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 2;
