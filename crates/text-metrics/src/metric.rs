//! Metrics: how the values of samples become one number.

use std::collections::BTreeMap;

use super::bleu::BleuStatistics;
use super::estimate::{Estimate, wilson_95};
use super::rows::{Summands, by_cluster, total};
use crate::SampleValues;

/// The values of all samples by name, all in the same order of samples.
pub type Columns = BTreeMap<String, Vec<f64>>;

/// A sample as a metric sees it.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Its values.
    pub values: &'a SampleValues,
    /// Its story or article, where samples are not independent.
    pub cluster: Option<&'a str>,
}

/// A named metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name in every output.
    pub name: &'static str,
    /// How it is computed.
    pub aggregate: Aggregate,
}

/// How the values of samples become a metric. The fields name sample values.
///
/// Errors are those between clusters where samples share one. Accuracies have Wilson's interval. All else has the jackknife's
/// error and Hall's interval, on a logarithmic scale for perplexities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// 100 · Σ correct / n, percent; 95 % interval by Wilson.
    Accuracy {
        /// 0 or 1 a sample.
        correct: &'static str,
    },
    /// 100 · (a − b) / (1 − b), percent, where a is the mean of `correct` in f32, as PyTorch computes it, and b the accuracy of
    /// guessing (Li et al. 2024, DataComp-LM, §3.5). Below 0 for a model that is worse than guessing.
    CenteredAccuracy {
        /// 0 or 1 a sample.
        correct: &'static str,
        /// b in tenths of a percent, below 1000.
        baseline_tenths: u16,
    },
    /// [`Aggregate::Accuracy`] of the samples with the highest confidence.
    MostConfident {
        /// 0 or 1 a sample.
        correct: &'static str,
        /// Among equals the first samples count.
        confidence: &'static str,
        /// Share of the samples, rounded to whole samples, at least one.
        percent: u8,
    },
    /// 100 · Σ value / n, percent.
    Mean {
        /// 0 to 1 a sample.
        value: &'static str,
    },
    /// 100 · standard deviation of the mean over the samples between repeats.
    SeedDeviation {
        /// Sample values `prefix0`, `prefix1`… are those of each repeat.
        prefix: &'static str,
    },
    /// exp(−Σ log-likelihood / Σ units).
    Perplexity {
        /// Nats.
        log_likelihood: &'static str,
        /// Words or tokens that the log-likelihood is divided by.
        units: &'static str,
    },
    /// −Σ log-likelihood / ln 2 / Σ units: bits per byte.
    Bits {
        /// Nats.
        log_likelihood: &'static str,
        /// Bytes that the log-likelihood is divided by.
        units: &'static str,
    },
    /// Corpus BLEU.
    Bleu {
        /// Prefix of the names of [`BleuStatistics::named`].
        prefix: &'static str,
    },
}

impl Metric {
    /// Whether a higher value is better.
    pub fn higher_is_better(&self) -> bool {
        match self.aggregate {
            Aggregate::Accuracy { .. }
            | Aggregate::CenteredAccuracy { .. }
            | Aggregate::MostConfident { .. }
            | Aggregate::Mean { .. }
            | Aggregate::Bleu { .. } => true,
            Aggregate::Perplexity { .. } | Aggregate::Bits { .. } | Aggregate::SeedDeviation { .. } => false,
        }
    }

    /// Whether the accuracy of the same samples decides it, so that a test of both would be one test counted twice.
    pub fn follows_from_accuracy(&self) -> bool {
        matches!(self.aggregate, Aggregate::CenteredAccuracy { .. })
    }

    /// Whether a single sample has a value of the metric, not only a group of samples.
    pub fn is_per_sample(&self) -> bool {
        !matches!(self.aggregate, Aggregate::MostConfident { .. } | Aggregate::SeedDeviation { .. })
    }

