//! Failure rates of the gate on simulated runs: at most 1 in 20 if the model is not worse, nearly all if it is.
//!
//! `crates/text-metrics/examples/levels.rs` prints the rates of single metrics for more distributions.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use super::baseline::{
    BASELINE_VERSION, BaselineMetric, BaselineModel, BaselineTask, Column, RegressionBaseline, SampleIds,
};
use super::check::{CheckOptions, Verdict, check};
use crate::record::{DataIdentity, ModelIdentity, Protocol};

/// How the new model differs from the base.
#[derive(Clone, Copy)]
struct Quality {
    /// Share of the samples that only the base answers correctly.
    lost: f64,
    /// Share of the samples that only the new model answers correctly.
    won: f64,
    /// Mean decrease of the new model's log-likelihoods, nats.
    shift: f64,
    /// How the log-likelihoods of the samples change around that mean.
    gains: Gains,
    samples: usize,
}

/// Distributions of the gain of a sample, each with a mean of 0.
#[derive(Debug, Clone, Copy)]
enum Gains {
    /// With a deviation of 0.7 nats.
    Normal,
    /// Many samples lose a little, some gain more.
    Exponential,
    /// Most samples lose a little, few gain much.
    Lognormal,
}

impl Gains {
    fn draw(self, numbers: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Normal => 0.7 * normal(numbers),
            Self::Exponential => -(1.0 - uniform(numbers)).ln() - 1.0,
            Self::Lognormal => normal(numbers).exp() - 0.5f64.exp(),
        }
    }
}

/// 6 % of the samples flip, half of them each way.
const EQUAL: Quality = Quality { lost: 0.03, won: 0.03, shift: 0.0, gains: Gains::Normal, samples: 5000 };

fn uniform(numbers: &mut ChaCha8Rng) -> f64 {
    (numbers.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(numbers: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(numbers)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(numbers)).cos()
}

/// A run of `lambada:harness` with these columns.
fn run(correct: Vec<f64>, log_likelihoods: Vec<f64>) -> RegressionBaseline {
    let samples = correct.len();
    let hash = || "0".repeat(64);
    let metric = |name: &str| BaselineMetric { metric: name.to_owned(), value: 0.0 };
    let values = BTreeMap::from([
        ("correct".to_owned(), Column(correct)),
        ("log_likelihood".to_owned(), Column(log_likelihoods)),
        ("words".to_owned(), Column(vec![1.0; samples])),
    ]);
    let model = BaselineModel {
        model: "m".to_owned(),
        metrics: vec![metric("perplexity"), metric("accuracy")],
        without: Vec::new(),
        values,
        records_sha256: hash(),
    };
    let data = DataIdentity {
        task: "lambada".to_owned(),
        sha256: hash(),
        examples_sha256: None,
        records: samples,
        provenance: "complete".to_owned(),
    };
    let identity = ModelIdentity {
        label: "m".to_owned(),
        parameters: 1,
        n_positions: 1024,
        config_sha256: hash(),
        weights_sha256: hash(),
        tokenizer_sha256: hash(),
    };
    let task = BaselineTask {
        task: "lambada".to_owned(),
        protocol: Protocol::new("harness"),
        data,
        samples: SampleIds::Numbered(samples),
        clusters: None,
        models: vec![model],
    };
    RegressionBaseline {
        baseline_version: BASELINE_VERSION,
        program_version: "0".to_owned(),
        engine_version: 0,
        backend: "none".to_owned(),
        dtype: "f32".to_owned(),
        seed: 0,
        models: vec![identity],
        custom_tasks: Vec::new(),
        tasks: vec![task],
    }
}

/// Two runs. The base has 60 % accuracy. Log-likelihoods are exponentially distributed over samples.
fn runs(quality: Quality, seed: u64) -> (RegressionBaseline, RegressionBaseline) {
    let mut numbers = ChaCha8Rng::seed_from_u64(seed);
    let (mut correct, mut log_likelihoods) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..quality.samples {
        let quantile = uniform(&mut numbers);
        let both = 0.6 - quality.lost;
        let is_won = (0.6..0.6 + quality.won).contains(&quantile);
        let (base, new) = (quantile < 0.6, quantile < both || is_won);
        correct[0].push(f64::from(u8::from(base)));
        correct[1].push(f64::from(u8::from(new)));
        let sample = 3.0 * (1.0 - uniform(&mut numbers)).ln();
        log_likelihoods[0].push(sample);
        log_likelihoods[1].push(sample - quality.shift + quality.gains.draw(&mut numbers));
    }
    let ([base_correct, new_correct], [base, new]) = (correct, log_likelihoods);
    (run(base_correct, base), run(new_correct, new))
}

/// Counts the pairs of runs in which `metric` (`None`: any metric) regresses.
fn failures(quality: Quality, count: u64, metric: Option<&str>) -> usize {
    let options = CheckOptions::default();
    (0..count)
        .into_par_iter()
        .filter(|&seed| {
            let (base, new) = runs(quality, seed);
            let checked = check(("base", &base), ("new", &new), &options).unwrap();
            assert_eq!(checked.metrics.len(), 2);
            let mut regressed = checked.metrics.iter().filter(|found| found.verdict == Verdict::Regressed);
            regressed.any(|found| metric.is_none_or(|name| found.metric == name))
        })
        .count()
}

#[test]
fn equal_models_fail_in_at_most_one_of_twenty_gates() {
    let failed = failures(EQUAL, 1000, None);
    println!("{failed} of 1000 fail");
    assert!(failed <= 50, "{failed} of 1000");
    // A gate that never fails would pass the assertion above.
    assert!(failed >= 10, "{failed} of 1000");
}

#[test]
fn equal_models_with_skewed_gains_fail_in_at_most_one_of_twenty_gates() {
    for gains in [Gains::Exponential, Gains::Lognormal] {
        for samples in [100, 500] {
            let failed = failures(Quality { gains, samples, ..EQUAL }, 1000, None);
            println!("{failed} of 1000 fail: {gains:?}, {samples} samples");
            assert!(failed <= 50, "{failed} of 1000: {gains:?}, {samples} samples");
        }
    }
}

#[test]
fn a_drop_of_two_points_of_accuracy_fails() {
    let worse = Quality { lost: 0.042, won: 0.022, ..EQUAL };
    let failed = failures(worse, 200, Some("accuracy"));
    assert!(failed >= 190, "{failed} of 200");
}

#[test]
fn a_rise_of_four_percent_in_perplexity_fails() {
    let worse = Quality { shift: 0.04, ..EQUAL };
    let failed = failures(worse, 200, Some("perplexity"));
    assert!(failed >= 190, "{failed} of 200");
}
