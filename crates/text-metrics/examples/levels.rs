//! How often tests fail falsely, how often they find a difference, and how often intervals hold the true value: the tables of
//! `docs/ci.md` and `docs/results.md`, from simulated samples.
//!
//! `cargo run --release --example levels` takes about five minutes on two cores. The seeds are fixed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;
use text_metrics::{Aggregate, Columns, Flips, Metric, Pairs, Sample, SampleValues, holm};

/// Each with a mean of 0.
#[derive(Clone, Copy)]
enum Shape {
    Normal,
    Exponential,
    Lognormal,
    /// 2 % have a high value, the rest a slightly low one.
    Outliers,
}

/// A shape, and whether its tail is among the losses in place of the gains.
type Gains = (&'static str, Shape, bool);

const GAINS: [Gains; 7] = [
    ("symmetric (normal)", Shape::Normal, false),
    ("exponential gains", Shape::Exponential, false),
    ("exponential losses", Shape::Exponential, true),
    ("lognormal gains", Shape::Lognormal, false),
    ("lognormal losses", Shape::Lognormal, true),
    ("2 % gain much", Shape::Outliers, false),
    ("2 % lose much", Shape::Outliers, true),
];

const PERPLEXITY: Metric =
    Metric { name: "perplexity", aggregate: Aggregate::Perplexity { log_likelihood: "l", units: "u" } };

fn uniform(numbers: &mut ChaCha8Rng) -> f64 {
    (numbers.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn normal(numbers: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(numbers)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(numbers)).cos()
}

fn draw((_, shape, is_mirrored): Gains, numbers: &mut ChaCha8Rng) -> f64 {
    let value = match shape {
        Shape::Normal => normal(numbers),
        Shape::Exponential => -(1.0 - uniform(numbers)).ln() - 1.0,
        Shape::Lognormal => normal(numbers).exp() - 0.5f64.exp(),
        Shape::Outliers => {
            let bulk = 0.02 * normal(numbers) - 0.05;
            if uniform(numbers) < 0.02 { bulk + 2.5 } else { bulk }
        }
    };
    if is_mirrored { -value } else { value }
}

/// p of "the new model is worse" with `n` samples whose log-likelihoods gain `gains`, plus `shift`.
fn p_worse(gains: Gains, n: usize, shift: f64, numbers: &mut ChaCha8Rng) -> f64 {
    let base: Vec<f64> = (0..n).map(|_| 3.0 * (1.0 - uniform(numbers)).ln()).collect();
    let new = base.iter().map(|value| value + shift + draw(gains, numbers)).collect();
    let columns =
        |values: Vec<f64>| Columns::from([("l".to_owned(), values), ("u".to_owned(), vec![1.0; n])]);
    let (base, new) = (columns(base), columns(new));
    let found = PERPLEXITY.compare(Pairs { base: &base, new: &new, clusters: &vec![None; n] });
    found.and_then(|found| found.test).map_or(1.0, |test| PERPLEXITY.p_worse(&test))
}

/// Percentage of `runs` in which any of `metrics` independent metrics is significantly worse after Holm's correction.
fn failures(gains: Gains, n: usize, metrics: usize, shift: f64, runs: u64) -> f64 {
    let failed = (0..runs).into_par_iter().filter(|&run| {
        let mut numbers = ChaCha8Rng::seed_from_u64(run);
        let p: Vec<f64> = (0..metrics).map(|_| p_worse(gains, n, shift, &mut numbers)).collect();
        holm(&p).iter().any(|&p| p < 0.05)
    });
    100.0 * failed.count() as f64 / runs as f64
}

/// Percentage of runs in which an accuracy that falls by `drop` is significantly worse, if `discordant` of the samples are
/// right in one run only.
fn accuracy_failures(n: usize, discordant: f64, drop: f64, runs: u64) -> f64 {
    let failed = (0..runs).into_par_iter().filter(|&run| {
        let mut numbers = ChaCha8Rng::seed_from_u64(run);
        let mut flips = Flips::default();
        for _ in 0..n {
            let quantile = uniform(&mut numbers);
            flips.lost += u64::from(quantile < f64::midpoint(discordant, drop));
            flips.won += u64::from((f64::midpoint(discordant, drop)..discordant).contains(&quantile));
        }
        flips.test().below < 0.05
    });
    100.0 * failed.count() as f64 / runs as f64
}

/// Percentage of intervals of a perplexity that hold the true value: `n` articles whose mean log-likelihoods have this shape.
fn coverage(shape: Gains, n: usize, runs: u64) -> f64 {
    let held = (0..runs).into_par_iter().filter(|&run| {
        let mut numbers = ChaCha8Rng::seed_from_u64(run);
        let values: Vec<SampleValues> = (0..n)
            .map(|_| {
                SampleValues::from([
                    ("l".to_owned(), -3.0 - draw(shape, &mut numbers)),
                    ("u".to_owned(), 1.0),
                ])
            })
            .collect();
        let samples: Vec<Sample<'_>> = values.iter().map(|values| Sample { values, cluster: None }).collect();
        let interval = PERPLEXITY.estimate(&samples).and_then(|estimate| estimate.ci95);
        interval.is_some_and(|(low, high)| low <= 3f64.exp() && 3f64.exp() <= high)
    });
    100.0 * held.count() as f64 / runs as f64
}

/// Percentage of intervals of an accuracy of 60 % that hold it: `stories` stories of 20 questions, whose shares of right
/// answers are spread between 20 % and 100 %.
fn accuracy_coverage(stories: usize, runs: u64) -> f64 {
    let accuracy = Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "c" } };
    let held = (0..runs).into_par_iter().filter(|&run| {
        let mut numbers = ChaCha8Rng::seed_from_u64(run);
        let mut answers: Vec<(String, SampleValues)> = Vec::new();
        for story in 0..stories {
            let share = 0.2 + 0.8 * uniform(&mut numbers);
            for _ in 0..20 {
                let correct = f64::from(u8::from(uniform(&mut numbers) < share));
                answers.push((story.to_string(), SampleValues::from([("c".to_owned(), correct)])));
            }
        }
        let samples: Vec<Sample<'_>> =
            answers.iter().map(|(story, values)| Sample { values, cluster: Some(story) }).collect();
        let interval = accuracy.estimate(&samples).and_then(|estimate| estimate.ci95);
        interval.is_some_and(|(low, high)| low <= 60.0 && 60.0 <= high)
    });
    100.0 * held.count() as f64 / runs as f64
}

