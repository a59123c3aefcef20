//! Two models on the same samples: the difference of a metric, its interval and its test.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use super::bootstrap::{middle_95, resample};
use super::metric::{Aggregate, Columns, Metric};
use super::rows::{by_cluster, total};
use super::significance::{PairedTest, TestMethod, mcnemar};

/// The values of the same samples under two models, in the same order.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Values of the base model.
    pub base: &'a Columns,
    /// Values of the new model.
    pub new: &'a Columns,
    /// The story or article of each sample, where samples are not independent.
    pub clusters: &'a [Option<usize>],
}

/// A metric of two models on the same samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// The base model's value.
    pub base: f64,
    /// The new model's value.
    pub new: f64,
    /// 95 % interval of `new - base`, in the metric's unit.
    pub ci95: Option<(f64, f64)>,
    /// `None` for metrics that have no test, and with fewer than two independent samples.
    pub test: Option<PairedTest>,
    /// Number of samples.
    pub n: usize,
}

impl Metric {
    /// Compares the metric of both models. Accuracies of independent samples get McNemar's test and Newcombe's interval;
    /// all else gets the bootstrap of samples or clusters, with the same resamples for both models. `None` without samples
    /// or if a value cannot be computed.
    pub fn compare(&self, pairs: Pairs<'_>, resamples: usize) -> Option<PairedDifference> {
        let n = pairs.clusters.len();
        let (base, new) = (self.value(pairs.base, n)?, self.value(pairs.new, n)?);
        let is_clustered = pairs.clusters.iter().any(Option::is_some);
        let (ci95, test) = match self.aggregate {
            Aggregate::Accuracy { correct } if !is_clustered => {
                mcnemar(pairs.base.get(correct)?, pairs.new.get(correct)?)
            }
            aggregate => paired_bootstrap(aggregate, pairs, resamples).unzip(),
        };
        Some(PairedDifference { base, new, ci95, test, n })
    }

    /// One-sided p value for "the new model is worse".
    pub fn p_worse(&self, test: &PairedTest) -> f64 {
        if self.higher_is_better() { test.below } else { test.above }
    }

    /// One-sided p value for "the new model is better".
    pub fn p_better(&self, test: &PairedTest) -> f64 {
        if self.higher_is_better() { test.above } else { test.below }
    }
}

/// With fewer samples or clusters that differ between the models, [`paired_bootstrap`] understates p: two of two
/// resample to nothing but themselves. Then p is at least that of [`swaps`].
const MIN_CHANGED: usize = 200;

/// Resamples both models together. A one-sided p value is the share of the resampled differences that are 0 or on the
/// other side of 0.
fn paired_bootstrap(
    aggregate: Aggregate,
    pairs: Pairs<'_>,
    resamples: usize,
) -> Option<((f64, f64), PairedTest)> {
    let summands = aggregate.summands()?;
    let count = pairs.clusters.len();
    let side = |columns: &Columns| summands.rows(count, |name| columns.get(name).cloned());
    let (base, new) = (side(pairs.base)?, side(pairs.new)?);
    let half = summands.width();
    let rows: Vec<f64> = base
        .chunks_exact(half)
        .zip(new.chunks_exact(half))
        .flat_map(|(base, new)| base.iter().chain(new).copied())
        .collect();
    let rows = by_cluster(&rows, 2 * half, pairs.clusters.iter().copied());
    let difference = |sums: &[f64]| aggregate.of_sums(&sums[half..]) - aggregate.of_sums(&sums[..half]);
    let mut values = resample(&rows, 2 * half, resamples, difference)?;
    let share = |is_there: &dyn Fn(f64) -> bool| {
        let there = values.iter().filter(|&&value| is_there(value)).count();
        (there + 1) as f64 / (resamples + 1) as f64
    };
    let (mut below, mut above) = (share(&|value| value >= 0.0), share(&|value| value <= 0.0));
    let changed = rows.chunks_exact(2 * half).filter(|row| row[..half] != row[half..]).count();
    if changed < MIN_CHANGED {
        let (least_below, least_above) = swaps(&rows, half, resamples, difference);
        (below, above) = (below.max(least_below), above.max(least_above));
    }
    let test = PairedTest { method: TestMethod::Bootstrap, below, above };
    Some((middle_95(&mut values)?, test))
}

/// Differs from the bootstrap's seed.
const SWAP_SEED: u64 = 20_190_215;

