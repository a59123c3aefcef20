//! How often the gate fails, on runs that are made up: never more than 1 in 20 where nothing is worse, and nearly always
//! where something is.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use super::{
    BASELINE_VERSION, BaselineMetric, BaselineModel, BaselineTask, CheckOptions, Column, RegressionBaseline,
    SampleIds, Verdict, check,
};
use crate::record::{DataIdentity, ModelIdentity, Protocol};

const SAMPLES: usize = 5000;

/// 200 instead of the gate's 10,000, for the time: a p is then a multiple of 1/201, with the same guarantee.
const RESAMPLES: usize = 200;

/// How the new model differs from the base.
#[derive(Clone, Copy)]
struct Quality {
    /// Share of the samples that only the base has right.
    lost: f64,
    /// Share of the samples that only the new has right.
    won: f64,
    /// By which the new model's log-likelihoods are lower in the mean, nats.
    shift: f64,
}

/// 6 % of the samples flip, as many either way.
const ALIKE: Quality = Quality { lost: 0.03, won: 0.03, shift: 0.0 };

fn uniform(numbers: &mut ChaCha8Rng) -> f64 {
    (numbers.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(numbers: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(numbers)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(numbers)).cos()
}

/// A run of `lambada:harness` with these columns.
fn run(correct: Vec<f64>, log_likelihoods: Vec<f64>) -> RegressionBaseline {
    let hash = || "0".repeat(64);
    let metric = |name: &str| BaselineMetric { metric: name.to_owned(), value: 0.0 };
    let values = BTreeMap::from([
        ("correct".to_owned(), Column(correct)),
        ("log_likelihood".to_owned(), Column(log_likelihoods)),
        ("words".to_owned(), Column(vec![1.0; SAMPLES])),
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
        records: SAMPLES,
        provenance: "complete".to_owned(),
    };
    let identity = ModelIdentity {
        label: "m".to_owned(),
        parameters: 1,
        config_sha256: hash(),
        weights_sha256: hash(),
        tokenizer_sha256: hash(),
    };
    let task = BaselineTask {
        task: "lambada".to_owned(),
        protocol: Protocol::new("harness"),
        data,
        samples: SampleIds::Numbered(SAMPLES),
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

/// Two runs: the base has 60 % right; of either, the log-likelihoods are those of the sample, very uneven, and half a nat
/// of the model's own.
fn runs(quality: Quality, seed: u64) -> (RegressionBaseline, RegressionBaseline) {
    let mut numbers = ChaCha8Rng::seed_from_u64(seed);
    let (mut correct, mut log_likelihoods) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..SAMPLES {
        let place = uniform(&mut numbers);
        let both = 0.6 - quality.lost;
        let (base, new) = (place < 0.6, place < both || (0.6..0.6 + quality.won).contains(&place));
        correct[0].push(f64::from(u8::from(base)));
        correct[1].push(f64::from(u8::from(new)));
        let sample = 3.0 * (1.0 - uniform(&mut numbers)).ln();
        log_likelihoods[0].push(sample + 0.5 * normal(&mut numbers));
        log_likelihoods[1].push(sample - quality.shift + 0.5 * normal(&mut numbers));
    }
    let ([base_correct, new_correct], [base, new]) = (correct, log_likelihoods);
    (run(base_correct, base), run(new_correct, new))
}

/// Of `count` pairs of runs, those in which the gate fails because of a metric (any without it).
fn failures(quality: Quality, count: u64, of: Option<&str>) -> usize {
    let options = CheckOptions { resamples: RESAMPLES, ..CheckOptions::default() };
    (0..count)
        .into_par_iter()
        .filter(|&seed| {
            let (base, new) = runs(quality, seed);
            let checked = check(("base", &base), ("new", &new), &options).unwrap();
            assert_eq!(checked.metrics.len(), 2);
            checked.metrics.iter().any(|metric| {
                metric.verdict == Verdict::Regressed && of.is_none_or(|name| metric.metric == name)
            })
        })
        .count()
}

#[test]
fn models_of_one_quality_seldom_fail() {
    let failed = failures(ALIKE, 1000, None);
    println!("{failed} of 1000 fail");
    assert!(failed <= 50, "{failed} of 1000");
    // A gate that never fails would pass this test too.
    assert!(failed >= 10, "{failed} of 1000");
}

#[test]
fn two_points_of_accuracy_are_noticed() {
    let worse = Quality { lost: 0.042, won: 0.022, ..ALIKE };
    let failed = failures(worse, 200, Some("accuracy"));
    assert!(failed >= 190, "{failed} of 200");
}

#[test]
fn four_percent_of_perplexity_are_noticed() {
    let worse = Quality { shift: 0.04, ..ALIKE };
    let failed = failures(worse, 200, Some("perplexity"));
    assert!(failed >= 190, "{failed} of 200");
}
