//! The transformer block on packed weights, fused, in place over the new tokens of a ragged batch.

use std::ops::Range;

use gpt2_kernels::{Epilogue, PackedMatrix, Sequence, SimdLevel, attention, gemm, layer_norm};

use crate::Activation;
use crate::segments::{BatchState, RaggedBatch, sequence_of};

/// Attention and MLP, each after a layer norm and added to the residual stream.
pub struct FusedBlock {
    pub(crate) attention_norm: PackedNorm,
    pub(crate) query_key_value: PackedLinear,
    pub(crate) projection: PackedLinear,
    pub(crate) mlp_norm: PackedNorm,
    pub(crate) expand: PackedLinear,
    pub(crate) activation: Activation,
    pub(crate) contract: PackedLinear,
    /// Factor of the attention scores before the softmax.
    pub(crate) scale: f32,
}

/// A layer norm.
pub(crate) struct PackedNorm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub epsilon: f32,
}

/// A linear layer with bias.
pub(crate) struct PackedLinear {
    pub weights: PackedMatrix,
    pub bias: Vec<f32>,
}

impl FusedBlock {
    /// Width of the residual stream.
    pub(crate) fn n_embd(&self) -> usize {
        self.attention_norm.gamma.len()
    }

    /// Runs the block in place on the residual stream, `[rows, n_embd]`. The last block keeps only the rows that need
    /// outputs. Returns the number of rows left at the start of `hidden`.
    pub(crate) fn forward(
        &self,
        hidden: &mut [f32],
        batch: &RaggedBatch,
        layer: usize,
        is_last: bool,
    ) -> usize {
        let (n_embd, simd_level) = (self.n_embd(), batch.simd_level);
        let mut state = batch.state();
        let BatchState { segments, normal, query_key_value, attended, inner } = &mut *state;
        let mut count = hidden.len() / n_embd;
        resize(normal, count * n_embd);
        resize(query_key_value, 3 * count * n_embd);
        self.attention_norm.apply(simd_level, hidden, normal);
        self.query_key_value.apply(simd_level, normal, count, Epilogue::Plain, query_key_value);
        for new in &batch.new {
            let rows = 3 * n_embd * new.rows.start..3 * n_embd * new.rows.end;
            segments[new.segment].layer_mut(layer).append(&query_key_value[rows]);
        }
        let mut rows: Vec<Range<usize>> = batch.new.iter().map(|new| new.rows.clone()).collect();
        if is_last {
            count = batch.keep_output_rows(hidden, n_embd);
            batch.keep_output_rows(query_key_value, 3 * n_embd);
            rows = batch.output_rows();
        }
        let hidden = &mut hidden[..count * n_embd];
        let sequences: Vec<Sequence<'_>> = batch
            .new
            .iter()
            .zip(&rows)
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(new, rows)| Sequence {
                rows: rows.clone(),
                segments: sequence_of(segments, new.segment, layer),
            })
            .collect();
        resize(attended, count * n_embd);
        attention(simd_level, &query_key_value[..3 * count * n_embd], &sequences, self.scale, attended);
        self.projection.apply(simd_level, attended, count, Epilogue::AddToOutput, hidden);
        resize(normal, count * n_embd);
        self.mlp_norm.apply(simd_level, hidden, normal);
        resize(inner, count * self.expand.bias.len());
        if self.activation == Activation::GeluTanh {
            self.expand.apply(simd_level, normal, count, Epilogue::GeluTanh, inner);
        } else {
            self.expand.apply(simd_level, normal, count, Epilogue::Plain, inner);
            self.activation.of_numbers(inner);
        }
        self.contract.apply(simd_level, inner, count, Epilogue::AddToOutput, hidden);
        count
    }
}

/// Sets the length of a buffer whose content does not matter.
pub(crate) fn resize(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    } else {
        buffer.truncate(length);
    }
}

impl PackedNorm {
    pub fn apply(&self, simd_level: SimdLevel, input: &[f32], output: &mut [f32]) {
        layer_norm(simd_level, input, &self.gamma, &self.beta, self.epsilon, output);
    }
}

impl PackedLinear {
    fn apply(
        &self,
        simd_level: SimdLevel,
        input: &[f32],
        rows: usize,
        epilogue: Epilogue,
        output: &mut [f32],
    ) {
        gemm(simd_level, input, rows, &self.weights, Some(&self.bias), epilogue, output);
    }
}
