//! `gpt2-eval --tasks … --sizes …`.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::machine::Machine;
use super::observer::Reporter;
use super::output::{Incomplete, Problem, Report, check_out, describe};
use super::progress::Progress;
use super::report;
use super::resolve::{RunArguments, RunChoice};
use super::score::nothing_measured;
use super::stop::Stop;
use crate::plan::{ModelSource, Plan};
use crate::record::{Identity, Manifest, Shard, Status};
use crate::report::{Format, Results, Screen, made_by, terminal_report};
use crate::run::{Failures, LoadedTask, Preflight, RunDirectory, RunError, RunOptions, execute};
use crate::text::command_line;
use gpt2_model::ComputeDevice;
use gpt2_model::engine::{SelfCheckError, check_device, default_batch_tokens};
use untrusted_input::thousands;

/// Runs the tasks and returns the table.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<Report> {
    // Arguments and device are checked before anything is downloaded.
    arguments.out.as_deref().map_or(Ok(()), check_out)?;
    let choice = RunChoice::new(arguments)?;
    let device = arguments.compute.open_device()?;
    finished_run(arguments, choice, &device).map(|(_, report)| report)
}

/// Runs a choice on a device that is open, in a run directory, and returns the results with their table.
pub(super) fn finished_run(
    arguments: &RunArguments,
    choice: RunChoice,
    device: &ComputeDevice,
) -> anyhow::Result<(Results, Report)> {
    let (plan, hub_files) = choice.provision(arguments.compute.offline, arguments.quiet)?;
    let mut preflight = Preflight::new(&plan, device, arguments.fail_fast)?;
    let machine = Machine::new();
    let batch_tokens = arguments.batch_tokens.unwrap_or_else(|| {
        let configs = preflight.models.iter().map(|model| &model.checkpoint.config);
        default_batch_tokens(configs, machine.available_bytes(), device.largest_buffer_bytes())
    });
    let whole = arguments.out.clone().unwrap_or_else(|| default_directory(&plan, &preflight.identity));
    let path = match plan.shard {
        Some(Shard { index, count }) => whole.join("shards").join(format!("{index}-of-{count}")),
        None => whole,
    };
    let mut environment = machine.environment(&preflight, device, batch_tokens);
    environment.hub = hub_files;
    let made_by = made_by(&preflight.identity, &environment);
    let tasks = preflight.tasks.iter().map(LoadedTask::measured).collect();
    let manifest = Manifest::begin(plan, preflight.identity.clone(), tasks, environment);
    let mut directory = RunDirectory::open(&path, manifest, arguments.fresh)?;

    let progress = Progress::of_tokens(preflight.total_tokens(), arguments.quiet);
    announce(&preflight, device, &progress);
    let stop = Stop::listen()?;
    let options = RunOptions {
        device,
        batch_tokens,
        fail_fast: arguments.fail_fast,
        stop_wanted: &|| stop.is_wanted(),
    };
    match measure(&mut preflight, &options, &mut directory, progress, made_by) {
        Ok((results, failures)) => {
            let report = end(&mut directory, &results, &failures, &arguments.format)?;
            Ok((results, report))
        }
        Err(error) => Err(cut_off(&mut directory, error)),
    }
}

/// The table of a finished run, and what failed in it.
fn end(
    directory: &mut RunDirectory,
    results: &Results,
    failures: &Failures,
    formats: &[Format],
) -> anyhow::Result<Report> {
    let Failures { failed_samples, lasting_samples, failed_tasks } = failures;
    let mut problems = failed_tasks.clone();
    if *failed_samples > 0 {
        problems.push(format!(
            "{} samples failed; the footnotes of the tables say why",
            thousands(*failed_samples as u64)
        ));
    }
    let failed = (!problems.is_empty()).then(|| problems.join("\n"));
    // A task whose device failed may have values when it is run again.
    let problem = match (failed_tasks.as_slice(), results.unmeasured(), &failed) {
        ([], unmeasured @ [_, ..], _) => Some(nothing_measured(unmeasured)),
        (_, _, Some(failed)) if failed_samples > lasting_samples || !failed_tasks.is_empty() => {
            Some(Problem::Incomplete(format!("{failed}\nrun the same command again to retry what failed")))
        }
        (_, _, Some(failed)) => Some(Problem::Incomplete(failed.clone())),
        (_, _, None) => None,
    };
    // A failed task lacks samples; a failed sample has a record with its error.
    let status = if failed_tasks.is_empty() { Status::Complete } else { Status::Failed };
    let error = failed.or_else(|| problem.as_ref().map(|problem| problem.text().to_owned()));
    directory.end(status, *failed_samples, error)?;
    if !formats.is_empty() {
        report::write_formats(directory.path(), formats)?;
    }
    let table = terminal_report(results, Screen::of_standard_output());
    Ok(Report { text: format!("{table}{}\n", directory.path().display()), problem })
}

