//! How numbers lie in memory for the kernels: cache lines of f32 and of bf16 pairs, and rows of packed input.

/// Lanes of a [`Vector`](crate::simd::Vector): f32 numbers in a cache line.
pub const LANES: usize = 16;

/// Sixteen f32 that fill a cache line.
///
/// The alignment matters: a load that straddles two cache lines costs two loads.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Line(pub [f32; LANES]);

impl Line {
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Sixteen pairs of bf16 that fill a cache line. The first number of a pair is the lower half of its word.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct PairLine(pub [u32; LANES]);

impl PairLine {
    pub const ZERO: Self = Self([0; LANES]);
}

/// Depth of a block of the GEMM: factors of a row that are multiplied before the sums go back to memory. A factor is one
/// f32, or one pair of bf16. This many lines of a panel fit the first-level cache.
pub const DEPTH: usize = 256;

/// Up to [`DEPTH`] f32 of one row of input.
///
/// The padding makes the distance between rows an odd number of cache lines (17), which spreads rows over the sets of
/// the cache. The distance is a constant, so no register has to hold it.
pub type InputRow = [f32; DEPTH + LANES];

/// Up to [`DEPTH`] pairs of bf16 of one row of input. Each f32 of the input is the sum of `PARTS` bf16 numbers; the
/// highest parts of all pairs come first.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct PairRow<const PARTS: usize> {
    pub parts: [[u32; DEPTH]; PARTS],
    /// An odd number of cache lines in a row, as in [`InputRow`].
    padding: [u32; LANES],
}

impl<const PARTS: usize> PairRow<PARTS> {
    pub const ZERO: Self = Self { parts: [[0; DEPTH]; PARTS], padding: [0; LANES] };

    /// The first `count` pairs of each part, for the caller to fill. The rest of their last group of [`AMX_PAIRS`] is
    /// set to 0.
    #[inline(always)]
    pub fn begin(&mut self, count: usize) -> [&mut [u32]; PARTS] {
        self.parts.each_mut().map(|pairs| {
            pairs[count..count.next_multiple_of(AMX_PAIRS)].fill(0);
            &mut pairs[..count]
        })
    }
}

/// Rows of input that AMX multiplies at one time: two tiles of sixteen rows.
pub const AMX_ROWS: usize = 32;
/// Pairs of a row, or lines of a panel, that one AMX instruction multiplies.
pub const AMX_PAIRS: usize = 16;

/// `values` followed by `padding`.
///
/// # Panics
/// If there are more than [`LANES`] values.
#[inline(always)]
pub fn padded(values: &[f32], padding: f32) -> [f32; LANES] {
    let mut lanes = [padding; LANES];
    lanes[..values.len()].copy_from_slice(values);
    lanes
}
