//! `gpt2-eval doctor`: whether this machine can do what is wanted of it.

use std::path::Path;

use sysinfo::Disks;

use super::Report;
use super::arguments::{DoctorArguments, RunArguments};
use super::models::{PAPER_SIZES, Place, WantedModel, models_of};
use super::parts::parts_of;
use super::provenance::Machine;
use super::remote::{CONFIG_FILE, Remote, TOKENIZER_FILES, WEIGHT_FILES};
use super::resolve::{WantedData, data_source, planned_tasks};
use crate::data::Split;
use crate::plan::{DataSource, PlannedTask};
use crate::tasks::{Registry, Source};
use gpt2_kernels::Precision;
use gpt2_model::{Checkpoint, DeviceRequest};
use hub_client::{Kind, Location};
use untrusted_input::clipped;

/// Backends that a build may have.
const DEVICES: [&str; 4] = ["flex", "wgpu", "cuda", "ndarray"];
/// Bytes that a run takes beside the weights, at most.
const BESIDE_WEIGHTS: u64 = 300_000_000;

/// What is here and what is not.
#[derive(Default)]
struct Findings {
    text: String,
    /// What stands in the way of the run that is described.
    problems: Vec<String>,
    /// Files that a run would download.
    missing: Vec<String>,
}

impl Findings {
    fn say(&mut self, what: &str, found: &str) {
        self.text.push_str(&format!("{what:<8} {found}\n"));
    }
}

/// What is here, what is not, and what is missing for the run that is described.
pub(super) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<Report> {
    let run = &arguments.run;
    let registry = Registry::read(&run.task_file)?;
    let tasks = planned_tasks(run, &registry)?;
    let models = models_of(&run.sizes, &run.model, Some(&run.models_dir))?;
    let mut found = Findings::default();
    program(&mut found);
    let machine = Machine::new();
    found.say("machine", &machine.describe());
    devices(run, &mut found);
    memory(run, &models, machine.available_bytes(), &mut found);
    let mut remote = Remote::new(run.offline, true)?;
    hub(&mut remote, &mut found);
    for model in &models {
        look_for_model(&remote, model, &mut found);
    }
    look_for_data(&remote, run, &tasks, &registry, &mut found)?;
    let missing = std::mem::take(&mut found.missing);
    for file in &missing {
        found.say("missing", file);
    }
    let is_described = !(tasks.is_empty() && models.is_empty());
    if !missing.is_empty() {
        found.problems.push(format!(
            "{} files are not on this machine: a run downloads them, and `gpt2-eval fetch` does so beforehand",
            missing.len()
        ));
    } else if is_described && found.problems.is_empty() {
        found.say("missing", "nothing");
    }
    let problem = (!found.problems.is_empty()).then(|| found.problems.join("\n"));
    Ok(Report { text: found.text, problem })
}

fn program(found: &mut Findings) {
    let revision = option_env!("GPT2_EVAL_GIT_REVISION").unwrap_or("an unknown revision");
    let dependencies = option_env!("GPT2_EVAL_DEPENDENCIES").unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    found.say("program", &format!("gpt2-eval {version} of {revision}; {}", dependencies.replace(',', ", ")));
}

/// Every kind of device; the one of the run must be there.
fn devices(run: &RunArguments, found: &mut Findings) {
    let opened = |name: &str| {
        let request = name.parse::<DeviceRequest>().map_err(|error| error.to_string())?;
        request.open().map(|device| device.to_string()).map_err(|error| error.to_string())
    };
    let others = DEVICES.into_iter().filter(|name| *name != run.device);
    for name in std::iter::once(run.device.as_str()).chain(others) {
        let state = match opened(name) {
            Ok(device) => device,
            Err(error) => {
                if name == run.device {
                    found.problems.push(format!("--device {name}: {error}"));
                }
                format!("not here: {}", clipped(&error))
            }
        };
        found.say("device", &format!("{name}: {state}"));
    }
}

