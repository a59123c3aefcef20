//! [`Format`] of f32.

use std::cell::Cell;
use std::convert::Infallible;

use super::Format;
use crate::gemm::tile::{DEPTH, InputRow, TileSums};
use crate::scratch::Kept;
use crate::vector::{LANES, Line, SimdLevel, Vector};

thread_local! {
    static MEMORY: Cell<Vec<InputRow>> = Cell::default();
}

/// Numbers as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Single;

impl Format for Single {
    const INPUTS: usize = 1;
    const GROUP: usize = 1;
    const ZERO: Line = Line::ZERO;
    const ZERO_ROW: InputRow = [0.0; DEPTH + LANES];

    type Line = Line;
    type Factor = f32;
    type Row = InputRow;
    type Operand<V: Vector> = V;
    type Tiles = Infallible;

    #[inline(always)]
    fn set(line: &mut Line, _: usize, lane: usize, weight: f32) {
        line.0[lane] = weight;
    }

    #[inline(always)]
    fn get(line: &Line, _: usize, lane: usize) -> f32 {
        line.0[lane]
    }

    #[inline(always)]
    fn convert(numbers: &[f32], row: &mut InputRow) {
        row[..numbers.len()].copy_from_slice(numbers);
    }

    #[inline(always)]
    fn factor(row: &InputRow, index: usize) -> f32 {
        row[index]
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

    fn tiles(_: SimdLevel) -> Option<Infallible> {
        None
    }

    fn add_in_tiles(tiles: Infallible, _: TileSums<'_, Self>) {
        match tiles {}
    }

    fn memory() -> &'static Kept<Vec<InputRow>> {
        &MEMORY
    }
}
