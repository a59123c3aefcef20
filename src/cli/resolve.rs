//! From what users type to a [`Plan`], in one step; what is not on this machine yet is named, not fetched.

use std::path::PathBuf;

use anyhow::bail;

use super::arguments::RunArguments;
use super::models::{WantedModel, models_of};
use crate::data::Split;
use crate::plan::{DataSource, Plan, PlannedTask};
use crate::tasks::{AnyTask, CUSTOM_GROUP, Registry, TaskConfig};
use gpt2_kernels::Precision;
use untrusted_input::did_you_mean;

/// Groups of tasks.
const GROUPS: [&str; 6] = ["all", "paper", "lm", "cbt", "wmt14", CUSTOM_GROUP];

/// A plan whose models and data need not be on this machine yet.
pub(super) struct Wanted {
    pub models: Vec<WantedModel>,
    pub data: WantedData,
    /// Everything else; models and data are put in when they are here.
    pub plan: Plan,
}

/// The plan that the command line means.
pub(super) fn wanted(arguments: &RunArguments) -> anyhow::Result<Wanted> {
    let registry = Registry::read(&arguments.task_file)?;
    let tasks = planned_tasks(arguments, &registry)?;
    if tasks.is_empty() {
        bail!("no tasks: say which with --tasks, for example `--tasks all` (`gpt2-eval ls` lists them)");
    }
    let data = data_source(&arguments.data, &tasks, &registry)?;
    let models = models_of(&arguments.sizes, &arguments.model, Some(&arguments.models_dir))?;
    if models.is_empty() {
        bail!(
            "no model: say which with --sizes, for example `--sizes tiny` or `--sizes all`, or with --model LABEL=PATH"
        );
    }
    let precision = arguments.precision;
    check_precision(precision, &arguments.device)?;
    let shard = arguments.shard.as_deref().map(super::shard::shard).transpose()?;
    let plan = Plan {
        models: Vec::new(),
        custom_tasks: registry.configs_of(&tasks),
        tasks,
        data: DataSource::Sample,
        limit: arguments.limit,
        seed: arguments.seed,
        precision,
        shard,
    };
    Ok(Wanted { models, data, plan })
}

/// `Err` if the device has no arithmetic of this precision.
pub(super) fn check_precision(precision: Precision, device: &str) -> anyhow::Result<()> {
    if precision != Precision::F32 && device != "flex" {
        bail!(
            "--precision {} is for the CPU: use `--device flex`, or leave --precision out",
            precision.as_str()
        );
    }
    Ok(())
}

/// The tasks of the command line with all their options; none if it names none.
pub(super) fn planned_tasks(
    arguments: &RunArguments,
    registry: &Registry,
) -> anyhow::Result<Vec<PlannedTask>> {
    let mut tasks = match (arguments.tasks.is_empty(), arguments.task_file.is_empty()) {
        (true, true) => return Ok(Vec::new()),
        (true, false) => tasks_of(&[CUSTOM_GROUP.to_owned()], registry)?,
        (false, _) => tasks_of(&arguments.tasks, registry)?,
    };
    if let Some(stride) = arguments.stride {
        set_option(&mut tasks, ("stride", &stride.to_string()), registry)?;
    }
    if let Some(repeats) = arguments.repeats {
        set_option(&mut tasks, ("repeats", &repeats.to_string()), registry)?;
    }
    if let Some(split) = &arguments.split {
        set_split(&mut tasks, split, registry)?;
    }
    let mut tasks = with_shots(tasks, &arguments.shots, registry)?;
    without_what_goes_without_saying(&mut tasks, registry);
    Ok(tasks)
}

