//! `gpt2-eval score`.

use std::path::PathBuf;

use clap::Args;

use super::{Report, results};
use crate::run::FinishedRun;

#[derive(Debug, Args)]
pub(super) struct ScoreArguments {
    /// Run directory
    #[arg(value_name = "DIR")]
    run: PathBuf,
}

/// Recomputes the scores of a run and writes its tables.
pub(super) fn score(arguments: &ScoreArguments) -> anyhow::Result<Report> {
    let run = FinishedRun::open(&arguments.run)?;
    results::write(&run)
}
