use gpt2_kernels::{Epilogue, PackedMatrix, Precision, SimdLevel, gemm};

use crate::support::{assert_close, available, bits, numbers, with_threads};

const SHAPES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (1, 16, 16),
    (2, 3, 5),
    (3, 17, 33),
    (7, 64, 48),
    (14, 255, 31),
    (15, 256, 32),
    (16, 257, 100),
    (29, 513, 17),
    (141, 40, 600),
    (300, 7, 65),
    (0, 5, 5),
    (4, 0, 9),
    (5, 3, 0),
];

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
}

#[test]
fn sums_are_chains_of_fused_multiply_adds() {
    for simd_level in available() {
        for (rows, inputs, outputs) in SHAPES {
            let (input, weights, bias) =
                (numbers(rows * inputs, 1), numbers(inputs * outputs, 2), numbers(outputs, 3));
            let before = numbers(rows * outputs, 4);
            let packed = PackedMatrix::from_inputs(Precision::F32, &weights, inputs, outputs);
            for (with_bias, epilogue) in [
                (false, Epilogue::Plain),
                (true, Epilogue::Plain),
                (true, Epilogue::GeluTanh),
                (true, Epilogue::AddToOutput),
            ] {
                let mut output = before.clone();
                let bias = with_bias.then_some(bias.as_slice());
                gemm(simd_level, &input, rows, &packed, bias, epilogue, &mut output);
                let mut expected = Vec::new();
                for row in 0..rows {
                    for column in 0..outputs {
                        // The documented chain, to the bit.
                        let mut chain = 0f32;
                        for index in 0..inputs {
                            chain =
                                input[row * inputs + index].mul_add(weights[index * outputs + column], chain);
                        }
                        let sum = bias.map_or(chain, |bias| chain + bias[column]);
                        expected.push(match epilogue {
                            Epilogue::Plain => f64::from(sum),
                            Epilogue::GeluTanh => gelu(f64::from(sum)),
                            Epilogue::AddToOutput => f64::from(before[row * outputs + column] + sum),
                        });
                    }
                }
                let exact = epilogue != Epilogue::GeluTanh;
                assert_close(&output, &expected, if exact { 0.0 } else { 1e-6 });
            }
        }
    }
}

#[test]
fn gelu_is_exact_to_a_millionth() {
    let one = PackedMatrix::from_inputs(Precision::F32, &[1.0], 1, 1);
    let mut input: Vec<f32> = (-120_000..=120_000).map(|step| step as f32 / 10_000.0).collect();
    input.extend([-1e30, -100.0, -40.0, 40.0, 100.0, 1e10]);
    let mut all = Vec::new();
    for simd_level in available() {
        let mut output = vec![0.0; input.len()];
        gemm(simd_level, &input, input.len(), &one, None, Epilogue::GeluTanh, &mut output);
        let mut worst = 0f64;
        for (&x, &y) in input.iter().zip(&output) {
            let error = (f64::from(y) - gelu(f64::from(x))).abs() / f64::from(x).abs().max(1.0);
            worst = worst.max(error);
        }
        println!("{simd_level:?}: largest error of GELU {worst:e}");
        assert!(worst < 1e-6, "{worst}");
        all.push(bits(&output));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "the same at all SIMD levels");
    let mut output = [0.0];
    gemm(SimdLevel::detect(), &[f32::NAN], 1, &one, None, Epilogue::GeluTanh, &mut output);
    assert!(output[0].is_nan());
}

#[test]
fn rows_do_not_depend_on_the_batch_the_threads_or_the_simd_level() {
    let (rows, inputs, outputs) = (157, 600, 333);
    let (input, bias) = (numbers(rows * inputs, 5), numbers(outputs, 6));
    let packed = PackedMatrix::from_outputs(Precision::F32, &numbers(inputs * outputs, 7), inputs, outputs);
    let product = |simd_level, input: &[f32]| {
        let rows = input.len() / inputs;
        let mut output = vec![0.0; rows * outputs];
        gemm(simd_level, input, rows, &packed, Some(&bias), Epilogue::GeluTanh, &mut output);
        bits(&output)
    };
    let whole = product(SimdLevel::detect(), &input);
    for simd_level in available() {
        for threads in [1, 2, 3] {
            with_threads(threads, || assert_eq!(whole, product(simd_level, &input)));
        }
        for size in [1, 2, 5, 14, 15, 31, 100] {
            let parts: Vec<u32> =
                input.chunks(size * inputs).flat_map(|part| product(simd_level, part)).collect();
            assert_eq!(whole, parts, "{simd_level:?}, {size} rows at a time");
        }
        let reversed: Vec<f32> = input.chunks(inputs).rev().flatten().copied().collect();
        let back: Vec<u32> =
            product(simd_level, &reversed).chunks(outputs).rev().flatten().copied().collect();
        assert_eq!(whole, back);
    }
}
