//! Number formats of weights and packed input, one for each [`Precision`](crate::Precision).

mod bf16;
mod rounding;

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Debug;

pub use bf16::{Bf16, SplitBf16};

use crate::layout::{DEPTH, InputRow, LANES, Line};
use crate::parallel::Scratch;
use crate::simd::{Kernel, SimdLevel, Vector};

/// A number format that the GEMM is generic over.
///
/// A line holds the weights from [`Self::INPUTS`] inputs to sixteen outputs; a factor holds as many numbers of a row of
/// input. All methods that take a [`Vector`] are `#[inline(always)]`, see [`Kernel`].
pub trait Format: Debug + Clone + Copy + PartialEq + Send + Sync + 'static {
    /// Inputs of a line.
    const INPUTS: usize;
    /// Lines of a panel come in groups of this size, the last one filled up with zeros: as many lines as one AMX
    /// instruction multiplies.
    const GROUP: usize;
    /// A line in which all weights are 0.
    const ZERO: Self::Line;
    /// A row in which all numbers are 0.
    const ZERO_ROW: Self::Row;

    /// Weights from [`Self::INPUTS`] inputs to sixteen outputs.
    type Line: Debug + Clone + Copy + PartialEq + Send + Sync;
    /// [`Self::INPUTS`] numbers of a row of input.
    type Factor: Copy;
    /// Up to [`DEPTH`] factors of one row of input.
    type Row: Debug + Clone + Copy + Send + Sync + 'static;
    /// A line, or a factor in every lane, in registers.
    type Operand<V: Vector>: Copy;
    /// Permission to use AMX; uninhabited for formats that AMX does not multiply.
    type Amx: Debug + Clone + Copy + Send + Sync;

    /// Overwrites one weight of a line: that of its `input`-th input and `lane`-th output.
    fn set(line: &mut Self::Line, input: usize, lane: usize, weight: f32);
    /// One weight of a line, as it was rounded.
    fn get(line: &Self::Line, input: usize, lane: usize) -> f32;

    /// Converts numbers of a row to factors. The last group of [`Self::GROUP`] factors is filled up with zeros.
    fn convert(numbers: &[f32], row: &mut Self::Row);
    fn factor(row: &Self::Row, index: usize) -> Self::Factor;
    fn load<V: Vector>(line: &Self::Line) -> Self::Operand<V>;
    /// A factor in every lane.
    fn splat<V: Vector>(factor: Self::Factor) -> Self::Operand<V>;
    /// `sum` plus the product of a factor and a line. What a factor contributes is added in a fixed order.
    fn multiply_add<V: Vector>(factor: Self::Operand<V>, line: Self::Operand<V>, sum: V) -> V;

    /// Permission to use AMX, if it belongs to `simd_level` and multiplies this format.
    fn amx(simd_level: SimdLevel) -> Option<Self::Amx>;
    /// Adds the products of up to [`AMX_ROWS`](crate::layout::AMX_ROWS) rows and one or two panels by AMX. See
    /// [`Amx::add_dot_products`](crate::simd::Amx::add_dot_products).
    fn add_by_amx(
        amx: Self::Amx,
        input: &[Self::Row],
        panels: &[&[Self::Line]],
        sums: &mut [Line],
        stride: usize,
        begin: bool,
    );

    /// A thread's memory for packed input.
    fn scratch() -> &'static Scratch<Vec<Self::Row>>;
}

/// Converts columns `start..end` of some rows of input to factors.
pub struct Convert<'a, F: Format> {
    /// `[rows, width]`.
    pub rows: &'a [f32],
    pub width: usize,
    pub start: usize,
    pub end: usize,
    /// `[rows]`.
    pub factors: &'a mut [F::Row],
}

impl<F: Format> Kernel for Convert<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { rows, width, start, end, factors } = self;
        for (row, factors) in rows.chunks_exact(width).zip(factors) {
            F::convert(&row[start..end], factors);
        }
    }
}

/// Numbers stay f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F32;

impl Format for F32 {
    const INPUTS: usize = 1;
    const GROUP: usize = 1;
    const ZERO: Line = Line::ZERO;
    const ZERO_ROW: InputRow = [0.0; DEPTH + LANES];

    type Line = Line;
    type Factor = f32;
    type Row = InputRow;
    type Operand<V: Vector> = V;
    type Amx = Infallible;

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

    fn amx(_: SimdLevel) -> Option<Infallible> {
        None
    }

    fn add_by_amx(amx: Infallible, _: &[InputRow], _: &[&[Line]], _: &mut [Line], _: usize, _: bool) {
        match amx {}
    }

    fn scratch() -> &'static Scratch<Vec<InputRow>> {
        thread_local! {
            static SCRATCH: Cell<Vec<InputRow>> = Cell::default();
        }
        &SCRATCH
    }
}