/// The error of a run that ended early.
fn cut_off(directory: &mut RunDirectory, error: anyhow::Error) -> anyhow::Error {
    let path = directory.path().display().to_string();
    let cause = error.downcast_ref::<RunError>();
    let is_stopped = matches!(cause, Some(RunError::Stopped));
    // A damaged journal or wrong arithmetic of the device does not go away.
    let is_wrong = matches!(cause, Some(RunError::Journal(_))) || error.is::<SelfCheckError>();
    let status = if is_stopped { Status::Interrupted } else { Status::Failed };
    // If the manifest cannot be written either, the first error is the one to report.
    let _ = directory.end(status, 0, Some(describe(&error)));
    if is_wrong {
        return error.context(format!("the run in {path} is incomplete"));
    }
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let reason = if is_stopped { "stopped".to_owned() } else { describe(&error) };
    let remedy = format!("run the same command again to continue:\n  {}", command_line(&words));
    Incomplete(format!("{reason}; finished samples are in {path}; {remedy}")).into()
}

fn measure(
    preflight: &mut Preflight,
    options: &RunOptions<'_>,
    directory: &mut RunDirectory,
    progress: Progress,
    made_by: String,
) -> anyhow::Result<(Results, Failures)> {
    preflight.write_inputs(directory.path())?;
    let mut reporter = Reporter::new(directory.path(), preflight, progress, made_by)?;
    check_device(options.device)?;
    let failures = execute(preflight, options, directory, &mut reporter)?;
    Ok((reporter.finish(), failures))
}

/// Notes what users may not expect.
fn announce(preflight: &Preflight, device: &ComputeDevice, progress: &Progress) {
    if device.backend() == "ndarray" {
        progress.note(
            "warning: burn-ndarray is deprecated upstream as of Burn 0.22: use --device cpu, which is faster and gives \
             the same scores",
        );
    }
    let precision = preflight.precision;
    if !precision.is_native() {
        progress.note(&format!(
            "warning: this CPU has no instructions for --precision {}: it is emulated, and --precision f32 is as \
             fast or faster",
            precision.as_str()
        ));
    }
    if !device.is_host() {
        progress.note(&format!("note: checking {device} against the CPU; the first run compiles kernels"));
    }
    for data in preflight.data_notes() {
        for note in &data.notes {
            progress.note(&format!("note: task {}: {note}", data.task));
        }
    }
    for model in &preflight.models {
        let is_directory = matches!(model.planned.source, ModelSource::Directory(_));
        if is_directory && model.checkpoint.tokenizer.is_bundled() {
            progress.note(&format!(
                "note: model {} has no tokenizer files; GPT-2's tokenizer is used",
                model.planned.label
            ));
        }
        for note in &model.checkpoint.notes {
            progress.note(&format!("note: model {}: {note}", model.planned.label));
        }
    }
}

/// `results/<tasks>-<models>-<hash>`: the same command has the same directory and continues its run.
fn default_directory(plan: &Plan, identity: &Identity) -> PathBuf {
    let several = |first: Option<&String>, count: usize, what: &str| match (first, count) {
        (Some(first), 1) => first.clone(),
        _ => format!("{count}-{what}"),
    };
    let tasks = several(plan.tasks.first().map(|task| &task.task), plan.tasks.len(), "tasks");
    let models = several(plan.models.first().map(|model| &model.label), plan.models.len(), "models");
    // All shards of a run have the same directory.
    let json = serde_json::to_vec(&Identity { shard: None, ..identity.clone() }).unwrap_or_default();
    let hash = hex::encode(Sha256::digest(json));
    PathBuf::from("results").join(format!("{tasks}-{models}-{}", &hash[..8]))
}
