//! From the statistics of samples to a metric with its standard error.

mod bleu;
mod bootstrap;
mod breakdown;
mod estimate;
mod metric;
mod paired;
mod porter;
mod rouge;
mod rows;

pub use bleu::{BleuStatistics, BleuTokenizer};
pub use bootstrap::{RESAMPLES, Resampled, bootstrap};
pub use breakdown::{Breakdown, Grouping};
pub use estimate::{Estimate, wilson_interval};
pub use metric::{Aggregate, Columns, Metric, Sample};
pub use paired::{Flips, PairedDifference, PairedTest, Pairs, TestMethod, holm, newcombe_interval};

pub use porter::{PorterMode, porter_stem};
pub use rouge::{Rouge, RougeScore, Stemming, rouge, rouge_with};
