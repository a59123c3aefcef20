//! Watches a run: progress on the terminal, reports in the run directory after every task.

use std::path::{Path, PathBuf};

use super::progress::Progress;
use crate::record::{GroupScore, ModelIdentity, SampleRecord, Score};
use crate::report::{
    Heading, Mark, ScoredTask, Section, group_scores_csv, independent_samples, markdown, samples_of,
    score_groups, score_samples, scores_csv, sections,
};
use crate::run::{Observer, Preflight, ReadyTask, RunError, write_atomically};
use crate::tasks;
use crate::text::thousands;

/// Writes `scores.csv`, `breakdowns.csv` and `table.md` as the run goes.
pub(super) struct Reporter {
    directory: PathBuf,
    progress: Progress,
    headings: Vec<Heading>,
    scores: Vec<Score>,
    groups: Vec<GroupScore>,
    made_by: String,
}

impl Reporter {
    /// Opens the reports: they exist, empty, before the first forward pass.
    pub fn new(
        directory: &Path,
        preflight: &Preflight,
        progress: Progress,
        made_by: String,
    ) -> Result<Self, RunError> {
        let headings = preflight
            .tasks
            .iter()
            .map(|task| Heading {
                task: task.planned.task.clone(),
                title: tasks::find(&task.planned.task)
                    .map_or_else(|| task.planned.task.clone(), |known| known.card().title.clone()),
                protocol: task.label.to_string(),
                metrics: task.metrics.iter().map(|metric| metric.name.to_owned()).collect(),
                marks: Mark::of_label(&task.label, task.loaded.len()),
                notes: Vec::new(),
            })
            .collect();
        let scores = preflight.tasks.iter().flat_map(baseline_scores).collect();
        let directory = directory.to_owned();
        let reporter = Self { directory, progress, headings, scores, groups: Vec::new(), made_by };
        reporter.write()?;
        Ok(reporter)
    }

    fn write(&self) -> Result<(), RunError> {
        let path = self.directory.join("scores.csv");
        let csv = scores_csv(&self.scores)
            .map_err(|error| RunError::Write { path: path.clone(), source: std::io::Error::other(error) })?;
        write_atomically(&path, &csv)?;
        let path = self.directory.join("breakdowns.csv");
        let csv = group_scores_csv(&self.groups)
            .map_err(|error| RunError::Write { path: path.clone(), source: std::io::Error::other(error) })?;
        write_atomically(&path, &csv)?;
        let table = markdown(&sections(&self.headings, &self.scores, &self.groups), &self.made_by);
        write_atomically(&self.directory.join("table.md"), table.as_bytes())
    }

    /// Ends the progress and returns the tables.
    pub fn finish(self) -> Vec<Section> {
        self.progress.finish();
        sections(&self.headings, &self.scores, &self.groups)
    }
}

/// What methods without a model score.
fn baseline_scores(task: &ReadyTask) -> Vec<Score> {
    let of = |name: &'static str| ScoredTask {
        model: name,
        parameters: None,
        task: &task.planned.task,
        protocol: &task.planned.protocol,
        label: &task.label,
    };
    let baselines = task.loaded.baselines(&task.selected);
    baselines
        .iter()
        .flat_map(|baseline| {
            score_samples(of(baseline.name), &task.metrics, &independent_samples(&baseline.statistics))
        })
        .collect()
}

impl Observer for Reporter {
    fn begin(&mut self, model: &str, task: &str, resumed_tokens: u64) {
        self.progress.stage(format!("{model} {task}"), resumed_tokens);
    }

    fn progress(&mut self, tokens: usize) {
        self.progress.advance(tokens as u64);
    }

    fn finished(
        &mut self,
        model: &ModelIdentity,
        task: &ReadyTask,
        records: &[SampleRecord],
    ) -> Result<(), RunError> {
        let of = ScoredTask {
            model: &model.label,
            parameters: Some(model.parameters),
            task: &task.planned.task,
            protocol: &task.planned.protocol,
            label: &task.label,
        };
        let samples = samples_of(records);
        self.scores.extend(score_samples(of, &task.metrics, &samples));
        self.groups.extend(score_groups(of, &task.breakdowns, &samples));
        let truncated = records.iter().filter(|record| record.truncated_tokens > 0).count();
        let label = task.label.to_string();
        let heading = self
            .headings
            .iter_mut()
            .find(|heading| heading.task == task.planned.task && heading.protocol == label);
        if let Some(heading) = heading.filter(|_| truncated > 0) {
            heading.notes.push(format!(
                "{}: {} of {} samples are longer than the window and lost tokens",
                model.label,
                thousands(truncated as u64),
                thousands(records.len() as u64)
            ));
        }
        self.write()
    }
}