    /// The metric over `samples`, summed in their order. `None` without samples, if one lacks a value, or if the result is
    /// not finite.
    pub fn estimate(&self, samples: &[Sample<'_>]) -> Option<Estimate> {
        let column = |name: &str| column(samples, name);
        match self.aggregate {
            Aggregate::Accuracy { correct } => Estimate::accuracy(&column(correct)?, &clusters(samples)),
            Aggregate::CenteredAccuracy { correct, baseline_tenths } => {
                let correct = column(correct)?;
                let Estimate { stderr, ci95, n, .. } = Estimate::accuracy(&correct, &clusters(samples))?;
                let scale = 1.0 - baseline(baseline_tenths);
                let centered =
                    |percent: f64| 100.0 * centered_accuracy(percent / 100.0, baseline(baseline_tenths));
                Some(Estimate {
                    value: self.aggregate.of_sums(&[correct.iter().sum(), n as f64]),
                    stderr: stderr.map(|stderr| stderr / scale),
                    ci95: ci95.map(|(low, high)| (centered(low), centered(high))),
                    n,
                })
            }
            Aggregate::MostConfident { correct, confidence, percent } => {
                let correct = column(correct)?;
                let (values, clusters): (Vec<f64>, Vec<_>) = most_confident(&column(confidence)?, percent)
                    .into_iter()
                    .map(|index| (correct[index], samples[index].cluster))
                    .unzip();
                Estimate::accuracy(&values, &clusters)
            }
            Aggregate::SeedDeviation { prefix } => {
                let value = seed_deviation(prefix, column)?;
                // The deviation between repeats has no error of its own.
                Some(Estimate { value, stderr: None, ci95: None, n: samples.len() })
            }
            sums => {
                let summands = sums.summands()?;
                let rows = summands.rows(samples.len(), column)?;
                let width = summands.width();
                let clusters = by_cluster(&rows, width, samples.iter().map(|sample| sample.cluster));
                Estimate::of_sums(&rows, &clusters, width, sums)
            }
        }
    }

    /// The value of [`Metric::estimate`] alone, over `count` samples in columns.
    pub fn value(&self, columns: &Columns, count: usize) -> Option<f64> {
        let column = |name: &str| columns.get(name).cloned().filter(|column| column.len() == count);
        let value = match self.aggregate {
            Aggregate::MostConfident { correct, confidence, percent } => {
                let correct = column(correct)?;
                let chosen = most_confident(&column(confidence)?, percent);
                100.0 * chosen.iter().map(|&index| correct[index]).sum::<f64>() / chosen.len() as f64
            }
            Aggregate::SeedDeviation { prefix } => seed_deviation(prefix, column)?,
            sums => {
                let summands = sums.summands()?;
                sums.of_sums(&total(&summands.rows(count, column)?, summands.width()))
            }
        };
        value.is_finite().then_some(value)
    }

    /// Names of the sample values that the metric is computed from.
    pub fn values(&self, of: &SampleValues) -> Vec<String> {
        match self.aggregate {
            Aggregate::MostConfident { correct, confidence, .. } => {
                vec![correct.to_owned(), confidence.to_owned()]
            }
            Aggregate::SeedDeviation { prefix } => {
                let is_repeat = |name: &&String| {
                    name.strip_prefix(prefix).is_some_and(|repeat| repeat.parse::<usize>().is_ok())
                };
                of.keys().filter(is_repeat).cloned().collect()
            }
            sums => sums.summands().map(|summands| summands.names).unwrap_or_default(),
        }
    }
}

impl Aggregate {
    /// A sample's summands in the sums that the metric is a function of; `None` if it is not a function of sums.
    pub(super) fn summands(self) -> Option<Summands> {
        let (names, counted) = match self {
            Self::Accuracy { correct: name }
            | Self::CenteredAccuracy { correct: name, .. }
            | Self::Mean { value: name } => (vec![name.to_owned()], true),
            Self::Perplexity { log_likelihood, units } | Self::Bits { log_likelihood, units } => {
                (vec![log_likelihood.to_owned(), units.to_owned()], false)
            }
            Self::Bleu { prefix } => (BleuStatistics::names(prefix), false),
            Self::MostConfident { .. } | Self::SeedDeviation { .. } => return None,
        };
        Some(Summands { names, counted })
    }

    /// The metric as a function of the sums of its [`Aggregate::summands`]; NaN where it is undefined.
    pub(super) fn of_sums(self, sums: &[f64]) -> f64 {
        match self {
            Self::Accuracy { .. } => 100.0 * (sums[0] / sums[1]),
            Self::Mean { .. } => 100.0 * sums[0] / sums[1],
            Self::CenteredAccuracy { baseline_tenths, .. } => {
                let accuracy = f64::from(sums[0] as f32 / sums[1] as f32);
                100.0 * centered_accuracy(accuracy, baseline(baseline_tenths))
            }
            Self::Perplexity { .. } if sums[1] > 0.0 => (-sums[0] / sums[1]).exp(),
            Self::Bits { .. } if sums[1] > 0.0 => -sums[0] / std::f64::consts::LN_2 / sums[1],
            Self::Bleu { .. } => BleuStatistics::from_numbers(sums).score(),
            _ => f64::NAN,
        }
    }
}

impl Aggregate {
    /// The metric on the scale on which its error is symmetric: the logarithm of a perplexity, all else as it is.
    pub(super) fn on_scale(self, sums: &[f64]) -> f64 {
        match self {
            Self::Perplexity { .. } if sums[1] > 0.0 => -sums[0] / sums[1],
            _ => self.of_sums(sums),
        }
    }

