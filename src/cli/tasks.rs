//! `--tasks` and the options of tasks.

use anyhow::bail;
use clap::builder::StringValueParser;

use super::compute::Suggested;
use crate::data::sources::Needed;
use crate::data::{DataConfig, Split};
use crate::plan::PlannedTask;
use crate::tasks::{self, AnyTask, CUSTOM_GROUP, Registry, TaskConfig};
use untrusted_input::did_you_mean;

/// Groups of tasks.
const GROUPS: [&str; 8] = ["all", "paper", "lm", "cbt", "wmt14", "core", "zero-shot", CUSTOM_GROUP];

/// Parser of `--tasks` and of `show TASK`.
pub(super) fn task_parser() -> Suggested<StringValueParser> {
    Suggested { values: task_names, parser: StringValueParser::new() }
}

/// Values of `--tasks` for shell completion.
fn task_names() -> Vec<String> {
    let of_task = |task: &&dyn AnyTask| {
        let config = task.config();
        let protocols = config.protocols.iter().map(|protocol| format!("{}:{}", config.name, protocol.name));
        std::iter::once(config.name.clone()).chain(protocols).collect::<Vec<_>>()
    };
    let groups = GROUPS.into_iter().map(str::to_owned);
    groups.chain(Registry::default().all().collect::<Vec<_>>().iter().flat_map(of_task)).collect()
}

