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
    Ok(Report { text, problem: problem(run, &results) })
}

/// Missing samples of a run, tasks without a value, or failed samples.
pub(super) fn problem(run: &FinishedRun, results: &Results) -> Option<Problem> {
    match (run.missing(), results.unmeasured(), run.failed()) {
        (0, [], 0) => None,
        (0, [], failed) => Some(Problem::Incomplete(format!("{} samples failed", thousands(failed as u64)))),
        (0, unmeasured, _) => Some(nothing_measured(unmeasured)),
        (missing, ..) => {
            Some(Problem::Incomplete(format!("{} samples are missing", thousands(missing as u64))))
        }
    }
}

/// The problem of a run with these tasks without a value.
pub(super) fn nothing_measured(unmeasured: &[String]) -> Problem {
    Problem::NothingMeasured(format!("no value was measured for:\n  {}", unmeasured.join("\n  ")))
}
