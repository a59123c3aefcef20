//! Rows in the order in which the product reads them.

use std::ops::Range;

use rayon::prelude::*;

use super::tile::{DEPTH, InputRow};
use crate::kernels::vector::LANES;

/// Numbers below which one thread is faster than several.
const FEW: usize = 32 * 1024;
/// Rows that are copied by one task.
const TASK_ROWS: usize = 16;

/// Memory for [`PackedInput`].
pub type InputMemory = Vec<InputRow>;

/// A copy of the input in blocks of [`DEPTH`] columns, each of them row after row.
#[derive(Debug, Clone, Copy)]
pub struct PackedInput<'a> {
    rows: usize,
    inputs: usize,
    /// `[blocks][rows]`.
    blocks: &'a [InputRow],
}

impl<'a> PackedInput<'a> {
    /// Copies `input`, of shape `[rows, inputs]`, to `memory`.
    pub fn new(input: &[f32], rows: usize, inputs: usize, memory: &'a mut InputMemory) -> Self {
        let length = rows * inputs.div_ceil(DEPTH);
        if memory.len() < length {
            memory.resize(length, [0.0; DEPTH + LANES]);
        }
        let blocks = &mut memory[..length];
        if length > 0 {
            let copy = |(block, copies): (usize, &mut [InputRow])| {
                let columns = block * DEPTH..inputs.min((block + 1) * DEPTH);
                let copy = |(copies, input): (&mut [InputRow], &[f32])| {
                    for (copy, row) in copies.iter_mut().zip(input.chunks_exact(inputs)) {
                        copy[..columns.len()].copy_from_slice(&row[columns.clone()]);
                    }
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
        Self { rows, inputs, blocks }
    }

    /// Numbers in a row.
    pub fn inputs(self) -> usize {
        self.inputs
    }

    /// Some rows of the block that begins at column `block · DEPTH`.
    #[inline(always)]
    pub fn block(self, block: usize, rows: &Range<usize>) -> &'a [InputRow] {
        &self.blocks[block * self.rows..][rows.clone()]
    }
}
