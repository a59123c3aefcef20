//! Everything that a run's tables are made of, and the files that they become.

use std::collections::BTreeMap;

use super::{
    Caveat, Heading, ScoredTask, Screen, Section, Summary, group_scores_csv, independent_samples, latex,
    markdown, samples_of, score_groups, score_samples, scores_csv, sections, terminal,
};
use crate::record::{GroupScore, MeasuredTask, ModelIdentity, SampleResult, Score};
use text_metrics::SampleValues;
use text_metrics::{Breakdown, Metric};
use untrusted_input::thousands;

/// What a protocol's label does not say of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// Whether it is the protocol that the task's bare name means.
    pub is_default: bool,
    /// Options that it always has.
    pub own_options: Option<&'a BTreeMap<String, String>>,
    /// Tokens between two windows, where the task reads windows.
    pub stride: Option<usize>,
    /// Solved examples in the prompt, where the task takes them.
    pub shots: Option<usize>,
}

/// A task as its tables need it.
#[derive(Debug, Clone, Copy)]
pub struct TaskResults<'a> {
    /// Name, protocol, numbers of records.
    pub measured: &'a MeasuredTask,
    /// Its name in tables.
    pub title: &'a str,
    /// What is computed.
    pub metrics: &'a [Metric],
    /// What is computed of groups of samples.
    pub breakdowns: &'a [Breakdown],
    /// What its label does not say.
    pub terms: Terms<'a>,
}

/// The scores of a run as far as it has come, or of several together.
#[derive(Debug, Clone, Default)]
pub struct Results {
    pub(super) headings: Vec<Heading>,
    pub(super) scores: Vec<Score>,
    pub(super) groups: Vec<GroupScore>,
    pub(super) made_by: String,
    pub(super) warnings: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Fewest tasks for which there is a summary before their own tables.
const MIN_TASKS: usize = 2;

impl Results {
    /// No task yet; `made_by` names program, precision and device.
    pub fn new(made_by: String) -> Self {
        Self { made_by, ..Self::default() }
    }

    /// Scores as a test wants them.
    #[cfg(test)]
    pub(super) fn of_scores(headings: Vec<Heading>, scores: Vec<Score>, groups: Vec<GroupScore>) -> Self {
        Self { headings, scores, groups, made_by: "made by a test".to_owned(), ..Self::default() }
    }

    /// Adds a task with what methods without a model score on it.
    pub fn add_task(&mut self, task: TaskResults<'_>, baselines: &[(String, Vec<SampleValues>)]) {
        let MeasuredTask { task: name, protocol, label, records, .. } = task.measured;
        let is_other = |(option, value): &(&String, &String)| {
            task.terms.own_options.and_then(|own| own.get(*option)) != Some(*value)
        };
        let others =
            protocol.options.iter().filter(is_other).map(|(option, value)| format!("{option}={value}"));
        self.headings.push(Heading {
            task: name.clone(),
            title: task.title.to_owned(),
            protocol: label.to_string(),
            is_default: task.terms.is_default,
            other_options: others.collect::<Vec<_>>().join(","),
            stride: task.terms.stride,
            shots: task.terms.shots,
            metrics: task.metrics.iter().map(|metric| metric.name.to_owned()).collect(),
            caveats: Caveat::of_label(label, *records),
            ..Heading::default()
        });
        for (method, values) in baselines {
            let of = ScoredTask { model: method, parameters: None, task: name, protocol, label, failed: 0 };
            self.scores.extend(score_samples(of, task.metrics, &independent_samples(values)));
        }
    }

    /// Adds what a model scored on a task that was added before.
    pub fn add_model(&mut self, model: &ModelIdentity, task: TaskResults<'_>, records: &[SampleResult]) {
        let MeasuredTask { task: name, protocol, label, .. } = task.measured;
        let failed: Vec<&SampleResult> = records.iter().filter(|record| record.error.is_some()).collect();
        let of = ScoredTask {
            model: &model.label,
            parameters: Some(model.parameters),
            task: name,
            protocol,
            label,
            failed: failed.len(),
        };
        let samples = samples_of(records);
        self.scores.extend(score_samples(of, task.metrics, &samples));
        self.groups.extend(score_groups(of, task.breakdowns, &samples));
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
            footnotes.push(format!("* {} are longer than the window and lost tokens", of_all(truncated)));
        }
        if let Some(first) = failed.first() {
            let reason = first.error.as_deref().unwrap_or_default();
            footnotes.push(format!(
                "§ {} failed and are counted in no score; the first, {}: {reason}",
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

    /// Says that a model has no scores on a task that was added before.
    pub fn add_failure(&mut self, model: &str, task: TaskResults<'_>, reason: &str) {
        if let Some(heading) = self.heading_of(task) {
            heading.footnotes.push(format!("§ {model}: not measured: {reason}"));
            heading.unmeasured.push(model.to_owned());
        }
    }

    fn heading_of(&mut self, task: TaskResults<'_>) -> Option<&mut Heading> {
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

    /// The line above tables: what made them, and the meaning of ±.
    pub(super) fn byline(&self) -> String {
        format!("{}; ± is the standard error", self.made_by)
    }

    /// In what the runs differ that a reader must know of; nothing for a single run.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Notes on the runs together, such as scores that two runs share.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The paper's own table, with our numbers.
    pub fn summary(&self) -> Summary {
        Summary::new(&self.headings, &self.scores)
    }

    /// The tables of the tasks.
    pub fn sections(&self) -> Vec<Section> {
        sections(&self.headings, &self.scores, &self.groups)
    }

    /// The tables for people: the summary, if there are several tasks for it, and those of the tasks.
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

    /// `scores.csv`, `breakdowns.csv` and `table.md`.
    ///
    /// `Err` if a row cannot be written, which no score brings about.
    pub fn files(&self) -> Result<[(&'static str, Vec<u8>); 3], csv::Error> {
        Ok([
            ("scores.csv", scores_csv(&self.scores)?),
            ("breakdowns.csv", group_scores_csv(&self.groups)?),
            ("table.md", self.markdown().into_bytes()),
        ])
    }

    /// The tables of the terminal.
    pub fn terminal(&self, screen: Screen) -> String {
        let mut preface: String = self.preface().iter().map(|line| format!("{line}\n")).collect();
        if !preface.is_empty() {
            preface.push('\n');
        }
        preface + &terminal(&self.tables(), screen)
    }

    /// `table.md`.
    pub fn markdown(&self) -> String {
        markdown(&self.tables(), &self.byline(), &self.preface())
    }

    /// `table.tex`.
    pub fn latex(&self) -> String {
        latex(&self.tables(), &self.byline(), &self.preface())
    }
}
