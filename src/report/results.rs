//! The scores of a run, or of several, with what their tables say about them.

use super::{Caveat, Heading, Scored, Section, Summary, sections};
use crate::record::{
    Environment, GroupScore, Identity, MeasuredTask, ModelIdentity, Protocol, SampleResult, Score,
};
use crate::run::{FinishedRun, FinishedTask};
use crate::tasks::{HeuristicBaseline, PAPER_STRIDE};
use text_metrics::Sample;
use untrusted_input::thousands;

/// The scores of one run, which can be unfinished, or of several runs together.
#[derive(Debug, Clone, Default)]
pub struct Results {
    pub(super) headings: Vec<Heading>,
    pub(super) scores: Vec<Score>,
    pub(super) groups: Vec<GroupScore>,
    pub(super) made_by: String,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Program, precision and device.
pub fn made_by(identity: &Identity, environment: &Environment) -> String {
    format!("gpt2-eval {}, {} on {}", environment.program_version, identity.dtype, environment.device)
}

/// Minimum number of tasks for a summary before their tables.
const MIN_TASKS: usize = 2;

impl Results {
    /// Results without tasks; `made_by` names program, precision and device.
    pub fn new(made_by: String) -> Self {
        Self { made_by, ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn of_scores(headings: Vec<Heading>, scores: Vec<Score>, groups: Vec<GroupScore>) -> Self {
        Self { headings, scores, groups, made_by: "made by a test".to_owned(), ..Self::default() }
    }

    /// The scores of a run directory.
    pub fn of_run(run: &FinishedRun) -> Self {
        let mut results = Self::new(made_by(&run.manifest.identity, &run.manifest.environment));
        for task in &run.tasks {
            results.add_task(task);
        }
        // In the order in which a run computes them.
        for (number, model) in run.manifest.identity.models.iter().enumerate() {
            for task in &run.tasks {
                let Some(records) = task.records.get(number) else { continue };
                if records.len() < task.measured.samples {
                    let reason = format!(
                        "only {} of {} samples are finished; run the same command again to continue",
                        thousands(records.len() as u64),
                        thousands(task.measured.samples as u64)
                    );
                    results.add_failure(&model.label, task, &reason);
                } else {
                    results.add_model(model, task, records);
                }
            }
        }
        results
    }

    /// Adds a task with the scores of its heuristic baselines.
    pub fn add_task(&mut self, task: &FinishedTask) {
        let FinishedTask { measured, config, metrics, .. } = task;
        let MeasuredTask { task: name, protocol, label, records, .. } = measured;
        let known = config.protocol(&protocol.name);
        let takes = |option: &str| known.is_some_and(|known| known.options.iter().any(|name| name == option));
        let number = |option: &str| protocol.options.get(option).and_then(|value| value.parse().ok());
        // Task configs of custom tasks have their own default of `stride`.
        let has_paper_stride = takes("stride") && protocol.name != Protocol::CUSTOM;
        let is_other = |(option, value): &(&String, &String)| {
            known.and_then(|known| known.defaults.get(*option)) != Some(*value)
        };
        let others =
            protocol.options.iter().filter(is_other).map(|(option, value)| format!("{option}={value}"));
        self.headings.push(Heading {
            task: name.clone(),
            title: config.title.clone(),
            protocol: label.to_string(),
            is_default: config.default_protocol() == protocol.name,
            other_options: others.collect::<Vec<_>>().join(","),
            stride: number("stride").or_else(|| has_paper_stride.then_some(PAPER_STRIDE)),
            shots: number("shots").or_else(|| takes("shots").then_some(0)),
            metrics: metrics.iter().map(|metric| metric.name.to_owned()).collect(),
            caveats: Caveat::of_label(label, *records),
            ..Heading::default()
        });
        for HeuristicBaseline { name, values, clusters } in &task.baselines {
            let both = values.iter().zip(clusters);
            let samples: Vec<Sample<'_>> =
                both.map(|(values, cluster)| Sample { values, cluster: cluster.as_deref() }).collect();
            self.scores.extend(Scored { task, model: name, parameters: None, failed: 0 }.scores(&samples));
        }
    }

    /// Adds the scores of a model on a task that was added before.
    pub fn add_model(&mut self, model: &ModelIdentity, task: &FinishedTask, records: &[SampleResult]) {
        let (failed, good): (Vec<&SampleResult>, Vec<_>) =
            records.iter().partition(|record| record.error.is_some());
        let samples: Vec<Sample<'_>> = good
            .iter()
            .map(|record| Sample { values: &record.values, cluster: record.cluster.as_deref() })
            .collect();
        let parameters = Some(model.parameters);
        let scored = Scored { task, model: &model.label, parameters, failed: failed.len() };
        self.scores.extend(scored.scores(&samples));
        self.groups.extend(scored.group_scores(&samples));
        let mut footnotes = Vec::new();
        let truncated = records.iter().filter(|record| record.truncated_tokens > 0).count();
        let of_all = |count: usize| {
            format!(
                "{}: {} of {} samples",
                model.label,
                thousands(count as u64),
                thousands(records.len() as u64)
            )
        };
        if truncated > 0 {
            footnotes.push(format!("* {} are longer than the context and were truncated", of_all(truncated)));
        }
        if let Some(first) = failed.first() {
            let reason = first.error.as_deref().unwrap_or_default();
            footnotes.push(format!(
                "§ {} failed and are counted in no score; the first is {}: {reason}",
                of_all(failed.len()),
                first.id
            ));
        }
        if let Some(heading) = self.heading_of(task) {
            heading.footnotes.extend(footnotes);
            heading.truncated.extend((truncated > 0).then(|| model.label.clone()));
            let has_none = !records.is_empty() && failed.len() == records.len();
            heading.unmeasured.extend(has_none.then(|| model.label.clone()));
        }
    }

    /// Adds a footnote that a model has no scores on a task that was added before.
    pub fn add_failure(&mut self, model: &str, task: &FinishedTask, reason: &str) {
        if let Some(heading) = self.heading_of(task) {
            heading.footnotes.push(format!("§ {model}: not measured: {reason}"));
            heading.unmeasured.push(model.to_owned());
        }
    }

    fn heading_of(&mut self, task: &FinishedTask) -> Option<&mut Heading> {
        let label = task.measured.label.to_string();
        self.headings
            .iter_mut()
            .find(|heading| heading.task == task.measured.task && heading.protocol == label)
    }

    /// The rows of `scores.csv`.
    pub fn scores(&self) -> &[Score] {
        &self.scores
    }

    /// The rows of `breakdowns.csv`.
    pub fn groups(&self) -> &[GroupScore] {
        &self.groups
    }

    /// The tasks with their protocols, caveats and footnotes.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }

    /// Program, precision and device.
    pub fn made_by(&self) -> &str {
        &self.made_by
    }

    /// The line above tables: what made them, and the meaning of ± and of intervals.
    pub(super) fn byline(&self) -> String {
        format!("{}; ± is the standard error, [low, high] the 95 % interval", self.made_by)
    }

    /// Differences between the runs that affect a comparison; empty for a single run.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Notes on the runs together, such as scores that two runs share.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The paper's summary table with the measured scores.
    pub fn summary(&self) -> Summary {
        Summary::new(&self.headings, &self.scores)
    }

    /// The tables of the tasks.
    pub fn sections(&self) -> Vec<Section> {
        sections(&self.headings, &self.scores, &self.groups)
    }

    /// All tables: the summary, if it has several tasks, and those of the tasks.
    pub fn tables(&self) -> Vec<Section> {
        let summary = self.summary();
        let mut tables = if summary.tasks() < MIN_TASKS { Vec::new() } else { summary.sections() };
        tables.extend(self.sections());
        tables
    }

    /// Warnings and notes, as shown before the tables.
    pub fn preface(&self) -> Vec<String> {
        let warnings = self.warnings.iter().map(|warning| format!("Warning: {warning}"));
        warnings.chain(self.notes.iter().cloned()).collect()
    }
}
