use gpt2_kernels::{
    Epilogue, PackedMatrix, Precision, SimdLevel, gemm, greedy_tokens, logits, score_targets,
};

use crate::support::{available, bits, numbers, with_threads};

pub const REDUCED: [Precision; 2] = [Precision::Bf16, Precision::Bf16x3];

const SHAPES: [(usize, usize, usize); 15] = [
    (1, 1, 1),
    (1, 16, 16),
    (2, 3, 5),
    (3, 17, 33),
    (7, 64, 48),
    (14, 511, 31),
    (15, 512, 32),
    (16, 513, 100),
    (29, 1025, 17),
    (141, 40, 600),
    (300, 7, 65),
    (150, 700, 33),
    (0, 5, 5),
    (4, 0, 9),
    (5, 3, 0),
];

/// The nearest number of 8 bits, to even on a tie.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let unit = (value.abs().log2().floor() - 7.0).exp2();
    (value / unit).round_ties_even() * unit
}

/// A number as `precision` stores it: a high and a low part.
pub fn parts(precision: Precision, value: f32) -> [f64; 2] {
    let value = f64::from(value);
    let high = rounded(value);
    match precision {
        Precision::F32 => [value, 0.0],
        Precision::Bf16 => [high, 0.0],
        Precision::Bf16x3 => [high, rounded(value - high)],
    }
}

/// Bound of the relative error of a term. Each rounding to 8 bits adds 2⁻⁸.
fn bound(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 0.0,
        Precision::Bf16 => 2.01 / 256.0,
        Precision::Bf16x3 => 3.01 / 65536.0,
    }
}

fn product(simd_level: SimdLevel, input: &[f32], weights: &PackedMatrix, bias: Option<&[f32]>) -> Vec<f32> {
    let rows = input.len() / weights.inputs().max(1);
    let mut output = vec![f32::NAN; rows * weights.outputs()];
    gemm(simd_level, input, rows, weights, bias, Epilogue::Plain, &mut output);
    output
}

#[test]
fn sums_are_those_of_the_rounded_numbers() {
    for precision in REDUCED {
        let (mut squares, mut norm) = (0.0, 0.0);
        for (rows, inputs, outputs) in SHAPES {
            let (input, weights) = (numbers(rows * inputs, 1), numbers(inputs * outputs, 2));
            let [input_parts, weight_parts] = [&input, &weights]
                .map(|numbers| numbers.iter().map(|&number| parts(precision, number)).collect::<Vec<_>>());
            let packed = PackedMatrix::from_inputs(precision, &weights, inputs, outputs);
            for simd_level in available() {
                let mut output = vec![f32::NAN; rows * outputs];
                gemm(simd_level, &input, rows, &packed, None, Epilogue::Plain, &mut output);
                for (index, &output) in output.iter().enumerate() {
                    let (row, column) = (index / outputs, index % outputs);
                    let (mut rounded, mut exact, mut size) = (0.0, 0.0, 0.0);
                    for at in 0..inputs {
                        let (x, w) = (input[row * inputs + at], weights[at * outputs + column]);
                        let ([high_x, low_x], [high_w, low_w]) =
                            (input_parts[row * inputs + at], weight_parts[at * outputs + column]);
                        rounded += high_x * high_w + high_x * low_w + low_x * high_w;
                        exact += f64::from(x) * f64::from(w);
                        size += (f64::from(x) * f64::from(w)).abs();
                    }
                    let output = f64::from(output);
                    assert!(
                        (output - rounded).abs() <= 2e-6 * size,
                        "{simd_level:?} {precision:?} {output} {rounded}"
                    );
                    assert!(
                        (output - exact).abs() <= (bound(precision) + 2e-6) * size,
                        "{simd_level:?} {precision:?} {output} {exact}"
                    );
                    squares += (output - exact).powi(2);
                    norm += exact.powi(2);
                }
            }
        }
        let error = (squares / norm).sqrt();
        println!("{precision:?}: error relative to the norm {error:e}");
        assert!(error < if precision == Precision::Bf16 { 4e-3 } else { 1e-5 }, "{error}");
    }
}

#[test]
fn bias_and_epilogue_are_computed_in_f32() {
    let (rows, inputs, outputs) = (5, 33, 40);
    let (input, bias) = (numbers(rows * inputs, 1), numbers(outputs, 3));
    for precision in REDUCED {
        let weights = PackedMatrix::from_inputs(precision, &numbers(inputs * outputs, 2), inputs, outputs);
        let plain = product(SimdLevel::detect(), &input, &weights, None);
        let mut sum = numbers(rows * outputs, 4);
        let expected: Vec<f32> = sum
            .iter()
            .zip(&plain)
            .zip(bias.iter().cycle())
            .map(|((&before, &plain), &bias)| before + (plain + bias))
            .collect();
        let add = Epilogue::AddToOutput;
        gemm(SimdLevel::detect(), &input, rows, &weights, Some(&bias), add, &mut sum);
        assert_eq!(bits(&sum), bits(&expected));
    }
}

