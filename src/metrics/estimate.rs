//! Values with standard errors and 95 % intervals.

/// Half the width of a 95 % interval of the normal distribution, in standard deviations.
const Z_95: f64 = 1.959_963_984_540_054;

/// A metric's value and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its standard error, in the same unit; `None` for a single sample.
    pub stderr: Option<f64>,
    /// 95 % interval; `None` for a single sample where it has no exact form.
    pub ci95: Option<(f64, f64)>,
    /// Samples.
    pub n: usize,
}

/// A mean and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its standard error; `None` for a single sample.
    pub stderr: Option<f64>,
}

impl Estimate {
    /// Percentage of ones in `values`, with the standard error of a mean (n − 1, as lm-evaluation-harness has it) and
    /// Wilson's interval. `None` without values.
    pub fn accuracy(values: &[f64]) -> Option<Self> {
        let ones: Vec<(f64, f64)> = values.iter().map(|&value| (value, 1.0)).collect();
        let mean = ratio_estimate(&ones)?;
        let (low, high) = wilson_interval(mean.value, values.len());
        Some(Self {
            value: 100.0 * mean.value,
            stderr: mean.stderr.map(|stderr| 100.0 * stderr),
            ci95: Some((100.0 * low, 100.0 * high)),
            n: values.len(),
        })
    }

    /// exp(−Σ log-likelihood / Σ units) of `(log-likelihood, units)` pairs. Standard error by the delta method; the
    /// interval is symmetric in the exponent, so never below zero. `None` without samples, without units, or if the
    /// value is beyond f64.
    pub fn perplexity(samples: &[(f64, f64)]) -> Option<Self> {
        let mean = ratio_estimate(samples)?;
        let value = (-mean.value).exp();
        let ci95 = mean
            .stderr
            .map(|stderr| ((-mean.value - Z_95 * stderr).exp(), (-mean.value + Z_95 * stderr).exp()));
        value.is_finite().then_some(Self {
            value,
            stderr: mean.stderr.map(|stderr| value * stderr).filter(|stderr| stderr.is_finite()),
            ci95: ci95.filter(|(_, high)| high.is_finite()),
            n: samples.len(),
        })
    }
}

impl Estimate {
    /// −Σ log-likelihood / ln 2 / Σ units of `(log-likelihood, units)` pairs. `None` without samples or units.
    pub fn bits(samples: &[(f64, f64)]) -> Option<Self> {
        let mean = ratio_estimate(samples)?;
        let value = -mean.value / std::f64::consts::LN_2;
        let stderr = mean.stderr.map(|stderr| stderr / std::f64::consts::LN_2);
        let ci95 = stderr.map(|stderr| (value - Z_95 * stderr, value + Z_95 * stderr));
        Some(Self { value, stderr, ci95, n: samples.len() })
    }
}

/// Σ a / Σ b of `(a, b)` pairs and its standard error: √(n/(n−1) · Σ(aᵢ − r·bᵢ)²) / Σ b, which for b = 1 is the
/// standard error of a mean. `None` without samples or if Σ b is no positive number.
pub fn ratio_estimate(samples: &[(f64, f64)]) -> Option<Mean> {
    let numerator: f64 = samples.iter().map(|(a, _)| a).sum();
    let denominator: f64 = samples.iter().map(|(_, b)| b).sum();
    if samples.is_empty() || !numerator.is_finite() || !denominator.is_finite() || denominator <= 0.0 {
        return None;
    }
    let value = numerator / denominator;
    let n = samples.len() as f64;
    let stderr = (samples.len() > 1).then(|| {
        let squares: f64 = samples.iter().map(|(a, b)| (a - value * b).powi(2)).sum();
        (n / (n - 1.0) * squares).sqrt() / denominator
    });
    Some(Mean { value, stderr })
}

/// Wilson's 95 % score interval of a proportion among `n` samples, within 0 and 1.
pub fn wilson_interval(proportion: f64, n: usize) -> (f64, f64) {
    let n = n as f64;
    let square = Z_95 * Z_95;
    let centre = (proportion + square / (2.0 * n)) / (1.0 + square / n);
    let half =
        Z_95 / (1.0 + square / n) * (proportion * (1.0 - proportion) / n + square / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn accuracy_agrees_with_lm_evaluation_harness() {
        // 3 of 5,153 right: the tiny-8M reference run.
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
        assert!(close(wilson_interval(0.0, 5).0, 0.0));
        assert!(close(wilson_interval(1.0, 5).1, 1.0));
    }

    #[test]
    fn perplexity_weighs_units() {
        let estimate = Estimate::perplexity(&[(-2.0, 1.0), (-4.0, 3.0)]).unwrap();
        assert!(close(estimate.value, 1.5_f64.exp()));
        let equal = Estimate::perplexity(&[(-1.0, 1.0), (-1.0, 1.0)]).unwrap();
        assert!(close(equal.stderr.unwrap(), 0.0));
        let (low, high) = estimate.ci95.unwrap();
        assert!(0.0 < low && low < estimate.value && estimate.value < high);
    }

    #[test]
    fn bits_are_nats_by_ln_2() {
        let estimate = Estimate::bits(&[(-std::f64::consts::LN_2 * 6.0, 2.0), (0.0, 1.0)]).unwrap();
        assert!(close(estimate.value, 2.0));
        assert_eq!(Estimate::bits(&[]), None);
    }

    #[test]
    fn nothing_comes_of_nothing() {
        assert_eq!(Estimate::accuracy(&[]), None);
        assert_eq!(Estimate::perplexity(&[]), None);
        assert_eq!(Estimate::perplexity(&[(-1.0, 0.0)]), None);
        assert_eq!(Estimate::perplexity(&[(-1e9, 1.0)]), None);
        let single = Estimate::accuracy(&[1.0]).unwrap();
        assert_eq!(single.stderr, None);
    }
}
