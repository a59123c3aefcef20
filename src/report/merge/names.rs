//! Which models of several runs are the same, and what they are called in one table.

use super::listed;
use crate::record::{GroupScore, ModelIdentity, Score};
use crate::report::ExportedRun;
use crate::report::section::in_order;

/// Why rows of a model are named after their runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict {
    /// The label means other files.
    OtherModel,
    /// The same files, but other scores.
    OtherScores,
}

/// What models and methods are called.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Labels that need the run's name.
    models: Vec<(String, Conflict, Vec<String>)>,
    /// Task, protocol and name of methods without a model that need it.
    methods: Vec<(String, String, String)>,
    /// Model, runs, and the tasks that they measured alike.
    alike: Vec<(String, Vec<String>, Vec<String>)>,
}

impl Names {
    /// Holds the runs against each other.
    pub(super) fn new(runs: &[ExportedRun<'_>]) -> Self {
        let mut names = Self::default();
        let labels =
            runs.iter().flat_map(|run| &run.manifest.identity.models).map(|model| model.label.as_str());
        for label in in_order(labels) {
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
                    conflict = Some(Conflict::OtherModel);
                } else if let Some(tasks) = tasks_alike(label, other, run) {
                    alike
                        .extend(tasks.into_iter().map(|task| (other.name.as_str(), run.name.as_str(), task)));
                } else if conflict.is_none() {
                    conflict = Some(Conflict::OtherScores);
                }
            }
        }
        let runs = with.iter().map(|(run, _)| run.name.clone()).collect();
        if let Some(conflict) = conflict {
            self.models.push((label.to_owned(), conflict, runs));
        } else if !alike.is_empty() {
            let runs = in_order(alike.iter().flat_map(|(first, second, _)| [*first, *second]));
            let tasks = in_order(alike.iter().map(|(.., task)| *task));
            let owned = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
            self.alike.push((label.to_owned(), owned(runs), owned(tasks)));
        }
    }

    /// What a model of a run is called.
    pub(super) fn of_model(&self, run: &ExportedRun<'_>, label: &str) -> String {
        if self.models.iter().any(|(known, ..)| known == label) {
            format!("{label} ({})", run.name)
        } else {
            label.to_owned()
        }
    }

    /// What the model or method of a score is called.
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

    /// What is not as one would expect.
    pub(super) fn warnings(&self) -> Vec<String> {
        let warning = |(label, conflict, runs): &(String, Conflict, Vec<String>)| {
            let runs = listed(&runs.iter().map(String::as_str).collect::<Vec<_>>());
            match conflict {
                Conflict::OtherModel => format!(
                    "{label} is not the same model in {runs} (the sha256 of its files differs): its rows are named \
                     after the runs"
                ),
                Conflict::OtherScores => format!(
                    "{label} is the same model in {runs} and has other scores: its rows are named after the runs"
                ),
            }
        };
        self.models.iter().map(warning).collect()
    }

    /// What was measured twice.
    pub(super) fn notes(&self) -> Vec<String> {
        let remark = |(label, runs, tasks): &(String, Vec<String>, Vec<String>)| {
            let list = |all: &[String]| listed(&all.iter().map(String::as_str).collect::<Vec<_>>());
            format!("{label} has the same scores in {} for {}: they stand once", list(runs), list(tasks))
        };
        self.alike.iter().map(remark).collect()
    }
}

fn model<'a>(run: &'a ExportedRun<'_>, label: &str) -> Option<&'a ModelIdentity> {
    run.manifest.identity.models.iter().find(|model| model.label == label)
}

/// Whether two models are made of the same files.
fn is_same(model: &ModelIdentity, other: &ModelIdentity) -> bool {
    (&model.weights_sha256, &model.config_sha256, &model.tokenizer_sha256)
        == (&other.weights_sha256, &other.config_sha256, &other.tokenizer_sha256)
}

fn key(score: &Score) -> (&str, &str, &str, &str) {
    (&score.model, &score.task, &score.protocol, &score.metric)
}

/// The tasks that both runs measured under the same protocol with the same scores; `None` if any has others.
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
