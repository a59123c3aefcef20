//! From a run's files to its tables.

use std::path::Path;

use super::{Problem, Report};
use crate::report::{Results, Screen};
use crate::run::{FinishedRun, RunError, write_atomically};
use untrusted_input::thousands;

/// Writes a run's tables into its directory and returns them for the terminal.
pub(super) fn write(run: &FinishedRun) -> anyhow::Result<Report> {
    let results = Results::of_run(run);
    for (name, content) in results.files()? {
        write_atomically(&run.path.join(name), &content)?;
    }
    let text = format!("{}{}\n", results.terminal(Screen::of_standard_output()), run.path.display());
    Ok(Report { text, problem: problem(run).map(Problem::Incomplete) })
}

/// Missing or failed samples of a run.
pub(super) fn problem(run: &FinishedRun) -> Option<String> {
    match (run.missing(), run.failed()) {
        (0, 0) => None,
        (0, failed) => Some(format!("{} samples failed", thousands(failed as u64))),
        (missing, _) => Some(format!("{} samples are missing", thousands(missing as u64))),
    }
}

/// The same for a file that cannot be made of scores.
pub(super) fn write_error(path: &Path, error: csv::Error) -> RunError {
    RunError::write(path, &std::io::Error::other(error))
}
