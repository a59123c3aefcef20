//! exp and GELU on vectors.

use crate::simd::Vector;

/// [`exponential`] is 0 below.
const LOWEST: f32 = -87.0;
/// [`exponential`] is constant above, 1.7e38.
const HIGHEST: f32 = 88.0;

/// exp(x) with a relative error of at most 2e-7 for −87 ≤ x ≤ 88, 0 below (and for −∞), exp(88) above. NaN stays NaN.
#[inline(always)]
pub fn exponential<V: Vector>(x: V) -> V {
    /// 1.5 · 2²³: adding it rounds to a whole number, in the low bits of the result.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts. The product of the first part and a small whole number is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// Taylor series from the seventh power down. |rest| ≤ ln 2 / 2, so the next term is below 6e-9.
    const SERIES: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

    // The bounds are the first operands, so that the comparisons yield x where x is NaN.
    let bounded = V::splat(LOWEST).maximum(V::splat(HIGHEST).minimum(x));
    let rounded = bounded.multiply_add(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND));
    let power = rounded.subtract(V::splat(ROUND));
    let rest = power.multiply_add(V::splat(-LN_2[0]), bounded);
    let rest = power.multiply_add(V::splat(-LN_2[1]), rest);
    let mut series = V::splat(SERIES[0]);
    for coefficient in &SERIES[1..] {
        series = series.multiply_add(rest, V::splat(*coefficient));
    }
    series.multiply(rounded.power_of_two()).or_zero_below(x, V::splat(LOWEST))
}

/// GPT-2's `gelu_new`, 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), within 1e-6 · max(1, |x|) of the exact value
/// (1.2e-7 as measured). Computed by 0.5·(1 + tanh(a)) = 1 / (1 + exp(−2a)).
#[inline(always)]
pub fn gelu_tanh<V: Vector>(x: V) -> V {
    /// −2·√(2/π).
    const LINEAR: f32 = -1.595_769_2;
    /// −2·√(2/π)·0.044715.
    const CUBIC: f32 = -0.071_354_814;
    let inner = x.multiply(x).multiply_add(V::splat(CUBIC), V::splat(LINEAR)).multiply(x);
    x.divide(exponential(inner).add(V::splat(1.0)))
}
