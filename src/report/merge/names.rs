//! Finds which models of several runs are the same, and names their rows.

use crate::record::{GroupScore, ModelIdentity, Score};
use crate::report::ExportedRun;
use crate::report::distinct::distinct;

/// Why rows of a model are named after the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    /// The label means different files.
    DifferentModel,
    /// The same files, but different scores.
    DifferentScores,
}

/// Names of models and heuristic baselines in the merged tables.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Labels that need the runs' names, with the names.
    models: Vec<(String, Conflict, Vec<String>)>,
    /// Task, protocol and name of heuristic baselines that need the runs' names.
    methods: Vec<(String, String, String)>,
    /// Model, runs, and the tasks for which they have the same scores.
    alike: Vec<(String, Vec<String>, Vec<String>)>,
}

impl Names {
    /// Compares the runs.
    pub(super) fn new(runs: &[ExportedRun<'_>]) -> Self {
        let mut names = Self::default();
        let labels =
            runs.iter().flat_map(|run| &run.manifest.identity.models).map(|model| model.label.as_str());
        for label in distinct(labels) {
            let with: Vec<(&ExportedRun<'_>, &ModelIdentity)> =
                runs.iter().filter_map(|run| Some((run, model(run, label)?))).collect();
            names.compare(label, &with);
        }
        for (index, run) in runs.iter().enumerate() {
            for score in run.results.scores().iter().filter(|score| score.parameters.is_none()) {
                let others = runs[..index].iter().flat_map(|other| other.results.scores());
                let mut alike = others.filter(|other| key(other) == key(score));
                let name = (score.task.clone(), score.protocol.clone(), score.model.clone());
                if alike.any(|other| other != score) && !names.methods.contains(&name) {
                    names.methods.push(name);
                }
            }
        }
        names
    }

    fn compare(&mut self, label: &str, with: &[(&ExportedRun<'_>, &ModelIdentity)]) {
        let mut conflict = None;
        let mut alike: Vec<(&str, &str, &str)> = Vec::new();
        for (index, (run, model)) in with.iter().enumerate() {
            for (other, other_model) in &with[..index] {
                if !is_same(model, other_model) {
                    conflict = Some(Conflict::DifferentModel);
                } else if let Some(tasks) = tasks_alike(label, other, run) {
                    alike
                        .extend(tasks.into_iter().map(|task| (other.name.as_str(), run.name.as_str(), task)));
                } else if conflict.is_none() {
                    conflict = Some(Conflict::DifferentScores);
                }
            }
        }
        let runs = with.iter().map(|(run, _)| run.name.clone()).collect();
        if let Some(conflict) = conflict {
            self.models.push((label.to_owned(), conflict, runs));
        } else if !alike.is_empty() {
            let runs = distinct(alike.iter().flat_map(|(first, second, _)| [*first, *second]));
            let tasks = distinct(alike.iter().map(|(.., task)| *task));
            let owned = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
            self.alike.push((label.to_owned(), owned(runs), owned(tasks)));
        }
    }

    /// The name of a run's model.
    pub(super) fn of_model(&self, run: &ExportedRun<'_>, label: &str) -> String {
        if self.models.iter().any(|(known, ..)| known == label) {
            format!("{label} ({})", run.name)
        } else {
            label.to_owned()
        }
    }

    /// The name of a score's model or heuristic baseline.
    pub(super) fn of_score(&self, run: &ExportedRun<'_>, score: &Score) -> String {
        if score.parameters.is_some() {
            return self.of_model(run, &score.model);
        }
        let is_own = |(task, protocol, method): &(String, String, String)| {
            (task, protocol, method) == (&score.task, &score.protocol, &score.model)
        };
        if self.methods.iter().any(is_own) {
            format!("{} ({})", score.model, run.name)
        } else {
            score.model.clone()
        }
    }

    /// One warning per conflict.
    pub(super) fn warnings(&self) -> Vec<String> {
        let warning = |(label, conflict, runs): &(String, Conflict, Vec<String>)| {
            let runs = listed(&runs.iter().map(String::as_str).collect::<Vec<_>>());
            match conflict {
                Conflict::DifferentModel => format!(
                    "{label} is not the same model in {runs} (the sha256 of its files differs): its rows are named \
                     after the runs"
                ),
                Conflict::DifferentScores => format!(
                    "{label} is the same model in {runs} but has different scores: its rows are named after the runs"
                ),
            }
        };
        self.models.iter().map(warning).collect()
    }

    /// Notes on scores that several runs share.
    pub(super) fn notes(&self) -> Vec<String> {
        let note = |(label, runs, tasks): &(String, Vec<String>, Vec<String>)| {
            let list = |all: &[String]| listed(&all.iter().map(String::as_str).collect::<Vec<_>>());
            format!("{label} has the same scores in {} for {}: they are shown once", list(runs), list(tasks))
        };
        self.alike.iter().map(note).collect()
    }
}

fn model<'a>(run: &'a ExportedRun<'_>, label: &str) -> Option<&'a ModelIdentity> {
    run.manifest.identity.models.iter().find(|model| model.label == label)
}

/// Whether two models have the same files.
fn is_same(model: &ModelIdentity, other: &ModelIdentity) -> bool {
    (&model.weights_sha256, &model.config_sha256, &model.tokenizer_sha256)
        == (&other.weights_sha256, &other.config_sha256, &other.tokenizer_sha256)
}

fn key(score: &Score) -> (&str, &str, &str, &str) {
    (&score.model, &score.task, &score.protocol, &score.metric)
}

/// The tasks for which both runs have the same scores under the same protocol; `None` if any scores differ.
fn tasks_alike<'a>(
    label: &str,
    first: &ExportedRun<'_>,
    second: &'a ExportedRun<'_>,
) -> Option<Vec<&'a str>> {
    let mut alike = Vec::new();
    for heading in second.results.headings() {
        let scores = |run: &ExportedRun<'_>| {
            let is_own = |score: &&Score| {
                score.parameters.is_some()
                    && (&*score.model, &score.task, &score.protocol)
                        == (label, &heading.task, &heading.protocol)
            };
            run.results.scores().iter().filter(is_own).cloned().collect::<Vec<_>>()
        };
        let groups = |run: &ExportedRun<'_>| {
            let is_own = |group: &&GroupScore| {
                (&*group.model, &group.task, &group.protocol) == (label, &heading.task, &heading.protocol)
            };
            run.results.groups().iter().filter(is_own).cloned().collect::<Vec<_>>()
        };
        let (one, other) = (scores(first), scores(second));
        if one.is_empty() || other.is_empty() {
            continue;
        }
        if one != other || groups(first) != groups(second) {
            return None;
        }
        alike.push(heading.task.as_str());
    }
    Some(alike)
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names() {
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
