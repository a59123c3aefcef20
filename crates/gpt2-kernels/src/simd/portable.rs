//! [`Vector`] as a plain array, for the compiler to vectorize.

use super::{Kernel, Vector};
use crate::layout::{LANES, Line, PairLine};

#[derive(Clone, Copy)]
pub struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(mut self, other: Self, operation: impl Fn(f32, f32) -> f32) -> Self {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane = operation(*lane, other);
        }
        self
    }
}

impl Vector for Portable {
    // 24 registers of sums and four of weights, of the 32 registers of 128 bits that AArch64 has.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;

    type Pairs = [u32; LANES];

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        kernel.run::<Self>()
    }

    #[inline(always)]
    fn prefetch(_: *const Line) {}

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        Self(*values)
    }

    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        *values = self.0;
    }

    #[inline(always)]
    fn load_pairs(pairs: &PairLine) -> [u32; LANES] {
        pairs.0
    }

    #[inline(always)]
    fn splat_pair(pair: u32) -> [u32; LANES] {
        [pair; LANES]
    }

    #[inline(always)]
    fn add_dot_products(self, pairs: [u32; LANES], others: [u32; LANES]) -> Self {
        let sum = second(pairs).multiply_add(second(others), self);
        first(pairs).multiply_add(first(others), sum)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn multiply_add(mut self, factor: Self, addend: Self) -> Self {
        for ((lane, factor), addend) in self.0.iter_mut().zip(factor.0).zip(addend.0) {
            *lane = lane.mul_add(factor, addend);
        }
        self
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn or_zero_below(mut self, value: Self, bound: Self) -> Self {
        for ((lane, value), bound) in self.0.iter_mut().zip(value.0).zip(bound.0) {
            *lane = if value < bound { 0.0 } else { *lane };
        }
        self
    }

    #[inline(always)]
    fn any_equal(self, other: Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a == b)
    }

    #[inline(always)]
    fn power_of_two(mut self) -> Self {
        for lane in &mut self.0 {
            *lane = f32::from_bits(lane.to_bits().wrapping_add(127) << 23);
        }
        self
    }
}

/// The first number of each pair, as f32.
#[inline(always)]
fn first(pairs: [u32; LANES]) -> Portable {
    let mut numbers = [0.0; LANES];
    for (number, pair) in numbers.iter_mut().zip(pairs) {
        *number = f32::from_bits(pair << 16);
    }
    Portable(numbers)
}

/// The second number of each pair, as f32.
#[inline(always)]
fn second(pairs: [u32; LANES]) -> Portable {
    let mut numbers = [0.0; LANES];
    for (number, pair) in numbers.iter_mut().zip(pairs) {
        *number = f32::from_bits(pair & 0xFFFF_0000);
    }
    Portable(numbers)
}
