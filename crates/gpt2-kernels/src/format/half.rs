//! [`Format`] of bf16.

use std::cell::Cell;

use super::Format;
use super::bf16::{number, pair, replaced, rounded};
use crate::gemm::tile::TileSums;
use crate::scratch::Kept;
use crate::vector::{MATRIX_PAIRS, PairLine, PairRow, SimdLevel, Tiles, Vector};

thread_local! {
    static MEMORY: Cell<Vec<PairRow<1>>> = Cell::default();
}

/// Numbers rounded to bf16, two inputs in a line: the instructions multiply and add pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Half;

impl Format for Half {
    const INPUTS: usize = 2;
    const GROUP: usize = MATRIX_PAIRS;
    const ZERO: [PairLine; 1] = [PairLine::ZERO];
    const ZERO_ROW: PairRow<1> = PairRow::ZERO;

    type Line = [PairLine; 1];
    type Factor = u32;
    type Row = PairRow<1>;
    type Operand<V: Vector> = V::Pairs;
    type Tiles = Tiles;

    #[inline(always)]
    fn set([line]: &mut [PairLine; 1], input: usize, lane: usize, weight: f32) {
        line.0[lane] = replaced(line.0[lane], input, rounded(weight));
    }

    #[inline(always)]
    fn get([line]: &[PairLine; 1], input: usize, lane: usize) -> f32 {
        number(line.0[lane], input)
    }

    #[inline(always)]
    fn convert(numbers: &[f32], row: &mut PairRow<1>) {
        let [factors] = row.begin(numbers.len().div_ceil(2));
        let (pairs, rest) = numbers.as_chunks::<2>();
        for (factor, [first, second]) in factors.iter_mut().zip(pairs) {
            *factor = pair(rounded(*first), rounded(*second));
        }
        if let ([first], [.., factor]) = (rest, factors) {
            *factor = pair(rounded(*first), 0.0);
        }
    }

    #[inline(always)]
    fn factor(row: &PairRow<1>, index: usize) -> u32 {
        row.parts[0][index]
    }

    #[inline(always)]
    fn load<V: Vector>([line]: &[PairLine; 1]) -> V::Pairs {
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

    fn tiles(simd_level: SimdLevel) -> Option<Tiles> {
        simd_level.tiles()
    }

    fn add_in_tiles(tiles: Tiles, sums: TileSums<'_, Self>) {
        let TileSums { input, panels, sums, stride, begin, .. } = sums;
        tiles.add(input, panels, sums, stride, begin);
    }

    fn memory() -> &'static Kept<Vec<PairRow<1>>> {
        &MEMORY
    }
}
