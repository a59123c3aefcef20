//! Values with standard errors and 95 % intervals.

use super::jackknife::pseudo_values;
use super::metric::Aggregate;
use super::rows::{by_cluster, total};
use super::skewness::Moments;
use super::student::t_975;

/// Half the width of a 95 % interval of the normal distribution, in standard deviations.
const Z_95: f64 = 1.959_963_984_540_054;

/// A metric's value with its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// In the metric's unit.
    pub value: f64,
    /// Standard error in the metric's unit; `None` with fewer than two independent samples.
    pub stderr: Option<f64>,
    /// 95 % interval; `None` with fewer than two independent samples.
    pub ci95: Option<(f64, f64)>,
    /// Number of samples.
    pub n: usize,
}

impl Estimate {
    /// Percentage of ones in `values`, with the standard error of a mean (n − 1, as in lm-evaluation-harness) and
    /// Wilson's interval. `clusters` has the story or article of each value. Where values share one, the error is that
    /// between clusters, and Wilson's interval is that of as many independent samples as would have this error, with
    /// Student's t in place of the normal distribution. `None` without values.
    pub(super) fn accuracy(values: &[f64], clusters: &[Option<&str>]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if !mean.is_finite() {
            return None;
        }
        let rows: Vec<f64> = values.iter().flat_map(|&value| [value, 1.0]).collect();
        let clustered = by_cluster(&rows, 2, clusters.iter().copied());
        let count = clustered.len() / 2;
        let mut estimate = Self { value: 100.0 * mean, stderr: None, ci95: None, n: values.len() };
        if count < 2 {
            return Some(estimate);
        }
        let squares: f64 = clustered.chunks_exact(2).map(|sums| (sums[0] - mean * sums[1]).powi(2)).sum();
        let variance = squares * count as f64 / (count as f64 - 1.0) / n / n;
        let (independent, reach) = if count == values.len() {
            (n, Z_95)
        } else {
            let alike = mean * (1.0 - mean) / variance;
            // Clusters may be alike by chance, so the samples count at most once each. If all clusters have the same share,
            // the error is unknown, and each cluster counts as one sample.
            let independent = if variance > 0.0 { alike.min(n) } else { count as f64 };
            (independent, t_975(count as f64 - 1.0))
        };
        let (low, high) = wilson_interval(mean, independent, reach);
        estimate.stderr = Some(100.0 * variance.sqrt());
        estimate.ci95 = Some((100.0 * low, 100.0 * high));
        Some(estimate)
    }

    /// A metric of sums: the value from all samples, the error from the jackknife over clusters, on the metric's
    /// [scale](Aggregate::on_scale).
    ///
    /// `samples` has `width` numbers a row, `clusters` the same sums by cluster. `None` without samples, or if the value
    /// is not finite.
    pub(super) fn of_sums(
        samples: &[f64],
        clusters: &[f64],
        width: usize,
        aggregate: Aggregate,
    ) -> Option<Self> {
        let sums = total(samples, width);
        let value = aggregate.of_sums(&sums);
        if samples.is_empty() || !value.is_finite() {
            return None;
        }
        let mut estimate = Self { value, stderr: None, ci95: None, n: samples.len() / width };
        let pseudo = pseudo_values(clusters, width, |sums| aggregate.on_scale(sums));
        let Some(moments) = Moments::of(&pseudo) else { return Some(estimate) };
        let stderr = moments.stderr() * aggregate.slope(value);
        let (low, high) = match moments.interval_95(aggregate.on_scale(&sums)) {
            (low, high) if low == high => aggregate.constant_interval(value, pseudo.len()),
            (low, high) => (aggregate.of_scale(low), aggregate.of_scale(high)),
        };
        if [stderr, low, high].iter().all(|number| number.is_finite()) {
            estimate.stderr = Some(stderr);
            estimate.ci95 = Some((low, high));
        }
        Some(estimate)
    }
}

/// Wilson's 95 % score interval of a proportion among `n` samples, within 0 and 1.
pub(super) fn wilson_95(proportion: f64, n: usize) -> (f64, f64) {
    wilson_interval(proportion, n as f64, Z_95)
}

