//! Metrics of text and of samples, each equal to its reference implementation.
//!
//! | | equal to | unit |
//! |---|---|---|
//! | [`BleuStatistics`] | sacreBLEU 2.6.0, `case:mixed\|eff:no\|smooth:exp`, `tok:13a` or `tok:none` | 0 to 100 |
//! | [`rouge`] | Google's rouge-score 0.1.2; [`rouge_with`] also ROUGE-1.5.5 without `WordNet` exceptions | 0 to 1 |
//! | [`porter_stem`] | NLTK 3.10.4's `PorterStemmer`, and Porter's original algorithm | |
//! | [`coqa_score`], [`squad_f1`], [`squad_exact_match`] | the CoQA and `SQuAD` 1.1 evaluation scripts | 0 to 1 |
//! | [`coqa_harness_score`], [`harness_nq_exact_match`] | lm-evaluation-harness 0.4.13 | 0 to 1 |
//! | [`moses_tokenize`] | sacremoses 0.2.0, `escape=False` | |
//! | [`Estimate`] | lm-evaluation-harness's standard error of an accuracy; Wilson's interval; the jackknife and Hall's interval | the metric's |
//! | [`Metric::compare`] | McNemar's exact test, Newcombe's interval, Hall's test | p values |
//!
//! `tests/golden` compares with these references. No function fails: without samples, or where a value is not finite, an
//! estimate is `None`; text without words scores 0.
//!
//! BLEU, ROUGE and the stemmer are code of this crate because no Rust crate gives the same numbers as the reference: BLEU
//! has to match sacreBLEU's tokenizer and smoothing to the last digit, ROUGE has to choose the same one of several
//! longest common subsequences as rouge-score, and rouge-score stems with NLTK's variant of Porter's algorithm, which
//! differs from the published one.
//!
//! The values of a sample are *sufficient statistics*: every metric, its error and every comparison are computed from
//! [`SampleValues`] alone, without the text.

mod answers;
mod bleu;
mod breakdown;
mod estimate;
mod jackknife;
mod metric;
mod moses;
mod paired;
mod porter;
mod rouge;
mod rows;
mod sentences;
mod significance;
mod skewness;
mod student;

pub use bleu::{BleuStatistics, BleuTokenizer};
pub use breakdown::{Breakdown, Grouping};
pub use estimate::Estimate;
pub use metric::{Aggregate, Columns, Metric, Sample, centered_accuracy};
pub use paired::{PairedDifference, Pairs};
pub use significance::{Flips, PairedTest, TestMethod, holm};

pub use porter::{PorterMode, porter_stem};
pub use rouge::{Rouge, RougeScore, Stemming, rouge, rouge_with};

pub use answers::{
    AnswerScore, coqa_harness_score, coqa_score, harness_nq_exact_match, normalize_answer, squad_exact_match,
    squad_f1,
};
pub use moses::{Language, moses_tokenize};
pub use sentences::sentences;

/// The values of one sample, by name: the sufficient statistics of its metrics.
pub type SampleValues = std::collections::BTreeMap<String, f64>;
