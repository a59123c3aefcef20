//! Warns of differences between runs that measured the same task.

use std::collections::BTreeSet;

use super::names::listed;
use crate::report::ExportedRun;
use crate::report::distinct::distinct;

/// Maximum tasks that a warning names; above, their number.
const MAX_TASKS: usize = 4;

/// Leading digits of a sha256 in a warning.
const SHA256_DIGITS: usize = 8;

/// Versions and number format that computed a run, which its regression baseline keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arithmetic<'a> {
    pub program_version: &'a str,
    pub engine_version: u32,
    pub precision: &'a str,
    pub backend: &'a str,
}

type Field = (&'static str, fn(&Arithmetic<'_>) -> String);

const FIELDS: [Field; 3] = [
    ("program versions", |of| of.program_version.to_owned()),
    ("versions of the engine", |of| of.engine_version.to_string()),
    ("precisions", |of| of.precision.to_owned()),
];

/// A baseline has no device. Where runs are compared, devices imply their backends.
const BACKENDS: Field = ("backends", |of| of.backend.to_owned());

/// One sentence per difference in what computed the named runs.
pub(crate) fn arithmetic_differences(runs: &[(&str, Arithmetic<'_>)]) -> Vec<String> {
    let differing = |(name, value): Field| {
        let values: Vec<(String, &str)> = runs.iter().map(|(run, of)| (value(of), *run)).collect();
        differing(&values).map(|values| format!("{name} differ: {values}"))
    };
    FIELDS.into_iter().chain([BACKENDS]).filter_map(differing).collect()
}

impl<'a> Arithmetic<'a> {
    fn of(run: &'a ExportedRun<'_>) -> Self {
        let identity = &run.manifest.identity;
        Self {
            program_version: &run.manifest.environment.program_version,
            engine_version: identity.engine_version,
            precision: &identity.dtype,
            backend: &identity.backend,
        }
    }
}

/// One sentence per difference: first of tasks, then of whole runs.
pub(super) fn differences(runs: &[ExportedRun<'_>]) -> Vec<String> {
    let mut warnings = Vec::new();
    let all = runs.iter().flat_map(|run| run.manifest.tasks.iter().map(|task| task.task.as_str()));
    for task in distinct(all) {
        let with: Vec<&ExportedRun<'_>> = runs.iter().filter(|run| has(run, task)).collect();
        let values = |value: &dyn Fn(&ExportedRun<'_>) -> String| {
            with.iter().map(|run| (value(run), run.name.as_str())).collect::<Vec<_>>()
        };
        let common = common_protocols(&with, task);
        warnings.extend(
            differing(&values(&|run| labels(run, task, &common)))
                .map(|values| format!("{task}: protocols or options differ: {values}")),
        );
        warnings.extend(
            differing(&values(&|run| data(run, task)))
                .map(|values| format!("{task}: the data differ (sha256): {values}")),
        );
        warnings.extend(
            differing(&values(&|run| config(run, task)))
                .map(|values| format!("{task}: the task configs differ (sha256): {values}")),
        );
    }
    for (name, value) in FIELDS {
        warnings.extend(of_runs(runs, name, &|run| value(&Arithmetic::of(run))));
    }
    warnings.extend(of_runs(runs, "devices", &|run| run.manifest.environment.device.clone()));
    warnings.extend(of_runs(runs, "seeds", &|run| run.manifest.identity.seed.to_string()));
    warnings
}

/// A warning if two runs that share a task differ in a field of whole runs.
fn of_runs(
    runs: &[ExportedRun<'_>],
    name: &str,
    value: &dyn Fn(&ExportedRun<'_>) -> String,
) -> Option<String> {
    let mut tasks: Vec<&str> = Vec::new();
    let mut concerned: Vec<&str> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        for other in runs[..index].iter().filter(|other| value(other) != value(run)) {
            let shared =
                run.manifest.tasks.iter().map(|task| task.task.as_str()).filter(|task| has(other, task));
            let before = tasks.len();
            tasks.extend(shared);
            if tasks.len() > before {
                concerned.extend([other.name.as_str(), run.name.as_str()]);
            }
        }
    }
    let values: Vec<(String, &str)> = runs
        .iter()
        .filter(|run| concerned.contains(&run.name.as_str()))
        .map(|run| (value(run), run.name.as_str()))
        .collect();
    let tasks = distinct(tasks);
    let tasks = if tasks.len() > MAX_TASKS { format!("{} tasks", tasks.len()) } else { listed(&tasks) };
    differing(&values).map(|values| format!("{tasks}: {name} differ: {values}"))
}

/// `X in a and b, Y in c`, if values differ.
fn differing(values: &[(String, &str)]) -> Option<String> {
    let distinct = distinct(values.iter().map(|(value, _)| value.as_str()));
    if distinct.len() < 2 {
        return None;
    }
    let of_value = |value: &str| {
        let runs: Vec<&str> = values.iter().filter(|(own, _)| own == value).map(|(_, run)| *run).collect();
        format!("{value} in {}", listed(&runs))
    };
    Some(distinct.into_iter().map(of_value).collect::<Vec<_>>().join(", "))
}

fn has(run: &ExportedRun<'_>, task: &str) -> bool {
    run.manifest.tasks.iter().any(|measured| measured.task == task)
}

/// Names of the task's protocols that all runs share; all names if they share none.
fn common_protocols(runs: &[&ExportedRun<'_>], task: &str) -> BTreeSet<String> {
    let names = |run: &&ExportedRun<'_>| -> BTreeSet<String> {
        let tasks = run.manifest.tasks.iter().filter(|measured| measured.task == task);
        tasks.map(|measured| measured.protocol.name.clone()).collect()
    };
    let each: Vec<BTreeSet<String>> = runs.iter().map(names).collect();
    let common = each.iter().cloned().reduce(|one, other| one.intersection(&other).cloned().collect());
    match common {
        Some(common) if !common.is_empty() => common,
        _ => each.into_iter().flatten().collect(),
    }
}

/// Labels of a task's protocols with these names.
fn labels(run: &ExportedRun<'_>, task: &str, names: &BTreeSet<String>) -> String {
    let tasks = run.manifest.tasks.iter().filter(|measured| measured.task == task);
    let labels: BTreeSet<String> = tasks
        .filter(|measured| names.contains(&measured.protocol.name))
        .map(|m| m.label.to_string())
        .collect();
    listed(&labels.iter().map(String::as_str).collect::<Vec<_>>())
}

fn digits(sha256: &str) -> String {
    sha256.chars().take(SHA256_DIGITS).collect::<String>() + "…"
}

/// sha256 of a task's data and of its file of few-shot examples.
fn data(run: &ExportedRun<'_>, task: &str) -> String {
    let files = run.manifest.identity.data.iter().filter(|data| data.task == task);
    let files: BTreeSet<String> = files
        .map(|data| {
            let examples = data.examples_sha256.as_deref().map(digits);
            let examples = examples.map(|digits| format!(", examples {digits}")).unwrap_or_default();
            format!("{}{examples}", digits(&data.sha256))
        })
        .collect();
    listed(&files.iter().map(String::as_str).collect::<Vec<_>>())
}

/// sha256 of a custom task's config.
fn config(run: &ExportedRun<'_>, task: &str) -> String {
    let found = run.manifest.identity.custom_tasks.iter().find(|own| own.task == task);
    found.map_or_else(|| "none".to_owned(), |own| digits(&own.sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_values_name_their_runs() {
        let value = |text: &str| text.to_owned();
        assert_eq!(differing(&[(value("1"), "a"), (value("1"), "b")]), None);
        assert_eq!(
            differing(&[(value("1"), "a"), (value("2"), "b"), (value("1"), "c")]).as_deref(),
            Some("1 in a and c, 2 in b")
        );
    }
}
