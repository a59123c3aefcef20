//! Pairs of bf16 numbers in memory, where instructions for vectors and for matrices find them.

use super::LANES;
use crate::gemm::tile::DEPTH;

/// Rows of input that instructions for matrices multiply together at most: two tiles of sixteen.
pub const MATRIX_ROWS: usize = 32;
/// Pairs of each row, or lines of a panel, that one instruction for matrices multiplies.
pub const MATRIX_PAIRS: usize = 16;

/// Sixteen pairs of bf16 numbers that fill a cache line; the first of a pair is in the lower half of its word.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct PairLine(pub [u32; LANES]);

impl PairLine {
    /// All numbers 0.
    pub const ZERO: Self = Self([0; LANES]);
}

/// Up to [`DEPTH`] pairs of one row of input, whose numbers are sums of `PARTS` numbers of bf16; the highest parts of all
/// come first.
///
/// The gap makes it an odd number of cache lines, which spreads the rows over the sets of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct PairRow<const PARTS: usize> {
    /// The pairs of each part.
    pub parts: [[u32; DEPTH]; PARTS],
    gap: [u32; LANES],
}

impl<const PARTS: usize> PairRow<PARTS> {
    /// All numbers 0.
    pub const ZERO: Self = Self { parts: [[0; DEPTH]; PARTS], gap: [0; LANES] };

    /// The first `count` pairs of each part, to be written. What the last [`MATRIX_PAIRS`] of them lack is set to 0.
    #[inline(always)]
    pub fn begin(&mut self, count: usize) -> [&mut [u32]; PARTS] {
        self.parts.each_mut().map(|pairs| {
            pairs[count..count.next_multiple_of(MATRIX_PAIRS)].fill(0);
            &mut pairs[..count]
        })
    }
}