#[test]
fn rows_do_not_depend_on_the_batch_or_the_threads() {
    let (rows, inputs, outputs) = (157, 601, 97);
    let (input, bias) = (numbers(rows * inputs, 5), numbers(outputs, 6));
    for precision in REDUCED {
        let weights = numbers(inputs * outputs, 7);
        let weights = PackedMatrix::from_outputs(precision, &weights, inputs, outputs);
        let mut emulated = Vec::new();
        for simd_level in available() {
            let product = |input: &[f32]| bits(&product(simd_level, input, &weights, Some(&bias)));
            let whole = product(&input);
            for threads in [1, 2, 3] {
                with_threads(threads, || assert_eq!(whole, product(&input)));
            }
            for size in [1, 2, 5, 14, 15, 31, 100] {
                let parts: Vec<u32> = input.chunks(size * inputs).flat_map(product).collect();
                assert!(whole == parts, "{simd_level:?}, {precision:?}, {size} rows at a time");
            }
            let reversed: Vec<f32> = input.chunks(inputs).rev().flatten().copied().collect();
            let back: Vec<u32> = product(&reversed).chunks(outputs).rev().flatten().copied().collect();
            assert!(whole == back);
            emulated.push((simd_level, whole));
        }
        for (simd_level, sums) in &emulated {
            let different = sums.iter().zip(&emulated.last().unwrap().1).filter(|(a, b)| a != b);
            println!(
                "{precision:?}: {} of {} sums differ between {simd_level:?} and portable code",
                different.count(),
                rows * outputs
            );
        }
        // Fused multiply-adds give the same sums everywhere, unlike the instructions for bf16.
        emulated.retain(|(simd_level, _)| !matches!(simd_level, SimdLevel::Amx | SimdLevel::Avx512Bf16));
        assert!(emulated.windows(2).all(|pair| pair[0].1 == pair[1].1));
    }
}

#[test]
fn rows_are_the_rounded_weights() {
    for precision in Precision::ALL {
        for (inputs, outputs) in [(1, 1), (7, 5), (64, 40), (33, 17)] {
            let weights: Vec<f32> = numbers(inputs * outputs, 8);
            let packed = PackedMatrix::from_outputs(precision, &weights, inputs, outputs);
            // The same weights input by input, so that pairs of inputs are set in two calls.
            let mut by_input = PackedMatrix::zeros(precision, inputs, outputs);
            for input in (0..inputs).rev() {
                let row: Vec<f32> = (0..outputs).map(|output| weights[output * inputs + input]).collect();
                by_input.set_inputs(input, &row);
            }
            assert_eq!(packed, by_input);
            for (output, weights) in weights.chunks(inputs).enumerate() {
                let mut row = vec![f32::NAN; inputs];
                packed.row(output, &mut row);
                for (&kept, &weight) in row.iter().zip(weights) {
                    assert_eq!(f64::from(kept), parts(precision, weight).iter().sum::<f64>());
                }
            }
        }
    }
    let bytes = |precision| PackedMatrix::zeros(precision, 768, 32).bytes();
    assert_eq!(Precision::ALL.map(bytes), [98_304, 98_304, 49_152]);
}

#[test]
fn scores_agree_with_the_logits() {
    let (rows, width, vocabulary) = (150, 41, 1100);
    let hidden: Vec<f32> = numbers(rows * width, 31).iter().map(|x| 4.0 * x).collect();
    let targets: Vec<u32> = (0..rows as u32).map(|row| row * 7 % vocabulary as u32).collect();
    let excluded = vec![[3, 4, 600].as_slice(); rows];
    for precision in REDUCED {
        let embedding = numbers(vocabulary * width, 32);
        let embedding = PackedMatrix::from_outputs(precision, &embedding, width, vocabulary);
        for simd_level in available() {
            let mut all = vec![0.0; rows * vocabulary];
            logits(simd_level, &hidden, &embedding, &mut all);
            let whole = score_targets(simd_level, &hidden, &embedding, &targets, &excluded);
            let first = greedy_tokens(simd_level, &hidden, &embedding);
            for (row, logits) in all.chunks(vocabulary).enumerate() {
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let argmax = logits.iter().position(|&logit| logit == largest).unwrap();
                assert_eq!((whole[row].argmax, first[row].token), (argmax as u32, argmax as u32));
                let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
                let expected = f64::from(logits[targets[row] as usize]) - sum.ln();
                assert!((whole[row].log_prob - expected).abs() < 2e-6);
            }
            for threads in [1, 3] {
                with_threads(threads, || {
                    let again = score_targets(simd_level, &hidden, &embedding, &targets, &excluded);
                    assert_eq!(whole, again);
                });
            }
            for size in [1, 4, 33] {
                let parts: Vec<_> = hidden
                    .chunks(size * width)
                    .zip(targets.chunks(size))
                    .zip(excluded.chunks(size))
                    .flat_map(|((hidden, targets), excluded)| {
                        score_targets(simd_level, hidden, &embedding, targets, excluded)
                    })
                    .collect();
                assert_eq!(whole, parts);
            }
        }
    }
}

#[test]
fn nan_stays_nan() {
    for precision in REDUCED {
        for simd_level in available() {
            let weights = PackedMatrix::from_inputs(precision, &[1.0, 2.0, f32::NAN, 1.0], 2, 2);
            let output = product(simd_level, &[1.0, 1.0, f32::NAN, 1.0], &weights, None);
            assert!(output[0].is_nan() && output[2].is_nan() && output[3].is_nan());
            assert_eq!(output[1], 3.0);
        }
    }
}

#[test]
fn a_format_is_native_where_the_cpu_has_its_instructions() {
    assert!(Precision::F32.is_native());
    assert_eq!(Precision::Bf16.is_native(), SimdLevel::Avx512Bf16.is_available());
    assert_eq!(Precision::Bf16x3.is_native(), SimdLevel::Amx.is_available());
}
