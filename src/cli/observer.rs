//! Watches a run: progress on the terminal, reports in the run directory after every task.

use std::path::{Path, PathBuf};

use super::progress::Progress;
use super::results::{terms, write_error};
use crate::record::{MeasuredTask, ModelIdentity, SampleResult};
use crate::report::{Results, TaskResults};
use crate::run::{Observer, Preflight, ReadyTask, RunError, write_atomically};
use text_metrics::SampleValues;

/// Writes `scores.csv`, `breakdowns.csv` and `table.md` as the run goes.
pub(super) struct Reporter {
    directory: PathBuf,
    progress: Progress,
    results: Results,
}

impl Reporter {
    /// Opens the reports: they exist, with what methods without a model score, before the first forward pass.
    pub fn new(
        directory: &Path,
        preflight: &Preflight,
        progress: Progress,
        made_by: String,
    ) -> Result<Self, RunError> {
        let mut results = Results::new(made_by);
        for task in &preflight.tasks {
            let baselines: Vec<(String, Vec<SampleValues>)> = task
                .baselines
                .iter()
                .map(|baseline| (baseline.name.to_owned(), baseline.values.clone()))
                .collect();
            results.add_task(results_of(task, &task.measured()), &baselines);
        }
        let reporter = Self { directory: directory.to_owned(), progress, results };
        reporter.write()?;
        Ok(reporter)
    }

    fn write(&self) -> Result<(), RunError> {
        let files = self.results.files().map_err(|error| write_error(self.directory.clone(), error))?;
        files.iter().try_for_each(|(name, content)| write_atomically(&self.directory.join(name), content))
    }

    /// Ends the progress and returns what the tables are made of.
    pub fn finish(self) -> Results {
        self.progress.finish();
        self.results
    }
}

fn results_of<'a>(task: &'a ReadyTask, measured: &'a MeasuredTask) -> TaskResults<'a> {
    TaskResults {
        measured,
        title: &task.config.title,
        metrics: &task.metrics,
        breakdowns: &task.breakdowns,
        terms: terms(task.config, &measured.protocol),
    }
}

impl Observer for Reporter {
    fn begin(&mut self, model: &str, task: &str, resumed_tokens: u64) {
        self.progress.stage(format!("{model} {task}"), resumed_tokens);
    }

    fn progress(&mut self, tokens: usize) {
        self.progress.advance(tokens as u64);
    }

    fn note(&mut self, text: &str) {
        self.progress.note(text);
    }

    fn finished(
        &mut self,
        model: &ModelIdentity,
        task: &ReadyTask,
        records: &[SampleResult],
    ) -> Result<(), RunError> {
        self.results.add_model(model, results_of(task, &task.measured()), records);
        self.write()
    }

    fn task_failed(&mut self, model: &str, task: &ReadyTask, error: &RunError) -> Result<(), RunError> {
        self.progress.note(&format!("{} on {model} failed: {error}", task.planned.task));
        self.results.add_failure(model, results_of(task, &task.measured()), &error.to_string());
        self.write()
    }
}
