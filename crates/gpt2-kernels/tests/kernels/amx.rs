//! Compares AMX with Intel's documentation, bit for bit. Without AMX these tests test nothing, unless
//! `GPT2_EVAL_REQUIRE_AMX` is set: then they fail. `tests/amx/run.sh` runs them in an emulator.

use gpt2_kernels::{Epilogue, PackedMatrix, Precision, SimdLevel, gemm};

use crate::precision::{REDUCED, parts};
use crate::support::{bits, numbers};

/// One sum as Intel's manual documents TDPBF16PS, which multiplies sixteen pairs: the products of first numbers and those of
/// second numbers are two chains of fused multiply-adds from zero, which are added to each other and then to the sum.
fn documented(precision: Precision, input: &[f32], weights: &[f32]) -> f32 {
    let orders: &[(usize, usize)] =
        if precision == Precision::Bf16 { &[(0, 0)] } else { &[(1, 0), (0, 0), (0, 1)] };
    let mut sum = 0f32;
    for (input, weights) in input.chunks(32).zip(weights.chunks(32)) {
        for &(input_part, weight_part) in orders {
            let mut chains = [0f32; 2];
            for (at, (&input, &weight)) in input.iter().zip(weights).enumerate() {
                let input = parts(precision, input)[input_part] as f32;
                let weight = parts(precision, weight)[weight_part] as f32;
                chains[at % 2] = input.mul_add(weight, chains[at % 2]);
            }
            sum += chains[0] + chains[1];
        }
    }
    sum
}

fn amx() -> Option<SimdLevel> {
    let is_available = SimdLevel::Amx.is_available();
    assert!(is_available || std::env::var_os("GPT2_EVAL_REQUIRE_AMX").is_none(), "no AMX");
    is_available.then_some(SimdLevel::Amx)
}

#[test]
fn every_sum_is_the_documented_one_in_any_batch() {
    let Some(simd_level) = amx() else { return };
    let large = [(1, 1025, 17), (31, 513, 40), (33, 1600, 16), (70, 600, 33), (141, 65, 97)];
    let shapes = (1..=40).map(|rows| (rows, 1 + rows * 37 % 131, 1 + rows * 29 % 71)).chain(large);
    for (rows, inputs, outputs) in shapes {
        // Weights are [outputs, inputs], so that a column is a slice.
        let (input, weights) = (numbers(rows * inputs, 41), numbers(inputs * outputs, 42));
        for precision in REDUCED {
            let packed = PackedMatrix::from_outputs(precision, &weights, inputs, outputs);
            let mut output = vec![f32::NAN; rows * outputs];
            gemm(simd_level, &input, rows, &packed, None, Epilogue::Plain, &mut output);
            let expected: Vec<f32> = input
                .chunks(inputs)
                .flat_map(|row| weights.chunks(inputs).map(move |column| documented(precision, row, column)))
                .collect();
            assert!(bits(&output) == bits(&expected), "{precision:?}: {rows} × {inputs} × {outputs}");
        }
    }
}

#[test]
fn stale_memory_changes_no_bit() {
    let Some(simd_level) = amx() else { return };
    for precision in REDUCED {
        let product = |rows: usize, inputs: usize, number: Option<f32>| {
            let input =
                number.map_or_else(|| numbers(rows * inputs, 43), |number| vec![number; rows * inputs]);
            let weights = PackedMatrix::from_inputs(precision, &numbers(inputs * 20, 44), inputs, 20);
            let mut output = vec![f32::NAN; rows * 20];
            gemm(simd_level, &input, rows, &weights, None, Epilogue::Plain, &mut output);
            bits(&output)
        };
        for (rows, inputs) in [(1, 1), (3, 33), (16, 50), (17, 515), (32, 31)] {
            let before = product(rows, inputs, None);
            // Fills the memory of the packed input with NaN.
            product(40, 1024, Some(f32::NAN));
            assert_eq!(before, product(rows, inputs, None));
        }
    }
}
