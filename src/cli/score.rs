//! `gpt2-eval score`.

use super::Report;
use super::arguments::ScoreArguments;
use super::results;
use crate::run::FinishedRun;

/// Computes the scores of a run again and writes its tables.
pub(super) fn score(arguments: &ScoreArguments) -> anyhow::Result<Report> {
    let run = FinishedRun::open(&arguments.run)?;
    results::write(&run)
}
