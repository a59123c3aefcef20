//! Softmax over the vocabulary, reduced part by part.

use crate::exponential::exponential;
use crate::layout::{LANES, Line};
use crate::simd::Vector;

/// Softmax over some of the logits of one position: enough to merge parts of the vocabulary and to turn a logit into a
/// log-probability, without holding the logits (online softmax, Milakov and Gimelshein 2018).
///
/// ```
/// # use gpt2_kernels::PartialSoftmax;
/// let low = PartialSoftmax { max: 1.0, argmax: 0, sum: 1.0 };
/// let high = PartialSoftmax { max: 3.0, argmax: 1, sum: 2.0 };
/// let all = PartialSoftmax::merge([low, high].into_iter());
/// assert_eq!((all.max, all.argmax), (3.0, 1));
/// assert_eq!(all.log_prob(1.0), -2.0 - ((-2f64).exp() + 2.0).ln());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartialSoftmax {
    /// The largest logit; −∞ if there are no logits.
    pub max: f32,
    /// The first token that has the largest logit; 0 if there are no logits.
    pub argmax: u32,
    /// Σ exp(logit − max).
    pub sum: f64,
}

impl Default for PartialSoftmax {
    fn default() -> Self {
        Self { max: f32::NEG_INFINITY, argmax: 0, sum: 0.0 }
    }
}

impl PartialSoftmax {
    /// Merges parts of the vocabulary by log-sum-exp. The sum is taken in the order of the parts, so equal parts in
    /// equal order give equal bits. The first part wins a tie for the largest logit.
    pub fn merge(parts: impl Iterator<Item = Self> + Clone) -> Self {
        let mut merged = Self::default();
        for part in parts.clone() {
            if part.max > merged.max {
                merged = Self { sum: 0.0, ..part };
            }
        }
        for part in parts {
            // A part without logits has no maximum to scale by. A part with a NaN logit has a NaN sum and must count.
            if part.max > f32::NEG_INFINITY || part.sum != 0.0 {
                merged.sum += part.sum * (f64::from(part.max) - f64::from(merged.max)).exp();
            }
        }
        merged
    }

    /// ln P, in nats, of a token with this logit that is among the reduced logits.
    pub fn log_prob(&self, logit: f32) -> f64 {
        f64::from(logit) - f64::from(self.max) - self.sum.ln()
    }

    /// ln P(argmax), in nats.
    pub fn argmax_log_prob(&self) -> f64 {
        -self.sum.ln()
    }

    /// ln P, in nats, of a target with this logit where `self` leaves the excluded tokens out (the stop-word filter of
    /// LAMBADA). A target that `is_excluded` itself keeps its own share: it is added to the sum.
    pub fn filtered_log_prob(&self, logit: f32, is_excluded: bool) -> f64 {
        if is_excluded && self.max == f32::NEG_INFINITY {
            // Every other token is excluded too.
            return 0.0;
        }
        let above = f64::from(logit) - f64::from(self.max);
        let own = if is_excluded { above.exp() } else { 0.0 };
        above - (self.sum + own).ln()
    }

    /// Reduces the logits of one row: one line of sixteen tokens every `stride` lines, the first token being `start`.
    #[inline(always)]
    pub(crate) fn of_row<V: Vector>(logits: &[Line], stride: usize, start: usize) -> Self {
        /// Lines that are added in f32 before they join the sum in f64.
        const LINES: usize = 8;

        let lines = || logits.iter().step_by(stride);
        let mut max = V::splat(f32::NEG_INFINITY);
        for line in lines() {
            max = V::load(&line.0).maximum(max);
        }
        let max = max.max_lane();
        let mut argmax = start;
        for (index, line) in lines().enumerate() {
            if V::load(&line.0).any_equal(V::splat(max)) {
                argmax += index * LANES + line.0.iter().position(|&logit| logit == max).unwrap_or(0);
                break;
            }
        }
        // Without logits every exponential must be 0, and −∞ − −∞ would be NaN.
        let shift = V::splat(if max == f32::NEG_INFINITY { 0.0 } else { max });
        let mut sums = [0f64; LANES];
        let mut partial = V::splat(0.0);
        for (index, line) in lines().enumerate() {
            partial = partial.add(exponential(V::load(&line.0).subtract(shift)));
            if index % LINES == LINES - 1 {
                add_lanes(&mut sums, partial);
                partial = V::splat(0.0);
            }
        }
        add_lanes(&mut sums, partial);
        Self { max, argmax: argmax as u32, sum: sums.iter().sum() }
    }
}

#[inline(always)]
fn add_lanes<V: Vector>(sums: &mut [f64; LANES], partial: V) {
    for (sum, partial) in sums.iter_mut().zip(partial.to_array()) {
        *sum += f64::from(partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(max: f32, argmax: u32, sum: f64) -> PartialSoftmax {
        PartialSoftmax { max, argmax, sum }
    }

    #[test]
    fn parts_without_logits_do_not_count_and_the_first_part_wins_a_tie() {
        let empty = PartialSoftmax::default();
        assert_eq!(PartialSoftmax::merge([empty, empty].into_iter()), empty);
        let merged = PartialSoftmax::merge([empty, part(2.0, 7, 1.0), part(2.0, 9, 1.5)].into_iter());
        assert_eq!(merged, part(2.0, 7, 2.5));
        assert_eq!(merged.argmax_log_prob(), merged.log_prob(2.0));
        let not_a_number = part(f32::NEG_INFINITY, 0, f64::NAN);
        assert!(PartialSoftmax::merge([merged, not_a_number].into_iter()).sum.is_nan());
    }

    #[test]
    fn an_excluded_target_keeps_its_share() {
        let left = part(1.0, 3, 1.0);
        assert_eq!(left.filtered_log_prob(1.0, false), 0.0);
        assert_eq!(left.filtered_log_prob(1.0, true), -2f64.ln());
        assert_eq!(PartialSoftmax::default().filtered_log_prob(5.0, true), 0.0);
    }
}
