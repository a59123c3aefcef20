//! [`Format`] of bf16.

use std::cell::Cell;

use super::Format;
use super::bf16::{number, pair, replaced, rounded};
use crate::kernels::multiply::tile::InputRow;
use crate::kernels::scratch::Kept;
use crate::kernels::vector::{PairLine, Vector};

thread_local! {
    static MEMORY: Cell<Vec<InputRow<u32>>> = Cell::default();
}

/// Numbers rounded to bf16, two inputs in a line: the instructions multiply and add pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Half;

impl Format for Half {
    const INPUTS: usize = 2;
    const ZERO: PairLine = PairLine::ZERO;

    type Line = PairLine;
    type Factor = u32;
    type Operand<V: Vector> = V::Pairs;

    #[inline(always)]
    fn set(line: &mut PairLine, input: usize, lane: usize, weight: f32) {
        line.0[lane] = replaced(line.0[lane], input, rounded(weight));
    }

    #[inline(always)]
    fn get(line: &PairLine, input: usize, lane: usize) -> f32 {
        number(line.0[lane], input)
    }

    #[inline(always)]
    fn convert(row: &[f32], factors: &mut [u32]) {
        let (pairs, rest) = row.as_chunks::<2>();
        for (factor, [first, second]) in factors.iter_mut().zip(pairs) {
            *factor = pair(rounded(*first), rounded(*second));
        }
        if let ([first], [.., factor]) = (rest, factors) {
            *factor = pair(rounded(*first), 0.0);
        }
    }

    #[inline(always)]
    fn load<V: Vector>(line: &PairLine) -> V::Pairs {
        V::load_pairs(line)
    }

    #[inline(always)]
    fn splat<V: Vector>(factor: u32) -> V::Pairs {
        V::splat_pair(factor)
    }

    #[inline(always)]
    fn multiply_add<V: Vector>(factor: V::Pairs, line: V::Pairs, sum: V) -> V {
        sum.add_products(factor, line)
    }

    fn memory() -> &'static Kept<Vec<InputRow<u32>>> {
        &MEMORY
    }
}
