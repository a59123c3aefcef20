//! Everything that a run's tables are made of, and the files that they become.

use super::{
    Heading, Mark, ScoredTask, Section, group_scores_csv, independent_samples, markdown, samples_of,
    score_groups, score_samples, scores_csv, sections,
};
use crate::metrics::{Breakdown, Metric};
use crate::record::{GroupScore, MeasuredTask, ModelIdentity, SampleRecord, Score, Statistics};
use crate::text::thousands;

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
}

/// The scores of a run as far as it has come.
#[derive(Debug, Default)]
pub struct Results {
    headings: Vec<Heading>,
    scores: Vec<Score>,
    groups: Vec<GroupScore>,
    made_by: String,
}

impl Results {
    /// No task yet; `made_by` names program, precision and device.
    pub fn new(made_by: String) -> Self {
        Self { made_by, ..Self::default() }
    }

    /// Adds a task with what methods without a model score on it.
    pub fn add_task(&mut self, task: TaskResults<'_>, baselines: &[(String, Vec<Statistics>)]) {
        let MeasuredTask { task: name, protocol, label, records, .. } = task.measured;
        self.headings.push(Heading {
            task: name.clone(),
            title: task.title.to_owned(),
            protocol: label.to_string(),
            metrics: task.metrics.iter().map(|metric| metric.name.to_owned()).collect(),
            marks: Mark::of_label(label, *records),
            notes: Vec::new(),
        });
        for (method, statistics) in baselines {
            let of = ScoredTask { model: method, parameters: None, task: name, protocol, label, failed: 0 };
            self.scores.extend(score_samples(of, task.metrics, &independent_samples(statistics)));
        }
    }

    /// Adds what a model scored on a task that was added before.
    pub fn add_model(&mut self, model: &ModelIdentity, task: TaskResults<'_>, records: &[SampleRecord]) {
        let MeasuredTask { task: name, protocol, label, .. } = task.measured;
        let failed: Vec<&SampleRecord> = records.iter().filter(|record| record.error.is_some()).collect();
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
        let mut notes = Vec::new();
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
            notes.push(format!("{} are longer than the window and lost tokens", of_all(truncated)));
        }
        if let Some(first) = failed.first() {
            let reason = first.error.as_deref().unwrap_or_default();
            notes.push(format!(
                "§ {} failed and are counted in no score; the first, {}: {reason}",
                of_all(failed.len()),
                first.id
            ));
        }
        self.note(task, notes);
    }

    /// Says that a model has no scores on a task that was added before.
    pub fn add_failure(&mut self, model: &str, task: TaskResults<'_>, reason: &str) {
        self.note(task, vec![format!("§ {model}: not measured: {reason}")]);
    }

    fn note(&mut self, task: TaskResults<'_>, notes: Vec<String>) {
        let label = task.measured.label.to_string();
        let is_own = |heading: &&mut Heading| heading.task == task.measured.task && heading.protocol == label;
        if let Some(heading) = self.headings.iter_mut().find(is_own) {
            heading.notes.extend(notes);
        }
    }

    /// The rows of `scores.csv`.
    pub fn scores(&self) -> &[Score] {
        &self.scores
    }

    /// The rows of `breakdowns.csv`.
    pub fn groups(&self) -> &[GroupScore] {
        &self.groups
    }

    /// The tasks with their protocols, reservations and remarks.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }

    /// Program, precision and device.
    pub fn made_by(&self) -> &str {
        &self.made_by
    }

    /// The tables.
    pub fn sections(&self) -> Vec<Section> {
        sections(&self.headings, &self.scores, &self.groups)
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

    /// `table.md`.
    pub fn markdown(&self) -> String {
        markdown(&self.sections(), &self.made_by)
    }
}
