//! From a run's files to its tables.

use super::{Problem, Report};
use crate::record::{Environment, Identity, Protocol};
use crate::report::{Results, Screen, TaskResults, Terms};
use crate::run::{FinishedRun, FinishedTask, RunError, write_atomically};
use crate::tasks::{PAPER_STRIDE, TaskConfig};
use untrusted_input::thousands;

/// Program, precision and device.
pub(super) fn made_by(identity: &Identity, environment: &Environment) -> String {
    format!("gpt2-eval {}, {} on {}", environment.program_version, identity.dtype, environment.device)
}

/// What a run's tables are made of.
pub(super) fn of_run(run: &FinishedRun) -> Results {
    let mut results = Results::new(made_by(&run.manifest.identity, &run.manifest.environment));
    for task in &run.tasks {
        results.add_task(task_results(task), &task.baselines);
    }
    // In the order in which a run computes them.
    for (number, model) in run.manifest.identity.models.iter().enumerate() {
        for task in &run.tasks {
            let Some(records) = task.records.get(number) else { continue };
            if records.len() < task.measured.samples {
                let reason = format!(
                    "{} of {} samples are there; run the same command again to continue",
                    thousands(records.len() as u64),
                    thousands(task.measured.samples as u64)
                );
                results.add_failure(&model.label, task_results(task), &reason);
            } else {
                results.add_model(model, task_results(task), records);
            }
        }
    }
    results
}

pub(super) fn task_results(task: &FinishedTask) -> TaskResults<'_> {
    let FinishedTask { measured, config, metrics, breakdowns, .. } = task;
    let terms = terms(config, &measured.protocol);
    TaskResults { measured, title: &config.title, metrics, breakdowns, terms }
}

/// What a protocol's label leaves out because it goes without saying.
pub(super) fn terms<'a>(config: &'a TaskConfig, protocol: &Protocol) -> Terms<'a> {
    let known = config.protocol(&protocol.name);
    let takes = |option: &str| known.is_some_and(|known| known.options.iter().any(|name| name == option));
    let number = |option: &str| protocol.options.get(option).and_then(|value| value.parse().ok());
    // The cards of users' own tasks have strides of their own.
    let has_paper_stride = takes("stride") && protocol.name != Protocol::CUSTOM;
    Terms {
        is_default: config.default_protocol() == protocol.name,
        own_options: known.map(|known| &known.defaults),
        stride: number("stride").or_else(|| has_paper_stride.then_some(PAPER_STRIDE)),
        shots: number("shots").or_else(|| takes("shots").then_some(0)),
    }
}

/// Writes a run's tables into its directory and returns them for the terminal.
pub(super) fn write(run: &FinishedRun) -> anyhow::Result<Report> {
    let results = of_run(run);
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
pub(super) fn write_error(path: std::path::PathBuf, error: csv::Error) -> RunError {
    RunError::Write { path, source: std::io::Error::other(error) }
}
