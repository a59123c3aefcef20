//! From the records of a task to its scores.

use super::paper_value;
use crate::record::{GroupScore, Protocol, SampleResult, Score};
use text_metrics::SampleValues;
use text_metrics::{Breakdown, Estimate, Metric, Sample};

/// Whose scores they are and of what.
#[derive(Debug, Clone, Copy)]
pub struct ScoredTask<'a> {
    /// Label of the model, or name of a method without one.
    pub model: &'a str,
    /// Parameters of the model.
    pub parameters: Option<u64>,
    /// Name of the task.
    pub task: &'a str,
    /// The protocol that ran.
    pub protocol: &'a Protocol,
    /// The same with `data=`, `limit=`… where not all of the published test set was used.
    pub label: &'a Protocol,
    /// Samples that failed.
    pub failed: usize,
}

/// The samples of records that did not fail.
pub fn samples_of(records: &[SampleResult]) -> Vec<Sample<'_>> {
    let good = records.iter().filter(|record| record.error.is_none());
    good.map(|record| Sample { values: &record.values, cluster: record.cluster.as_deref() }).collect()
}

/// Samples of a method without a model.
pub fn independent_samples(values: &[SampleValues]) -> Vec<Sample<'_>> {
    values.iter().map(|values| Sample { values, cluster: None }).collect()
}

/// The scores of one model on one task. A metric that cannot be computed (no samples, a value beyond f64, statistics
/// that a baseline does not have) is left out.
pub fn score_samples(of: ScoredTask<'_>, metrics: &[Metric], samples: &[Sample<'_>]) -> Vec<Score> {
    metrics
        .iter()
        .filter_map(|metric| {
            let Estimate { value, stderr, ci95, n } = metric.estimate(samples)?;
            Some(Score {
                model: of.model.to_owned(),
                parameters: of.parameters,
                task: of.task.to_owned(),
                protocol: of.label.to_string(),
                metric: metric.name.to_owned(),
                value,
                stderr,
                ci95_low: ci95.map(|(low, _)| low),
                ci95_high: ci95.map(|(_, high)| high),
                n,
                higher_is_better: metric.higher_is_better(),
                paper: paper_value(of.model, of.task, &of.protocol.name, metric.name),
                failed: of.failed,
            })
        })
        .collect()
}

/// The scores of groups of samples of one model on one task.
pub fn score_groups(of: ScoredTask<'_>, breakdowns: &[Breakdown], samples: &[Sample<'_>]) -> Vec<GroupScore> {
    let mut scores = Vec::new();
    for breakdown in breakdowns {
        for (group, members) in breakdown.groups(samples) {
            for metric in &breakdown.metrics {
                let Some(Estimate { value, stderr, ci95, n }) = metric.estimate(&members) else { continue };
                scores.push(GroupScore {
                    model: of.model.to_owned(),
                    task: of.task.to_owned(),
                    protocol: of.label.to_string(),
                    breakdown: breakdown.name.to_owned(),
                    group: group.clone(),
                    metric: metric.name.to_owned(),
                    value,
                    stderr,
                    ci95_low: ci95.map(|(low, _)| low),
                    ci95_high: ci95.map(|(_, high)| high),
                    n,
                });
            }
        }
    }
    scores
}
