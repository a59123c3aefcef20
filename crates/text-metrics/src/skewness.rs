//! The mean of few or skewed numbers: its interval, and a test of whether it is below 0.
//!
//! Student's t assumes normal numbers. If the numbers are skewed, a low mean comes with a small deviation or with a large
//! one, and t errs to one side. Hall's transformation (Hall 1992, "On the removal of skewness by transformation") corrects
//! t by the skewness of the sample. It is monotone, so it has an inverse, which gives the interval.

use super::student::{t_975, t_probability};

/// Count, mean, deviation and skewness of at least two numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    /// With n − 1 in the denominator.
    deviation: f64,
    /// Without bias for normal numbers (Fisher's G₁); 0 where it is unknown: for two numbers or equal ones.
    skewness: f64,
}

impl Moments {
    /// `None` with fewer than two numbers, or if one is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count;
        let central = |power| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
        let variance = central(2);
        let deviation = (variance * count / (count - 1.0)).sqrt();
        // Equal numbers differ from their mean by rounding.
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let is_constant = deviation <= 64.0 * f64::EPSILON * count * largest;
        let skewness = if is_constant || values.len() < 3 {
            0.0
        } else {
            central(3) / variance.powf(1.5) * (count * (count - 1.0)).sqrt() / (count - 2.0)
        };
        let deviation = if is_constant { 0.0 } else { deviation };
        (mean.is_finite() && deviation.is_finite() && skewness.is_finite()).then_some(Self {
            count,
            mean,
            deviation,
            skewness,
        })
    }

    /// Standard error of the mean.
    pub fn stderr(&self) -> f64 {
        self.deviation / self.count.sqrt()
    }

    /// The 95 % interval of the true mean around `mean`, which may differ from the mean of the numbers by bias.
    pub fn interval_95(&self, mean: f64) -> (f64, f64) {
        let reach = t_975(self.count - 1.0);
        let ratio = |quantile: f64| {
            let shifted = quantile / self.count.sqrt() - self.skewness / (6.0 * self.count);
            // The limit at 0, where the quotient below loses its digits.
            if self.skewness.abs() < 1e-6 {
                return shifted;
            }
            3.0 * ((1.0 + self.skewness * shifted).cbrt() - 1.0) / self.skewness
        };
        (mean - self.deviation * ratio(reach), mean - self.deviation * ratio(-reach))
    }

    /// Probability of a mean at most as high if the true mean is 0.
    pub fn p_below(&self) -> f64 {
        if self.deviation == 0.0 {
            return if self.mean < 0.0 { 0.0 } else { 1.0 };
        }
        let ratio = self.mean / self.deviation;
        let skewness = self.skewness;
        let corrected = ratio
            + skewness * ratio * ratio / 3.0
            + skewness * skewness * ratio.powi(3) / 27.0
            + skewness / (6.0 * self.count);
        t_probability(self.count.sqrt() * corrected, self.count - 1.0)
    }
}

/// p of the hypothesis that the mean of `values` is not below 0.
///
/// The values get one more: the highest of them, at least 0. It stands for a sample that speaks against the hypothesis'
/// rejection as strongly as any, and that the data happen to lack. Without it, the test would reject too often where few
/// values are high and many slightly low.
pub(super) fn p_below_zero(values: &[f64]) -> f64 {
    let highest = values.iter().copied().fold(0.0, f64::max);
    let mut guarded = values.to_vec();
    guarded.push(highest);
    Moments::of(&guarded).map_or(1.0, |moments| moments.p_below())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEWED: [f64; 8] = [-0.3, -0.1, -0.25, 0.9, -0.2, -0.15, 0.05, -0.4];

    #[test]
    fn hall_agrees_with_scipy() {
        // From Hall's formulas with scipy.stats.skew(bias=False) and scipy.stats.t of scipy 1.17.1; tests/golden/make_intervals.py.
        let moments = Moments::of(&SKEWED).unwrap();
        assert!((moments.skewness / 2.249_735_355_180_541 - 1.0).abs() < 1e-12, "{moments:?}");
        assert!((moments.p_below() / 0.417_001_850_487_408_4 - 1.0).abs() < 1e-10, "{}", moments.p_below());
        let (low, high) = moments.interval_95(moments.mean);
        assert!(
            (low / -0.277_423_957_892_694 - 1.0).abs() < 1e-10
                && (high / 1.032_604_322_436_146_7 - 1.0).abs() < 1e-10,
            "{low} {high}"
        );
        assert!(
            (p_below_zero(&SKEWED) / 0.646_682_877_648_699 - 1.0).abs() < 1e-10,
            "{}",
            p_below_zero(&SKEWED)
        );
    }

    #[test]
    fn two_numbers_have_the_interval_of_student() {
        let moments = Moments::of(&[1.0, 3.0]).unwrap();
        let (low, high) = moments.interval_95(2.0);
        assert!((low - (2.0 - 12.706_204_736_174_694)).abs() < 1e-9 && (low + high - 4.0).abs() < 1e-9);
        assert_eq!((Moments::of(&[1.0]), Moments::of(&[1.0, f64::NAN])), (None, None));
    }

    #[test]
    fn equal_numbers_have_no_error() {
        let moments = Moments::of(&[0.1; 7]).unwrap();
        assert_eq!((moments.stderr(), moments.interval_95(0.1)), (0.0, (0.1, 0.1)));
        assert_eq!((p_below_zero(&[0.0; 5]), p_below_zero(&[0.1; 5])), (1.0, 1.0));
        // Five equal losses are not proof: the sixth value is the 0 that stands for the sample not seen.
        assert!(p_below_zero(&[-0.1; 5]) > 0.1 && p_below_zero(&[-0.1; 10]) < 1e-3);
    }
}
