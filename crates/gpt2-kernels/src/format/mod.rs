//! The forms that weights and input take in a product: one for each [`Precision`](crate::Precision).

mod bf16;
mod half;
mod single;
mod split;

use std::fmt::Debug;

use crate::gemm::tile::TileSums;
use crate::scratch::Kept;
use crate::vector::{SimdLevel, Task, Vector};

pub use half::Half;
pub use single::Single;
pub use split::Split;

/// What the product of rows and panels is written for.
///
/// A line holds the weights from a few inputs to sixteen outputs, a factor as many numbers of a row. All methods that
/// take a [`Vector`] are `#[inline(always)]`, see [`Task`].
pub trait Format: Debug + Clone + Copy + PartialEq + Send + Sync + 'static {
    /// Inputs of a line.
    const INPUTS: usize;
    /// Lines of a panel come in groups of so many, the last group filled up with zeros: as many as an instruction for
    /// matrices takes.
    const GROUP: usize;
    /// All weights 0.
    const ZERO: Self::Line;
    /// All numbers 0.
    const ZERO_ROW: Self::Row;

    /// Weights from [`Self::INPUTS`] inputs to sixteen outputs.
    type Line: Debug + Clone + Copy + PartialEq + Send + Sync;
    /// [`Self::INPUTS`] numbers of a row.
    type Factor: Copy;
    /// Up to [`DEPTH`](crate::gemm::tile::DEPTH) factors of one row.
    type Row: Debug + Clone + Copy + Send + Sync + 'static;
    /// A line, or a factor in every lane, in registers.
    type Operand<V: Vector>: Copy;
    /// The right to use instructions for matrices.
    type Tiles: Debug + Clone + Copy + Send + Sync;

    /// Overwrites one weight, that of the `input`-th input of the line.
    fn set(line: &mut Self::Line, input: usize, lane: usize, weight: f32);
    /// One weight, as it is kept.
    fn get(line: &Self::Line, input: usize, lane: usize) -> f32;

    /// The numbers of a row as factors; the last group of [`Self::GROUP`] is filled up with zeros.
    fn convert(numbers: &[f32], row: &mut Self::Row);
    /// One factor of a row.
    fn factor(row: &Self::Row, index: usize) -> Self::Factor;
    /// A line in registers.
    fn load<V: Vector>(line: &Self::Line) -> Self::Operand<V>;
    /// A factor in every lane.
    fn splat<V: Vector>(factor: Self::Factor) -> Self::Operand<V>;
    /// `sum` and the products of a factor and a line, added in the same order always.
    fn multiply_add<V: Vector>(factor: Self::Operand<V>, line: Self::Operand<V>, sum: V) -> V;

    /// SIMD level for matrices in this format, where `instructions` have them.
    fn tiles(simd_level: SimdLevel) -> Option<Self::Tiles>;
    /// What [`TileSums::add`] does, with instructions for matrices: up to
    /// [`MATRIX_ROWS`](crate::vector::MATRIX_ROWS) rows, and whole groups of lines.
    fn add_in_tiles(tiles: Self::Tiles, sums: TileSums<'_, Self>);

    /// A thread's memory for factors.
    fn memory() -> &'static Kept<Vec<Self::Row>>;
}

/// [`Format::convert`] for some columns of some rows.
pub struct Convert<'a, F: Format> {
    /// Rows of `width` numbers.
    pub rows: &'a [f32],
    /// Numbers in a row.
    pub width: usize,
    /// Where the columns begin.
    pub start: usize,
    /// Where they end.
    pub end: usize,
    /// One for each row.
    pub factors: &'a mut [F::Row],
}

impl<F: Format> Task for Convert<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { rows, width, start, end, factors } = self;
        for (row, factors) in rows.chunks_exact(width).zip(factors) {
            F::convert(&row[start..end], factors);
        }
    }
}
