//! Formats of bf16 numbers. A line and a factor hold two inputs, because the instructions multiply and add pairs.

use std::cell::Cell;

use super::Format;
use super::rounding::{number, pack, replace, round, split};
use crate::layout::{AMX_PAIRS, Line, PairLine, PairRow};
use crate::parallel::Scratch;
use crate::simd::{Amx, SimdLevel, Vector};

/// Numbers rounded to bf16.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bf16;

impl Format for Bf16 {
    const INPUTS: usize = 2;
    const GROUP: usize = AMX_PAIRS;
    const ZERO: [PairLine; 1] = [PairLine::ZERO];
    const ZERO_ROW: PairRow<1> = PairRow::ZERO;

    type Line = [PairLine; 1];
    type Factor = u32;
    type Row = PairRow<1>;
    type Operand<V: Vector> = V::Pairs;
    type Amx = Amx;

    #[inline(always)]
    fn set([line]: &mut [PairLine; 1], input: usize, lane: usize, weight: f32) {
        line.0[lane] = replace(line.0[lane], input, round(weight));
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
            *factor = pack(round(*first), round(*second));
        }
        if let ([first], [.., factor]) = (rest, factors) {
            *factor = pack(round(*first), 0.0);
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
        sum.add_dot_products(factor, line)
    }

    fn amx(simd_level: SimdLevel) -> Option<Amx> {
        simd_level.amx()
    }

    fn add_by_amx(
        amx: Amx,
        input: &[PairRow<1>],
        panels: &[&[[PairLine; 1]]],
        sums: &mut [Line],
        stride: usize,
        begin: bool,
    ) {
        amx.add_dot_products(input, panels, sums, stride, begin);
    }

    fn scratch() -> &'static Scratch<Vec<PairRow<1>>> {
        thread_local! {
            static SCRATCH: Cell<Vec<PairRow<1>>> = Cell::default();
        }
        &SCRATCH
    }
}

/// Numbers split into a high and a low bf16 part. A line has one line of high parts, then one of low parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitBf16;

impl Format for SplitBf16 {
    const INPUTS: usize = 2;
    const GROUP: usize = AMX_PAIRS;
    const ZERO: [PairLine; 2] = [PairLine::ZERO; 2];
    const ZERO_ROW: PairRow<2> = PairRow::ZERO;

    type Line = [PairLine; 2];
    type Factor = [u32; 2];
    type Row = PairRow<2>;
    type Operand<V: Vector> = [V::Pairs; 2];
    type Amx = Amx;

    #[inline(always)]
    fn set([high, low]: &mut [PairLine; 2], input: usize, lane: usize, weight: f32) {
        let (high_part, low_part) = split(weight);
        high.0[lane] = replace(high.0[lane], input, high_part);
        low.0[lane] = replace(low.0[lane], input, low_part);
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
            (*high_pair, *low_pair) = (pack(high, next_high), pack(low, next_low));
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

    /// Low by high, high by low, high by high. The product of the two low parts is below the precision and left out.
    #[inline(always)]
    fn multiply_add<V: Vector>(factor: [V::Pairs; 2], line: [V::Pairs; 2], sum: V) -> V {
        sum.add_dot_products(factor[1], line[0])
            .add_dot_products(factor[0], line[1])
            .add_dot_products(factor[0], line[0])
    }

    fn amx(simd_level: SimdLevel) -> Option<Amx> {
        simd_level.amx()
    }

    fn add_by_amx(
        amx: Amx,
        input: &[PairRow<2>],
        panels: &[&[[PairLine; 2]]],
        sums: &mut [Line],
        stride: usize,
        begin: bool,
    ) {
        amx.add_dot_products(input, panels, sums, stride, begin);
    }

    fn scratch() -> &'static Scratch<Vec<PairRow<2>>> {
        thread_local! {
            static SCRATCH: Cell<Vec<PairRow<2>>> = Cell::default();
        }
        &SCRATCH
    }
}
