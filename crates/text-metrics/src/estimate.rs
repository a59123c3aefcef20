//! Values with standard errors and 95 % intervals.

use super::bootstrap::{Resampled, bootstrap};
use super::rows::total;

/// Errors up to this share of the value are rounding: the metric is the same on every resample.
const ROUNDING: f64 = 1e-12;

/// Half the width of a 95 % interval of the normal distribution, in standard deviations.
const Z_95: f64 = 1.959_963_984_540_054;

/// A metric's value with its error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// In the metric's unit.
    pub value: f64,
    /// Standard error in the metric's unit; `None` for a single sample.
    pub stderr: Option<f64>,
    /// 95 % interval; `None` for a single sample of a metric without an exact interval.
    pub ci95: Option<(f64, f64)>,
    /// Number of samples.
    pub n: usize,
}

impl Estimate {
    /// Percentage of ones in `values`, with the standard error of a mean (n − 1, as in lm-evaluation-harness) and
    /// Wilson's interval. `None` without values.
    pub fn accuracy(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        if !mean.is_finite() {
            return None;
        }
        let stderr = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            100.0 * (squares / (n - 1.0) / n).sqrt()
        });
        let (low, high) = wilson_interval(mean, values.len());
        Some(Self { value: 100.0 * mean, stderr, ci95: Some((100.0 * low, 100.0 * high)), n: values.len() })
    }

    /// A metric of sums: the value from all samples, the error from resampled clusters.
    ///
    /// `samples` has `width` numbers a row, `clusters` the same sums by cluster. `None` without samples, or if the value
    /// is not finite.
    pub fn of_sums(
        samples: &[f64],
        clusters: &[f64],
        width: usize,
        metric: impl Fn(&[f64]) -> f64 + Sync,
    ) -> Option<Self> {
        let value = metric(&total(samples, width));
        if samples.is_empty() || !value.is_finite() {
            return None;
        }
        let resampled = bootstrap(clusters, width, metric).map(|found| {
            let is_constant = found.stderr <= ROUNDING * value.abs();
            if is_constant { Resampled { stderr: 0.0, ci95: (value, value) } } else { found }
        });
        Some(Self {
            value,
            stderr: resampled.map(|Resampled { stderr, .. }| stderr),
            ci95: resampled.map(|Resampled { ci95, .. }| ci95),
            n: samples.len() / width,
        })
    }
}

/// Wilson's 95 % score interval of a proportion among `n` samples, within 0 and 1.
pub(super) fn wilson_interval(proportion: f64, n: usize) -> (f64, f64) {
    let n = n as f64;
    let square = Z_95 * Z_95;
    let centre = (proportion + square / (2.0 * n)) / (1.0 + square / n);
    let half =
        Z_95 / (1.0 + square / n) * (proportion * (1.0 - proportion) / n + square / (4.0 * n * n)).sqrt();
    // Rounding would leave 2.8e-15 where the formula gives 0, and as much below 1.
    let low = if proportion <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if proportion >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn accuracy_agrees_with_lm_evaluation_harness() {
        // 3 of 5,153 correct: the tiny-8M reference run.
        let values: Vec<f64> = (0..5153).map(|index| f64::from(u8::from(index < 3))).collect();
        let accuracy = Estimate::accuracy(&values).unwrap();
        assert!(close(accuracy.value, 0.058_218_513_487_288_96));
        assert!(close(accuracy.stderr.unwrap(), 0.033_605_949_640_003_25));
    }

    #[test]
    fn wilson_by_hand() {
        // 8 of 10, from Wilson's formula.
        let (low, high) = wilson_interval(0.8, 10);
        assert!((low - 0.490_162_471_537).abs() < 1e-9, "{low}");
        assert!((high - 0.943_317_848_545).abs() < 1e-9, "{high}");
        for n in 1..3000 {
            assert_eq!(wilson_interval(0.0, n).0, 0.0, "{n}");
            assert_eq!(wilson_interval(1.0, n).1, 1.0, "{n}");
        }
        let none = Estimate::accuracy(&[0.0; 7]).unwrap();
        assert_eq!((none.value, none.stderr, none.ci95.unwrap().0), (0.0, Some(0.0), 0.0));
        let all = Estimate::accuracy(&[1.0; 7]).unwrap();
        assert_eq!((all.value, all.stderr, all.ci95.unwrap().1), (100.0, Some(0.0), 100.0));
    }

    #[test]
    fn no_estimate_without_samples_or_finite_values() {
        assert_eq!(Estimate::accuracy(&[]), None);
        assert_eq!(Estimate::accuracy(&[1.0]).unwrap().stderr, None);
        assert_eq!(Estimate::of_sums(&[], &[], 1, |sums| sums[0]), None);
        assert_eq!(Estimate::of_sums(&[0.0], &[0.0], 1, |sums| 1.0 / sums[0]), None);
    }

    #[test]
    fn a_constant_has_no_error() {
        // Sums of 0.1 in another order or number differ in their last bits.
        let rows: Vec<f64> = (1..40).flat_map(|count| [0.1 * f64::from(count), f64::from(count)]).collect();
        let mean = Estimate::of_sums(&rows, &rows, 2, |sums| 100.0 * sums[0] / sums[1]).unwrap();
        assert_eq!((mean.stderr, mean.ci95), (Some(0.0), Some((mean.value, mean.value))));
        let mut other = rows.clone();
        other[0] += 1e-6;
        let mean = Estimate::of_sums(&other, &other, 2, |sums| 100.0 * sums[0] / sums[1]).unwrap();
        assert!(mean.stderr.unwrap() > 0.0, "a small error is an error");
    }
}
