//! Observes a run: shows progress, and updates the tables in the run directory after every task.

use std::path::{Path, PathBuf};

use super::progress::Progress;
use crate::record::{ModelIdentity, SampleResult};
use crate::report::{Results, run_tables};
use crate::run::{FinishedTask, Observer, Preflight, RunError, write_atomically};

/// Keeps `scores.csv`, `breakdowns.csv` and `table.md` up to date.
pub(super) struct Reporter {
    directory: PathBuf,
    progress: Progress,
    results: Results,
    /// Without their samples, which are scored when a task is finished.
    tasks: Vec<FinishedTask>,
}

impl Reporter {
    /// Writes the first tables, with heuristic baselines only, before the first forward pass.
    pub fn new(
        directory: &Path,
        preflight: &Preflight,
        progress: Progress,
        made_by: String,
    ) -> Result<Self, RunError> {
        let mut results = Results::new(made_by);
        let tasks = preflight.finished_tasks()?;
        for task in &tasks {
            results.add_task(task, &preflight.identity.models);
        }
        let reporter = Self { directory: directory.to_owned(), progress, results, tasks };
        reporter.write()?;
        Ok(reporter)
    }

    fn write(&self) -> Result<(), RunError> {
        let write_error =
            |error: anyhow::Error| RunError::write(&self.directory, &std::io::Error::other(error));
        let files = run_tables(&self.results).map_err(write_error)?;
        files.iter().try_for_each(|file| write_atomically(&self.directory.join(&file.path), &file.content))
    }

    /// Removes the progress bar and returns the results.
    pub fn finish(self) -> Results {
        self.progress.finish();
        self.results
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
        task: usize,
        records: &[SampleResult],
    ) -> Result<(), RunError> {
        let Some(task) = self.tasks.get(task) else { return Ok(()) };
        self.results.add_model(model, task, records);
        self.write()
    }

    fn task_failed(&mut self, model: &ModelIdentity, task: usize, error: &RunError) -> Result<(), RunError> {
        let Some(task) = self.tasks.get(task) else { return Ok(()) };
        self.progress.note(&format!("{} on {} failed: {error}", task.measured.task, model.label));
        self.results.add_failure(model, task, &error.to_string());
        self.write()
    }
}
