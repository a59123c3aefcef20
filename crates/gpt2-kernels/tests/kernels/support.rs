//! Inputs, comparisons and thread pools for the tests.
#![allow(clippy::unwrap_used)]

use gpt2_kernels::SimdLevel;

/// Pseudo-random numbers in −1..1, the same for the same seed.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// The SIMD levels of this machine.
pub fn available() -> impl Iterator<Item = SimdLevel> {
    SimdLevel::ALL.into_iter().filter(|simd_level| simd_level.is_available())
}

/// Runs `test` in a pool of `threads` threads.
pub fn with_threads<R: Send>(threads: usize, test: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(test)
}

#[track_caller]
pub fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (index, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        assert!(error <= tolerance * expected.abs().max(1.0), "{index}: {actual} for {expected}");
    }
}

/// The bits of the numbers, which tell 0 from −0.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
