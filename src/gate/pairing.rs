//! What of one run belongs to what of the other: models, tasks, samples.

use std::collections::HashMap;

use serde::Serialize;

use super::{BaselineModel, BaselineTask, GateError, RegressionBaseline};
use text_metrics::Columns;
use untrusted_input::clipped;

/// Which model of the new run stands for which of the base.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelMap(Vec<(String, String)>);

impl ModelMap {
    /// Reads `old=new` labels.
    pub fn parse(given: &[String]) -> Result<Self, GateError> {
        let pair = |given: &String| match given.split_once('=') {
            Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
            _ => Err(GateError::Models { given: given.clone(), reason: "expected OLD=NEW".to_owned() }),
        };
        given.iter().map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// Every model of `base` with the label that it has in `new`, if it is there: as the map says, else the same; where
    /// each has one model, these two.
    pub(super) fn pairs<'a>(
        &'a self,
        base: &'a RegressionBaseline,
        new: &'a RegressionBaseline,
    ) -> Result<Vec<(&'a str, Option<&'a str>)>, GateError> {
        let labels = |file: &'a RegressionBaseline| -> Vec<&'a str> {
            file.models.iter().map(|model| model.label.as_str()).collect()
        };
        let (old_labels, new_labels) = (labels(base), labels(new));
        for (old, new) in &self.0 {
            let check = |label: &str, known: &[&str], which: &str| {
                if known.contains(&label) {
                    return Ok(());
                }
                let hint = untrusted_input::did_you_mean(label, known.iter().copied());
                let reason =
                    format!("no model `{label}` in the {which} run{hint}; it has {}", known.join(", "));
                Err(GateError::Models { given: format!("{old}={new}"), reason })
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

/// A model's task in the base, and in the new run where it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub base_task: &'a BaselineTask,
    pub base: &'a BaselineModel,
    /// Label of the model in the new run, or in the base where the new has none.
    pub new_label: &'a str,
    pub new: Option<(&'a BaselineTask, &'a BaselineModel)>,
}

/// What to do with runs that did not measure the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// It is an error, with this remedy.
    Refuse(&'static str),
    /// Compare what can be compared: protocols of the same name whatever their options, the samples of the same name.
    Compare,
}

/// Every task and model of `base`, in its order, with what it is in `new`.
///
/// `Err` names the fields if both measured a task on other data or under another protocol and that is to be refused.
pub(super) fn pairs<'a>(
    (base_name, base): (&str, &'a RegressionBaseline),
    (new_name, new): (&str, &'a RegressionBaseline),
    models: &'a ModelMap,
    otherwise: Otherwise,
) -> Result<Vec<Pair<'a>>, GateError> {
    let labels = models.pairs(base, new)?;
    let differences = differences(base, new);
    if let Otherwise::Refuse(remedy) = otherwise
        && !differences.is_empty()
    {
        let (base, new) = (base_name.to_owned(), new_name.to_owned());
        return Err(GateError::Different { base, new, differences, remedy });
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

/// The task under the same protocol with other options, where neither side has it with the other's.
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

/// What keeps the runs' numbers from being comparable, one line a field.
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
        field(name("card sha256"), &config(base), &config(new));
        field(name("data sha256"), &task.data.sha256, &other.data.sha256);
        let examples =
            |task: &BaselineTask| task.data.examples_sha256.clone().unwrap_or_else(|| "none".to_owned());
        field(name("examples sha256"), &examples(task), &examples(other));
    }
    lines
}

/// Samples that a comparison cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LeftOut {
    /// The new run does not have them.
    pub only_in_base: usize,
    /// The base does not have them.
    pub only_in_new: usize,
    /// They failed in the base, or were not computed.
    pub failed_in_base: usize,
    /// They failed in the new run, or were not computed.
    pub failed_in_new: usize,
}

impl LeftOut {
    /// What to say of them; nothing if there are none.
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
            .map(|(count, what)| format!("{} {what}", untrusted_input::thousands(count as u64)))
            .collect();
        (!parts.is_empty()).then(|| format!("samples left out: {}", parts.join(", ")))
    }

    /// Samples of the base that the new run does not have.
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
    /// Places among the samples of the base.
    pub places: Vec<usize>,
    pub left_out: LeftOut,
}

/// The samples that both sides have, in the order of the base.
pub(super) fn common(
    (base_task, base): (&BaselineTask, &BaselineModel),
    (new_task, new): (&BaselineTask, &BaselineModel),
) -> Common {
    let (base_rows, new_rows) = (rows(base_task, base), rows(new_task, new));
    let mut left_out = LeftOut::default();
    let place_in_new = places_in_new(base_task, new_task);
    let (mut places, mut both) = (Vec::new(), Vec::new());
    for (place, &base_row) in base_rows.iter().enumerate() {
        let new_row = place_in_new.get(place).copied().flatten().and_then(|place| new_rows.get(place));
        match (base_row, new_row) {
            (_, None) => left_out.only_in_base += 1,
            (Some(base), Some(Some(new))) => {
                places.push(place);
                both.push((base, *new));
            }
            (base, Some(new)) => {
                left_out.failed_in_base += usize::from(base.is_none());
                left_out.failed_in_new += usize::from(new.is_none());
            }
        }
    }
    let shared = place_in_new.iter().flatten().count();
    left_out.only_in_new = new_rows.len() - shared;
    let columns = |of: &BaselineModel, pick: &dyn Fn(&(usize, usize)) -> usize| -> Columns {
        let picked =
            |column: &[f64]| both.iter().filter_map(|pair| column.get(pick(pair)).copied()).collect();
        of.values.iter().map(|(name, column)| (name.clone(), picked(&column.0))).collect()
    };
    let cluster = |place: &usize| base_task.clusters.as_ref().and_then(|all| all.get(*place).copied());
    Common {
        base: columns(base, &|pair| pair.0),
        new: columns(new, &|pair| pair.1),
        clusters: places.iter().map(cluster).collect(),
        places,
        left_out,
    }
}

/// For every sample its row in the columns; none for those that failed.
fn rows(task: &BaselineTask, model: &BaselineModel) -> Vec<Option<usize>> {
    let mut without = model.without.iter().copied().peekable();
    let mut row = 0;
    (0..task.samples.len())
        .map(|place| {
            if without.next_if_eq(&place).is_some() {
                return None;
            }
            row += 1;
            Some(row - 1)
        })
        .collect()
}

/// For every sample of the base its place in the new run.
fn places_in_new(base: &BaselineTask, new: &BaselineTask) -> Vec<Option<usize>> {
    if base.samples == new.samples {
        return (0..base.samples.len()).map(Some).collect();
    }
    let names = new.samples.names();
    let place_of: HashMap<&str, usize> =
        names.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    base.samples.names().iter().map(|id| place_of.get(id.as_str()).copied()).collect()
}
