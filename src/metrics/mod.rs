//! From the statistics of samples to a metric with its standard error.

mod bleu;
mod estimate;
mod porter;
mod rouge;

pub use bleu::{BleuStatistics, BleuTokenizer};
pub use estimate::{Estimate, Mean, ratio_estimate, wilson_interval};

pub use porter::{PorterMode, porter_stem};
pub use rouge::{Rouge, RougeScore, Stemming, rouge, rouge_with};

use crate::record::Statistics;

/// A metric of a task and how it is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name in every output.
    pub name: &'static str,
    /// How the samples' statistics become its value.
    pub aggregate: Aggregate,
}

/// How the samples' statistics become a metric. The fields name statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// 100 · Σ correct / n, percent; 95 % interval by Wilson.
    Accuracy {
        /// 0 or 1 a sample.
        correct: &'static str,
    },
    /// exp(−Σ log-likelihood / Σ units).
    Perplexity {
        /// Nats.
        log_likelihood: &'static str,
        /// Words or tokens that the log-likelihood is shared among.
        units: &'static str,
    },
    /// −Σ log-likelihood / ln 2 / Σ units: bits per byte.
    Bits {
        /// Nats.
        log_likelihood: &'static str,
        /// Bytes that the log-likelihood is shared among.
        units: &'static str,
    },
}

impl Metric {
    /// Whether more is better.
    pub fn higher_is_better(&self) -> bool {
        matches!(self.aggregate, Aggregate::Accuracy { .. })
    }

    /// The metric over `samples`, summed in their order. `None` without samples, or if one lacks a statistic.
    pub fn estimate<'a>(&self, samples: impl Iterator<Item = &'a Statistics>) -> Option<Estimate> {
        match self.aggregate {
            Aggregate::Accuracy { correct } => {
                let values: Vec<f64> = samples.map(|s| s.get(correct).copied()).collect::<Option<_>>()?;
                Estimate::accuracy(&values)
            }
            Aggregate::Perplexity { log_likelihood, units } => {
                Estimate::perplexity(&pairs(samples, log_likelihood, units)?)
            }
            Aggregate::Bits { log_likelihood, units } => {
                Estimate::bits(&pairs(samples, log_likelihood, units)?)
            }
        }
    }
}

/// Two statistics of each sample.
fn pairs<'a>(
    samples: impl Iterator<Item = &'a Statistics>,
    first: &str,
    second: &str,
) -> Option<Vec<(f64, f64)>> {
    samples.map(|s| Some((s.get(first).copied()?, s.get(second).copied()?))).collect()
}
