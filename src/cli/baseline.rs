//! `gpt2-eval baseline`.

use super::arguments::BaselineArguments;
use super::{Incomplete, say};
use crate::gate::RegressionBaseline;
use crate::run::FinishedRun;
use untrusted_input::thousands;

/// What a gate needs of a run, as JSON.
pub(super) fn baseline(arguments: &BaselineArguments) -> anyhow::Result<String> {
    let run = FinishedRun::open(&arguments.run)?;
    let count = |samples: usize| thousands(samples as u64);
    if run.missing() > 0 {
        let reason = format!(
            "{}: {} samples are missing; finish the run before it becomes a baseline",
            arguments.run.display(),
            count(run.missing())
        );
        return Err(Incomplete(reason).into());
    }
    if run.failed() > 0 {
        say(&format!("note: {} samples failed; no gate compares them", count(run.failed())));
    }
    RegressionBaseline::of_run(&run)?.to_json()
}
