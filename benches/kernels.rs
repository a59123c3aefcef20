//! Speed of each kernel. The counter counts floating-point operations: `Gitem/s` are GFLOP/s.
//!
//! `cargo bench --bench kernels`. `docs/performance.md` compares the figures with `PyTorch`'s.

use burn::tensor::{Tensor, TensorData};
use divan::counter::ItemsCount;
use gpt2_kernels::{
    Epilogue, KeyValues, PackedMatrix, Precision, Sequence, SimdLevel, attention, gemm, layer_norm,
    score_targets,
};
use gpt2_model::DeviceRequest;

fn main() {
    divan::main();
}

/// Pseudo-random numbers, always the same.
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|index| ((index as u64).wrapping_mul(2_654_435_761) % 2003) as f32 / 1001.5 - 1.0)
        .collect()
}

/// Rows, inputs and outputs of the GEMMs of a 117M model: prefill, and generation of eight texts and of one.
const SHAPES: [(usize, usize, usize); 8] = [
    (1024, 768, 3072),
    (1024, 3072, 768),
    (1024, 768, 2304),
    (1024, 768, 768),
    (128, 768, 3072),
    (8, 768, 3072),
    (8, 768, 50_257),
    (1, 768, 50_257),
];

#[divan::bench(args = SHAPES, sample_count = 20)]
fn gemm_fixed_order(bencher: divan::Bencher<'_, '_>, (rows, inputs, outputs): (usize, usize, usize)) {
    let weights = PackedMatrix::from_inputs(Precision::F32, &numbers(inputs * outputs), inputs, outputs);
    let (input, bias) = (numbers(rows * inputs), numbers(outputs));
    let mut output = vec![0.0; rows * outputs];
    bencher.counter(ItemsCount::new(2 * rows * inputs * outputs)).bench_local(|| {
        gemm(SimdLevel::detect(), &input, rows, &weights, Some(&bias), Epilogue::Plain, &mut output);
    });
}

/// Burn's own matmul (the `gemm` crate), which takes sums in the fastest order and packs the weights at every call. The
/// difference to [`gemm_fixed_order`] is the cost of a fixed order, see `docs/performance.md`.
#[divan::bench(args = SHAPES, sample_count = 20)]
fn gemm_any_order(bencher: divan::Bencher<'_, '_>, (rows, inputs, outputs): (usize, usize, usize)) {
    let Some(device) = "flex".parse::<DeviceRequest>().ok().and_then(|request| request.open().ok()) else {
        return;
    };
    let matrix = |rows: usize, columns: usize| {
        Tensor::<2>::from_data(TensorData::new(numbers(rows * columns), [rows, columns]), device.burn())
    };
    let (input, weights) = (matrix(rows, inputs), matrix(inputs, outputs));
    bencher
        .counter(ItemsCount::new(2 * rows * inputs * outputs))
        .bench_local(|| input.clone().matmul(weights.clone()));
}

#[divan::bench(args = [(8, 128), (1, 1024)], sample_count = 20)]
fn causal_attention(bencher: divan::Bencher<'_, '_>, (batch, length): (usize, usize)) {
    let (n_head, head_dim) = (12, 64);
    let n_embd = n_head * head_dim;
    let query_key_value = numbers(batch * length * 3 * n_embd);
    let keys: Vec<KeyValues> = query_key_value
        .chunks(length * 3 * n_embd)
        .map(|rows| {
            let mut keys = KeyValues::new(n_head, head_dim, 0);
            keys.append(rows);
            keys
        })
        .collect();
    let sequences: Vec<Sequence<'_>> = keys
        .iter()
        .enumerate()
        .map(|(row, keys)| Sequence { rows: row * length..(row + 1) * length, segments: vec![keys] })
        .collect();
    let mut output = vec![0.0; batch * length * n_embd];
    // Two matrix products, half of each masked.
    bencher.counter(ItemsCount::new(batch * 2 * length * length * n_embd)).bench_local(|| {
        attention(SimdLevel::detect(), &query_key_value, &sequences, 0.125, &mut output);
    });
}

#[divan::bench(sample_count = 20)]
fn layer_norm_rows(bencher: divan::Bencher<'_, '_>) {
    let (input, gamma, beta) = (numbers(1024 * 768), numbers(768), numbers(768));
    let mut output = vec![0.0; input.len()];
    bencher.bench_local(|| layer_norm(SimdLevel::detect(), &input, &gamma, &beta, 1e-5, &mut output));
}

#[divan::bench(sample_count = 10)]
fn vocabulary_scores(bencher: divan::Bencher<'_, '_>) {
    let (rows, n_embd, vocab_size) = (1024, 768, 50_257);
    let embedding =
        PackedMatrix::from_outputs(Precision::F32, &numbers(n_embd * vocab_size), n_embd, vocab_size);
    let hidden = numbers(rows * n_embd);
    let targets: Vec<u32> = (0..rows as u32).collect();
    bencher
        .counter(ItemsCount::new(2 * rows * n_embd * vocab_size))
        .bench_local(|| score_targets(SimdLevel::detect(), &hidden, &embedding, &targets, &[]));
}
