//! `gpt2-eval --tasks … --sizes …`.

use std::path::PathBuf;

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::arguments::RunArguments;
use super::observer::Reporter;
use super::progress::Progress;
use super::provenance::Machine;
use super::resolve;
use crate::engine::{check_device, default_batch_tokens};
use crate::model::{ComputeDevice, DeviceRequest};
use crate::plan::{ModelSource, Plan};
use crate::record::{Identity, Manifest, Status};
use crate::report::{terminal, terminal_width};
use crate::run::{Preflight, RunDirectory, RunOptions, execute};
use crate::text::hexadecimal;

/// Runs what the command line asks for and returns the table.
pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<String> {
    let plan = resolve::plan(arguments)?;
    let request: DeviceRequest = arguments.device.parse()?;
    if let Some(threads) = arguments.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start the threads")?;
    }
    let device = request.open()?;
    let preflight = Preflight::new(&plan, &device)?;
    let machine = Machine::new();
    let batch_tokens = arguments.batch_tokens.unwrap_or_else(|| {
        let configs = preflight.models.iter().map(|model| &model.checkpoint.config);
        default_batch_tokens(configs, machine.available_bytes(), device.largest_buffer_bytes())
    });
    let path = arguments.out.clone().unwrap_or_else(|| default_directory(&plan, &preflight.identity));
    let environment = machine.environment(&preflight, &device, batch_tokens);
    let manifest = Manifest::begin(plan, preflight.identity.clone(), environment);
    let mut directory = RunDirectory::open(&path, manifest)?;

    let progress = Progress::new(preflight.total_tokens(), arguments.quiet);
    announce(&preflight, &device, &progress);
    let outcome = measure(&preflight, &device, batch_tokens, &mut directory, progress);
    match outcome {
        Ok(table) => {
            directory.end(Status::Complete, None)?;
            Ok(format!("{table}{}\n", path.display()))
        }
        Err(error) => {
            // The error itself is what counts, even if the manifest cannot be written either.
            let _ = directory.end(Status::Failed, Some(format!("{error:#}")));
            Err(error.context(format!("the run in {} is not complete", path.display())))
        }
    }
}

fn measure(
    preflight: &Preflight,
    device: &ComputeDevice,
    batch_tokens: usize,
    directory: &mut RunDirectory,
    progress: Progress,
) -> anyhow::Result<String> {
    let made_by = format!(
        "gpt2-eval {}, {} on {}, standard errors behind ±",
        env!("CARGO_PKG_VERSION"),
        preflight.identity.dtype,
        device
    );
    let mut reporter = Reporter::new(directory.path(), preflight, progress, made_by)?;
    check_device(device)?;
    let options = RunOptions { device, batch_tokens };
    execute(preflight, &options, directory, &mut reporter)?;
    Ok(terminal(&reporter.finish(), terminal_width()))
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
            "note: this processor has no instructions for --precision {}; it is computed by other means, and f32 is \
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
    let json = serde_json::to_vec(identity).unwrap_or_default();
    let hash = hexadecimal(&Sha256::digest(json));
    PathBuf::from("results").join(format!("{tasks}-{models}-{}", &hash[..8]))
}
