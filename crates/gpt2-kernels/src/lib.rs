//! The kernels of a GPT-2 forward pass on a processor: products with packed weights, layer norm, attention over a
//! ragged batch, and log-probabilities over the vocabulary.
//!
//! Every result depends on its own row (or sequence) alone, bit for bit: not on how many rows a call has, where in the
//! batch it stands, how many threads there are or which [`SimdLevel`] run it. (The last holds for
//! [`Precision::F32`] only: in other precisions [`SimdLevel::Amx`] and [`SimdLevel::Avx512Bf16`] have results of
//! their own.)
#![allow(clippy::inline_always, reason = "vectors must end up in functions compiled for their instructions")]
#![allow(
    clippy::needless_range_loop,
    reason = "the tiles of sums are indexed by constants, to stay in registers"
)]

mod attention;
mod exponential;
mod format;
mod gemm;
mod norm;
mod pack;
mod panels;
mod precision;
mod rectangles;
mod scratch;
mod softmax;
mod vector;
mod vocabulary;

pub use attention::{KeyValues, Sequence, attention};
pub use gemm::{Epilogue, gemm};
pub use norm::layer_norm;
pub use pack::PackedMatrix;
pub use precision::Precision;
pub use softmax::PartialSoftmax;
pub use vector::SimdLevel;
pub use vocabulary::{FilteredScore, NextToken, TargetScore, greedy_tokens, logits, score_targets};
