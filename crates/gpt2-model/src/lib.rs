//! GPT-2 in Burn: tokenizer, checkpoint formats, devices, and an engine that scores and generates.
//!
//! ```text
//! path ─▶ Checkpoint ─▶ engine::load ─▶ Backend: cpu (kernels) or burn (any device) ┐
//! Request ─▶ engine::Planner ─▶ Work ───────────────────────────────────────────────┴▶ Engine ─▶ Response
//! ```
//!
//! [`Checkpoint::open`] reads any supported format. [`engine::load`] puts its weights on a [`ComputeDevice`].
//! [`engine::Planner`] tokenizes requests, and [`engine::Engine`] runs them.

mod activation;
mod cache;
mod checkpoint;
mod config;
mod device;
mod embedding;
pub mod engine;
mod error;
#[cfg(feature = "flex")]
mod extension;
#[cfg(feature = "flex")]
mod fused_block;
mod gpt2;
mod load;
#[cfg(feature = "flex")]
mod load_packed;
#[cfg(feature = "flex")]
mod packed;
pub mod request;
#[cfg(feature = "flex")]
mod segments;
pub mod tokenizer;
mod weights;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use activation::Activation;
pub use cache::KeyValueCache;
pub use checkpoint::{BUNDLED_MODELS, Checkpoint};
pub use config::{GPT2_POSITIONS, Gpt2Config, MAX_POSITIONS};
pub use device::{ComputeDevice, DEVICE_NAMES, DeviceError, DeviceRequest};
pub use embedding::TokenEmbedding;
pub use error::CheckpointError;
#[cfg(feature = "flex")]
pub use extension::FusedBlockBackend;
#[cfg(feature = "flex")]
pub use fused_block::FusedBlock;
pub use gpt2::{Block, CausalSelfAttention, FeedForward, Gpt2};
#[cfg(feature = "flex")]
pub use packed::PackedGpt2;
#[cfg(feature = "flex")]
pub use segments::{KvSegment, NewTokens, RaggedBatch};
pub use weights::{WeightFile, WeightPart, adapter_message, find_weights};
