//! GPT-2 in Burn: configuration, modules, key/value cache, checkpoints, devices.

mod block;
mod cache;
mod checkpoint;
mod config;
mod device;
mod embedding;
pub mod engine;
mod extension;
mod gpt2;
mod language_model;
mod load;
mod packed;
mod plain_block;
pub mod request;
pub mod tokenizer;
mod weights;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use block::{PackedBlock, Reading};
pub use cache::KeyValueCache;
pub use checkpoint::{BUNDLED_MODELS, Checkpoint, CheckpointError};
pub use config::{Activation, Gpt2Config};
pub use device::{ComputeDevice, DEVICE_NAMES, DeviceError, DeviceRequest};
pub use embedding::TokenEmbedding;
pub use extension::BlockBackend;
pub use gpt2::{Block, CausalSelfAttention, FeedForward, Gpt2};
pub use language_model::LanguageModel;
pub use packed::{NewTokens, PackedGpt2, Stretch};
pub use weights::{WeightFile, WeightFormat, WeightPart, WeightsError, find_weights};