/// Tasks and protocols, each once, in the order typed; groups in the order of the registry.
pub(super) fn tasks_of(given: &[String], registry: &Registry) -> anyhow::Result<Vec<PlannedTask>> {
    let mut planned: Vec<PlannedTask> = Vec::new();
    for text in given {
        let found = if GROUPS.contains(&text.as_str()) {
            let members: Vec<PlannedTask> = registry
                .all()
                .filter(|task| task.config().groups.contains(text))
                .map(|task| default_task(task.config()))
                .collect();
            if members.is_empty() && text == CUSTOM_GROUP {
                bail!("no task is in the group `{CUSTOM_GROUP}`; name custom tasks with --task-file");
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

fn default_task(config: &TaskConfig) -> PlannedTask {
    config.planned(config.default_protocol())
}

/// `task` or `task:protocol`.
pub(super) fn task_of(text: &str, registry: &Registry) -> anyhow::Result<PlannedTask> {
    let (name, protocol) = match text.split_once(':') {
        Some((name, protocol)) => (name, Some(protocol)),
        None => (text, None),
    };
    let Some(task) = registry.find(name) else {
        let names: Vec<&str> = registry.all().map(|task| task.config().name.as_str()).collect();
        let hint = did_you_mean(name, names.iter().copied().chain(GROUPS));
        bail!(
            "unknown task `{name}`{hint}; the tasks are {} and the groups {}; --task-file names the card of your own",
            names.join(", "),
            GROUPS.join(", ")
        );
    };
    let config = task.config();
    let Some(protocol) = protocol else { return Ok(default_task(config)) };
    let names: Vec<&str> = config.protocols.iter().map(|protocol| protocol.name.as_str()).collect();
    if !names.contains(&protocol) {
        let hint = did_you_mean(protocol, names.iter().copied());
        bail!("task `{name}` has no protocol `{protocol}`{hint}; it has {}", names.join(", "));
    }
    Ok(config.planned(protocol))
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
        let Some(config) = registry.find(&planned.task).map(AnyTask::config) else { continue };
        if takes(planned, "split", registry) && !config.data.splits().contains(&split) {
            let known: Vec<&str> = config.data.splits().into_iter().map(Split::as_str).collect();
            bail!("task `{}` has no split `{}`; it has {}", planned.task, split.as_str(), known.join(", "));
        }
    }
    set_option(tasks, ("split", split.as_str()), registry)
}

fn takes(planned: &PlannedTask, option: &str, registry: &Registry) -> bool {
    registry
        .find(&planned.task)
        .and_then(|task| task.config().protocol(&planned.protocol.name))
        .is_some_and(|protocol| protocol.options.iter().any(|known| known == option))
}

/// Takes out what a label would only repeat: the split that is measured anyway, no examples where none are usual, one
/// seed.
pub(super) fn without_what_goes_without_saying(tasks: &mut [PlannedTask], registry: &Registry) {
    for planned in tasks {
        let Some(config) = registry.find(&planned.task).map(AnyTask::config) else { continue };
        let usual = config.planned(&planned.protocol.name).protocol.options;
        planned.protocol.options.retain(|option, value| {
            let silent = match option.as_str() {
                "split" => value == config.data.split.as_str(),
                "shots" => value == "0" && !usual.contains_key("shots"),
                "repeats" => value == "1",
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

/// Where the examples are to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WantedData {
    /// They are here.
    Source(DataSource),
    /// On the hub.
    Hub,
}

/// `sample`, `hub` or a directory. Users' own tasks need none of them.
pub(super) fn data_source(
    given: &str,
    tasks: &[PlannedTask],
    registry: &Registry,
) -> anyhow::Result<WantedData> {
    match given {
        "sample" | "hub" if tasks.iter().all(|planned| registry.is_own(&planned.task)) => {
            Ok(WantedData::Source(DataSource::TaskFiles))
        }
        "sample" => Ok(WantedData::Source(DataSource::Sample)),
        "hub" => Ok(WantedData::Hub),
        directory => {
            let path = PathBuf::from(directory);
            if !path.is_dir() {
                let hint = did_you_mean(given, ["sample", "hub"]);
                bail!(
                    "no data directory at {}{hint}; expected `sample`, `hub` or a directory",
                    path.display()
                );
            }
            Ok(WantedData::Source(DataSource::Directory(path)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let cbt = tasks_of(&["cbt".to_owned()], &registry).unwrap();
        assert_eq!(cbt.iter().map(|task| task.task.as_str()).collect::<Vec<_>>(), ["cbt-cn", "cbt-ne"]);
        assert!(task_of("lambda", &registry).unwrap_err().to_string().contains("did you mean `lambada`?"));
        assert!(
            task_of("lambada:harnes", &registry).unwrap_err().to_string().contains("did you mean `harness`?")
        );
    }
}
