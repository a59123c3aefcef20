//! `gpt2-eval doctor`: whether this machine can do a run.

use clap::Args;

use super::machine::{Machine, free_space, gigabytes};
use super::models::models_of;
use super::output::{Problem, Report, describe};
use super::progress::Progress;
use super::resolve::{DataChoice, RunArguments, planned_tasks};
use super::tasks::{measured_split, needed};
use crate::data::sources;
use crate::download::Downloads;
use crate::models::{self, ModelChoice, ModelOrigin, PAPER_SIZES};
use crate::plan::{DataSource, PlannedTask};
use crate::tasks::{Registry, Source};
use gpt2_kernels::Precision;
use gpt2_model::{Checkpoint, DEVICE_NAMES, DeviceRequest};
use untrusted_input::clipped;

/// Maximum bytes of a run without the weights.
const OVERHEAD_BYTES: u64 = 300_000_000;

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// The run to check.
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Default)]
struct Findings {
    text: String,
    /// Why the run cannot be done.
    problems: Vec<String>,
    /// Files that the run would download.
    missing: Vec<String>,
}

impl Findings {
    fn row(&mut self, topic: &str, finding: &str) {
        self.text.push_str(&format!("{topic:<8} {finding}\n"));
    }
}

/// Describes this machine, and what it lacks for the run.
pub(super) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<Report> {
    let run = &arguments.run;
    let registry = Registry::read(&run.task_file)?;
    let tasks = planned_tasks(run, &registry)?;
    let models = models_of(&run.models.sizes, &run.model, Some(&run.compute.models_dir))?;
    let mut found = Findings::default();
    program(&mut found);
    let machine = Machine::new();
    found.row("machine", &machine.describe());
    devices(run, &mut found);
    memory(run, &models, machine.available_bytes(), &mut found);
    let mut downloads = Downloads::new(run.compute.offline, Box::new(Progress::of_downloads(true)))?;
    hub(&mut downloads, &mut found);
    for model in &models {
        check_model(&downloads, model, &mut found);
    }
    check_data(&downloads, run, &tasks, &registry, &mut found)?;
    for file in &std::mem::take(&mut found.missing) {
        found.row("missing", file);
        found.missing.push(file.clone());
    }
    if !found.missing.is_empty() {
        found.problems.push(format!(
            "{} files are not on this machine: a run downloads them, or `gpt2-eval fetch` in advance",
            found.missing.len()
        ));
    } else if found.problems.is_empty() && !(tasks.is_empty() && models.is_empty()) {
        found.row("missing", "nothing");
    }
    let problem = (!found.problems.is_empty()).then(|| Problem::Incomplete(found.problems.join("\n")));
    Ok(Report { text: found.text, problem })
}

fn program(found: &mut Findings) {
    let revision = option_env!("GPT2_EVAL_GIT_REVISION").unwrap_or("an unknown revision");
    let dependencies = option_env!("GPT2_EVAL_DEPENDENCIES").unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    found.row("program", &format!("gpt2-eval {version} of {revision}; {}", dependencies.replace(',', ", ")));
}

/// Opens every kind of device, that of the run first.
fn devices(run: &RunArguments, found: &mut Findings) {
    let wanted = run.compute.device.clone();
    let others = DEVICE_NAMES.into_iter().filter_map(|name| name.parse::<DeviceRequest>().ok());
    let others: Vec<DeviceRequest> = others.filter(|other| *other != wanted).collect();
    for (index, device) in std::iter::once(wanted).chain(others).enumerate() {
        let state = match device.open() {
            Ok(opened) => opened.to_string(),
            Err(error) => {
                if index == 0 {
                    found.problems.push(format!("--device {device}: {error}"));
                }
                format!("not available: {}", clipped(&error.to_string()))
            }
        };
        found.row("device", &format!("{device}: {state}"));
    }
}