/// Wilson's score interval of a proportion among `n` samples that reaches `reach` standard errors to each side.
fn wilson_interval(proportion: f64, n: f64, reach: f64) -> (f64, f64) {
    let square = reach * reach;
    let centre = (proportion + square / (2.0 * n)) / (1.0 + square / n);
    let half =
        reach / (1.0 + square / n) * (proportion * (1.0 - proportion) / n + square / (4.0 * n * n)).sqrt();
    // Exact where rounding would leave 1e-17.
    let low = if proportion <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if proportion >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    fn independent(values: &[f64]) -> Option<Estimate> {
        Estimate::accuracy(values, &vec![None; values.len()])
    }

    #[test]
    fn accuracy_agrees_with_lm_evaluation_harness() {
        // 3 of 5,153 correct: the tiny-8M reference run.
        let values: Vec<f64> = (0..5153).map(|index| f64::from(u8::from(index < 3))).collect();
        let accuracy = independent(&values).unwrap();
        assert!(close(accuracy.value, 0.058_218_513_487_288_96));
        assert!(close(accuracy.stderr.unwrap(), 0.033_605_949_640_003_25));
    }

    #[test]
    fn wilson_by_hand() {
        // 8 of 10, from Wilson's formula.
        let (low, high) = wilson_95(0.8, 10);
        assert!((low - 0.490_162_471_537).abs() < 1e-9, "{low}");
        assert!((high - 0.943_317_848_545).abs() < 1e-9, "{high}");
        for n in 1..2000 {
            assert_eq!((wilson_95(0.0, n).0, wilson_95(1.0, n).1), (0.0, 1.0), "{n}");
        }
    }

    #[test]
    fn accuracy_of_stories_has_the_error_between_stories() {
        // Five stories of 20 questions with 20, 17, 13, 8 and 2 right; reference from tests/golden/make_intervals.py.
        let names = ["a", "b", "c", "d", "e"];
        let right = [20, 17, 13, 8, 2];
        let questions = || (0..5).flat_map(|story| (0..20).map(move |question| (story, question)));
        let values: Vec<f64> =
            questions().map(|(story, question)| f64::from(u8::from(question < right[story]))).collect();
        let stories: Vec<Option<&str>> = questions().map(|(story, _)| Some(names[story])).collect();
        let alone = independent(&values).unwrap();
        let clustered = Estimate::accuracy(&values, &stories).unwrap();
        assert_eq!((alone.value, clustered.value, clustered.n), (60.0, 60.0, 100));
        assert!((alone.stderr.unwrap() - 4.923_659_639_173_31).abs() < 1e-9);
        assert!((clustered.stderr.unwrap() - 16.046_806_535_881_215).abs() < 1e-9, "{clustered:?}");
        let (low, high) = clustered.ci95.unwrap();
        assert!((low - 22.202_891_180_657_66).abs() < 1e-8, "{low}");
        assert!((high - 88.743_575_165_967_24).abs() < 1e-8, "{high}");
        // Two stories that are all right and all wrong say next to nothing.
        let two = Estimate::accuracy(&[1.0, 1.0, 0.0, 0.0], &[Some("a"), Some("a"), Some("b"), Some("b")]);
        let (low, high) = two.unwrap().ci95.unwrap();
        assert!(low < 1.0 && high > 99.0, "{low} {high}");
        // All right in three stories: as three samples, with Student's t.
        let all = Estimate::accuracy(&[1.0; 30], &stories[..30].iter().map(|_| None).collect::<Vec<_>>());
        let stories: Vec<Option<&str>> = (0..30).map(|index| Some(names[index / 10])).collect();
        let clustered = Estimate::accuracy(&[1.0; 30], &stories).unwrap();
        assert!(clustered.ci95.unwrap().0 < 15.0 && all.unwrap().ci95.unwrap().0 > 88.0, "{clustered:?}");
        assert_eq!(clustered.stderr, Some(0.0));
    }

    #[test]
    fn a_constant_has_no_error() {
        // Sums of 0.1 in another order or number differ in their last bits.
        let rows: Vec<f64> = (1..40).flat_map(|count| [0.1 * f64::from(count), f64::from(count)]).collect();
        let of = |rows: &[f64]| Estimate::of_sums(rows, rows, 2, Aggregate::Mean { value: "v" }).unwrap();
        let mean = of(&rows);
        assert_eq!((mean.stderr, mean.ci95), (Some(0.0), Some((mean.value, mean.value))));
        let mut other = rows.clone();
        other[0] += 1e-6;
        assert!(of(&other).stderr.unwrap() > 0.0, "a small error is an error");
    }

    #[test]
    fn intervals_of_few_samples_hold_the_true_value() {
        // 2,000 perplexities of `n` articles with exponential log-likelihoods: between the least and the most intervals
        // that hold the true perplexity. The percentile bootstrap has 55 % for 2 articles and 78 % for 5.
        let aggregate = Aggregate::Perplexity { log_likelihood: "l", units: "u" };
        for (n, least, most) in [(2, 1780, 1880), (5, 1800, 1920), (62, 1860, 1940)] {
            let held = (0..2000u64).filter(|&seed| {
                let mut numbers = ChaCha8Rng::seed_from_u64(seed);
                let mut uniform = || (numbers.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                let rows: Vec<f64> = (0..n).flat_map(|_| [(1.0 - uniform()).ln(), 1.0]).collect();
                let (low, high) = Estimate::of_sums(&rows, &rows, 2, aggregate).unwrap().ci95.unwrap();
                low <= std::f64::consts::E && std::f64::consts::E <= high
            });
            let held = held.count();
            assert!((least..=most).contains(&held), "{held} of 2000 with {n} articles");
        }
    }

    #[test]
    fn no_estimate_without_samples_or_finite_values() {
        assert_eq!(independent(&[]), None);
        let one = independent(&[1.0]).unwrap();
        assert_eq!((one.value, one.stderr, one.ci95), (100.0, None, None));
        let one = Estimate::accuracy(&[1.0, 0.0], &[Some("a"), Some("a")]).unwrap();
        assert_eq!((one.value, one.stderr, one.ci95), (50.0, None, None));
        let mean = Aggregate::Mean { value: "v" };
        assert_eq!(Estimate::of_sums(&[], &[], 2, mean), None);
        assert_eq!(Estimate::of_sums(&[f64::NAN, 1.0], &[f64::NAN, 1.0], 2, mean), None);
    }
}
