//! [`Format`] of f32.

use std::cell::Cell;

use super::Format;
use crate::kernels::multiply::tile::InputRow;
use crate::kernels::scratch::Kept;
use crate::kernels::vector::{Line, Vector};

thread_local! {
    static MEMORY: Cell<Vec<InputRow<f32>>> = Cell::default();
}

/// Numbers as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Single;

impl Format for Single {
    const INPUTS: usize = 1;
    const ZERO: Line = Line::ZERO;

    type Line = Line;
    type Factor = f32;
    type Operand<V: Vector> = V;

    #[inline(always)]
    fn set(line: &mut Line, _: usize, lane: usize, weight: f32) {
        line.0[lane] = weight;
    }

    #[inline(always)]
    fn get(line: &Line, _: usize, lane: usize) -> f32 {
        line.0[lane]
    }

    #[inline(always)]
    fn convert(row: &[f32], factors: &mut [f32]) {
        factors.copy_from_slice(row);
    }

    #[inline(always)]
    fn load<V: Vector>(line: &Line) -> V {
        V::load(&line.0)
    }

    #[inline(always)]
    fn splat<V: Vector>(factor: f32) -> V {
        V::splat(factor)
    }

    #[inline(always)]
    fn multiply_add<V: Vector>(factor: V, line: V, sum: V) -> V {
        factor.multiply_add(line, sum)
    }

    fn memory() -> &'static Kept<Vec<InputRow<f32>>> {
        &MEMORY
    }
}
