//! Decides whether a run is worse than its regression baseline, metric by metric or record by record.

use std::collections::BTreeMap;

use super::baseline::RegressionBaseline;
use super::pairing::{IfDifferent, LeftOut, ModelMap, Pair, common, pairs};
use super::side::Side;
use super::tolerance::{Tolerance, Tolerances};
use crate::record::SampleResult;
use crate::tasks::Registry;
use text_metrics::{Metric, Pairs, RESAMPLES, holm};

/// Advice where run and baseline cannot be compared.
const REFUSE: IfDifferent = IfDifferent::Refuse(
    "measure the baseline's data and protocols, or make a new baseline with `gpt2-eval baseline`",
);

/// Maximum share of gates that fail although the run is not worse.
const SIGNIFICANCE: f64 = 0.05;

/// Maximum samples that a difference of records names.
const MAX_NAMED: usize = 5;

/// Options of a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOptions {
    /// How much worse metrics may be.
    pub tolerances: Tolerances,
    /// Pairs of models with different labels.
    pub models: ModelMap,
    /// Number of resamples of every bootstrap.
    pub resamples: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { tolerances: Tolerances::default(), models: ModelMap::default(), resamples: RESAMPLES }
    }
}

/// Outcome for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No significant difference.
    Passed,
    /// Significantly better.
    Improved,
    /// Significantly worse, within its tolerance.
    Tolerated,
    /// It has no paired test, or too few samples for one.
    Untested,
    /// Significantly worse, beyond its tolerance.
    Regressed,
    /// The run lacks it.
    Missing,
}

impl Verdict {
    /// Whether it makes the gate fail.
    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Regressed | Self::Missing)
    }

    /// Its name in tables.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Improved => "improved",
            Self::Tolerated => "worse, tolerated",
            Self::Untested => "not tested",
            Self::Regressed => "REGRESSED",
            Self::Missing => "MISSING",
        }
    }
}

/// A metric of the baseline in the run.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedMetric {
    /// Label of the model in the run.
    pub model: String,
    pub task: String,
    /// Protocol with its options.
    pub protocol: String,
    pub metric: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Number of samples that both have.
    pub n: usize,
    /// Value in the baseline, over these samples.
    pub base: f64,
    /// Value in the run.
    pub new: Option<f64>,
    /// 95 % interval of the difference.
    pub ci95: Option<(f64, f64)>,
    /// How much worse it may be.
    pub tolerance: Tolerance,
    /// One-sided p for being worse, with Holm's correction over all metrics of the gate.
    pub p_worse: Option<f64>,
    /// One-sided p for being better, with the same correction.
    pub p_better: Option<f64>,
    /// Outcome.
    pub verdict: Verdict,
}

impl CheckedMetric {
    /// By how much the run is worse, in the metric's unit; below 0 where it is better.
    fn worse_by(&self) -> Option<f64> {
        let difference = self.new? - self.base;
        Some(if self.higher_is_better { -difference } else { difference })
    }
}

/// Outcome of a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// In the baseline's order.
    pub metrics: Vec<CheckedMetric>,
    /// Models and tasks of which samples are left out.
    pub left_out: Vec<(String, LeftOut)>,
}

impl Check {
    /// Metrics with this verdict.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.metrics.iter().filter(|metric| metric.verdict == verdict).count()
    }

    /// Whether the gate fails.
    pub fn is_failure(&self) -> bool {
        self.metrics.iter().any(|metric| metric.verdict.is_failure())
    }

    /// Number of the baseline's samples that the run lacks or that failed in it, over all models and tasks.
    pub(crate) fn missing_samples(&self) -> usize {
        self.left_out.iter().map(|(_, left_out)| left_out.missing_in_new()).sum()
    }
}