    /// The value of the metric at a point of its scale, within the metric's range.
    pub(super) fn of_scale(self, point: f64) -> f64 {
        match self {
            Self::Perplexity { .. } => point.exp(),
            Self::Bits { .. } | Self::SeedDeviation { .. } => point.max(0.0),
            Self::CenteredAccuracy { .. } => point.min(100.0),
            _ => point.clamp(0.0, 100.0),
        }
    }

    /// Change of the metric per change on its scale.
    pub(super) fn slope(self, value: f64) -> f64 {
        if matches!(self, Self::Perplexity { .. }) { value } else { 1.0 }
    }

    /// The 95 % interval where all of `count` independent samples are equal. If all have the lowest or the highest possible
    /// value of a mean, Wilson's interval says what the others may have.
    pub(super) fn constant_interval(self, value: f64, count: usize) -> (f64, f64) {
        if matches!(self, Self::Mean { .. }) && (value <= 0.0 || value >= 100.0) {
            let (low, high) = wilson_95(value / 100.0, count);
            return (100.0 * low, 100.0 * high);
        }
        (value, value)
    }
}

/// The accuracy above guessing: 0 at `baseline`, 1 if all is right (Li et al. 2024, DataComp-LM). Both are fractions.
pub fn centered_accuracy(accuracy: f64, baseline: f64) -> f64 {
    (accuracy - baseline) / (1.0 - baseline)
}

/// The accuracy of guessing as a fraction.
fn baseline(tenths: u16) -> f64 {
    0.01 * (f64::from(tenths) / 10.0)
}

fn clusters<'a>(samples: &[Sample<'a>]) -> Vec<Option<&'a str>> {
    samples.iter().map(|sample| sample.cluster).collect()
}

