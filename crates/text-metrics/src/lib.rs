//! From the statistics of samples to a metric with its standard error.

mod answers;
mod bleu;
mod bootstrap;
mod breakdown;
mod estimate;
mod metric;
mod moses;
mod paired;
mod porter;
mod rouge;
mod rows;
mod sentences;

pub use bleu::{BleuStatistics, BleuTokenizer};
pub use bootstrap::{RESAMPLES, Resampled, bootstrap};
pub use breakdown::{Breakdown, Grouping};
pub use estimate::{Estimate, wilson_interval};
pub use metric::{Aggregate, Columns, Metric, Sample};
pub use paired::{Flips, PairedDifference, PairedTest, Pairs, TestMethod, holm, newcombe_interval};

pub use porter::{PorterMode, porter_stem};
pub use rouge::{Rouge, RougeScore, Stemming, rouge, rouge_with};

pub use answers::{
    AnswerScore, coqa_harness_score, coqa_score, harness_nq_exact_match, normalize_answer, squad_exact_match,
    squad_f1,
};
pub use moses::{Language, moses_tokenize};
pub use sentences::sentences;

/// The values of one sample, by name: all that its metrics need.
pub type SampleValues = std::collections::BTreeMap<String, f64>;
