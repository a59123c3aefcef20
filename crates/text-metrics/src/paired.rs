//! Two models on the same samples: how far apart they are, and whether chance alone would set them as far apart.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

use super::bootstrap::{middle_95, resample};
use super::estimate::wilson_interval;
use super::metric::{Aggregate, Columns, Metric};
use super::rows::{by_cluster, total};

/// The same samples under two models; all columns have their order.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Sample values of the model that is compared with.
    pub base: &'a Columns,
    /// Sample values of the other.
    pub new: &'a Columns,
    /// One a sample: the story or article that it belongs to, where samples are not independent.
    pub clusters: &'a [Option<usize>],
}

/// A metric of two models on the same samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// The value of the model that is compared with.
    pub base: f64,
    /// The value of the other.
    pub new: f64,
    /// 95 % interval of `new - base`, in the metric's unit.
    pub ci95: Option<(f64, f64)>,
    /// `None` for metrics that have no test, and with fewer than two independent samples.
    pub test: Option<PairedTest>,
    /// Samples.
    pub n: usize,
}

/// What a paired test says of two models that are alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// Which test.
    pub method: TestMethod,
    /// Probability that chance alone sets the new value so far below, or further.
    pub below: f64,
    /// Probability that chance alone sets the new value so far above, or further.
    pub above: f64,
}

/// A paired test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestMethod {
    /// McNemar's (1947), exact.
    McNemar(Flips),
    /// The paired bootstrap.
    Bootstrap,
}

/// Samples that one model has right and the other wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flips {
    /// Right in the base and wrong in the new.
    pub lost: u64,
    /// Wrong in the base and right in the new.
    pub won: u64,
}

impl PairedTest {
    /// p of the two-sided test.
    pub fn two_sided(&self) -> f64 {
        (2.0 * self.below.min(self.above)).min(1.0)
    }
}

impl Metric {
    /// The metric of both sides of `pairs`, and what sets them apart: McNemar's test and Newcombe's interval for
    /// accuracies of independent samples; else the bootstrap of samples or clusters, both metrics of the same draw.
    /// `None` without samples or if a value cannot be computed.
    pub fn compare(&self, pairs: Pairs<'_>, resamples: usize) -> Option<PairedDifference> {
        let n = pairs.clusters.len();
        let (base, new) = (self.value(pairs.base, n)?, self.value(pairs.new, n)?);
        let is_clustered = pairs.clusters.iter().any(Option::is_some);
        let (ci95, test) = match self.aggregate {
            Aggregate::Accuracy { correct } if !is_clustered => {
                mcnemar_of(pairs.base.get(correct)?, pairs.new.get(correct)?)
            }
            aggregate => paired_bootstrap(aggregate, pairs, resamples).unzip(),
        };
        Some(PairedDifference { base, new, ci95, test, n })
    }

    /// p of the one-sided test that the new model is worse.
    pub fn p_worse(&self, test: &PairedTest) -> f64 {
        if self.higher_is_better() { test.below } else { test.above }
    }

    /// p of the one-sided test that the new model is better.
    pub fn p_better(&self, test: &PairedTest) -> f64 {
        if self.higher_is_better() { test.above } else { test.below }
    }
}

impl Flips {
    /// McNemar's exact test: of the samples that flipped, each is lost or won by the toss of a coin.
    pub fn test(self) -> PairedTest {
        let of = |count| binomial_tail(self.lost + self.won, count);
        PairedTest { method: TestMethod::McNemar(self), below: of(self.lost), above: of(self.won) }
    }
}

/// Probability of at least `least` heads among `tosses` of a coin, computed in logarithms: 2^-tosses is beyond f64 soon.
fn binomial_tail(tosses: u64, least: u64) -> f64 {
    if 2 * least <= tosses {
        // Heads and tails are alike, and the smaller tail is the one without cancellation.
        return 1.0 - binomial_tail(tosses, tosses - least + 1);
    }
    if least > tosses {
        return 0.0;
    }
    let others = tosses - least;
    let choose: f64 = (1..=others).map(|i| ((least + i) as f64 / i as f64).ln()).sum();
    let first = choose - tosses as f64 * std::f64::consts::LN_2;
    let mut term = 1.0;
    let mut sum = 1.0;
    for heads in least..tosses {
        term *= (tosses - heads) as f64 / (heads + 1) as f64;
        sum += term;
    }
    (first + sum.ln()).exp()
}

fn mcnemar_of(base: &[f64], new: &[f64]) -> (Option<(f64, f64)>, Option<PairedTest>) {
    let is_right = |value: f64| value > 0.5;
    // Both right, lost, won, both wrong.
    let mut counts = [0u64; 4];
    for (&base, &new) in base.iter().zip(new) {
        counts[2 * usize::from(!is_right(base)) + usize::from(!is_right(new))] += 1;
    }
    let flips = Flips { lost: counts[1], won: counts[2] };
    let (low, high) = newcombe_interval(counts);
    (Some((100.0 * low, 100.0 * high)), Some(flips.test()))
}

/// 95 % interval of the difference, new less base, of two paired proportions: Newcombe's method 10 (1998), Wilson's
/// intervals of both with their correlation. `counts` are the samples that are right in both, in the base alone, in the
/// new alone, in neither.
pub fn newcombe_interval(counts: [u64; 4]) -> (f64, f64) {
    let [both, lost, won, neither] = counts.map(|count| count as f64);
    let n = both + lost + won + neither;
    let (base, new) = ((both + lost) / n, (both + won) / n);
    let whole = counts.iter().sum::<u64>() as usize;
    let ((base_low, base_high), (new_low, new_high)) =
        (wilson_interval(base, whole), wilson_interval(new, whole));
    let margins = (both + lost) * (won + neither) * (both + won) * (lost + neither);
    let product = both * neither - lost * won;
    let corrected = if product > 0.0 { (product - n / 2.0).max(0.0) } else { product };
    let correlation = if margins > 0.0 { corrected / margins.sqrt() } else { 0.0 };
    let reach = |a: f64, b: f64| (a * a - 2.0 * correlation * a * b + b * b).max(0.0).sqrt();
    let difference = new - base;
    (difference - reach(new - new_low, base_high - base), difference + reach(new_high - new, base - base_low))
}