/// Compares a run, `new`, with its baseline. A metric regresses if it is worse beyond its tolerance and significantly so:
/// the one-sided p of its paired test, with Holm's correction over all metrics, is below 0.05. So at most 5 % of the
/// runs that are not worse in any metric fail.
///
/// # Errors
///
/// Data, protocols or seeds differ, or a tolerance or model pair names what the baseline lacks.
pub fn check(
    (base_name, base): (&str, &RegressionBaseline),
    (new_name, new): (&str, &RegressionBaseline),
    options: &CheckOptions,
) -> anyhow::Result<Check> {
    options.tolerances.check(base)?;
    let pairs = pairs((base_name, base), (new_name, new), &options.models, REFUSE)?;
    let registry = Registry::new(&base.custom_tasks)?;
    let mut metrics = Vec::new();
    let mut left_out = Vec::new();
    for pair in &pairs {
        let (checked, skipped) = check_pair(pair, &registry, options);
        if skipped != LeftOut::default() {
            let name = format!("{} {} ({})", pair.new_label, pair.base_task.task, pair.base_task.protocol);
            left_out.push((name, skipped));
        }
        metrics.extend(checked);
    }
    decide(&mut metrics);
    Ok(Check { metrics, left_out })
}

/// The metrics of a model's task, before the correction of p, and the samples left out.
fn check_pair(pair: &Pair<'_>, registry: &Registry, options: &CheckOptions) -> (Vec<CheckedMetric>, LeftOut) {
    let Pair { base_task, base, new_label, new } = *pair;
    let common = new.map(|new| common((base_task, base), new));
    let known: Vec<Metric> =
        registry.find(&base_task.task).map(|task| task.metrics(&base_task.protocol)).unwrap_or_default();
    let checked = base.metrics.iter().map(|in_base| {
        let metric = known.iter().find(|metric| metric.name == in_base.metric);
        let found = metric.zip(common.as_ref()).and_then(|(metric, common)| {
            let pairs = Pairs { base: &common.base, new: &common.new, clusters: &common.clusters };
            metric.compare(pairs, options.resamples)
        });
        let p = metric.zip(found.and_then(|found| found.test));
        CheckedMetric {
            model: new_label.to_owned(),
            task: base_task.task.clone(),
            protocol: base_task.protocol.to_string(),
            metric: in_base.metric.clone(),
            higher_is_better: metric.is_none_or(Metric::higher_is_better),
            n: found.map_or(0, |found| found.n),
            base: found.map_or(in_base.value, |found| found.base),
            new: found.map(|found| found.new),
            ci95: found.and_then(|found| found.ci95),
            tolerance: options.tolerances.of(&base_task.task, &in_base.metric),
            p_worse: p.map(|(metric, test)| metric.p_worse(&test)),
            p_better: p.map(|(metric, test)| metric.p_better(&test)),
            verdict: if found.is_some() { Verdict::Untested } else { Verdict::Missing },
        }
    });
    (checked.collect(), common.as_ref().map(|common| common.left_out).unwrap_or_default())
}

/// Corrects the p values and sets the verdicts.
fn decide(metrics: &mut [CheckedMetric]) {
    let tested: Vec<usize> = (0..metrics.len()).filter(|&index| metrics[index].p_worse.is_some()).collect();
    let adjusted = |p: &dyn Fn(&CheckedMetric) -> Option<f64>| {
        holm(&tested.iter().filter_map(|&index| p(&metrics[index])).collect::<Vec<_>>())
    };
    let worse = adjusted(&|metric| metric.p_worse);
    let better = adjusted(&|metric| metric.p_better);
    for ((&index, worse), better) in tested.iter().zip(worse).zip(better) {
        let metric = &mut metrics[index];
        metric.p_worse = Some(worse);
        metric.p_better = Some(better);
        let worse_by = metric.worse_by().unwrap_or_default();
        metric.verdict = if better < SIGNIFICANCE && worse_by < 0.0 {
            Verdict::Improved
        } else if worse < SIGNIFICANCE && worse_by > 0.0 {
            let is_tolerated = worse_by <= metric.tolerance.allowed(metric.base);
            if is_tolerated { Verdict::Tolerated } else { Verdict::Regressed }
        } else {
            Verdict::Passed
        };
    }
}

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
