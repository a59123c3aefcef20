//! Pairs the models, tasks and samples of two runs.

use std::collections::HashMap;

use anyhow::{anyhow, bail};
use serde::Serialize;

use super::baseline::{BaselineModel, BaselineTask, RegressionBaseline};
use text_metrics::Columns;
use untrusted_input::{clipped, did_you_mean, thousands};

/// Pairs models that have different labels in the two runs (`--models OLD=NEW`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelMap(Vec<(String, String)>);

impl ModelMap {
    /// Reads `OLD=NEW` pairs of labels.
    pub(crate) fn parse(given: &[String]) -> anyhow::Result<Self> {
        let pair = |given: &String| match given.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
            _ => Err(anyhow!("--models {given}: expected OLD=NEW")),
        };
        let pairs: Vec<(String, String)> = given.iter().map(pair).collect::<Result<_, _>>()?;
        for (index, (old, new)) in pairs.iter().enumerate() {
            if let Some((_, other)) =
                pairs[..index].iter().find(|(known, other)| known == old && other != new)
            {
                bail!("--models {old}={other} and {old}={new} disagree: give one of them");
            }
        }
        Ok(Self(pairs))
    }

    /// Every model of `base` with its label in `new`: as the map says, else the same label; where each run has one model,
    /// these two. `None` where `new` lacks it.
    fn pairs<'a>(
        &'a self,
        base: &'a RegressionBaseline,
        new: &'a RegressionBaseline,
    ) -> anyhow::Result<Vec<(&'a str, Option<&'a str>)>> {
        let labels = |file: &'a RegressionBaseline| -> Vec<&'a str> {
            file.models.iter().map(|model| model.label.as_str()).collect()
        };
        let (old_labels, new_labels) = (labels(base), labels(new));
        for (old, new) in &self.0 {
            let check = |label: &str, known: &[&str], which: &str| {
                if known.contains(&label) {
                    return Ok(());
                }
                let hint = did_you_mean(label, known.iter().copied());
                let labels = known.join(", ");
                Err(anyhow!(
                    "--models {old}={new}: no model `{label}` in the {which} run{hint}; it has {labels}"
                ))
            };
            check(old, &old_labels, "first")?;
            check(new, &new_labels, "second")?;
        }
        let find = |label: &'a str| {
            let mapped = self.0.iter().rev().find(|(old, _)| old == label).map(|(_, new)| new.as_str());
            let same = || new_labels.iter().copied().find(|known| *known == label);
            let only = || match (old_labels.as_slice(), new_labels.as_slice()) {
                ([_], [one]) => Some(*one),
                _ => None,
            };
            mapped.or_else(same).or_else(only)
        };
        Ok(old_labels.iter().map(|&label| (label, find(label))).collect())
    }
}

/// A model's task in the base and in the new run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub base_task: &'a BaselineTask,
    pub base: &'a BaselineModel,
    /// Label of the model in the new run; its label in the base where the new run lacks it.
    pub new_label: &'a str,
    pub new: Option<(&'a BaselineTask, &'a BaselineModel)>,
}

