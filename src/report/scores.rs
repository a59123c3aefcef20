//! Metrics over the samples of a task.

use super::{paper_value, published_value};
use crate::record::{GroupScore, MeasuredTask, Protocol, Score};
use crate::run::FinishedTask;
use text_metrics::{Estimate, Sample};

/// A model or a heuristic baseline on a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored<'a> {
    pub task: &'a FinishedTask,
    /// Label of the model, or name of the baseline.
    pub model: &'a str,
    /// The protocol in the model's tables.
    pub protocol: &'a Protocol,
    /// Number of parameters of the model.
    pub parameters: Option<u64>,
    /// Number of failed samples.
    pub failed: usize,
}

impl Scored<'_> {
    /// The metrics over `samples`, which are those that did not fail. A metric without a value is left out: one of no
    /// samples, beyond the range of f64, or of values that a baseline does not have.
    pub fn scores(self, samples: &[Sample<'_>]) -> Vec<Score> {
        let MeasuredTask { task, protocol, .. } = &self.task.measured;
        let label = self.protocol.to_string();
        let metrics = self.task.metrics.iter();
        metrics
            .filter_map(|metric| {
                let Estimate { value, stderr, ci95, n } = metric.estimate(samples)?;
                Some(Score {
                    model: self.model.to_owned(),
                    parameters: self.parameters,
                    task: task.clone(),
                    protocol: label.clone(),
                    metric: metric.name.to_owned(),
                    value,
                    stderr,
                    ci95_low: ci95.map(|(low, _)| low),
                    ci95_high: ci95.map(|(_, high)| high),
                    n,
                    higher_is_better: metric.higher_is_better(),
                    paper: paper_value(self.model, task, &protocol.name, metric.name),
                    failed: self.failed,
                    published: published_value(self.model, task, &label, metric.name)
                        .map(|published| published.value),
                })
            })
            .collect()
    }

    /// The metrics of every breakdown over its groups of `samples`.
    pub fn group_scores(self, samples: &[Sample<'_>]) -> Vec<GroupScore> {
        let MeasuredTask { task, .. } = &self.task.measured;
        let mut scores = Vec::new();
        for breakdown in &self.task.breakdowns {
            for (group, members) in breakdown.groups(samples) {
                for metric in &breakdown.metrics {
                    let Some(Estimate { value, stderr, ci95, n }) = metric.estimate(&members) else {
                        continue;
                    };
                    scores.push(GroupScore {
                        model: self.model.to_owned(),
                        task: task.clone(),
                        protocol: self.protocol.to_string(),
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
}
