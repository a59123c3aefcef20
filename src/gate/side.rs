//! One of the two that are compared: a run directory or a baseline.

use std::path::Path;

use super::{BaselineTask, GateError, RegressionBaseline};
use crate::run::{FinishedRun, FinishedTask};

/// A run directory or a baseline that has been read.
#[derive(Debug)]
pub struct Side {
    /// As the user named it.
    pub name: String,
    /// What was measured.
    pub measured: RegressionBaseline,
    /// The run, where it is a run directory.
    pub run: Option<FinishedRun>,
}

impl Side {
    /// Reads a run directory.
    pub fn of_run(path: &Path) -> Result<Self, GateError> {
        let run = FinishedRun::open(path)?;
        let measured = RegressionBaseline::of_run(&run)?;
        Ok(Self { name: path.display().to_string(), measured, run: Some(run) })
    }

    /// Reads a run directory or the baseline in a file.
    pub fn open(path: &Path) -> Result<Self, GateError> {
        if path.is_file() {
            let measured = RegressionBaseline::read(path)?;
            return Ok(Self { name: path.display().to_string(), measured, run: None });
        }
        Self::of_run(path)
    }

    /// Name and content.
    pub fn named(&self) -> (&str, &RegressionBaseline) {
        (&self.name, &self.measured)
    }

    /// The run's files of one of its tasks, where it is a run directory.
    pub(super) fn task(&self, task: &BaselineTask) -> Option<&FinishedTask> {
        let is_own =
            |own: &&FinishedTask| own.measured.task == task.task && own.measured.label == task.protocol;
        self.run.as_ref()?.tasks.iter().find(is_own)
    }
}
