//! Two models on the same samples: the difference of a metric, its interval and its test.

use super::jackknife::pseudo_values;
use super::metric::{Aggregate, Columns, Metric};
use super::rows::{by_cluster, total};
use super::significance::{Flips, PairedTest, TestMethod, contingency, newcombe_interval};
use super::skewness::{Moments, p_below_zero};

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
    /// For accuracies.
    pub flips: Option<Flips>,
    /// Number of samples.
    pub n: usize,
}

impl Metric {
    /// Compares the metric of both models. Accuracies of independent samples get McNemar's test and Newcombe's interval;
    /// all else gets Hall's test of the effects of samples or clusters. `None` without samples or if a value cannot be
    /// computed.
    pub fn compare(&self, pairs: Pairs<'_>) -> Option<PairedDifference> {
        let n = pairs.clusters.len();
        let (base, new) = (self.value(pairs.base, n)?, self.value(pairs.new, n)?);
        let mut found = PairedDifference { base, new, ci95: None, test: None, flips: None, n };
        if let Aggregate::Accuracy { correct } = self.aggregate {
            let counts = contingency(pairs.base.get(correct)?, pairs.new.get(correct)?);
            let flips = Flips { lost: counts[1], won: counts[2] };
            found.flips = Some(flips);
            if are_independent(pairs.clusters) {
                if n > 1 {
                    let (low, high) = newcombe_interval(counts);
                    found.ci95 = Some((100.0 * low, 100.0 * high));
                    found.test = Some(flips.test());
                }
                return Some(found);
            }
        }
        if let Some(rows) = PairedRows::new(self.aggregate, pairs) {
            found.ci95 = rows.interval_95(base, new);
            found.test = rows.test();
        }
        Some(found)
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

/// Whether no two samples share a cluster.
fn are_independent(clusters: &[Option<usize>]) -> bool {
    let mut named: Vec<usize> = clusters.iter().flatten().copied().collect();
    named.sort_unstable();
    named.windows(2).all(|pair| pair[0] != pair[1])
}

/// Summands of both models, by sample or cluster.
struct PairedRows {
    aggregate: Aggregate,
    /// Of each row, the base's summands, then the new model's.
    rows: Vec<f64>,
    /// Numbers of one model.
    half: usize,
}

/// Up to this number of changed rows, [`swaps`] goes through all ways to swap them: at most 16,384.
const MAX_SWAPPED: usize = 14;

impl PairedRows {
    fn new(aggregate: Aggregate, pairs: Pairs<'_>) -> Option<Self> {
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
        Some(Self { aggregate, rows, half })
    }

    /// New minus base, on the metric's scale.
    fn difference(&self, sums: &[f64]) -> f64 {
        let (base, new) = sums.split_at(self.half);
        self.aggregate.on_scale(new) - self.aggregate.on_scale(base)
    }

    /// The interval of `new - base`. Of a perplexity it is the interval of the ratio, times the base's value.
    fn interval_95(&self, base: f64, new: f64) -> Option<(f64, f64)> {
        let width = 2 * self.half;
        let pseudo = pseudo_values(&self.rows, width, |sums| self.difference(sums));
        let (low, high) = Moments::of(&pseudo)?.interval_95(self.difference(&total(&self.rows, width)));
        let ends = if low == high {
            (new - base, new - base)
        } else if matches!(self.aggregate, Aggregate::Perplexity { .. }) {
            (base * low.exp_m1(), base * high.exp_m1())
        } else {
            (low, high)
        };
        (ends.0.is_finite() && ends.1.is_finite()).then_some(ends)
    }

    /// Hall's test of the effects of the changed rows. If the models are equally good, the effects have a mean of 0.
    fn test(&self) -> Option<PairedTest> {
        let width = 2 * self.half;
        if self.rows.len() / width < 2 {
            return None;
        }
        let changed: Vec<&[f64]> =
            self.rows.chunks_exact(width).filter(|row| row[..self.half] != row[self.half..]).collect();
        let effects = self.effects(&changed);
        if effects.iter().any(|effect| !effect.is_finite()) {
            return None;
        }
        let mut below = p_below_zero(&effects);
        let mut above = p_below_zero(&effects.iter().map(|effect| -effect).collect::<Vec<_>>());
        if changed.len() <= MAX_SWAPPED {
            let (least_below, least_above) = swaps(&effects);
            (below, above) = (below.max(least_below), above.max(least_above));
        }
        Some(PairedTest { method: TestMethod::Hall, below, above })
    }

    /// The share of each row in the difference: half of its change if the two models' summands of the row are swapped.
    /// For a mean it is the row's own difference divided by the number of samples.
    fn effects(&self, rows: &[&[f64]]) -> Vec<f64> {
        let width = 2 * self.half;
        let sums = total(&self.rows, width);
        let observed = self.difference(&sums);
        let mut swapped = sums.clone();
        let effect = |row: &&[f64]| {
            for (column, sum) in swapped.iter_mut().enumerate() {
                *sum = sums[column] - row[column] + row[(column + self.half) % width];
            }
            0.5 * (observed - self.difference(&swapped))
        };
        rows.iter().map(effect).collect()
    }
}

/// The randomization test (Noreen 1989): if the models are alike, every effect might as well have the other sign. Returns
/// the shares of all combinations of signs whose sum is at most, and at least, the observed one.
fn swaps(effects: &[f64]) -> (f64, f64) {
    let observed: f64 = effects.iter().sum();
    // Sums that are equal in exact arithmetic differ in their last bits.
    let slack = 1e-9 * effects.iter().map(|effect| effect.abs()).sum::<f64>();
    let ways = 1usize << effects.len();
    let (mut below, mut above) = (0usize, 0usize);
    for way in 0..ways {
        let signed = effects.iter().enumerate();
        let sum: f64 =
            signed.map(|(index, effect)| if way >> index & 1 == 1 { -effect } else { *effect }).sum();
        below += usize::from(sum <= observed + slack);
        above += usize::from(sum >= observed - slack);
    }
    (below as f64 / ways as f64, above as f64 / ways as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::significance::holm;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

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
        let found = metric.compare(Pairs { base: &base, new: &new, clusters: &clusters }).unwrap();
        assert!(close(found.new - found.base, 1.0) || (found.new - found.base - 1.0).abs() < 1e-9);
        let (low, high) = found.ci95.unwrap();
        // 100 · 2 · 1.96 · 0.05 / 20.
        assert!(((high - low) / 0.98 - 1.0).abs() < 0.03, "{low} {high}");
        let test = found.test.unwrap();
        assert!(test.above < 0.001 && test.below > 0.999 && close(test.two_sided(), 2.0 * test.above));

        // Clusters are fewer observations than samples.
        let stories: Vec<Option<usize>> = (0..400).map(|index| Some(index / 2 % 4)).collect();
        let found = metric.compare(Pairs { base: &base, new: &new, clusters: &stories }).unwrap();
        assert!(found.test.unwrap().above > 1.0 / 17.0, "four stories: {found:?}");
        let same = metric.compare(Pairs { base: &base, new: &base, clusters: &clusters }).unwrap();
        assert_eq!((same.ci95, same.test.unwrap().two_sided()), (Some((0.0, 0.0)), 1.0));
    }

    #[test]
    fn twenty_metrics_with_skewed_gains_fail_in_at_most_one_of_twenty_runs() {
        // The mean gain is 0: most samples lose a little, some gain more. The percentile bootstrap fails in 20 % of the runs.
        let metric = Metric { name: "m", aggregate: Aggregate::Mean { value: "v" } };
        let run = |seed: u64| {
            let mut numbers = ChaCha8Rng::seed_from_u64(seed);
            let mut gain = || -1.0 - (1.0 - (numbers.next_u64() >> 11) as f64 / (1u64 << 53) as f64).ln();
            let base = columns(&[("v", vec![0.0; 100])]);
            let p: Vec<f64> = (0..20)
                .map(|_| {
                    let new = columns(&[("v", (0..100).map(|_| gain()).collect())]);
                    let pairs = Pairs { base: &base, new: &new, clusters: &[None; 100] };
                    metric.p_worse(&metric.compare(pairs).unwrap().test.unwrap())
                })
                .collect();
            holm(&p).iter().any(|&p| p < 0.05)
        };
        let failed = (0..1000).filter(|&seed| run(seed)).count();
        assert!((5..=50).contains(&failed), "{failed} of 1000");
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
        // Hall's p of one to five equal losses is above that of as many heads in a row, which is the p of 13 losses.
        for (count, expected) in [
            (2, 0.254_681_908_494_197),
            (3, 0.232_899_093_752_047_45),
            (5, 0.154_946_601_284_179_14),
            (13, 1.0 / 8192.0),
        ] {
            let (base, new) = (side(0.0, count), side(0.5, count));
            let clusters = vec![None; count];
            let found = metric.compare(Pairs { base: &base, new: &new, clusters: &clusters }).unwrap();
            let p = metric.p_worse(&found.test.unwrap());
            assert!((p / expected - 1.0).abs() < 1e-9, "{count}: {p}");
        }
        let clusters = vec![None; 1];
        let (base, new) = (side(0.0, 1), side(0.5, 1));
        let alone = metric.compare(Pairs { base: &base, new: &new, clusters: &clusters }).unwrap();
        assert_eq!((alone.ci95, alone.test), (None, None));
        assert_eq!(metric.compare(Pairs { base: &base, new: &side(0.0, 2), clusters: &clusters }), None);
    }
}