/// How to treat runs that differ in data, protocol or seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfDifferent {
    /// An error that ends with this advice.
    Refuse(&'static str),
    /// The same, and an error too if the new run has a task only under other protocols.
    RefuseOtherProtocols(&'static str),
    /// Compares protocols of the same name, whatever their options, on the samples of the same name.
    Compare,
}

/// Every task and model of `base`, in its order, with its counterpart in `new`.
///
/// `Err` names the fields that differ, unless `if_different` allows them.
pub(super) fn pairs<'a>(
    (base_name, base): (&str, &'a RegressionBaseline),
    (new_name, new): (&str, &'a RegressionBaseline),
    models: &'a ModelMap,
    if_different: IfDifferent,
) -> anyhow::Result<Vec<Pair<'a>>> {
    let labels = models.pairs(base, new)?;
    let mut differences = differences(base, new);
    if matches!(if_different, IfDifferent::RefuseOtherProtocols(_)) {
        differences.extend(other_protocols(base, new));
    }
    if let IfDifferent::Refuse(advice) | IfDifferent::RefuseOtherProtocols(advice) = if_different
        && !differences.is_empty()
    {
        let lines = differences.join("\n");
        bail!("{base_name} and {new_name} measured different things:\n{lines}\n{advice}");
    }
    let mut pairs = Vec::new();
    for base_task in &base.tasks {
        let new_task = same(base_task, new).or_else(|| similar(base_task, base, new));
        for base in &base_task.models {
            let label = labels.iter().find(|(old, _)| *old == base.model).and_then(|(_, new)| *new);
            let new = new_task.zip(label).and_then(|(task, label)| {
                Some((task, task.models.iter().find(|model| model.model == label)?))
            });
            pairs.push(Pair { base_task, base, new_label: label.unwrap_or(&base.model), new });
        }
    }
    Ok(pairs)
}

/// The task under the same label.
fn same<'a>(task: &BaselineTask, new: &'a RegressionBaseline) -> Option<&'a BaselineTask> {
    new.tasks.iter().find(|other| other.task == task.task && other.protocol == task.protocol)
}

/// The only task under the same protocol with other options, where neither run has the options of the other.
fn similar<'a>(
    task: &BaselineTask,
    base: &RegressionBaseline,
    new: &'a RegressionBaseline,
) -> Option<&'a BaselineTask> {
    let of_task =
        |other: &&BaselineTask| other.task == task.task && other.protocol.name == task.protocol.name;
    let alone = base.tasks.iter().filter(of_task).filter(|known| same(known, new).is_none()).count() == 1;
    let mut others = new.tasks.iter().filter(of_task).filter(|known| same(known, base).is_none());
    others.next().filter(|_| alone && others.next().is_none())
}

/// Tasks that the new run has only under other protocols, one line each.
fn other_protocols(base: &RegressionBaseline, new: &RegressionBaseline) -> Vec<String> {
    let mut lines = Vec::new();
    for task in &base.tasks {
        let others: Vec<String> = new
            .tasks
            .iter()
            .filter(|other| other.task == task.task)
            .map(|other| other.protocol.to_string())
            .collect();
        if !others.is_empty() && same(task, new).or_else(|| similar(task, base, new)).is_none() {
            let (old, now) = (task.protocol.to_string(), others.join(" and "));
            lines.push(format!(
                "  {} protocol: {} in the first, only {} in the second",
                task.task,
                clipped(&old),
                clipped(&now)
            ));
        }
    }
    lines
}

/// Differences that make the runs' numbers incomparable, one line per field.
fn differences(base: &RegressionBaseline, new: &RegressionBaseline) -> Vec<String> {
    let mut lines = Vec::new();
    let mut field = |name: String, old: &str, now: &str| {
        if old != now {
            lines.push(format!("  {name}: {} in the first, {} in the second", clipped(old), clipped(now)));
        }
    };
    field("seed".to_owned(), &base.seed.to_string(), &new.seed.to_string());
    for task in &base.tasks {
        let Some(other) = same(task, new).or_else(|| similar(task, base, new)) else { continue };
        let name = |what: &str| format!("{} {what}", task.task);
        field(name("protocol"), &task.protocol.to_string(), &other.protocol.to_string());
        let config = |file: &RegressionBaseline| {
            let config = file.custom_tasks.iter().find(|config| config.task == task.task);
            config.map_or_else(|| "none".to_owned(), |config| config.sha256.clone())
        };
        field(name("task config sha256"), &config(base), &config(new));
        field(name("data sha256"), &task.data.sha256, &other.data.sha256);
        let examples =
            |task: &BaselineTask| task.data.examples_sha256.clone().unwrap_or_else(|| "none".to_owned());
        field(name("examples sha256"), &examples(task), &examples(other));
    }
    lines
}

/// Counts of samples that a comparison leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// Missing in the new run.
    pub only_in_base: usize,
    /// Missing in the base.
    pub only_in_new: usize,
    /// Failed or not computed in the base.
    pub failed_in_base: usize,
    /// Failed or not computed in the new run.
    pub failed_in_new: usize,
}

