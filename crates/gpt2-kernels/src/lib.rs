//! The kernels of a GPT-2 forward pass on a CPU: GEMM with packed weights, LayerNorm, causal attention over a ragged
//! batch, and log-probabilities over the vocabulary.
//!
//! # Invariance
//! The result for a row (of [`gemm`], [`layer_norm`], [`score_targets`], …) or for a sequence (of [`attention`]) depends
//! on that row or sequence alone, bit for bit. It does not depend on the other rows of the call, on its position among
//! them, on the number of threads, or on the [`SimdLevel`]. The last holds for [`Precision::F32`] only: in
//! [`Precision::Bf16`] and [`Precision::Bf16x3`], [`SimdLevel::Amx`] and [`SimdLevel::Avx512Bf16`] have results of their
//! own, which are just as independent of the batch and the threads.
//!
//! Every function runs on the threads of the current Rayon pool. Matrices are row-major slices of f32; shapes are
//! checked by assertions.
#![allow(
    clippy::inline_always,
    reason = "code with vectors must be inlined into functions compiled for them"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "tiles of sums are indexed by constants, to stay in registers"
)]

mod attention;
mod exponential;
mod format;
mod gemm;
mod layer_norm;
mod layout;
mod packed_matrix;
mod panels;
mod parallel;
mod precision;
mod simd;
mod softmax;
mod vocabulary;

pub use attention::{KeyValues, Sequence, attention};
pub use gemm::{Epilogue, gemm};
pub use layer_norm::layer_norm;
pub use packed_matrix::PackedMatrix;
pub use precision::Precision;
pub use simd::SimdLevel;
pub use softmax::PartialSoftmax;
pub use vocabulary::{FilteredScore, NextToken, TargetScore, greedy_tokens, logits, score_targets};
