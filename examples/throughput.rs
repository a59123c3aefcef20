//! Measures prefill and decoding of a model on the CPU, without a task.
//!
//! `cargo run --release --example throughput -- --model DIR --case full --batch 8 --length 128 --repeats 5` prints one
//! line of JSON: `seconds` of each repeat, and `tokens` of one repeat. `benches/compare/compare.py` runs it beside
//! transformers.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use gpt2_kernels::{Precision, SimdLevel};
use gpt2_model::{Checkpoint, DeviceRequest, KvSegment, NewTokens, PackedGpt2};

#[derive(Parser)]
struct Arguments {
    /// Directory of a GPT-2 checkpoint.
    #[arg(long)]
    model: PathBuf,
    /// What to measure.
    #[arg(long, value_enum, default_value = "full")]
    case: Case,
    /// Sequences in the batch.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of a sequence, or of a prompt for `decode`.
    #[arg(long, default_value_t = 128)]
    length: usize,
    /// Tokens to generate for each prompt, for `decode`.
    #[arg(long, default_value_t = 32)]
    new_tokens: usize,
    /// Measurements, after one warm-up.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Number format of the weights: f32, bf16x3 or bf16.
    #[arg(long, default_value = "f32")]
    precision: String,
    /// Vector instructions [default: the widest that the CPU has].
    #[arg(long, value_enum)]
    simd_level: Option<Level>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Case {
    /// Prefill, log-probabilities at all positions.
    Full,
    /// Prefill, log-probabilities at the last position of each sequence.
    Last,
    /// Greedy generation.
    Decode,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    Amx,
    Avx512bf16,
    Avx512,
    Avx2,
    Portable,
}

impl Level {
    fn simd_level(self) -> SimdLevel {
        match self {
            Self::Amx => SimdLevel::Amx,
            Self::Avx512bf16 => SimdLevel::Avx512Bf16,
            Self::Avx512 => SimdLevel::Avx512,
            Self::Avx2 => SimdLevel::Avx2,
            Self::Portable => SimdLevel::Portable,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global()?;
    let device = "flex".parse::<DeviceRequest>()?.open()?;
    let precision = Precision::find(&arguments.precision).with_context(|| {
        format!("unknown precision `{}`: expected f32, bf16x3 or bf16", arguments.precision)
    })?;
    let model = Checkpoint::open(&arguments.model)?.load_packed(&device, precision)?;
    let simd_level = arguments.simd_level.map_or_else(SimdLevel::detect, Level::simd_level);
    ensure!(simd_level.is_available(), "this CPU does not have {simd_level:?}: choose another --simd-level");
    let model = model.with_simd_level(simd_level);
    let rows: Vec<Vec<u32>> = (0..arguments.batch)
        .map(|row| {
            (0..arguments.length).map(|index| ((row * 7919 + index * 104_729) % 50_257) as u32).collect()
        })
        .collect();
    let mut seconds = Vec::new();
    for repeat in 0..=arguments.repeats {
        let taken = match arguments.case {
            Case::Full => prefill(&model, &rows, arguments.length),
            Case::Last => prefill(&model, &rows, 1),
            Case::Decode => decode(&model, &rows, arguments.new_tokens),
        };
        if repeat > 0 {
            seconds.push(taken);
        }
    }
    let per_row = match arguments.case {
        Case::Full | Case::Last => arguments.length,
        Case::Decode => arguments.new_tokens,
    };
    println!("{}", serde_json::json!({ "seconds": seconds, "tokens": arguments.batch * per_row }));
    Ok(())
}

fn new_tokens(rows: &[Vec<u32>], outputs: usize) -> Vec<NewTokens<'_>> {
    rows.iter().enumerate().map(|(segment, tokens)| NewTokens { segment, tokens, outputs }).collect()
}

fn prefill(model: &PackedGpt2, rows: &[Vec<u32>], outputs: usize) -> f64 {
    let start = Instant::now();
    let mut segments: Vec<KvSegment> = rows.iter().map(|_| model.segment(None, 0, false)).collect();
    let hidden = model.forward(&mut segments, &new_tokens(rows, outputs));
    if outputs > 1 {
        let targets: Vec<u32> = rows.concat();
        assert_eq!(model.score_targets(&hidden, &targets, &[]).len(), targets.len());
    } else {
        assert_eq!(model.greedy_tokens(&hidden).len(), rows.len());
    }
    start.elapsed().as_secs_f64()
}

/// Includes the forward pass of the prompt, as transformers' `generate` does.
fn decode(model: &PackedGpt2, rows: &[Vec<u32>], count: usize) -> f64 {
    let start = Instant::now();
    let mut segments: Vec<KvSegment> = rows.iter().map(|_| model.segment(None, 0, true)).collect();
    let hidden = model.forward(&mut segments, &new_tokens(rows, 1));
    let mut next = model.greedy_tokens(&hidden);
    for _ in 1..count {
        let generated: Vec<Vec<u32>> = next.iter().map(|token| vec![token.token]).collect();
        let hidden = model.forward(&mut segments, &new_tokens(&generated, 1));
        next = model.greedy_tokens(&hidden);
    }
    start.elapsed().as_secs_f64()
}
