//! [`Format`] of pairs of bf16 numbers that are added.

use std::cell::Cell;

use super::Format;
use super::bf16::{number, pair, replaced, split};
use crate::gemm::tile::TileSums;
use crate::scratch::Kept;
use crate::vector::{MATRIX_PAIRS, PairLine, PairRow, SimdLevel, Tiles, Vector};

thread_local! {
    static MEMORY: Cell<Vec<PairRow<2>>> = Cell::default();
}

/// Numbers in two parts, the higher first; each line is one of the higher parts, then one of the lower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split;

impl Format for Split {
    const INPUTS: usize = 2;
    const GROUP: usize = MATRIX_PAIRS;
    const ZERO: [PairLine; 2] = [PairLine::ZERO; 2];
    const ZERO_ROW: PairRow<2> = PairRow::ZERO;

    type Line = [PairLine; 2];
    type Factor = [u32; 2];
    type Row = PairRow<2>;
    type Operand<V: Vector> = [V::Pairs; 2];
    type Tiles = Tiles;

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
    fn convert(numbers: &[f32], row: &mut PairRow<2>) {
        let [highs, lows] = row.begin(numbers.len().div_ceil(2));
        for ((high_pair, low_pair), numbers) in highs.iter_mut().zip(lows).zip(numbers.chunks(2)) {
            let (high, low) = split(numbers[0]);
            let (next_high, next_low) = split(numbers.get(1).copied().unwrap_or_default());
            (*high_pair, *low_pair) = (pair(high, next_high), pair(low, next_low));
        }
    }

    #[inline(always)]
    fn factor(row: &PairRow<2>, index: usize) -> [u32; 2] {
        [row.parts[0][index], row.parts[1][index]]
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

    fn tiles(simd_level: SimdLevel) -> Option<Tiles> {
        simd_level.tiles()
    }

    fn add_in_tiles(tiles: Tiles, sums: TileSums<'_, Self>) {
        let TileSums { input, panels, sums, stride, begin, .. } = sums;
        tiles.add(input, panels, sums, stride, begin);
    }

    fn memory() -> &'static Kept<Vec<PairRow<2>>> {
        &MEMORY
    }
}