/// One value of every sample.
fn column(samples: &[Sample<'_>], name: &str) -> Option<Vec<f64>> {
    samples.iter().map(|sample| sample.values.get(name).copied()).collect()
}

/// Indices of the `percent` % of samples with the highest confidence, the highest first.
fn most_confident(confidence: &[f64], percent: u8) -> Vec<usize> {
    let mut order: Vec<usize> = (0..confidence.len()).collect();
    order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
    let most = ((order.len() * usize::from(percent) + 50) / 100).max(1);
    order.truncate(most);
    order
}

/// 100 · the standard deviation of the means of all repeats; `None` with fewer than two.
fn seed_deviation(prefix: &str, column: impl Fn(&str) -> Option<Vec<f64>>) -> Option<f64> {
    let mut means = Vec::new();
    while let Some(values) = column(&format!("{prefix}{}", means.len())).filter(|v| !v.is_empty()) {
        means.push(values.iter().sum::<f64>() / values.len() as f64);
    }
    if means.len() < 2 {
        return None;
    }
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let squares: f64 = means.iter().map(|value| (value - mean).powi(2)).sum();
    Some(100.0 * (squares / (count - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BleuTokenizer;

    fn values(rows: &[&[(&str, f64)]]) -> Vec<SampleValues> {
        rows.iter().map(|row| row.iter().map(|&(name, value)| (name.to_owned(), value)).collect()).collect()
    }

    fn estimate(aggregate: Aggregate, all: &[SampleValues], clusters: &[&'static str]) -> Option<Estimate> {
        let samples: Vec<Sample<'_>> = all
            .iter()
            .enumerate()
            .map(|(index, values)| Sample { values, cluster: clusters.get(index).copied() })
            .collect();
        Metric { name: "m", aggregate }.estimate(&samples)
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12 * b.abs().max(1.0)
    }

    #[test]
    fn perplexity_and_bits_weigh_units() {
        let all = values(&[&[("l", -2.0), ("u", 1.0)], &[("l", -4.0), ("u", 3.0)]]);
        let perplexity = Aggregate::Perplexity { log_likelihood: "l", units: "u" };
        let found = estimate(perplexity, &all, &[]).unwrap();
        assert!(close(found.value, 1.5_f64.exp()));
        let (low, high) = found.ci95.unwrap();
        assert!(0.0 < low && low < found.value && found.value < high);
        let bits = estimate(Aggregate::Bits { log_likelihood: "l", units: "u" }, &all, &[]).unwrap();
        assert!(close(bits.value, 1.5 / std::f64::consts::LN_2));
        let nothing = values(&[&[("l", -1.0), ("u", 0.0)]]);
        assert_eq!(estimate(perplexity, &nothing, &[]), None);
        assert_eq!(estimate(perplexity, &values(&[&[("l", -1e9), ("u", 1.0)]]), &[]), None);
        assert_eq!(estimate(perplexity, &values(&[&[("l", -1.0)]]), &[]), None);
        assert_eq!(estimate(perplexity, &[], &[]), None);
    }

    #[test]
    fn samples_without_units_do_not_affect_the_error() {
        let one: &[(&str, f64)] = &[("l", -2.0), ("u", 1.0)];
        let none: &[(&str, f64)] = &[("l", 0.0), ("u", 0.0)];
        let bits = Aggregate::Bits { log_likelihood: "l", units: "u" };
        let found = estimate(bits, &values(&[one, none, one, none, none]), &[]).unwrap();
        assert_eq!(found.n, 5);
        assert!(found.stderr.unwrap() < 1e-9, "both observations are equal");
        assert_eq!(estimate(bits, &values(&[one, none]), &[]).unwrap().stderr, None);
    }

    #[test]
    fn clusters_widen_the_interval() {
        let rows: Vec<[(&str, f64); 1]> = (0..40).map(|index| [("f1", f64::from(index / 10 % 2))]).collect();
        let rows: Vec<&[(&str, f64)]> = rows.iter().map(<[_; 1]>::as_slice).collect();
        let all = values(&rows);
        let mean = Aggregate::Mean { value: "f1" };
        let stories: Vec<&'static str> = (0..40).map(|index| ["a", "b", "c", "d"][index / 10]).collect();
        let alone = estimate(mean, &all, &[]).unwrap();
        let clustered = estimate(mean, &all, &stories).unwrap();
        assert_eq!((alone.value, clustered.value, clustered.n), (50.0, 50.0, 40));
        assert!(clustered.stderr.unwrap() > 2.5 * alone.stderr.unwrap());
    }

    #[test]
    fn the_most_confident_are_a_share_of_the_samples() {
        let rows: Vec<[(&str, f64); 2]> = (0..200)
            .map(|index| [("c", f64::from(index)), ("correct", f64::from(u8::from(index > 197)))])
            .collect();
        let rows: Vec<&[(&str, f64)]> = rows.iter().map(<[_; 2]>::as_slice).collect();
        let surest = |percent| Aggregate::MostConfident { correct: "correct", confidence: "c", percent };
        let all = values(&rows);
        let one = estimate(surest(1), &all, &[]).unwrap();
        assert_eq!((one.value, one.n), (100.0, 2));
        assert_eq!(estimate(surest(2), &all, &[]).unwrap().value, 50.0);
        assert_eq!(estimate(surest(1), &all[..5], &[]).unwrap().n, 1);
    }

    #[test]
    fn bleu_of_sample_values_is_bleu_of_the_corpus() {
        let pairs = [
            ("the cat sat on the mat", "the cat sat on a mat"),
            ("a dog barked at me", "a dog barked at us"),
        ];
        let mut whole = BleuStatistics::default();
        let all: Vec<SampleValues> = pairs
            .iter()
            .map(|(hypothesis, reference)| {
                let of = BleuStatistics::of(hypothesis, &[reference], BleuTokenizer::Mteval13a);
                whole += of;
                of.named("bleu_").collect()
            })
            .collect();
        let found = estimate(Aggregate::Bleu { prefix: "bleu_" }, &all, &[]).unwrap();
        assert_eq!(found.value, whole.score());
        assert!(found.stderr.unwrap() > 0.0);
    }

    #[test]
    fn deviation_between_repeats() {
        let all = values(&[&[("r0", 0.1), ("r1", 0.3)], &[("r0", 0.3), ("r1", 0.5)]]);
        let found = estimate(Aggregate::SeedDeviation { prefix: "r" }, &all, &[]).unwrap();
        assert!(close(found.value, 100.0 * 0.02f64.sqrt()), "{}", found.value);
        assert_eq!(estimate(Aggregate::SeedDeviation { prefix: "x" }, &all, &[]), None);
    }
}
