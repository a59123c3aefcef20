use gpt2_kernels::{SimdLevel, layer_norm};

use crate::support::{assert_close, available, bits, numbers, with_threads};

#[test]
fn rows_agree_with_a_plain_loop() {
    for (rows, width) in [(0, 8), (1, 1), (2, 5), (3, 16), (4, 63), (5, 64), (9, 100), (40, 768), (7, 1600)] {
        let (gamma, beta) = (numbers(width, 1), numbers(width, 2));
        let input: Vec<f32> = numbers(rows * width, 3).iter().map(|x| 5.0 * x + 2.0).collect();
        let mut expected = Vec::new();
        for row in input.chunks(width) {
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
            for ((&x, &gamma), &beta) in row.iter().zip(&gamma).zip(&beta) {
                expected.push(
                    (f64::from(x) - mean) / (variance + 1e-5).sqrt() * f64::from(gamma) + f64::from(beta),
                );
            }
        }
        let mut all = Vec::new();
        for simd_level in available() {
            let mut output = vec![f32::NAN; rows * width];
            layer_norm(simd_level, &input, &gamma, &beta, 1e-5, &mut output);
            assert_close(&output, &expected, if width == 1 { 1e-3 } else { 5e-6 });
            all.push(bits(&output));
        }
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "the same at all SIMD levels");
    }
}

#[test]
fn rows_do_not_depend_on_the_batch_or_the_threads() {
    let (rows, width) = (95, 777);
    let (gamma, beta, input) = (numbers(width, 1), numbers(width, 2), numbers(rows * width, 3));
    let norm = |input: &[f32]| {
        let mut output = vec![0.0; input.len()];
        layer_norm(SimdLevel::detect(), input, &gamma, &beta, 1e-5, &mut output);
        bits(&output)
    };
    let whole = norm(&input);
    for threads in [1, 2, 3] {
        with_threads(threads, || assert_eq!(whole, norm(&input)));
    }
    for size in [1, 3, 20] {
        assert_eq!(whole, input.chunks(size * width).flat_map(norm).collect::<Vec<_>>());
    }
}
