//! `gpt2-eval merge`.

use std::path::PathBuf;

use clap::Args;

use super::output::{Report, check_out};
use super::score::write_tables;
use crate::run::{FinishedRun, merge as merge_shards};

#[derive(Debug, Args)]
pub(super) struct MergeArguments {
    /// The run directory with all shards, or the directories of the shards
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    /// Directory of the merged run [default: the run directory with all shards]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Merges shards, computes the scores of the whole run and writes its tables.
pub(super) fn merge(arguments: &MergeArguments) -> anyhow::Result<Report> {
    arguments.out.as_deref().map_or(Ok(()), check_out)?;
    let path = merge_shards(&arguments.directories, arguments.out.as_deref())?;
    write_tables(&FinishedRun::open(&path)?)
}