fn row(name: &str, cells: impl Iterator<Item = f64>) {
    let cells: Vec<String> = cells.map(|percent| format!("{percent:.1}")).collect();
    println!("| {name} | {} |", cells.join(" | "));
}

fn main() {
    const SIZES: [usize; 5] = [30, 100, 200, 500, 5000];
    let runs = |n: usize| if n < 1000 { 10_000 } else { 2000 };
    for metrics in [1, 20] {
        println!("\nRuns of {metrics} metrics, of equal perplexity, that fail, in percent:\n");
        println!("| gains of the samples | n = 30 | 100 | 200 | 500 | 5,000 |\n|---|---|---|---|---|---|");
        for gains in GAINS {
            row(
                gains.0,
                SIZES.into_iter().map(|n| {
                    failures(gains, n, metrics, 0.0, if metrics == 1 { runs(n) } else { runs(n) / 5 })
                }),
            );
        }
    }
    println!("\nRuns whose log-likelihoods fall by three standard errors that fail, in percent:\n");
    println!("| metrics | n = 30 | 100 | 200 | 500 | 5,000 |\n|---|---|---|---|---|---|");
    for metrics in [1, 20] {
        let shift = |n: usize| -3.0 / (n as f64).sqrt();
        // Of 20 metrics one falls: its p must be below 0.05 / 20.
        let found = SIZES.into_iter().map(|n| {
            let failed = (0..2000u64).into_par_iter().filter(|&run| {
                let mut numbers = ChaCha8Rng::seed_from_u64(run);
                p_worse(GAINS[0], n, shift(n), &mut numbers) < 0.05 / f64::from(metrics)
            });
            failed.count() as f64 / 20.0
        });
        row(&metrics.to_string(), found);
    }
    println!("\nRuns whose accuracy falls that fail, in percent:\n");
    println!("| n, drop | 5 % | 10 % | 20 % | 40 % |\n|---|---|---|---|---|");
    for (n, drop) in [(200, 0.05), (500, 0.05), (1000, 0.02), (5000, 0.02), (5000, 0.01)] {
        let cells = [0.05, 0.1, 0.2, 0.4].map(|discordant| accuracy_failures(n, discordant, drop, 4000));
        row(&format!("{n}, −{:.0} points", 100.0 * drop), cells.into_iter());
    }
    println!("\n95 % intervals that hold the true value, in percent:\n");
    println!("| | n = 2 | 3 | 5 | 10 | 20 | 62 | 200 |\n|---|---|---|---|---|---|---|---|");
    let sizes = [2, 3, 5, 10, 20, 62, 200];
    for shape in [GAINS[0], GAINS[1], GAINS[3]] {
        row(shape.0, sizes.into_iter().map(|n| coverage(shape, n, 20_000)));
    }
    row("accuracy of stories", sizes.into_iter().map(|n| accuracy_coverage(n, 4000)));
}
