//! Layer normalization.

use rayon::prelude::*;

use crate::layout::{LANES, padded};
use crate::simd::{Kernel, SimdLevel, Vector};

/// Numbers that one task normalizes. Smaller inputs are normalized by one thread, which is then faster.
const TASK_NUMBERS: usize = 16 * 1024;

/// `output = (input − mean) / √(variance + epsilon) · gamma + beta` for each row (Ba et al. 2016). The variance is the mean
/// square of the deviations. Runs on all threads of the current Rayon pool.
///
/// # Shapes
/// - `input`, `output`: `[rows, n_embd]`
/// - `gamma`, `beta`: `[n_embd]`
///
/// # Panics
/// If the shapes do not match.
pub fn layer_norm(
    simd_level: SimdLevel,
    input: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    output: &mut [f32],
) {
    let width = gamma.len();
    assert_eq!(beta.len(), width, "length of beta and gamma");
    assert_eq!(input.len(), output.len(), "length of input and output");
    if input.is_empty() {
        return;
    }
    assert!(width > 0 && input.len().is_multiple_of(width), "{} numbers in rows of {width}", input.len());
    let rows = (TASK_NUMBERS / width).max(1);
    let normalize = |(input, output): (&[f32], &mut [f32])| {
        simd_level.run(Rows { input, gamma, beta, epsilon, output });
    };
    if input.len() <= TASK_NUMBERS {
        normalize((input, output));
    } else {
        input.par_chunks(rows * width).zip(output.par_chunks_mut(rows * width)).for_each(normalize);
    }
}

struct Rows<'a> {
    input: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
    output: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let width = self.gamma.len();
        for (input, output) in self.input.chunks_exact(width).zip(self.output.chunks_exact_mut(width)) {
            let mean = lane_sums::<V, false>(input, 0.0).sum_lanes() / width as f32;
            let variance = lane_sums::<V, true>(input, mean).sum_lanes() / width as f32;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            affine::<V>([mean, scale], input, self.gamma, self.beta, output);
        }
    }
}

/// Σ (x − shift), or Σ (x − shift)² if `SQUARED`, of the elements in each lane.
///
/// Four partial sums hide the latency of the additions. The index of an element decides which of them it joins.
#[inline(always)]
fn lane_sums<V: Vector, const SQUARED: bool>(values: &[f32], shift: f32) -> V {
    let mut sums = [V::splat(0.0); 4];
    let (blocks, rest) = values.as_chunks::<LANES>();
    let (groups, single) = blocks.as_chunks::<4>();
    for group in groups {
        for (sum, block) in sums.iter_mut().zip(group) {
            *sum = join::<V, SQUARED>(*sum, block, shift);
        }
    }
    for (sum, block) in sums.iter_mut().zip(single) {
        *sum = join::<V, SQUARED>(*sum, block, shift);
    }
    if !rest.is_empty() {
        // The padding adds zero.
        sums[3] = join::<V, SQUARED>(sums[3], &padded(rest, shift), shift);
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3]))
}

#[inline(always)]
fn join<V: Vector, const SQUARED: bool>(sum: V, block: &[f32; LANES], shift: f32) -> V {
    let value = V::load(block).subtract(V::splat(shift));
    if SQUARED { value.multiply_add(value, sum) } else { sum.add(value) }
}

/// (x − mean) · scale · gamma + beta for each element.
#[inline(always)]
fn affine<V: Vector>(moments: [f32; 2], input: &[f32], gamma: &[f32], beta: &[f32], output: &mut [f32]) {
    let (inputs, input_rest) = input.as_chunks::<LANES>();
    let (gammas, gamma_rest) = gamma.as_chunks::<LANES>();
    let (betas, beta_rest) = beta.as_chunks::<LANES>();
    let (outputs, output_rest) = output.as_chunks_mut::<LANES>();
    for (((input, gamma), beta), output) in inputs.iter().zip(gammas).zip(betas).zip(outputs) {
        affine_block::<V>(moments, input, gamma, beta, output);
    }
    if !input_rest.is_empty() {
        let [input, gamma, beta] = [input_rest, gamma_rest, beta_rest].map(|rest| padded(rest, 0.0));
        let mut last = [0.0; LANES];
        affine_block::<V>(moments, &input, &gamma, &beta, &mut last);
        output_rest.copy_from_slice(&last[..output_rest.len()]);
    }
}

#[inline(always)]
fn affine_block<V: Vector>(
    [mean, scale]: [f32; 2],
    input: &[f32; LANES],
    gamma: &[f32; LANES],
    beta: &[f32; LANES],
    output: &mut [f32; LANES],
) {
    let normalized = V::load(input).subtract(V::splat(mean)).multiply(V::splat(scale));
    normalized.multiply_add(V::load(gamma), V::load(beta)).store(output);
}