/// Tasks and protocols, each once, in the order given; groups in the order of the registry. Spaces around a name and empty
/// names, as in `lambada, wikitext2,`, do not matter.
pub(super) fn tasks_of(given: &[String], registry: &Registry) -> anyhow::Result<Vec<PlannedTask>> {
    let mut planned: Vec<PlannedTask> = Vec::new();
    for text in given.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let found = if GROUPS.contains(&text) {
            let members: Vec<PlannedTask> = registry
                .all()
                .filter(|task| task.config().groups.iter().any(|group| group == text))
                .map(|task| default_task(task.config()))
                .collect();
            if members.is_empty() {
                bail!("the group `{text}` has no tasks; add custom tasks with --task-file");
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
            "unknown task `{name}`{hint}; the tasks are {} and the groups {}; add custom tasks with --task-file",
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

/// The tasks once for every number of shots; tasks without shots once.
pub(super) fn with_shots(
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
    // Keeps the rows of one task together.
    all.sort_by_key(|task: &PlannedTask| tasks.iter().position(|known| known.task == task.task));
    let mut once: Vec<PlannedTask> = Vec::new();
    for task in all {
        if !once.contains(&task) {
            once.push(task);
        }
    }
    Ok(once)
}

/// Adds `--split` to the options of the tasks that take it.
pub(super) fn set_split(tasks: &mut [PlannedTask], split: Split, registry: &Registry) -> anyhow::Result<()> {
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

/// Removes options with their default values, so that a label does not repeat them.
pub(super) fn drop_defaults(tasks: &mut [PlannedTask], registry: &Registry) {
    for planned in tasks {
        let Some(config) = registry.find(&planned.task).map(AnyTask::config) else { continue };
        let usual = config.planned(&planned.protocol.name).protocol.options;
        planned.protocol.options.retain(|option, value| {
            let is_default = match option.as_str() {
                "split" => value == config.data.split.as_str(),
                "shots" => value == "0" && !usual.contains_key("shots"),
                "repeats" => value == "1",
                _ => false,
            };
            !is_default
        });
    }
}

/// Sets an option of every task whose protocol takes it. `Err` if there is none.
pub(super) fn set_option(
    tasks: &mut [PlannedTask],
    (option, value): (&str, &str),
    registry: &Registry,
) -> anyhow::Result<()> {
    let mut is_taken = false;
    for planned in &mut *tasks {
        if takes(planned, option, registry) {
            planned.protocol.options.insert(option.to_owned(), value.to_owned());
            is_taken = true;
        }
    }
    if !is_taken {
        let names: Vec<String> =
            tasks.iter().map(|planned| format!("{}:{}", planned.task, planned.protocol)).collect();
        bail!("--{} is not supported by {}", option.replace('_', "-"), names.join(", "));
    }
    Ok(())
}

/// The splits that tasks read: the measured one, and the one with the few-shot examples if there are shots, or if the
/// task's heuristic baselines learn from it. Custom tasks have their data beside their task configs.
pub(super) fn needed(planned: &[PlannedTask]) -> Vec<Needed> {
    let mut all: Vec<Needed> = Vec::new();
    for planned in planned {
        let Some(task) = tasks::find(&planned.task) else { continue };
        let config = task.config();
        let measured = measured_split(planned, config);
        let Some(protocol) = config.protocol(&planned.protocol.name) else { continue };
        let takes_shots = protocol.options.iter().any(|option| option == "shots");
        let shots = planned.protocol.options.get("shots").is_some_and(|shots| shots != "0");
        let is_needed = shots || (takes_shots && task.baselines_learn());
        let files = |split, protocol| config.data.downloads(split, protocol).map(|file| &file.name);
        let examples = DataConfig::example_splits(measured)
            .filter(|split| is_needed && files(*split, &protocol.name).next().is_some())
            .take(1);
        for split in std::iter::once(measured).chain(examples) {
            let is_same = |known: &Needed| {
                known.task == config.name
                    && known.split == split
                    && files(split, known.protocol).eq(files(split, &protocol.name))
            };
            if !all.iter().any(is_same) {
                all.push(Needed { task: &config.name, data: &config.data, split, protocol: &protocol.name });
            }
        }
    }
    all
}

/// The split of `--split`, or the one that the task config names.
pub(super) fn measured_split(planned: &PlannedTask, config: &TaskConfig) -> Split {
    let split = planned.protocol.options.get("split").and_then(|split| Split::find(split));
    split.unwrap_or(config.data.split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_need_their_own_files() {
        let files = |given: &[&str]| -> Vec<Vec<&'static str>> {
            let planned: Vec<PlannedTask> =
                given.iter().map(|name| task_of(name, &Registry::default()).unwrap()).collect();
            let needed = needed(&planned);
            let names = |needed: &Needed| {
                needed.data.downloads(needed.split, needed.protocol).map(|file| file.name.as_str()).collect()
            };
            needed.iter().map(names).collect()
        };
        let both = files(&["winograd", "winograd:harness"]);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0][0], "winograd/winograd_wsc.jsonl");
        assert!(!both[1].is_empty() && !both[1].contains(&"winograd/winograd_wsc.jsonl"));
        assert_eq!(files(&["lambada", "lambada:harness"]).len(), 1);
    }

    #[test]
    fn a_run_needs_examples_only_for_shots_or_baselines_that_learn() {
        let registry = Registry::default();
        let splits = |task: &str, shots: Option<&str>| {
            let mut tasks = tasks_of(&[task.to_owned()], &registry).unwrap();
            if let Some(shots) = shots {
                set_option(&mut tasks, ("shots", shots), &registry).unwrap();
            }
            needed(&tasks).iter().map(|needed| needed.split).collect::<Vec<_>>()
        };
        assert_eq!(splits("cnn_dailymail", None), [Split::Test]);
        assert_eq!(splits("cnn_dailymail", Some("0")), [Split::Test]);
        assert_eq!(splits("cnn_dailymail", Some("2")).len(), 2);
        assert_eq!(splits("coqa", None).len(), 1);
        assert_eq!(splits("wmt14-fr-en", None), [Split::Test, Split::Validation], "five shots by default");
        assert_eq!(splits("wmt14-fr-en:harness", None), [Split::Test]);
        assert_eq!(splits("nq:harness", None), [Split::Validation, Split::Train], "its baseline learns");
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
        let cbt = tasks_of(&["cbt".to_owned()], &registry).unwrap();
        assert_eq!(cbt.iter().map(|task| task.task.as_str()).collect::<Vec<_>>(), ["cbt-cn", "cbt-ne"]);
        assert!(task_of("lambda", &registry).unwrap_err().to_string().contains("did you mean `lambada`?"));
        assert!(
            task_of("lambada:harnes", &registry).unwrap_err().to_string().contains("did you mean `harness`?")
        );
    }
}
