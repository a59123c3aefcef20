//! `gpt2-eval doctor`: whether this machine can do what is wanted of it.

use std::path::Path;

use sysinfo::Disks;

use super::Report;
use super::arguments::DoctorArguments;
use super::models::{PAPER_SIZES, Place, WantedModel, models_of};
use super::provenance::Machine;
use super::remote::{MODEL_FILES, Remote, parts_of};
use super::resolve::tasks_of;
use crate::hub::{Kind, Location};
use crate::model::DeviceRequest;
use crate::tasks::Registry;
use crate::text::clipped;

/// Backends that a build may have.
const DEVICES: [&str; 4] = ["flex", "wgpu", "cuda", "ndarray"];
/// Parameters of the paper's sizes.
const PARAMETERS: [u64; 4] = [124_439_808, 354_823_168, 774_030_080, 1_557_611_200];
/// Bytes that a run takes beside the weights, at most.
const BESIDE_WEIGHTS: u64 = 300_000_000;

/// What is here, what is not, and what is missing for the run that is described.
pub(super) fn doctor(arguments: &DoctorArguments) -> anyhow::Result<Report> {
    let tasks = tasks_of(&arguments.tasks, &Registry::default())?;
    let models = models_of(&arguments.sizes, &arguments.model, Some(&arguments.models_dir))?;
    let mut problems: Vec<String> = Vec::new();
    let mut text = program();
    let machine = Machine::new();
    text.push_str(&format!("machine  {}\n", machine.describe()));
    for name in DEVICES {
        let opened = name.parse::<DeviceRequest>().map_err(|error| error.to_string()).and_then(|request| {
            request.open().map(|device| device.to_string()).map_err(|error| error.to_string())
        });
        let state = opened.unwrap_or_else(|error| format!("not here: {}", clipped(&error)));
        text.push_str(&format!("device   {name}: {state}\n"));
    }
    let free = machine.available_bytes();
    for (size, parameters) in PAPER_SIZES.iter().zip(PARAMETERS) {
        let needed = 4 * parameters + BESIDE_WEIGHTS;
        let fits = if free == 0 || needed <= free { "fits" } else { "does not fit" };
        text.push_str(&format!("memory   {}: {} in f32, {fits}\n", size.name, gigabytes(needed)));
        let is_wanted = models.iter().any(|model| model.label == size.name);
        if is_wanted && fits != "fits" {
            problems.push(format!(
                "{} needs {} of memory and {} are free: use --precision bf16, or a larger machine",
                size.name,
                gigabytes(needed),
                gigabytes(free)
            ));
        }
    }
    let mut remote = Remote::new(arguments.offline, true)?;
    text.push_str(&hub(&mut remote, &mut problems));
    let mut missing = missing_models(&remote, &models);
    match parts_of(&tasks) {
        Ok(wanted) => {
            for ways in wanted {
                let is_here = ways.iter().any(|parts| {
                    parts.iter().all(|part| remote.hub.cached(&part.location, &part.hub.path).is_some())
                });
                let first = ways.first().and_then(|parts| parts.first());
                if let Some(part) = first.filter(|_| !is_here) {
                    missing.push(format!("{}/{}", part.location, part.hub.path));
                }
            }
        }
        Err(error) => problems.push(format!("{error:#}")),
    }
    for file in &missing {
        text.push_str(&format!("missing  {file}\n"));
    }
    if !missing.is_empty() {
        problems.push(format!(
            "{} files are not on this machine: a run downloads them, and `gpt2-eval fetch` does so beforehand",
            missing.len()
        ));
    } else if !(tasks.is_empty() && models.is_empty()) {
        text.push_str("missing  nothing\n");
    }
    let problem = (!problems.is_empty()).then(|| problems.join("\n"));
    Ok(Report { text, problem })
}

fn program() -> String {
    let revision = option_env!("GPT2_EVAL_GIT_REVISION").unwrap_or("an unknown revision");
    let dependencies = option_env!("GPT2_EVAL_DEPENDENCIES").unwrap_or_default();
    format!(
        "program  gpt2-eval {} of {revision}; {}\n",
        env!("CARGO_PKG_VERSION"),
        dependencies.replace(',', ", ")
    )
}

/// The hub, its cache and the disk that this is on.
fn hub(remote: &mut Remote, problems: &mut Vec<String>) -> String {
    let settings = remote.hub.settings().clone();
    let token = if settings.token.is_some() { "with a token" } else { "without a token" };
    let state = if settings.offline {
        "not asked: offline".to_owned()
    } else {
        let smallest = PAPER_SIZES.first().map_or("", |size| size.hub);
        let looked = Location::parse(Kind::Model, smallest)
            .and_then(|location| remote.hub.look(&location, "config.json", &mut remote.watch));
        match looked {
            Ok(found) => format!("reached; {smallest} is at {}", found.commit),
            Err(error) => {
                problems.push(error.to_string());
                "not reached".to_owned()
            }
        }
    };
    let room = free_space(&settings.cache).map_or_else(|| "unknown".to_owned(), gigabytes);
    format!(
        "hub      {} {token}: {state}\ncache    {}, {room} free on its disk\n",
        settings.endpoint,
        settings.cache.display()
    )
}

/// Files that the models lack here; their tokenizers are optional.
fn missing_models(remote: &Remote, models: &[WantedModel]) -> Vec<String> {
    let mut missing = Vec::new();
    for model in models {
        match &model.place {
            Place::Bundled => {}
            Place::Directory(directory) => {
                let names = MODEL_FILES.map(|name| directory.join(name));
                missing.extend(
                    names.iter().filter(|path| !path.is_file()).map(|path| path.display().to_string()),
                );
            }
            Place::Hub(location) => {
                let names =
                    MODEL_FILES.into_iter().filter(|name| remote.hub.cached(location, name).is_none());
                missing.extend(names.map(|name| format!("{location}/{name}")));
            }
        }
    }
    missing
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
