//! Finds metrics whose units, such as words or tokens, are not those of the baseline.

use super::baseline::RegressionBaseline;
use super::check::ROUNDING;
use super::pairing::{Common, Pair};
use crate::tasks::Registry;
use text_metrics::{Aggregate, Columns};

/// Whether a model has the same tokenizer and shape in baseline and run. Then the same data have the same tokens and
/// windows.
pub(super) fn is_same_layout(pair: &Pair<'_>, base: &RegressionBaseline, new: &RegressionBaseline) -> bool {
    let layout = |side: &RegressionBaseline, label: &str| {
        let model = side.models.iter().find(|model| model.label == label);
        model.map(|model| (model.tokenizer_sha256.clone(), model.config_sha256.clone()))
    };
    layout(base, &pair.base.model) == layout(new, pair.new_label)
}

/// Metrics whose units are not the same number in both. Another tokenizer or context can have this effect; else the units
/// of one side were changed: `Err` names them.
pub(super) fn other_units(
    pair: &Pair<'_>,
    common: &Common,
    registry: &Registry,
    is_same_layout: bool,
) -> Result<Vec<&'static str>, String> {
    let mut found = Vec::new();
    for metric in pair.base_task.known_metrics(registry) {
        let (Aggregate::Perplexity { units, .. } | Aggregate::Bits { units, .. }) = metric.aggregate else {
            continue;
        };
        let sum = |columns: &Columns| columns.get(units).map(|column| column.iter().sum::<f64>());
        let Some((old, now)) = sum(&common.base).zip(sum(&common.new)) else { continue };
        if (old - now).abs() <= ROUNDING * old.abs().max(now.abs()) {
            continue;
        }
        if is_same_layout {
            return Err(format!(
                "{} is per `{units}`, of which the same samples have {old} in the baseline and {now} in the run: one of \
                 them was changed; measure it again",
                metric.name
            ));
        }
        found.push(metric.name);
    }
    Ok(found)
}
