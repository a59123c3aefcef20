//! Sixteen f32 lanes as one value, so that every kernel is written once and gives the same bits on every processor.
//!
//! All `unsafe` code of the kernels is in this folder: the intrinsics behind [`Vector`], the call into a function that is
//! compiled for instructions that the processor was found to have ([`SimdLevel`]), and AMX behind [`Tiles`].

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod no_tiles;
mod pairs;
mod portable;
mod simd_level;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub use amx::Tiles;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub use no_tiles::Tiles;
pub use pairs::{MATRIX_PAIRS, MATRIX_ROWS, PairLine, PairRow};
pub use simd_level::SimdLevel;

/// Lanes of a [`Vector`].
pub const LANES: usize = 16;

/// Sixteen numbers that fill a cache line: what a [`Vector`] is loaded from.
///
/// The alignment matters: a load that straddles two lines costs two.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Line(pub [f32; LANES]);

impl Line {
    /// All lanes 0.
    pub const ZERO: Self = Self([0.0; LANES]);
}

/// Sixteen lanes of f32 in whatever registers the processor has.
///
/// Every operation but one is defined lane by lane and rounded as IEEE 754 says, so all implementations agree to the
/// bit (the sign and payload of a NaN excepted). The exception is `add_products`. `multiply_add` rounds once; where the processor cannot do that,
/// [`portable`] is exact but slow.
///
/// Only [`SimdLevel::run`] chooses an implementation; a kernel takes the one that it is given.
pub trait Vector: Copy {
    /// Rows of the largest tile of sums that stays in registers.
    const TILE_ROWS: usize;
    /// Vectors in each row of that tile.
    const TILE_VECTORS: usize;

    /// Sixteen pairs of bf16 numbers.
    type Pairs: Copy;

    /// Runs `task` as one function that is compiled for these instructions.
    fn call<T: Task>(task: T) -> T::Output;

    /// Asks for a line of memory that will be read soon. A hint: any address will do, mapped or not.
    fn prefetch(address: *const Line);
    /// `value` in every lane.
    fn splat(value: f32) -> Self;
    /// Lane by lane from memory.
    fn load(values: &[f32; LANES]) -> Self;
    /// Lane by lane to memory.
    fn store(self, values: &mut [f32; LANES]);
    /// Pair by pair from memory.
    fn load_pairs(pairs: &PairLine) -> Self::Pairs;
    /// `pair` in every lane.
    fn splat_pair(pair: u32) -> Self::Pairs;
    /// `self` and both products of each pair: first that of the second numbers is added, then that of the first.
    ///
    /// Each product is exact and each sum rounded once. Only here may instructions disagree: some take numbers below
    /// the normal range, and sums there, for 0.
    fn add_products(self, pairs: Self::Pairs, others: Self::Pairs) -> Self;
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn subtract(self, other: Self) -> Self;
    /// `self · other`.
    fn multiply(self, other: Self) -> Self;
    /// `self / other`.
    fn divide(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;
    /// `self` where it is greater than `other`, else `other`; so `other` where either is not a number.
    fn maximum(self, other: Self) -> Self;
    /// `self` where it is less than `other`, else `other`; so `other` where either is not a number.
    fn minimum(self, other: Self) -> Self;
    /// `self` where `value ≥ bound` or either is not a number, else 0.
    fn or_zero_below(self, value: Self, bound: Self) -> Self;
    /// Whether any lane is equal to that of `other`.
    fn any_equal(self, other: Self) -> bool;
    /// 2ⁿ, where `self` is n + 1.5 · 2²³ for a whole number −126 ≤ n ≤ 127.
    fn power_of_two(self) -> Self;

    /// The lanes.
    #[inline(always)]
    fn lanes(self) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        lanes
    }

    /// The sum of the lanes, always added in the same order.
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.lanes();
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }

    /// The largest lane that is a number; −∞ if there is none.
    #[inline(always)]
    fn largest(self) -> f32 {
        let mut largest = f32::NEG_INFINITY;
        for lane in self.lanes() {
            largest = if lane > largest { lane } else { largest };
        }
        largest
    }
}

/// What a kernel does, written for any [`Vector`].
pub trait Task {
    /// What it returns.
    type Output;

    /// Does it. Implementations are `#[inline(always)]`, as are the functions they call with a [`Vector`]: only so
    /// does the code end up in a function that is compiled for the instructions of `V`.
    fn run<V: Vector>(self) -> Self::Output;
}

/// The first `values.len()` lanes of a line, and `padding` in the others.
///
/// # Panics
/// If there are more than [`LANES`] values.
#[inline(always)]
pub fn padded(values: &[f32], padding: f32) -> [f32; LANES] {
    let mut lanes = [padding; LANES];
    lanes[..values.len()].copy_from_slice(values);
    lanes
}
