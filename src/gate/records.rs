//! Compares the records of a run with those of its regression baseline (`--exact`).

use std::collections::BTreeMap;

use super::check::REFUSE;
use super::pairing::{ModelMap, Pair, pairs};
use super::side::Side;
use crate::record::SampleResult;

/// Maximum samples that a difference of records names.
const MAX_NAMED: usize = 5;

/// Whether a model's records of a task are the same in run and baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    /// Label of the model in the run.
    pub model: String,
    pub task: String,
    /// Protocol with its options.
    pub protocol: String,
    /// The difference in words; `None` if the records are the same.
    pub difference: Option<String>,
}

/// Compares every record of a run with the baseline's by sha256. Where both are run directories, it names the first
/// samples that differ.
pub(crate) fn check_records(
    base: &Side,
    new: &Side,
    models: &ModelMap,
) -> anyhow::Result<Vec<CheckedRecords>> {
    let pairs = pairs(base.named(), new.named(), models, REFUSE)?;
    let checked = pairs.iter().map(|pair| CheckedRecords {
        model: pair.new_label.to_owned(),
        task: pair.base_task.task.clone(),
        protocol: pair.base_task.protocol.to_string(),
        difference: record_difference(pair, base, new),
    });
    Ok(checked.collect())
}

fn by_id(records: &[SampleResult]) -> BTreeMap<&str, &SampleResult> {
    records.iter().map(|record| (record.id.as_str(), record)).collect()
}

fn record_difference(pair: &Pair<'_>, base: &Side, new: &Side) -> Option<String> {
    let Some((new_task, new_model)) = pair.new else {
        return Some("the run has no records of this task and model".to_owned());
    };
    if pair.base.records_sha256 == new_model.records_sha256 {
        return None;
    }
    let old = base.records(pair.base_task, &pair.base.model);
    let now = new.records(new_task, &new_model.model);
    let Some((old, now)) = old.zip(now) else {
        return Some("records differ; give a run directory as the baseline to see which".to_owned());
    };
    let (old_by_id, new_by_id) = (by_id(old), by_id(now));
    let changed = old.iter().filter(|record| new_by_id.get(record.id.as_str()) != Some(record));
    let added = now.iter().filter(|record| !old_by_id.contains_key(record.id.as_str()));
    let ids: Vec<&str> = changed.chain(added).map(|record| record.id.as_str()).collect();
    if ids.is_empty() {
        return Some("the records are the same in another order".to_owned());
    }
    let named = ids.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if ids.len() > MAX_NAMED { ", …" } else { "" };
    Some(format!("{} records differ: {named}{more}", ids.len()))
}
