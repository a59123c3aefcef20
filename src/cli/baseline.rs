//! `gpt2-eval baseline`.

use std::path::PathBuf;

use clap::Args;

use super::output::{Incomplete, warn};
use crate::gate::RegressionBaseline;
use crate::run::FinishedRun;
use untrusted_input::thousands;

#[derive(Debug, Args)]
pub(super) struct BaselineArguments {
    /// Run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// The regression baseline of a run, as JSON.
pub(super) fn baseline(arguments: &BaselineArguments) -> anyhow::Result<String> {
    let run = FinishedRun::open(&arguments.run)?;
    let count = |samples: usize| thousands(samples as u64);
    if run.missing() > 0 {
        let reason = format!(
            "{}: {} samples are missing; finish the run before making a baseline of it",
            arguments.run.display(),
            count(run.missing())
        );
        return Err(Incomplete(reason).into());
    }
    if run.failed() > 0 {
        warn(&format!("{} samples failed; no gate compares them", count(run.failed())));
    }
    RegressionBaseline::of_run(&run)?.to_json()
}
