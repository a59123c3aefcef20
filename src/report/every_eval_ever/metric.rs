//! Metrics in the schema's terms.

use super::schema::{Bound, MetricConfig};
use text_metrics::{Aggregate, Metric};

/// How a metric's error and interval are computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Methods {
    pub standard_error: &'static str,
    pub interval: &'static str,
}

const PROPORTION: Methods = Methods { standard_error: "analytic", interval: "Wilson score" };
const OF_SUMS: Methods = Methods { standard_error: "jackknife", interval: "Hall's skewness-corrected t" };

/// The metric in the schema's terms, and how its error is computed; `None` if it has no error.
pub(super) fn metric_config(metric: &Metric, description: &str) -> (MetricConfig, Option<Methods>) {
    let percent = |kind, methods| (kind, "percent", 0.0, Bound::Number(100.0), methods);
    let (kind, unit, lowest, highest, methods) = match metric.aggregate {
        Aggregate::Accuracy { .. } if metric.name == "exact_match" => {
            percent("exact_match", Some(PROPORTION))
        }
        Aggregate::Accuracy { .. } | Aggregate::MostConfident { .. } => percent("accuracy", Some(PROPORTION)),
        Aggregate::CenteredAccuracy { baseline_tenths, .. } => {
            let guessing = f64::from(baseline_tenths) / 1000.0;
            let lowest = -100.0 * guessing / (1.0 - guessing);
            (metric.name, "percent", lowest, Bound::Number(100.0), Some(PROPORTION))
        }
        Aggregate::Mean { .. } => percent(metric.name, Some(OF_SUMS)),
        Aggregate::Bleu { .. } => percent("bleu", Some(OF_SUMS)),
        Aggregate::SeedDeviation { .. } => percent("standard_deviation", None),
        Aggregate::Perplexity { .. } => ("perplexity", "perplexity", 1.0, Bound::INFINITE, Some(OF_SUMS)),
        Aggregate::Bits { .. } => (metric.name, "bits", 0.0, Bound::INFINITE, Some(OF_SUMS)),
    };
    // Only a metric that is exactly its kind has the common id.
    let metric_id = if kind == metric.name { kind.to_owned() } else { format!("gpt2_eval.{}", metric.name) };
    let config = MetricConfig {
        evaluation_description: description.to_owned(),
        metric_id,
        metric_name: metric.name,
        metric_kind: kind,
        metric_unit: unit,
        lower_is_better: !metric.higher_is_better(),
        score_type: "continuous",
        min_score: Bound::Number(lowest),
        max_score: highest,
    };
    (config, methods)
}

/// Whether a sample with this score is right: 100 % of an accuracy or a mean. Other metrics have no right or wrong.
pub(super) fn is_right(metric: &Metric, score: f64) -> bool {
    matches!(metric.aggregate, Aggregate::Accuracy { .. } | Aggregate::Mean { .. }) && score == 100.0
}
