//! Largest logit and sum of exponentials of a part of the vocabulary, and how parts are joined.

use crate::exponential::exponential;
use crate::vector::{LANES, Line, Vector};

/// Lines that are added in f32 before they join the sum in f64.
const LINES: usize = 8;

/// What some logits come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// The largest of them; −∞ if there is none.
    pub largest: f32,
    /// The first token that has it; 0 if there is none.
    pub token: u32,
    /// Σ exp(logit − largest).
    pub sum: f64,
}

impl Default for Part {
    fn default() -> Self {
        Self { largest: f32::NEG_INFINITY, token: 0, sum: 0.0 }
    }
}

impl Part {
    /// What parts come to together, in this order.
    pub fn joined(parts: impl Iterator<Item = Self> + Clone) -> Self {
        let mut joined = Self::default();
        for part in parts.clone() {
            if part.largest > joined.largest {
                joined = Self { sum: 0.0, ..part };
            }
        }
        for part in parts {
            // A part in which nothing is left has no largest logit to scale by; one that is not a number has a say.
            if part.largest > f32::NEG_INFINITY || part.sum != 0.0 {
                joined.sum += part.sum * (f64::from(part.largest) - f64::from(joined.largest)).exp();
            }
        }
        joined
    }
}

/// Reduces the logits of one row, a line of them every `stride` lines; the first is that of token `start`.
#[inline(always)]
pub fn part_of_row<V: Vector>(logits: &[Line], stride: usize, start: usize) -> Part {
    let lines = || logits.iter().step_by(stride);
    let mut largest = V::splat(f32::NEG_INFINITY);
    for line in lines() {
        largest = V::load(&line.0).maximum(largest);
    }
    let largest = largest.largest();
    let mut token = start;
    for (index, line) in lines().enumerate() {
        if V::load(&line.0).any_equal(V::splat(largest)) {
            let lane = line.0.iter().position(|&logit| logit == largest).unwrap_or(0);
            token += index * LANES + lane;
            break;
        }
    }
    // Where nothing is left, every exponential is to be 0, and −∞ − −∞ is no number.
    let shift = V::splat(if largest == f32::NEG_INFINITY { 0.0 } else { largest });
    let mut sums = [0f64; LANES];
    let mut partial = V::splat(0.0);
    for (index, line) in lines().enumerate() {
        partial = partial.add(exponential(V::load(&line.0).subtract(shift)));
        if index % LINES == LINES - 1 {
            join(&mut sums, partial);
            partial = V::splat(0.0);
        }
    }
    join(&mut sums, partial);
    Part { largest, token: token as u32, sum: sums.iter().sum() }
}

#[inline(always)]
fn join<V: Vector>(sums: &mut [f64; LANES], partial: V) {
    for (sum, partial) in sums.iter_mut().zip(partial.lanes()) {
        *sum += f64::from(partial);
    }
}