/// With fewer samples or clusters than these that differ between the models, [`paired_bootstrap`] is too sure: two of
/// two resample to nothing but themselves. There p is at least that of [`swaps`].
const FEW: usize = 200;

/// Resamples both sides together. The p of either side is the share of the resampled differences on the other side of
/// 0, or on it.
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
    if changed < FEW {
        let (least_below, least_above) = swaps(&rows, half, resamples, difference);
        (below, above) = (below.max(least_below), above.max(least_above));
    }
    let test = PairedTest { method: TestMethod::Bootstrap, below, above };
    Some((middle_95(&mut values)?, test))
}

/// So that the coins are not the draws of the bootstrap.
const SWAP_SEED: u64 = 20_190_215;

/// The randomization test (Noreen 1989): if the models are alike, each row's two halves might as well have been
/// swapped. p of the difference below and above, valid for any number of rows; exact where no more than `resamples` ways
/// to swap them exist.
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
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum += row[(place + from) % width];
            }
        }
        difference(&sums)
    };
    let observed = swapped(&mut |_| false);
    // Equal sums of other summands differ in their last bits.
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

/// p values that are true for all of a family together, in the order given (Holm 1979): to call those below α
/// significant is wrong about any in at most a share α of the cases, however they depend on each other.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
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
    fn mcnemar_agrees_with_exact_integers() {
        // Two-sided and lost-or-more, in Python's exact integers; scipy 1.17.1's binomtest gives the same to 1e-13.
        let reference = [
            (0, 0, 1.0, 1.0),
            (1, 0, 1.0, 0.5),
            (5, 1, 0.21875, 0.109_375),
            (10, 20, 0.098_737_146_705_389_02, 0.978_613_027_371_466_2),
            (12, 2, 0.012_939_453_125, 0.006_469_726_562_5),
            (75, 175, 2.210_465_514_523_283e-10, 0.999_999_999_953_529_2),
            (150, 250, 6.531_819_212_838_427e-7, 0.999_999_807_665_781_9),
            (9_800, 10_200, 0.004_780_889_455_902_644, 0.997_712_882_017_496_7),
            (10_300, 9_700, 2.276_698_138_179_582_4e-5, 1.138_349_069_089_791_2e-5),
            (11_000, 9_000, 1.954_082_770_582_896_3e-45, 9.770_413_852_914_481e-46),
        ];
        for (lost, won, two_sided, below) in reference {
            let test = Flips { lost, won }.test();
            assert!(close(test.two_sided(), two_sided), "{lost} {won}: {}", test.two_sided());
            assert!(close(test.below, below), "{lost} {won}: {}", test.below);
            assert_eq!(test.above, Flips { lost: won, won: lost }.test().below);
        }
    }

    #[test]
    fn newcombe_by_hand() {
        // Both, lost, won, neither; the first is an example of Newcombe's, all computed from his formulas in Python.
        let reference = [
            ([36, 2, 12, 0], 0.056_929_584_003_238_69, 0.340_427_602_974_940_7),
            ([36, 0, 14, 0], 0.152_839_517_855_857_3, 0.416_651_236_959_565_63),
            ([20, 2, 12, 16], 0.056_156_424_841_748_24, 0.329_206_995_400_140_53),
            ([53, 1, 0, 0], -0.097_714_374_887_819_2, 0.049_621_661_889_403_88),
        ];
        for (counts, low, high) in reference {
            let found = newcombe_interval(counts);
            assert!(close(found.0, low) && close(found.1, high), "{counts:?}: {found:?}");
        }
        let (low, high) = newcombe_interval([10, 0, 0, 10]);
        assert!(low < 0.0 && 0.0 < high && (low + high).abs() < 1e-12, "alike is no proof");
    }

    #[test]
    fn holm_by_hand() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert!(adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(&a, b)| close(a, b)), "{adjusted:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn a_paired_difference_has_the_error_of_the_differences() {
        let metric = Metric { name: "f1", aggregate: Aggregate::Mean { value: "f1" } };
        let base: Vec<f64> = (0..400).map(|index| f64::from(index * 7919 % 400) / 400.0).collect();
        // Spread far less than either side, and 0.01 higher in the mean.
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

        // Stories in which all differ alike say less than as many samples.
        let stories: Vec<Option<usize>> = (0..400).map(|index| Some(index / 2 % 4)).collect();
        let found = metric.compare(Pairs { base: &base, new: &new, clusters: &stories }, 10_000).unwrap();
        assert!(found.test.unwrap().above > 1.0 / 17.0, "four stories: {found:?}");
        let same = metric.compare(Pairs { base: &base, new: &base, clusters: &clusters }, 1000).unwrap();
        assert_eq!((same.ci95, same.test.unwrap().two_sided()), (Some((0.0, 0.0)), 1.0));
    }

    #[test]
    fn few_samples_prove_nothing() {
        let metric =
            Metric { name: "p", aggregate: Aggregate::Perplexity { log_likelihood: "l", units: "u" } };
        let side = |by: f64, count: usize| {
            columns(&[
                ("l", (0..count).map(|i| -(2.0 + 0.01 * i as f64) - by).collect()),
                ("u", vec![1.0; count]),
            ])
        };
        // As many heads in a row, exactly.
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