/// What each of the paper's models needs, and those of the run.
fn memory(run: &RunArguments, models: &[WantedModel], free: u64, found: &mut Findings) {
    // bf16x3 keeps two numbers of 16 bits for one of 32.
    let bytes_each = if run.precision == Precision::Bf16 { 2 } else { 4 };
    let mut needs: Vec<(&str, u64)> = PAPER_SIZES.iter().map(|size| (size.name, size.parameters)).collect();
    for model in models {
        if let Place::Directory(directory) = &model.place
            && let Ok(checkpoint) = Checkpoint::open(directory)
        {
            needs.retain(|(name, _)| *name != model.label);
            needs.push((&model.label, checkpoint.config.parameters()));
        }
    }
    for (name, parameters) in needs {
        let needed = bytes_each * parameters + BESIDE_WEIGHTS;
        let fits = free == 0 || needed <= free;
        let state = if fits { "fits" } else { "does not fit" };
        found.say("memory", &format!("{name}: {} in {}, {state}", gigabytes(needed), run.precision.as_str()));
        if !fits && models.iter().any(|model| model.label == name) {
            let less = if bytes_each > 2 { "use --precision bf16, or " } else { "" };
            found.problems.push(format!(
                "{name} needs {} of memory and {} are free: {less}take a larger machine",
                gigabytes(needed),
                gigabytes(free)
            ));
        }
    }
}

/// The hub, its cache and the disk that this is on.
fn hub(remote: &mut Remote, found: &mut Findings) {
    let settings = remote.hub.settings().clone();
    let token = if settings.token.is_some() { "with a token" } else { "without a token" };
    let state = if settings.offline {
        "not asked: offline".to_owned()
    } else {
        let smallest = PAPER_SIZES.first().map_or("", |size| size.hub);
        let looked = Location::parse(Kind::Model, smallest)
            .and_then(|location| remote.hub.look(&location, CONFIG_FILE, &mut remote.watch));
        match looked {
            Ok(looked) => format!("reached; {smallest} is at {}", looked.commit),
            Err(error) => {
                found.problems.push(error.to_string());
                "not reached".to_owned()
            }
        }
    };
    let room = free_space(&settings.cache).map_or_else(|| "unknown".to_owned(), gigabytes);
    found.say("hub", &format!("{} {token}: {state}", settings.endpoint));
    found.say("cache", &format!("{}, {room} free on its disk", settings.cache.display()));
}

/// Whether a model is here.
fn look_for_model(remote: &Remote, model: &WantedModel, found: &mut Findings) {
    match &model.place {
        Place::Bundled => {}
        Place::Directory(directory) => {
            if let Err(error) = Checkpoint::open(directory) {
                found.problems.push(format!("model {}: {error}", model.label));
            }
        }
        Place::Hub(location) => {
            let old = remote.under_old_name(location).ok().flatten();
            let location = old.as_ref().unwrap_or(location);
            let is_here = |name: &str| remote.hub.cached(location, name).is_some();
            let [weights, ..] = WEIGHT_FILES;
            if !is_here(CONFIG_FILE) {
                found.missing.push(format!("{location}/{CONFIG_FILE}"));
            }
            if !WEIGHT_FILES.into_iter().any(is_here) {
                found.missing.push(format!("{location}/{weights}"));
            }
            if is_here(CONFIG_FILE)
                && !TOKENIZER_FILES.iter().any(|names| names.iter().all(|name| is_here(name)))
            {
                found.say("note", &format!("{location} has no tokenizer in the cache: GPT-2's own is used"));
            }
        }
    }
}

/// Whether the tasks' data are here.
fn look_for_data(
    remote: &Remote,
    run: &RunArguments,
    tasks: &[PlannedTask],
    registry: &Registry,
    found: &mut Findings,
) -> anyhow::Result<()> {
    let source = match data_source(&run.data, tasks, registry)? {
        WantedData::Source(source) => source,
        WantedData::Hub => {
            match parts_of(tasks) {
                Ok(wanted) => {
                    for ways in wanted {
                        let is_here =
                            ways.iter().any(|way| way.iter().all(|part| remote.is_here(&part.from)));
                        let first = ways.first().and_then(|way| way.first());
                        found.missing.extend(first.filter(|_| !is_here).map(|part| part.from.name()));
                    }
                }
                Err(error) => found.problems.push(format!("{error:#}")),
            }
            // Users' own tasks have theirs beside their cards.
            DataSource::TaskFiles
        }
    };
    for planned in tasks {
        if source == DataSource::TaskFiles && !registry.is_own(&planned.task) {
            continue;
        }
        let Some(task) = registry.find(&planned.task) else { continue };
        let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
        let from = Source::new(&source, split.unwrap_or(task.config().data.split), run.seed);
        if let Err(error) = task.load(&from, &planned.protocol) {
            found.problems.push(error.to_string());
        }
    }
    Ok(())
}

/// Bytes that are free where `path` is, or will be.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let holds = disks.iter().filter(|disk| existing.starts_with(disk.mount_point()));
    holds.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}

pub(super) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}
