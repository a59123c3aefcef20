//! The fused block as an operation of Burn's CPU backend flex.

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata as _, backend_extension};
use burn::tensor::{Tensor, TensorData};

use crate::fused_block::FusedBlock;
use crate::segments::RaggedBatch;

/// Burn backends that have the fused block.
#[backend_extension(Flex)]
pub trait FusedBlockBackend: Backend {
    /// Runs one block over a ragged batch and appends the keys and values of its new tokens.
    ///
    /// # Shapes
    /// - hidden: `[rows, n_embd]`, the residual stream of the new tokens of all segments
    /// - output: `[rows, n_embd]`; after the last block `[outputs, n_embd]`
    fn fused_transformer_block(
        hidden: FloatTensor<Self>,
        block: Arc<FusedBlock>,
        batch: Arc<RaggedBatch>,
        layer: usize,
        is_last: bool,
    ) -> FloatTensor<Self>;
}

impl FusedBlockBackend for Flex {
    fn fused_transformer_block(
        hidden: FloatTensor<Self>,
        block: Arc<FusedBlock>,
        batch: Arc<RaggedBatch>,
        layer: usize,
        is_last: bool,
    ) -> FloatTensor<Self> {
        // The block before made this tensor: it is contiguous and has no other owner, so nothing is copied.
        let device = hidden.device();
        let mut values = hidden.into_data().try_into_vec::<f32>().unwrap_or_default();
        let rows = block.forward(&mut values, &batch, layer, is_last);
        values.truncate(rows * block.n_embd());
        Self::float_from_data(TensorData::new(values, [rows, block.n_embd()]), &device)
    }
}

/// [`FusedBlockBackend::fused_transformer_block`] of a tensor on flex.
pub(crate) fn fused_transformer_block(
    hidden: Tensor<2>,
    block: &Arc<FusedBlock>,
    batch: &Arc<RaggedBatch>,
    layer: usize,
    is_last: bool,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as FusedBlockBackend>::fused_transformer_block(
        hidden.into_dispatch(),
        Arc::clone(block),
        Arc::clone(batch),
        layer,
        is_last,
    ))
}
