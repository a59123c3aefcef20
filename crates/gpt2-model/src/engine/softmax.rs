//! Softmax over one row of logits on the CPU, for sampling.
//!
//! The loops are written for the compiler's vectorizer. The order of additions depends only on the length of the row.

/// Elements added side by side.
const LANES: usize = 16;
/// Blocks of [`LANES`] added in f32 before they are added to the f64 sum.
const BLOCKS: usize = 8;

/// Σ exp(x − shift) over `values`; `shift` is at least their maximum.
fn sum_of_exponentials(values: &[f32], shift: f32) -> f64 {
    let mut sums = [0f64; LANES];
    for chunk in values.chunks(LANES * BLOCKS) {
        let mut partial = [0f32; LANES];
        let (blocks, rest) = chunk.as_chunks::<LANES>();
        for block in blocks {
            for (sum, &value) in partial.iter_mut().zip(block) {
                *sum += exponential(value - shift);
            }
        }
        for (sum, &value) in partial.iter_mut().zip(rest) {
            *sum += exponential(value - shift);
        }
        for (sum, partial) in sums.iter_mut().zip(partial) {
            *sum += f64::from(partial);
        }
    }
    sums.iter().sum()
}

/// exp(x) for x ≤ 0 to 2e-7 relative, 0 below −87; NaN stays NaN.
#[inline]
fn exponential(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let power = rounded - ROUND;
    let rest = x - power * LN_2_HIGH - power * LN_2_LOW;
    // Taylor series of degree 7: |rest| ≤ ln 2 / 2, so the next term is below 6e-9.
    let series = 1.0 / 5040.0;
    let series = series * rest + 1.0 / 720.0;
    let series = series * rest + 1.0 / 120.0;
    let series = series * rest + 1.0 / 24.0;
    let series = series * rest + 1.0 / 6.0;
    let series = series * rest + 0.5;
    let series = series * rest + 1.0;
    let series = series * rest + 1.0;
    let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { series * scale }
}

/// First index of the maximum, and the maximum; `(0, −∞)` without values or if all are NaN.
fn largest(values: &[f32]) -> (usize, f32) {
    let mut largest = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (known, &value) in largest.iter_mut().zip(block) {
            *known = if value > *known { value } else { *known };
        }
    }
    let value = largest.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    (values.iter().position(|&other| other == value).unwrap_or(0), value)
}

/// The first token with the largest logit, and ln Σ exp(logit), added in f64 in the order of the vocabulary.
pub(super) fn argmax_and_log_sum(logits: &[f32]) -> (u32, f64) {
    let (token, logit) = largest(logits);
    (token as u32, f64::from(logit) + sum_of_exponentials(logits, logit).ln())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exponentials_are_exact_to_f32() {
        for step in 0..=870_000 {
            let x = -(step as f32) / 10_000.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exponential(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
        assert_eq!(exponential(0.0), 1.0);
        assert_eq!(exponential(-88.0), 0.0);
        assert_eq!(exponential(f32::NEG_INFINITY), 0.0);
        assert!(exponential(f32::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn sums_and_indices_equal_those_of_a_plain_loop(values in prop::collection::vec(-30f32..30.0, 0..400)) {
            let (index, value) = largest(&values);
            let plain = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            prop_assert_eq!(value, plain);
            prop_assert_eq!(index, values.iter().position(|&other| other == plain).unwrap_or(0));
            let sum: f64 = values.iter().map(|&other| (f64::from(other) - f64::from(plain)).exp()).sum();
            prop_assert!((sum_of_exponentials(&values, plain) - sum).abs() <= 1e-6 * sum);
        }
    }
}
