//! From what users type to a [`Plan`], in one step.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::arguments::RunArguments;
use crate::data::Split;
use crate::kernels::Precision;
use crate::model::BUNDLED_MODELS;
use crate::plan::{DataSource, ModelSource, Plan, PlannedModel, PlannedTask};
use crate::tasks::{AnyTask, Card, OWN_GROUP, Registry, find};
use crate::text::did_you_mean;

/// A size of the paper: its name there, its repository on the Hugging Face hub, other names for it.
pub(super) struct PaperSize {
    pub name: &'static str,
    pub hub: &'static str,
    aliases: [&'static str; 3],
}

/// The paper's sizes, smallest first.
pub(super) const PAPER_SIZES: [PaperSize; 4] = [
    PaperSize { name: "117M", hub: "openai-community/gpt2", aliases: ["124M", "small", "gpt2"] },
    PaperSize {
        name: "345M",
        hub: "openai-community/gpt2-medium",
        aliases: ["355M", "medium", "gpt2-medium"],
    },
    PaperSize { name: "762M", hub: "openai-community/gpt2-large", aliases: ["774M", "large", "gpt2-large"] },
    PaperSize { name: "1542M", hub: "openai-community/gpt2-xl", aliases: ["1558M", "xl", "gpt2-xl"] },
];

/// Groups of tasks.
const GROUPS: [&str; 4] = ["all", "paper", "lm", OWN_GROUP];

/// The plan that the command line means.
pub(super) fn plan(arguments: &RunArguments) -> anyhow::Result<Plan> {
    let registry = Registry::read(&arguments.task_file)?;
    let mut tasks = if !arguments.tasks.is_empty() {
        tasks_of(&arguments.tasks, &registry)?
    } else if !arguments.task_file.is_empty() {
        tasks_of(&[OWN_GROUP.to_owned()], &registry)?
    } else {
        bail!("no tasks: say which with --tasks, for example `--tasks all` (`gpt2-eval ls` lists them)");
    };
    if let Some(stride) = arguments.stride {
        set_option(&mut tasks, ("stride", &stride.to_string()), &registry)?;
    }
    if let Some(seeds) = arguments.seeds {
        set_option(&mut tasks, ("seeds", &seeds.to_string()), &registry)?;
    }
    if let Some(split) = &arguments.split {
        set_split(&mut tasks, split, &registry)?;
    }
    let mut tasks = with_shots(tasks, &arguments.shots, &registry)?;
    without_what_goes_without_saying(&mut tasks, &registry);
    let data = data_source(&arguments.data, &tasks, &registry)?;
    let models = models_of(arguments)?;
    let precision = arguments.precision;
    if precision != Precision::F32 && arguments.device != "flex" {
        bail!(
            "--precision {} is for the CPU: use `--device flex`, or leave --precision out",
            precision.as_str()
        );
    }
    let shard = arguments.shard.as_deref().map(super::shard::shard).transpose()?;
    let own_tasks = registry.cards_of(&tasks);
    let (limit, seed) = (arguments.limit, arguments.seed);
    Ok(Plan { models, tasks, own_tasks, data, limit, seed, precision, shard })
}

/// Tasks and protocols, each once, in the order typed; groups in the order of the registry.
fn tasks_of(given: &[String], registry: &Registry) -> anyhow::Result<Vec<PlannedTask>> {
    let mut planned: Vec<PlannedTask> = Vec::new();
    for text in given {
        let found = if GROUPS.contains(&text.as_str()) {
            let members: Vec<PlannedTask> = registry
                .all()
                .filter(|task| task.card().groups.contains(text))
                .map(|task| default_task(task.card()))
                .collect();
            if members.is_empty() && text == OWN_GROUP {
                bail!(
                    "no task is in the group `{OWN_GROUP}`: name the cards of your own tasks with --task-file"
                );
            }
            if members.is_empty() {
                bail!("no task of this version is in the group `{text}`; `gpt2-eval ls` lists the tasks");
            }
            members
        } else {
            vec![task_of(text, registry)?]
        };
        for task in found {
            if !planned.contains(&task) {
                planned.push(task);
            }
        }
    }
    Ok(planned)
}

fn default_task(card: &Card) -> PlannedTask {
    card.planned(card.default_protocol())
}

/// `task` or `task:protocol`.
pub(super) fn task_of(text: &str, registry: &Registry) -> anyhow::Result<PlannedTask> {
    let (name, protocol) = match text.split_once(':') {
        Some((name, protocol)) => (name, Some(protocol)),
        None => (text, None),
    };
    let Some(task) = registry.find(name) else {
        let names: Vec<&str> = registry.all().map(|task| task.card().name.as_str()).collect();
        let hint = did_you_mean(name, names.iter().copied().chain(GROUPS));
        bail!(
            "unknown task `{name}`{hint}; the tasks are {} and the groups {}; --task-file names the card of your own",
            names.join(", "),
            GROUPS.join(", ")
        );
    };
    let card = task.card();
    let Some(protocol) = protocol else { return Ok(default_task(card)) };
    let names: Vec<&str> = card.protocols.iter().map(|protocol| protocol.name.as_str()).collect();
    if !names.contains(&protocol) {
        let hint = did_you_mean(protocol, names.iter().copied());
        bail!("task `{name}` has no protocol `{protocol}`{hint}; it has {}", names.join(", "));
    }
    Ok(card.planned(protocol))
}

/// The planned tasks once for every number of examples, those that take no examples once.
fn with_shots(
    tasks: Vec<PlannedTask>,
    shots: &[u16],
    registry: &Registry,
) -> anyhow::Result<Vec<PlannedTask>> {
    let Some((&first, more)) = shots.split_first() else { return Ok(tasks) };
    let mut all = tasks.clone();
    set_option(&mut all, ("shots", &first.to_string()), registry)?;
    for shots in more {
        let mut further = tasks.clone();
        set_option(&mut further, ("shots", &shots.to_string()), registry)?;
        all.extend(further.into_iter().filter(|task| takes(task, "shots", registry)));
    }
    // Rows of one task belong together.
    let place = |task: &PlannedTask| tasks.iter().position(|known| known.task == task.task);
    all.sort_by_key(place);
    let mut once: Vec<PlannedTask> = Vec::new();
    for task in all {
        if !once.contains(&task) {
            once.push(task);
        }
    }
    Ok(once)
}

/// Makes `--split` part of the protocol of the tasks that have it; the one that they measure anyway is not named.
pub(super) fn set_split(tasks: &mut [PlannedTask], split: &str, registry: &Registry) -> anyhow::Result<()> {
    let names = Split::ALL.map(Split::as_str);
    let Some(split) = Split::find(split) else {
        bail!("unknown split `{split}`{}; expected {}", did_you_mean(split, names), names.join(", "));
    };
    for planned in &*tasks {
        let Some(card) = registry.find(&planned.task).map(AnyTask::card) else { continue };
        if takes(planned, "split", registry) && !card.data.splits().contains(&split) {
            let known: Vec<&str> = card.data.splits().into_iter().map(Split::as_str).collect();
            bail!("task `{}` has no split `{}`; it has {}", planned.task, split.as_str(), known.join(", "));
        }
    }
    set_option(tasks, ("split", split.as_str()), registry)
}

fn takes(planned: &PlannedTask, option: &str, registry: &Registry) -> bool {
    registry
        .find(&planned.task)
        .and_then(|task| task.card().protocol(&planned.protocol.name))
        .is_some_and(|protocol| protocol.options.iter().any(|known| known == option))
}

/// Takes out what a label would only repeat: the split that is measured anyway, no examples where none are usual, one
/// seed.
pub(super) fn without_what_goes_without_saying(tasks: &mut [PlannedTask], registry: &Registry) {
    for planned in tasks {
        let Some(card) = registry.find(&planned.task).map(AnyTask::card) else { continue };
        let usual = card.planned(&planned.protocol.name).protocol.options;
        planned.protocol.options.retain(|option, value| {
            let silent = match option.as_str() {
                "split" => value == card.data.split.as_str(),
                "shots" => value == "0" && !usual.contains_key("shots"),
                "seeds" => value == "1",
                _ => false,
            };
            !silent
        });
    }
}

/// Gives an option to every task whose protocol takes it.
pub(super) fn set_option(
    tasks: &mut [PlannedTask],
    (option, value): (&str, &str),
    registry: &Registry,
) -> anyhow::Result<()> {
    let mut taken = false;
    for planned in &mut *tasks {
        if takes(planned, option, registry) {
            planned.protocol.options.insert(option.to_owned(), value.to_owned());
            taken = true;
        }
    }
    if !taken {
        let names: Vec<String> =
            tasks.iter().map(|planned| format!("{}:{}", planned.task, planned.protocol)).collect();
        bail!("--{option} has no meaning for {}", names.join(", "));
    }
    Ok(())
}

/// `sample`, `hub` or a directory. Users' own tasks need none of them.
pub(super) fn data_source(
    given: &str,
    tasks: &[PlannedTask],
    registry: &Registry,
) -> anyhow::Result<DataSource> {
    match given {
        "sample" | "hub" if tasks.iter().all(|planned| registry.is_own(&planned.task)) => {
            Ok(DataSource::Cards)
        }
        "sample" => Ok(DataSource::Sample),
        "hub" => bail!("{}", missing_data(tasks)),
        directory => {
            let path = PathBuf::from(directory);
            if !path.is_dir() {
                let hint = did_you_mean(given, ["sample", "hub"]);
                bail!(
                    "no data directory at {}{hint}; expected `sample`, `hub` or a directory",
                    path.display()
                );
            }
            Ok(DataSource::Directory(path))
        }
    }
}

/// What to fetch by hand while this version does not download.
fn missing_data(tasks: &[PlannedTask]) -> String {
    let mut text =
        "this version does not download data from the hub. Put these files into a directory and name it, \
                    for example `--data data`, or use the bundled samples with `--data sample`:"
            .to_owned();
    let mut seen = Vec::new();
    // Users' own tasks have their data beside their cards.
    for task in tasks.iter().filter_map(|planned| find(&planned.task)) {
        let card = task.card();
        if seen.contains(&card.name) {
            continue;
        }
        seen.push(card.name.clone());
        let file = card.data.files.first();
        let name = file.map_or("", |file| file.name.as_str());
        let hub = card.data.hub.as_deref().map(|hub| format!(", from {hub}")).unwrap_or_default();
        let sha256 = file
            .and_then(|file| file.sha256.as_deref())
            .map(|sha| format!(", sha256 {sha}"))
            .unwrap_or_default();
        text.push_str(&format!("\n  data/{name}{hub}{sha256}"));
    }
    text
}

fn models_of(arguments: &RunArguments) -> anyhow::Result<Vec<PlannedModel>> {
    let mut models: Vec<PlannedModel> = Vec::new();
    let mut missing: Vec<&PaperSize> = Vec::new();
    for given in &arguments.sizes {
        for size in sizes_of(given)? {
            let (label, source) = match size {
                Size::Bundled(label) => (label, ModelSource::Bundled),
                Size::Paper(size) => {
                    let directory = arguments.models_dir.join(size.name);
                    if !directory.is_dir() && !missing.iter().any(|known| known.name == size.name) {
                        missing.push(size);
                    }
                    (size.name, ModelSource::Directory(directory))
                }
            };
            add_model(&mut models, label, source)?;
        }
    }
    if !missing.is_empty() {
        bail!("{}", missing_models(&missing, &arguments.models_dir));
    }
    for given in &arguments.model {
        let (label, path) = match given.split_once('=') {
            Some((label, path)) => (label.to_owned(), Path::new(path)),
            None => {
                let path = Path::new(given);
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let hint = || format!("--model {given}: no name to label it with; write LABEL={given}");
                (name.with_context(hint)?, path)
            }
        };
        check_label(&label).with_context(|| format!("--model {given}"))?;
        add_model(&mut models, &label, ModelSource::Directory(path.to_owned()))?;
    }
    if models.is_empty() {
        bail!(
            "no model: say which with --sizes, for example `--sizes tiny` or `--sizes all`, or with --model LABEL=PATH"
        );
    }
    Ok(models)
}

/// A label becomes a directory of the run and stands in tables.
fn check_label(label: &str) -> anyhow::Result<()> {
    let allowed = |character: char| character.is_alphanumeric() || "-_.+@".contains(character);
    if label.is_empty() || label.starts_with('.') || !label.chars().all(allowed) {
        bail!("label `{label}` is not usable: expected letters, digits and -_.+@, not beginning with a dot");
    }
    Ok(())
}

fn add_model(models: &mut Vec<PlannedModel>, label: &str, source: ModelSource) -> anyhow::Result<()> {
    match models.iter().find(|model| model.label == label) {
        Some(model) if model.source == source => {}
        Some(_) => {
            bail!("two models have the label `{label}`: give one another label with --model LABEL=PATH")
        }
        None => models.push(PlannedModel { label: label.to_owned(), source }),
    }
    Ok(())
}

enum Size {
    Bundled(&'static str),
    Paper(&'static PaperSize),
}

fn sizes_of(given: &str) -> anyhow::Result<Vec<Size>> {
    let lower = given.to_lowercase();
    let bundled = BUNDLED_MODELS.iter().map(|(label, _, _)| *label);
    match lower.as_str() {
        "all" => return Ok(PAPER_SIZES.iter().map(Size::Paper).collect()),
        "tiny" => return Ok(bundled.map(Size::Bundled).collect()),
        _ => {}
    }
    if let Some(label) = bundled.clone().find(|label| label.to_lowercase() == lower) {
        return Ok(vec![Size::Bundled(label)]);
    }
    let is_named =
        |size: &&PaperSize| [size.name].iter().chain(&size.aliases).any(|name| name.to_lowercase() == lower);
    if let Some(size) = PAPER_SIZES.iter().find(is_named) {
        return Ok(vec![Size::Paper(size)]);
    }
    let names = PAPER_SIZES.iter().flat_map(|size| [size.name].into_iter().chain(size.aliases));
    let hint = did_you_mean(given, names.chain(bundled).chain(["all", "tiny"]));
    bail!("unknown size `{given}`{hint}; expected 117M, 345M, 762M, 1542M, all, tiny-3M, tiny-8M or tiny")
}

fn missing_models(missing: &[&PaperSize], models_dir: &Path) -> String {
    let mut text = "these models are not here, and this version does not download from the hub. Fetch the files and put \
                    them there, or name a directory with --model LABEL=PATH:"
        .to_owned();
    for size in missing {
        let directory = models_dir.join(size.name);
        text.push_str(&format!(
            "\n  {}: {directory}/config.json, {directory}/model.safetensors, {directory}/vocab.json, \
             {directory}/merges.txt, from {}",
            size.name,
            size.hub,
            directory = directory.display(),
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(sizes: &[&str]) -> Vec<String> {
        let mut models = Vec::new();
        for size in sizes.iter().flat_map(|size| sizes_of(size).unwrap()) {
            models.push(match size {
                Size::Bundled(label) => label.to_owned(),
                Size::Paper(size) => size.name.to_owned(),
            });
        }
        models
    }

    #[test]
    fn sizes_and_their_aliases() {
        assert_eq!(labels(&["all"]), ["117M", "345M", "762M", "1542M"]);
        assert_eq!(labels(&["tiny"]), ["tiny-3M", "tiny-8M"]);
        assert_eq!(labels(&["124m", "GPT2-medium", "large", "1558M"]), ["117M", "345M", "762M", "1542M"]);
        assert!(sizes_of("117").err().unwrap().to_string().contains("did you mean `117M`?"));
    }

    #[test]
    fn tasks_protocols_and_groups() {
        let given = ["lambada:harness", "all", "lambada"].map(str::to_owned);
        let registry = Registry::default();
        let names: Vec<String> = tasks_of(&given, &registry)
            .unwrap()
            .iter()
            .map(|task| format!("{}:{}", task.task, task.protocol))
            .collect();
        assert_eq!(names[0], "lambada:harness");
        assert_eq!(names.iter().filter(|name| *name == "lambada:paper").count(), 1);
        assert!(task_of("lambda", &registry).unwrap_err().to_string().contains("did you mean `lambada`?"));
        assert!(
            task_of("lambada:harnes", &registry).unwrap_err().to_string().contains("did you mean `harness`?")
        );
    }

    #[test]
    fn labels_stay_inside_the_run_directory() {
        for bad in ["", "..", "a/b", "a\\b", ".hidden", "a b"] {
            assert!(check_label(bad).is_err(), "{bad}");
        }
        assert!(check_label("gpt2-1.5B_v2").is_ok());
    }
}
