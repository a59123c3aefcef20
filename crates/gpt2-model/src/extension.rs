//! The transformer block as an extension of Burn's backends: fused on the CPU backend flex, in plain tensor operations on
//! any other, which is its reference in the tests.

// `NdArray` is deprecated upstream, and kept while the pinned version has it.
#![allow(deprecated)]
// Without a CPU backend the macro makes a dispatch without targets.
#![cfg_attr(not(any(feature = "flex", feature = "ndarray")), allow(unused, unreachable_code))]

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata as _, backend_extension};
use burn::tensor::{Tensor, TensorData};

use super::block::{PackedBlock, Reading};
use super::plain_block::plain_block;

/// Burn's backends that have the block.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"))]
pub trait BlockBackend: Backend {
    /// One block over a ragged batch: appends the keys and values of the new tokens, and returns the residual stream
    /// behind the block; `is_last`: of the tokens that something is asked about, since nobody looks at the others again.
    ///
    /// # Shapes
    /// - hidden: `[rows, width]`, the new tokens of all stretches
    /// - output: `[rows, width]`, or `[Σ asked, width]`
    fn packed_transformer_block(
        hidden: FloatTensor<Self>,
        block: Arc<PackedBlock>,
        reading: Arc<Reading>,
        layer: usize,
        is_last: bool,
    ) -> FloatTensor<Self> {
        plain_block::<Self>(&hidden, &block, &reading, layer, is_last)
    }
}

#[cfg(feature = "ndarray")]
impl BlockBackend for burn::backend::NdArray {}

#[cfg(feature = "flex")]
impl BlockBackend for burn::backend::Flex {
    fn packed_transformer_block(
        hidden: FloatTensor<Self>,
        block: Arc<PackedBlock>,
        reading: Arc<Reading>,
        layer: usize,
        is_last: bool,
    ) -> FloatTensor<Self> {
        // Made by the block before, so contiguous and in no other hands: nothing is copied.
        let device = hidden.device();
        let mut values = hidden.into_data().try_into_vec::<f32>().unwrap_or_default();
        let rows = block.fused(&mut values, &reading, layer, is_last);
        values.truncate(rows * block.width());
        Self::float_from_data(TensorData::new(values, [rows, block.width()]), &device)
    }
}

/// [`BlockBackend::packed_transformer_block`] on whatever backend the tensor is.
pub(super) fn transformer_block(
    hidden: Tensor<2>,
    block: &Arc<PackedBlock>,
    reading: &Arc<Reading>,
    layer: usize,
    is_last: bool,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as BlockBackend>::packed_transformer_block(
        hidden.into_dispatch(),
        Arc::clone(block),
        Arc::clone(reading),
        layer,
        is_last,
    ))
}
