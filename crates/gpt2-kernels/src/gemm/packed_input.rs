//! Rows of input, packed in the order in which the GEMM reads them.

use std::ops::Range;

use rayon::prelude::*;

use crate::format::{Convert, Format};
use crate::layout::DEPTH;
use crate::simd::SimdLevel;

/// Inputs with fewer numbers are packed by one thread, which is then faster.
const MIN_PARALLEL: usize = 32 * 1024;
/// Rows that one task packs.
const TASK_ROWS: usize = 16;

/// The input as blocks of [`DEPTH`] factors, each of them row after row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedInput<'a, F: Format> {
    rows: usize,
    factors: usize,
    /// `[blocks][rows]`.
    blocks: &'a [F::Row],
}

impl<'a, F: Format> PackedInput<'a, F> {
    /// Packs `input`, of shape `[rows, inputs]`, into `memory`.
    pub fn new(
        simd_level: SimdLevel,
        input: &[f32],
        rows: usize,
        inputs: usize,
        memory: &'a mut Vec<F::Row>,
    ) -> Self {
        let factors = inputs.div_ceil(F::INPUTS);
        let length = rows * factors.div_ceil(DEPTH);
        if memory.len() < length {
            memory.resize(length, F::ZERO_ROW);
        }
        let blocks = &mut memory[..length];
        if length > 0 {
            let pack = |(block, packed): (usize, &mut [F::Row])| {
                let start = block * DEPTH * F::INPUTS;
                let end = inputs.min(start + DEPTH * F::INPUTS);
                let pack = |(factors, rows): (&mut [F::Row], &[f32])| {
                    simd_level.run(Convert::<F> { rows, width: inputs, start, end, factors });
                };
                if input.len() < MIN_PARALLEL {
                    pack((packed, input));
                } else {
                    packed.par_chunks_mut(TASK_ROWS).zip(input.par_chunks(TASK_ROWS * inputs)).for_each(pack);
                }
            };
            if input.len() < MIN_PARALLEL {
                blocks.chunks_mut(rows).enumerate().for_each(pack);
            } else {
                blocks.par_chunks_mut(rows).enumerate().for_each(pack);
            }
        }
        Self { rows, factors, blocks }
    }

    /// Factors of a row.
    pub fn factors(self) -> usize {
        self.factors
    }

    /// Some rows of the block that begins at factor `block · DEPTH`.
    #[inline(always)]
    pub fn block(self, block: usize, rows: &Range<usize>) -> &'a [F::Row] {
        &self.blocks[block * self.rows..][rows.clone()]
    }
}
