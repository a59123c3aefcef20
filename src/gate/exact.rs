//! Whether two runs have the same records.

use std::collections::BTreeMap;

use super::check::MEASURE_THE_SAME;
use super::pairing::{Otherwise, Pair, pairs};
use super::{BaselineTask, GateError, ModelMap, Side};
use crate::record::SampleResult;

/// Samples that are named where records differ.
const NAMED: usize = 5;

/// Whether a model's records of a task are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    /// Label of the model in the run.
    pub model: String,
    /// Name of the task.
    pub task: String,
    /// Protocol with its options.
    pub protocol: String,
    /// What is not the same; nothing if all is.
    pub difference: Option<String>,
}

/// Compares every record of a run with the baseline's, by their sha256; where both are run directories the first samples
/// that differ are named.
pub fn check_records(base: &Side, new: &Side, models: &ModelMap) -> Result<Vec<CheckedRecords>, GateError> {
    let pairs = pairs(base.named(), new.named(), models, Otherwise::Refuse(MEASURE_THE_SAME))?;
    let checked = pairs.iter().map(|pair| CheckedRecords {
        model: pair.new_label.to_owned(),
        task: pair.base_task.task.clone(),
        protocol: pair.base_task.protocol.to_string(),
        difference: difference(pair, base, new),
    });
    Ok(checked.collect())
}

fn difference(pair: &Pair<'_>, base: &Side, new: &Side) -> Option<String> {
    let Some((new_task, new_model)) = pair.new else {
        return Some("the run has no records of it".to_owned());
    };
    if pair.base.records_sha256 == new_model.records_sha256 {
        return None;
    }
    let old = records(base, pair.base_task, &pair.base.model);
    let now = records(new, new_task, &new_model.model);
    let Some((old, now)) = old.zip(now) else {
        return Some("records differ; give a run directory as the baseline to see which".to_owned());
    };
    let by_id: BTreeMap<&str, &SampleResult> =
        now.iter().map(|record| (record.id.as_str(), record)).collect();
    let known: BTreeMap<&str, &SampleResult> =
        old.iter().map(|record| (record.id.as_str(), record)).collect();
    let changed = old.iter().filter(|record| by_id.get(record.id.as_str()) != Some(record));
    let added = now.iter().filter(|record| !known.contains_key(record.id.as_str()));
    let ids: Vec<&str> = changed.chain(added).map(|record| record.id.as_str()).collect();
    if ids.is_empty() {
        return Some("the records are the same in another order".to_owned());
    }
    let named = ids.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if ids.len() > NAMED { ", …" } else { "" };
    Some(format!("{} records differ: {named}{more}", ids.len()))
}

/// The records of a model's task, where the side is a run directory.
pub(super) fn records<'a>(side: &'a Side, task: &BaselineTask, label: &str) -> Option<&'a [SampleResult]> {
    let number = side.measured.models.iter().position(|model| model.label == label)?;
    side.task(task)?.records.get(number).map(Vec::as_slice)
}