/// Memory that the paper's models need, and those of the run.
fn memory(run: &RunArguments, models: &[ModelChoice], free: u64, found: &mut Findings) {
    let precision = run.compute.precision;
    // bf16x3 keeps two numbers of 16 bits per weight.
    let bytes_per_weight = if precision == Precision::Bf16 { 2 } else { 4 };
    let mut needs: Vec<(&str, u64)> = PAPER_SIZES.iter().map(|size| (size.name, size.parameters)).collect();
    for model in models {
        if let ModelOrigin::Directory(directory) = &model.origin
            && let Ok(checkpoint) = Checkpoint::open(directory)
        {
            needs.retain(|(name, _)| *name != model.label);
            needs.push((&model.label, checkpoint.config.parameters()));
        }
    }
    for (name, parameters) in needs {
        let needed = bytes_per_weight * parameters + OVERHEAD_BYTES;
        let fits = free == 0 || needed <= free;
        let state = if fits { "fits" } else { "does not fit" };
        found.row("memory", &format!("{name}: {} in {}, {state}", gigabytes(needed), precision.as_str()));
        if !fits && models.iter().any(|model| model.label == name) {
            let less = if bytes_per_weight > 2 { "use --precision bf16, or " } else { "" };
            found.problems.push(format!(
                "{name} needs {} of memory, but only {} are free: {less}use a machine with more memory",
                gigabytes(needed),
                gigabytes(free)
            ));
        }
    }
}

/// The hub, its cache, and the cache's disk.
fn hub(downloads: &mut Downloads, found: &mut Findings) {
    let settings = downloads.settings().clone();
    let token = if settings.token.is_some() { "with a token" } else { "without a token" };
    let state = if settings.offline {
        "not contacted: offline".to_owned()
    } else {
        let smallest = &PAPER_SIZES[0];
        match models::current_commit(smallest.hub, downloads) {
            Ok(commit) => format!("reached; {} is at {commit}", smallest.hub),
            Err(error) => {
                found.problems.push(error.to_string());
                "not reached".to_owned()
            }
        }
    };
    let room = free_space(&settings.cache).map_or_else(|| "unknown".to_owned(), gigabytes);
    found.row("hub", &format!("{} {token}: {state}", settings.endpoint));
    found.row("cache", &format!("{}, {room} free on its disk", settings.cache.display()));
}

fn check_model(downloads: &Downloads, model: &ModelChoice, found: &mut Findings) {
    match &model.origin {
        ModelOrigin::Bundled => {}
        ModelOrigin::Directory(directory) => {
            if let Err(error) = Checkpoint::open(directory) {
                found.problems.push(format!("model {}: {error}", model.label));
            }
        }
        ModelOrigin::Hub(location) => {
            let missing = models::missing(location, downloads);
            if missing.is_tokenizer_missing {
                found.row("note", &format!("{location} has no tokenizer in the cache: GPT-2's is used"));
            }
            found.missing.extend(missing.files);
        }
    }
}

fn check_data(
    downloads: &Downloads,
    run: &RunArguments,
    tasks: &[PlannedTask],
    registry: &Registry,
    found: &mut Findings,
) -> anyhow::Result<()> {
    let source = match DataChoice::new(&run.data, tasks, registry)? {
        DataChoice::Local(source) => source,
        DataChoice::Hub => {
            match sources::missing(&needed(tasks), downloads) {
                Ok(missing) => found.missing.extend(missing),
                Err(error) => found.problems.push(describe(&error)),
            }
            // Custom tasks have their data beside their task configs.
            DataSource::TaskFiles
        }
    };
    for planned in tasks {
        if source == DataSource::TaskFiles && !registry.is_custom(&planned.task) {
            continue;
        }
        let Some(task) = registry.find(&planned.task) else { continue };
        let from = Source::new(&source, measured_split(planned, task.config()), run.seed);
        if let Err(error) = task.load(&from, &planned.protocol) {
            found.problems.push(error.to_string());
        }
    }
    Ok(())
}
