//! Speed of a model on the processor: prefill and decoding without a task around them.
//!
//! `cargo run --release --example throughput -- --model DIR --case full --batch 8 --length 128 --repeats 5` prints one
//! line of JSON: `seconds` of each repeat, and the `tokens` of one. `benches/compare/compare.py` runs it beside
//! transformers.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Parser;
use gpt2_kernels::{Precision, SimdLevel};
use gpt2_model::{Checkpoint, DeviceRequest, KvSegment, NewTokens, PackedGpt2};

#[derive(Parser)]
struct Arguments {
    /// A GPT-2 in Hugging Face's layout.
    #[arg(long)]
    model: PathBuf,
    /// `full`: log-probabilities at all positions; `last`: at the last position of each row; `decode`: new tokens.
    #[arg(long, default_value = "full")]
    case: String,
    /// Rows.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of a row, or of a prompt.
    #[arg(long, default_value_t = 128)]
    length: usize,
    /// New tokens of a row, for `decode`.
    #[arg(long, default_value_t = 32)]
    new_tokens: usize,
    /// Measurements, after one that does not count.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Precision: f32, bf16x3 or bf16.
    #[arg(long, default_value = "f32")]
    precision: String,
    /// SIMD level: avx512bf16, avx512, avx2 or portable [default: the widest that the processor has]
    #[arg(long)]
    simd_level: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global()?;
    let device = "flex".parse::<DeviceRequest>()?.open()?;
    let precision = Precision::find(&arguments.precision).with_context(|| {
        format!("unknown precision `{}`: expected f32, bf16x3 or bf16", arguments.precision)
    })?;
    let model = Checkpoint::open(&arguments.model)?.load_packed(&device, precision)?;
    let simd_level = match arguments.simd_level.as_deref() {
        None => SimdLevel::detect(),
        Some("avx512bf16") => SimdLevel::Avx512Bf16,
        Some("avx512") => SimdLevel::Avx512,
        Some("avx2") => SimdLevel::Avx2,
        Some("portable") => SimdLevel::Portable,
        Some(other) => bail!("unknown instructions `{other}`: expected avx512bf16, avx512, avx2 or portable"),
    };
    let model = model.with_simd_level(simd_level);
    let rows: Vec<Vec<u32>> = (0..arguments.batch)
        .map(|row| {
            (0..arguments.length).map(|place| ((row * 7919 + place * 104_729) % 50_257) as u32).collect()
        })
        .collect();
    let mut seconds = Vec::new();
    for repeat in 0..=arguments.repeats {
        let taken = match arguments.case.as_str() {
            "full" => prefill(&model, &rows, arguments.length),
            "last" => prefill(&model, &rows, 1),
            "decode" => decode(&model, &rows, arguments.new_tokens),
            other => bail!("unknown case `{other}`: expected full, last or decode"),
        };
        if repeat > 0 {
            seconds.push(taken);
        }
    }
    let per_row = if arguments.case == "decode" { arguments.new_tokens } else { arguments.length };
    let tokens = arguments.batch * per_row;
    let line = serde_json::json!({ "seconds": seconds, "tokens": tokens });
    println!("{}", serde_json::to_string(&line).context("numbers are JSON")?);
    Ok(())
}

fn read(rows: &[Vec<u32>], outputs: usize) -> Vec<NewTokens<'_>> {
    rows.iter().enumerate().map(|(segment, tokens)| NewTokens { segment, tokens, outputs }).collect()
}

fn prefill(model: &PackedGpt2, rows: &[Vec<u32>], outputs: usize) -> f64 {
    let start = Instant::now();
    let mut segments: Vec<KvSegment> = rows.iter().map(|_| model.segment(None, 0, false)).collect();
    let hidden = model.forward(&mut segments, &read(rows, outputs));
    if outputs > 1 {
        let targets: Vec<u32> = rows.concat();
        assert_eq!(model.score_targets(&hidden, &targets, &[]).len(), targets.len());
    } else {
        assert_eq!(model.greedy_tokens(&hidden).len(), rows.len());
    }
    start.elapsed().as_secs_f64()
}

/// With the prompt, as transformers' `generate` has it.
fn decode(model: &PackedGpt2, rows: &[Vec<u32>], new_tokens: usize) -> f64 {
    let start = Instant::now();
    let mut segments: Vec<KvSegment> = rows.iter().map(|_| model.segment(None, 0, true)).collect();
    let hidden = model.forward(&mut segments, &read(rows, 1));
    let mut next = model.greedy_tokens(&hidden);
    for _ in 1..new_tokens {
        let generated: Vec<Vec<u32>> = next.iter().map(|token| vec![token.token]).collect();
        let hidden = model.forward(&mut segments, &read(&generated, 1));
        next = model.greedy_tokens(&hidden);
    }
    start.elapsed().as_secs_f64()
}
