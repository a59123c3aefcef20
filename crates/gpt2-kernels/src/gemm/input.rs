//! Rows in the order in which the product reads them.

use std::ops::Range;

use rayon::prelude::*;

use super::tile::DEPTH;
use crate::format::{Convert, Format};
use crate::vector::SimdLevel;

/// Numbers below which one thread is faster than several.
const FEW: usize = 32 * 1024;
/// Rows that are copied by one task.
const TASK_ROWS: usize = 16;

/// A copy of the input in blocks of [`DEPTH`] factors, each of them row after row.
#[derive(Debug, Clone, Copy)]
pub struct PackedInput<'a, F: Format> {
    rows: usize,
    factors: usize,
    /// `[blocks][rows]`.
    blocks: &'a [F::Row],
}

impl<'a, F: Format> PackedInput<'a, F> {
    /// Copies `input`, of shape `[rows, inputs]`, to `memory`.
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
            let copy = |(block, copies): (usize, &mut [F::Row])| {
                let start = block * DEPTH * F::INPUTS;
                let end = inputs.min(start + DEPTH * F::INPUTS);
                let copy = |(factors, rows): (&mut [F::Row], &[f32])| {
                    simd_level.run(Convert::<F> { rows, width: inputs, start, end, factors });
                };
                if input.len() < FEW {
                    copy((copies, input));
                } else {
                    copies.par_chunks_mut(TASK_ROWS).zip(input.par_chunks(TASK_ROWS * inputs)).for_each(copy);
                }
            };
            if input.len() < FEW {
                blocks.chunks_mut(rows).enumerate().for_each(copy);
            } else {
                blocks.par_chunks_mut(rows).enumerate().for_each(copy);
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
