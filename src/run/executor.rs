//! Runs a plan after its preflight: model after model, task after task, continuing from what the journals have.

use super::preflight::Preflight;
use super::task_run::TaskRun;
use super::{Observer, RunDirectory, RunError, RunOptions};
use gpt2_model::engine::Backend;

/// Samples and tasks that failed in a run that came to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// Samples with an error instead of values.
    pub failed_samples: usize,
    /// Those of them that fail in every attempt: their model cannot run them, or computes the same on every attempt.
    pub lasting_samples: usize,
    /// `task on model: reason` for each task without scores.
    pub failed_tasks: Vec<String>,
}

/// Runs all tasks on all models; the journals grow as the run goes. Opens and checks every journal before the first
/// forward pass.
///
/// `Err` if the run cannot continue: the user stopped it, a file cannot be written, a journal is damaged, or the first
/// failure with [`RunOptions::fail_fast`].
pub fn execute(
    preflight: &Preflight,
    options: &RunOptions<'_>,
    directory: &mut RunDirectory,
    observer: &mut dyn Observer,
) -> Result<Failures, RunError> {
    let mut opened = Vec::new();
    for model in &preflight.models {
        let tasks = 0..preflight.tasks.len();
        let runs: Result<Vec<_>, _> =
            tasks.map(|number| TaskRun::open(preflight, options, model, number, directory)).collect();
        opened.push((model, runs?));
    }
    let mut failures = Failures::default();
    for (model, runs) in opened {
        // Loaded for the first sample without a result: a finished run is shown at once.
        let mut loaded: Option<Box<dyn Backend>> = None;
        for (number, run) in runs.into_iter().enumerate() {
            match run.run(&mut loaded, directory, observer) {
                Ok(failed) => {
                    let unfit = model.work[number].iter().filter(|work| work.is_err()).count();
                    failures.failed_samples += failed;
                    // A CPU computes the same again; a GPU may not.
                    failures.lasting_samples += if options.device.is_host() { failed } else { unfit };
                }
                Err(error) if error.affects_only_this_task() && !options.fail_fast => {
                    let (task, label) = (&preflight.tasks[number].planned.task, &model.planned.label);
                    observer.task_failed(&model.identity, number, &error)?;
                    failures.failed_tasks.push(format!("{task} on {label}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(failures)
}