/// The randomization test (Noreen 1989): if the models are alike, swapping the two halves of a row changes nothing.
/// Returns p of the difference below and above. It is valid for any number of rows, and exact where at most `resamples`
/// ways to swap them exist.
fn swaps(
    rows: &[f64],
    half: usize,
    resamples: usize,
    difference: impl Fn(&[f64]) -> f64 + Sync,
) -> (f64, f64) {
    let width = 2 * half;
    let (changed, same): (Vec<&[f64]>, Vec<&[f64]>) =
        rows.chunks_exact(width).partition(|row| row[..half] != row[half..]);
    let rest = total(&same.concat(), width);
    let swapped = |is_swapped: &mut dyn FnMut(usize) -> bool| {
        let mut sums = rest.clone();
        for (index, row) in changed.iter().enumerate() {
            let from = if is_swapped(index) { half } else { 0 };
            for (column, sum) in sums.iter_mut().enumerate() {
                *sum += row[(column + from) % width];
            }
        }
        difference(&sums)
    };
    let observed = swapped(&mut |_| false);
    // Sums that are equal in exact arithmetic differ in their last bits.
    let slack = 1e-9 * observed.abs();
    let sides = |value: f64| (usize::from(value <= observed + slack), usize::from(value >= observed - slack));
    let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
    let ways = u32::try_from(changed.len()).ok().and_then(|changed| 1usize.checked_shl(changed));
    if let Some(ways) = ways.filter(|&ways| ways <= resamples) {
        let all = (0..ways).map(|way| sides(swapped(&mut |index| way >> index & 1 == 1)));
        let (below, above) = all.fold((0, 0), add);
        return (below as f64 / ways as f64, above as f64 / ways as f64);
    }
    let (below, above) = (0..resamples)
        .into_par_iter()
        .map(|number| {
            let mut numbers = ChaCha8Rng::seed_from_u64(SWAP_SEED.wrapping_add(number as u64));
            sides(swapped(&mut |_| numbers.next_u32() >> 31 == 1))
        })
        .reduce(|| (0, 0), add);
    let share = |there: usize| (there + 1) as f64 / (resamples + 1) as f64;
    (share(below), share(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-10 * b.abs()
    }

    fn columns(columns: &[(&str, Vec<f64>)]) -> Columns {
        columns.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect()
    }

    #[test]
    fn a_paired_difference_has_the_error_of_the_differences() {
        let metric = Metric { name: "f1", aggregate: Aggregate::Mean { value: "f1" } };
        let base: Vec<f64> = (0..400).map(|index| f64::from(index * 7919 % 400) / 400.0).collect();
        // The differences spread far less than the values, with a mean of 0.01.
        let new = base.iter().enumerate().map(|(i, &value)| value + if i % 2 == 0 { 0.06 } else { -0.04 });
        let (base, new) = (columns(&[("f1", base.clone())]), columns(&[("f1", new.collect())]));
        let clusters = vec![None; 400];
        let found = metric.compare(Pairs { base: &base, new: &new, clusters: &clusters }, 10_000).unwrap();
        assert!(close(found.new - found.base, 1.0) || (found.new - found.base - 1.0).abs() < 1e-9);
        let (low, high) = found.ci95.unwrap();
        // 100 · 2 · 1.96 · 0.05 / 20.
        assert!(((high - low) / 0.98 - 1.0).abs() < 0.03, "{low} {high}");
        let test = found.test.unwrap();
        assert!(test.above < 0.001 && test.below > 0.999 && close(test.two_sided(), 2.0 * test.above));

        // Clusters are fewer observations than samples.
        let stories: Vec<Option<usize>> = (0..400).map(|index| Some(index / 2 % 4)).collect();
        let found = metric.compare(Pairs { base: &base, new: &new, clusters: &stories }, 10_000).unwrap();
        assert!(found.test.unwrap().above > 1.0 / 17.0, "four stories: {found:?}");
        let same = metric.compare(Pairs { base: &base, new: &base, clusters: &clusters }, 1000).unwrap();
        assert_eq!((same.ci95, same.test.unwrap().two_sided()), (Some((0.0, 0.0)), 1.0));
    }

    #[test]
    fn few_samples_have_exact_p_values() {
        let metric =
            Metric { name: "p", aggregate: Aggregate::Perplexity { log_likelihood: "l", units: "u" } };
        let side = |by: f64, count: usize| {
            columns(&[
                ("l", (0..count).map(|i| -(2.0 + 0.01 * i as f64) - by).collect()),
                ("u", vec![1.0; count]),
            ])
        };
        // `count` heads in a row.
        for (count, expected) in [(2, 0.25), (3, 0.125), (5, 1.0 / 32.0), (13, 1.0 / 8192.0)] {
            let (base, new) = (side(0.0, count), side(0.5, count));
            let clusters = vec![None; count];
            let found =
                metric.compare(Pairs { base: &base, new: &new, clusters: &clusters }, 10_000).unwrap();
            assert_eq!(metric.p_worse(&found.test.unwrap()), expected, "{count}");
        }
        let clusters = vec![None; 1];
        let (base, new) = (side(0.0, 1), side(0.5, 1));
        let alone = metric.compare(Pairs { base: &base, new: &new, clusters: &clusters }, 1000).unwrap();
        assert_eq!((alone.ci95, alone.test), (None, None));
        assert_eq!(metric.compare(Pairs { base: &base, new: &side(0.0, 2), clusters: &clusters }, 10), None);
    }
}
