//! GPT-2 in Burn: configuration, modules, key/value cache, checkpoints, devices.

mod cache;
mod checkpoint;
mod config;
mod device;
mod embedding;
mod gpt2;
mod language_model;
mod load;
mod packed;
mod weights;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use cache::KeyValueCache;
pub use checkpoint::{BUNDLED_MODELS, Checkpoint, CheckpointError};
pub use config::{Activation, Gpt2Config};
pub use device::{ComputeDevice, DEVICE_NAMES, DeviceError, DeviceRequest};
pub use embedding::TokenEmbedding;
pub use gpt2::{Block, CausalSelfAttention, FeedForward, Gpt2};
pub use language_model::LanguageModel;
pub use packed::{NewTokens, PackedBlock, PackedGpt2, Stretch, Workspace};
pub use weights::{WeightFile, WeightsError};
