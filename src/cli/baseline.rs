//! `gpt2-eval baseline`.

use std::path::PathBuf;

use anyhow::anyhow;
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
    refuse_unfinished(&run)?;
    let baseline = RegressionBaseline::of_run(&run)?;
    baseline.check_measured().map_err(|reason| {
        let path = arguments.run.display();
        anyhow!("{path}: {reason}: no gate could compare it; run it again, without the task if it cannot be measured")
    })?;
    if run.failed() > 0 {
        warn(&format!("{} samples failed; no gate compares them", thousands(run.failed() as u64)));
    }
    for warning in baseline.warnings()? {
        warn(&warning);
    }
    baseline.to_json()
}

/// Refuses a baseline of a run that has not finished: a gate would compare what happens to be there.
pub(super) fn refuse_unfinished(run: &FinishedRun) -> anyhow::Result<()> {
    if run.missing() == 0 {
        return Ok(());
    }
    let reason = format!(
        "{}: {} samples are missing; finish the run before making a baseline of it",
        run.path.display(),
        thousands(run.missing() as u64)
    );
    Err(Incomplete(reason).into())
}