impl LeftOut {
    /// The counts in words; `None` if no sample is left out.
    pub fn describe(&self) -> Option<String> {
        let counts = [
            (self.only_in_base, "only in the first"),
            (self.only_in_new, "only in the second"),
            (self.failed_in_base, "failed in the first"),
            (self.failed_in_new, "failed in the second"),
        ];
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", thousands(count as u64)))
            .collect();
        (!parts.is_empty()).then(|| format!("samples left out: {}", parts.join(", ")))
    }

    /// All samples that are left out.
    pub fn total(&self) -> usize {
        self.only_in_base + self.only_in_new + self.failed_in_base + self.failed_in_new
    }

    /// Samples of the base without a result in the new run.
    pub fn missing_in_new(&self) -> usize {
        self.only_in_base + self.failed_in_new
    }
}

/// The samples that both sides have.
#[derive(Debug)]
pub(super) struct Common {
    pub base: Columns,
    pub new: Columns,
    pub clusters: Vec<Option<usize>>,
    /// Their indices among the samples of the base.
    pub indices: Vec<usize>,
    pub left_out: LeftOut,
}

/// The samples that both sides have, in the order of the base.
pub(super) fn common(
    (base_task, base): (&BaselineTask, &BaselineModel),
    (new_task, new): (&BaselineTask, &BaselineModel),
) -> Common {
    let (base_rows, new_rows) = (rows(base_task, base), rows(new_task, new));
    let mut left_out = LeftOut::default();
    let index_in_new = indices_in_new(base_task, new_task);
    let (mut indices, mut both) = (Vec::new(), Vec::new());
    for (index, &base_row) in base_rows.iter().enumerate() {
        let new_row = index_in_new.get(index).copied().flatten().and_then(|index| new_rows.get(index));
        match (base_row, new_row) {
            (_, None) => left_out.only_in_base += 1,
            (Some(base), Some(Some(new))) => {
                indices.push(index);
                both.push((base, *new));
            }
            (base, Some(new)) => {
                left_out.failed_in_base += usize::from(base.is_none());
                left_out.failed_in_new += usize::from(new.is_none());
            }
        }
    }
    let shared = index_in_new.iter().flatten().count();
    left_out.only_in_new = new_rows.len() - shared;
    let columns = |of: &BaselineModel, pick: &dyn Fn(&(usize, usize)) -> usize| -> Columns {
        let picked =
            |column: &[f64]| both.iter().filter_map(|pair| column.get(pick(pair)).copied()).collect();
        of.values.iter().map(|(name, column)| (name.clone(), picked(&column.0))).collect()
    };
    let cluster = |index: &usize| base_task.clusters.as_ref().and_then(|all| all.get(*index).copied());
    Common {
        base: columns(base, &|pair| pair.0),
        new: columns(new, &|pair| pair.1),
        clusters: indices.iter().map(cluster).collect(),
        indices,
        left_out,
    }
}

/// For every sample its row in the columns; `None` for samples that failed.
fn rows(task: &BaselineTask, model: &BaselineModel) -> Vec<Option<usize>> {
    let mut without = model.without.iter().copied().peekable();
    let mut row = 0;
    (0..task.samples.len())
        .map(|index| {
            if without.next_if_eq(&index).is_some() {
                return None;
            }
            row += 1;
            Some(row - 1)
        })
        .collect()
}

/// For every sample of the base its index in the new run.
fn indices_in_new(base: &BaselineTask, new: &BaselineTask) -> Vec<Option<usize>> {
    if base.samples == new.samples {
        return (0..base.samples.len()).map(Some).collect();
    }
    let names = new.samples.names();
    let index_of: HashMap<&str, usize> =
        names.iter().enumerate().map(|(index, id)| (id.as_str(), index)).collect();
    base.samples.names().iter().map(|id| index_of.get(id.as_str()).copied()).collect()
}
