//! `gpt2-eval merge`.

use super::Report;
use super::arguments::MergeArguments;
use super::results;
use crate::run::{FinishedRun, merge as merge_shards};

/// Puts shards together, computes the scores of the whole run and writes its tables.
pub(super) fn merge(arguments: &MergeArguments) -> anyhow::Result<Report> {
    let path = merge_shards(&arguments.directories, arguments.out.as_deref())?;
    results::write(&FinishedRun::open(&path)?)
}
