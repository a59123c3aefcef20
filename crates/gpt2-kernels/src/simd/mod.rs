//! Sixteen f32 lanes as one value. Every kernel is written once, against [`Vector`], and gives the same bits on every CPU.
//!
//! All `unsafe` code of the crate is in this folder: the intrinsics behind [`Vector`], the call of a function compiled for
//! instructions that the CPU was found to have ([`SimdLevel::run`]), and [`Amx`].

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[path = "no_amx.rs"]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod portable;

pub use amx::Amx;
pub use level::SimdLevel;

use crate::layout::{LANES, Line, PairLine};

/// Sixteen lanes of f32 in registers of the CPU.
///
/// Every operation but one works lane by lane and rounds as IEEE 754 says, so all implementations agree to the bit (the
/// sign and payload of a NaN excepted). The exception is [`Self::add_dot_products`].
///
/// Only [`SimdLevel::run`] chooses an implementation. A kernel takes the one that it is given.
pub trait Vector: Copy {
    /// Rows of the largest tile of sums that stays in registers.
    const TILE_ROWS: usize;
    /// Vectors in each row of that tile.
    const TILE_VECTORS: usize;

    /// Sixteen pairs of bf16 numbers in registers.
    type Pairs: Copy;

    /// Runs `kernel` as one function that is compiled for this vector's instructions.
    fn call<K: Kernel>(kernel: K) -> K::Output;

    /// Fetches a line of memory into the cache. This is a hint: any address is allowed, mapped or not.
    fn prefetch(address: *const Line);
    /// `value` in every lane.
    fn splat(value: f32) -> Self;
    fn load(values: &[f32; LANES]) -> Self;
    fn store(self, values: &mut [f32; LANES]);
    fn load_pairs(pairs: &PairLine) -> Self::Pairs;
    /// `pair` in every lane.
    fn splat_pair(pair: u32) -> Self::Pairs;
    /// `self` plus the dot product of each two pairs: the product of the second numbers is added first, then that of the
    /// first numbers.
    ///
    /// Each product is exact and each sum is rounded once. SIMD levels may disagree here: some take subnormal numbers and
    /// sums for 0.
    fn add_dot_products(self, pairs: Self::Pairs, others: Self::Pairs) -> Self;
    fn add(self, other: Self) -> Self;
    fn subtract(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn divide(self, other: Self) -> Self;
    /// `self · factor + addend`, rounded once. [`Portable`](portable::Portable) is exact but slow where the CPU has no
    /// fused multiply-add.
    fn multiply_add(self, factor: Self, addend: Self) -> Self;
    /// `self` where it is greater than `other`, else `other`. So `other` where either is NaN.
    fn maximum(self, other: Self) -> Self;
    /// `self` where it is less than `other`, else `other`. So `other` where either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// `self` where `value ≥ bound` or either is NaN, else 0.
    fn or_zero_below(self, value: Self, bound: Self) -> Self;
    /// Whether any lane equals that of `other`.
    fn any_equal(self, other: Self) -> bool;
    /// 2ⁿ, where `self` is n + 1.5 · 2²³ for a whole number −126 ≤ n ≤ 127.
    fn power_of_two(self) -> Self;

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        lanes
    }

    /// The sum of the lanes, always in the same order: halves are added until one lane is left.
    #[inline(always)]
    fn sum_lanes(self) -> f32 {
        let mut lanes = self.to_array();
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }

    /// The largest lane that is not NaN; −∞ if all are.
    #[inline(always)]
    fn max_lane(self) -> f32 {
        let mut max = f32::NEG_INFINITY;
        for lane in self.to_array() {
            max = if lane > max { lane } else { max };
        }
        max
    }
}

/// Work written for any [`Vector`].
pub trait Kernel {
    type Output;

    /// Does the work. Implementations must be `#[inline(always)]`, as must all functions they call with a [`Vector`]:
    /// only then does the code end up in the function that [`Vector::call`] compiles for the instructions of `V`.
    fn run<V: Vector>(self) -> Self::Output;
}
