//! [`Format`] of pairs of bf16 numbers that are added.

use std::cell::Cell;

use super::Format;
use super::bf16::{number, pair, replaced, split};
use crate::kernels::multiply::tile::InputRow;
use crate::kernels::scratch::Kept;
use crate::kernels::vector::{PairLine, Vector};

thread_local! {
    static MEMORY: Cell<Vec<InputRow<[u32; 2]>>> = Cell::default();
}

/// Numbers in two parts, the higher first; each line is one of the higher parts, then one of the lower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split;

impl Format for Split {
    const INPUTS: usize = 2;
    const ZERO: [PairLine; 2] = [PairLine::ZERO; 2];

    type Line = [PairLine; 2];
    type Factor = [u32; 2];
    type Operand<V: Vector> = [V::Pairs; 2];

    #[inline(always)]
    fn set([high, low]: &mut [PairLine; 2], input: usize, lane: usize, weight: f32) {
        let (high_part, low_part) = split(weight);
        high.0[lane] = replaced(high.0[lane], input, high_part);
        low.0[lane] = replaced(low.0[lane], input, low_part);
    }

    #[inline(always)]
    fn get([high, low]: &[PairLine; 2], input: usize, lane: usize) -> f32 {
        number(high.0[lane], input) + number(low.0[lane], input)
    }

    #[inline(always)]
    fn convert(row: &[f32], factors: &mut [[u32; 2]]) {
        for (factor, numbers) in factors.iter_mut().zip(row.chunks(2)) {
            let (high, low) = split(numbers[0]);
            let (next_high, next_low) = split(numbers.get(1).copied().unwrap_or_default());
            *factor = [pair(high, next_high), pair(low, next_low)];
        }
    }

    #[inline(always)]
    fn load<V: Vector>([high, low]: &[PairLine; 2]) -> [V::Pairs; 2] {
        [V::load_pairs(high), V::load_pairs(low)]
    }

    #[inline(always)]
    fn splat<V: Vector>([high, low]: [u32; 2]) -> [V::Pairs; 2] {
        [V::splat_pair(high), V::splat_pair(low)]
    }

    #[inline(always)]
    fn multiply_add<V: Vector>(factor: [V::Pairs; 2], line: [V::Pairs; 2], sum: V) -> V {
        sum.add_products(factor[1], line[0]).add_products(factor[0], line[1]).add_products(factor[0], line[0])
    }

    fn memory() -> &'static Kept<Vec<InputRow<[u32; 2]>>> {
        &MEMORY
    }
}
