//! From the statistics of samples to a metric with its standard error.

mod bleu;
mod bootstrap;
mod breakdown;
mod estimate;
mod metric;
mod porter;
mod rouge;

pub use bleu::{BleuStatistics, BleuTokenizer};
pub use bootstrap::{RESAMPLES, Resampled, bootstrap};
pub use breakdown::{Breakdown, Grouping};
pub use estimate::{Estimate, wilson_interval};
pub use metric::{Aggregate, Metric, Sample};

pub use porter::{PorterMode, porter_stem};
pub use rouge::{Rouge, RougeScore, Stemming, rouge, rouge_with};
