//! The bootstrap (Efron 1979): how much a metric would vary with other samples or other stories.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// Number of resamples of every bootstrap.
pub const RESAMPLES: usize = 10_000;

/// Fixed, so that the same records always give the same interval.
const SEED: u64 = 20_190_214;

/// Error of a metric by resampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resampled {
    /// Standard deviation over the resamples, in the metric's unit.
    pub stderr: f64,
    /// 2.5 % and 97.5 % quantiles of the resamples.
    pub ci95: (f64, f64),
}

/// Resamples all rows with replacement, [`RESAMPLES`] times, and computes the metric from their sums.
///
/// `rows` has `width` numbers a row: the sums over a sample or a cluster of samples. `None` with fewer than two rows, or
/// if the metric of any resample is not finite.
pub(super) fn bootstrap(
    rows: &[f64],
    width: usize,
    metric: impl Fn(&[f64]) -> f64 + Sync,
) -> Option<Resampled> {
    let mut values = resample(rows, width, RESAMPLES, metric)?;
    let mean = values.iter().sum::<f64>() / RESAMPLES as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let stderr = (squares / (RESAMPLES - 1) as f64).sqrt();
    let ci95 = middle_95(&mut values)?;
    stderr.is_finite().then_some(Resampled { stderr, ci95 })
}

/// The metric of each of `resamples` resamples. The resamples depend only on the number of rows.
pub(super) fn resample(
    rows: &[f64],
    width: usize,
    resamples: usize,
    metric: impl Fn(&[f64]) -> f64 + Sync,
) -> Option<Vec<f64>> {
    let count = rows.len() / width.max(1);
    if count < 2 {
        return None;
    }
    let values: Vec<f64> = (0..resamples)
        .into_par_iter()
        .map_init(
            || vec![0.0; width],
            |sums, resample| {
                sums.fill(0.0);
                let mut numbers = ChaCha8Rng::seed_from_u64(SEED.wrapping_add(resample as u64));
                for _ in 0..count {
                    // The high half of the product: the bias of 2^-32 · count is far below the bootstrap's own noise.
                    let row = ((u64::from(numbers.next_u32()) * count as u64) >> 32) as usize;
                    let row = &rows[row * width..(row + 1) * width];
                    sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
                metric(sums)
            },
        )
        .collect();
    values.iter().all(|value| value.is_finite()).then_some(values)
}

/// Sorts `values` and returns the bounds of the middle 95 %; `None` with fewer than 40.
pub(super) fn middle_95(values: &mut [f64]) -> Option<(f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let tail = values.len() / 40;
    Some((*values.get(tail.checked_sub(1)?)?, *values.get(values.len() - tail)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_its_textbook_error() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index * 7919 % 400)).collect();
        let rows: Vec<f64> = values.iter().flat_map(|&value| [value, 1.0]).collect();
        let resampled = bootstrap(&rows, 2, |sums| sums[0] / sums[1]).unwrap();
        let mean = 199.5;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 400.0).sqrt();
        let expected = deviation / 20.0;
        assert!((resampled.stderr / expected - 1.0).abs() < 0.03, "{} {expected}", resampled.stderr);
        let (low, high) = resampled.ci95;
        assert!(((high - low) / (2.0 * 1.96 * expected) - 1.0).abs() < 0.03);
        assert!(low < mean && mean < high);
        assert_eq!(bootstrap(&rows, 2, |sums| sums[0] / sums[1]), Some(resampled), "deterministic");
    }

    #[test]
    fn no_error_from_one_row_or_non_finite_values() {
        assert_eq!(bootstrap(&[], 1, |sums| sums[0]), None);
        assert_eq!(bootstrap(&[1.0], 1, |sums| sums[0]), None);
        assert_eq!(bootstrap(&[1.0, 2.0], 1, |sums| 1.0 / (sums[0] - 3.0)), None);
    }
}
