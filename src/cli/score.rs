//! `gpt2-eval score`.

use std::path::PathBuf;

use clap::Args;

use super::output::{Problem, Report};
use crate::report::{Results, Screen, run_tables, terminal_report};
use crate::run::{FinishedRun, write_atomically};
use untrusted_input::thousands;

#[derive(Debug, Args)]
pub(super) struct ScoreArguments {
    /// Run directory
    #[arg(value_name = "DIR")]
    run: PathBuf,
}

/// Recomputes the scores of a run and writes its tables.
pub(super) fn score(arguments: &ScoreArguments) -> anyhow::Result<Report> {
    write_tables(&FinishedRun::open(&arguments.run)?)
}

/// Writes the tables of a run into its directory, and returns them for the terminal.
pub(super) fn write_tables(run: &FinishedRun) -> anyhow::Result<Report> {
    let results = Results::of_run(run);
    for file in run_tables(&results)? {
        write_atomically(&run.path.join(&file.path), &file.content)?;
    }
    let text = format!("{}{}\n", terminal_report(&results, Screen::of_standard_output()), run.path.display());
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
