//! `gpt2-eval --tasks … --sizes …`.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::arguments::RunArguments;
use super::observer::Reporter;
use super::one_model::start_threads;
use super::progress::Progress;
use super::provenance::Machine;
use super::stop::Stop;
use super::{Incomplete, Report, remote, report, resolve, results};
use crate::plan::{ModelSource, Plan};
use crate::record::{Identity, Manifest, Shard, Status};
use crate::report::{Format, Screen};
use crate::run::{Failures, Preflight, ReadyTask, RunDirectory, RunError, RunOptions, execute, write_inputs};
use crate::text::command_line;
use gpt2_model::engine::{SelfCheckError, check_device, default_batch_tokens};
use gpt2_model::{ComputeDevice, DeviceRequest};
use untrusted_input::thousands;

/// Runs what the command line asks for and returns the table.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<Report> {
    let wanted = resolve::wanted(arguments)?;
    let request: DeviceRequest = arguments.device.parse()?;
    start_threads(arguments.threads)?;
    let device = request.open()?;
    // Before anything is downloaded, all that is typed has been understood and the device is there.
    let (plan, hub_files) = remote::bring(wanted, arguments.offline, arguments.quiet)?;
    let preflight = Preflight::new(&plan, &device, arguments.fail_fast)?;
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
    let mut environment = machine.environment(&preflight, &device, batch_tokens);
    environment.hub = hub_files;
    let made_by = results::made_by(&preflight.identity, &environment);
    let tasks = preflight.tasks.iter().map(ReadyTask::measured).collect();
    let manifest = Manifest::begin(plan, preflight.identity.clone(), tasks, environment);
    let mut directory = RunDirectory::open(&path, manifest, arguments.fresh)?;

    let progress = Progress::new(preflight.total_tokens(), arguments.quiet);
    announce(&preflight, &device, &progress);
    let stop = Stop::listen()?;
    let options = RunOptions {
        device: &device,
        batch_tokens,
        fail_fast: arguments.fail_fast,
        stop_wanted: &|| stop.is_wanted(),
    };
    match measure(&preflight, &options, &mut directory, progress, made_by) {
        Ok((table, failures)) => end(&mut directory, &table, &failures, &arguments.format),
        Err(error) => Err(cut_off(&mut directory, error)),
    }
}

/// The table of a run that came to its end, and what failed in it.
fn end(
    directory: &mut RunDirectory,
    table: &str,
    failures: &Failures,
    formats: &[Format],
) -> anyhow::Result<Report> {
    let Failures { failed_samples, failed_tasks } = failures;
    let mut problems = failed_tasks.clone();
    if *failed_samples > 0 {
        problems.push(format!(
            "{} samples failed; the notes under the tables say why",
            thousands(*failed_samples as u64)
        ));
    }
    let problem = (!problems.is_empty()).then(|| problems.join("\n"));
    // A failed task lacks samples; failed samples are there, with their errors.
    let status = if failed_tasks.is_empty() { Status::Complete } else { Status::Failed };
    directory.end(status, *failed_samples, problem.clone())?;
    // From the files, as `gpt2-eval report` does it later.
    if !formats.is_empty() {
        report::write_formats(directory.path(), formats)?;
    }
    let text = format!("{table}{}\n", directory.path().display());
    let problem =
        problem.map(|problem| format!("{problem}\nrun the same command again to try what failed once more"));
    Ok(Report { text, problem })
}

/// What to say of a run that did not come to its end.
fn cut_off(directory: &mut RunDirectory, error: anyhow::Error) -> anyhow::Error {
    let path = directory.path().display().to_string();
    let cause = error.downcast_ref::<RunError>();
    let is_stopped = matches!(cause, Some(RunError::Stopped));
    // What is wrong with a journal or with the device's arithmetic, running again does not mend.
    let is_wrong = matches!(cause, Some(RunError::Journal(_))) || error.is::<SelfCheckError>();
    let status = if is_stopped { Status::Interrupted } else { Status::Failed };
    // The error itself is what counts, even if the manifest cannot be written either.
    let _ = directory.end(status, 0, Some(format!("{error:#}")));
    if is_wrong {
        return error.context(format!("the run in {path} is not complete"));
    }
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let reason = if is_stopped { "stopped".to_owned() } else { format!("{error:#}") };
    let remedy = format!("run the same command again to continue:\n  {}", command_line(&words));
    Incomplete(format!("{reason}; what was finished is in {path}; {remedy}")).into()
}

fn measure(
    preflight: &Preflight,
    options: &RunOptions<'_>,
    directory: &mut RunDirectory,
    progress: Progress,
    made_by: String,
) -> anyhow::Result<(String, Failures)> {
    write_inputs(directory.path(), preflight)?;
    let mut reporter = Reporter::new(directory.path(), preflight, progress, made_by)?;
    check_device(options.device)?;
    let failures = execute(preflight, options, directory, &mut reporter)?;
    Ok((reporter.finish().terminal(Screen::of_standard_output()), failures))
}

/// Says what is not as the user may expect.
fn announce(preflight: &Preflight, device: &ComputeDevice, progress: &Progress) {
    if device.backend() == "ndarray" {
        progress.note(
            "note: burn-ndarray is deprecated upstream as of Burn 0.22; flex, the default, is faster and gives the \
             same scores",
        );
    }
    let precision = preflight.precision;
    if !precision.is_native() {
        progress.note(&format!(
            "note: this processor has no simd_level for --precision {}; it is computed by other means, and f32 is \
             as fast or faster",
            precision.as_str()
        ));
    }
    if !device.is_host() {
        progress.note(&format!("note: checking {device} against the CPU; the first run compiles kernels"));
    }
    for model in &preflight.models {
        let is_directory = matches!(model.planned.source, ModelSource::Directory(_));
        if is_directory && model.checkpoint.tokenizer.is_bundled() {
            progress.note(&format!(
                "note: {} has no tokenizer files; GPT-2's own tokenizer is used",
                model.planned.label
            ));
        }
    }
}

/// `results/<tasks>-<models>-<hash>`: the same run has the same directory, so that the same command continues it.
fn default_directory(plan: &Plan, identity: &Identity) -> PathBuf {
    let several = |first: Option<&String>, count: usize, what: &str| match (first, count) {
        (Some(first), 1) => first.clone(),
        _ => format!("{count}-{what}"),
    };
    let tasks = several(plan.tasks.first().map(|task| &task.task), plan.tasks.len(), "tasks");
    let models = several(plan.models.first().map(|model| &model.label), plan.models.len(), "models");
    // The shards of a run have one directory.
    let json = serde_json::to_vec(&Identity { shard: None, ..identity.clone() }).unwrap_or_default();
    let hash = hex::encode(Sha256::digest(json));
    PathBuf::from("results").join(format!("{tasks}-{models}-{}", &hash[..8]))
}
