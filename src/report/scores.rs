//! From the records of a task to its scores.

use super::paper_value;
use crate::metrics::Metric;
use crate::record::{Protocol, SampleRecord, Score};

/// The scores of one model on one task.
///
/// `protocol` is the one that ran; `label` is the same with `data=` and `limit=` where not all of the published test
/// set was used. A metric that cannot be computed (no samples, a value beyond f64) is left out.
pub fn score_samples(
    model: &str,
    parameters: u64,
    task: &str,
    protocol: &Protocol,
    label: &Protocol,
    metrics: &[Metric],
    records: &[SampleRecord],
) -> Vec<Score> {
    metrics
        .iter()
        .filter_map(|metric| {
            let samples = records.iter().filter(|record| record.error.is_none());
            let estimate = metric.estimate(samples.map(|record| &record.statistics))?;
            Some(Score {
                model: model.to_owned(),
                parameters,
                task: task.to_owned(),
                protocol: label.to_string(),
                metric: metric.name.to_owned(),
                value: estimate.value,
                stderr: estimate.stderr,
                ci95_low: estimate.ci95.map(|(low, _)| low),
                ci95_high: estimate.ci95.map(|(_, high)| high),
                n: estimate.n,
                higher_is_better: metric.higher_is_better(),
                paper: paper_value(model, task, &protocol.name, metric.name),
            })
        })
        .collect()
}
