//! The decision whether a run is worse than its baseline.

use super::pairing::{Otherwise, Pair, common, pairs};
use super::{GateError, LeftOut, ModelMap, RegressionBaseline, Tolerance, Tolerances};
use crate::tasks::Registry;
use text_metrics::{Metric, Pairs, RESAMPLES, holm};

/// What to do where a run cannot be held against its baseline.
pub(super) const MEASURE_THE_SAME: &str = "\nmeasure the baseline's data and protocols, or make a new baseline with \
                                           `gpt2-eval baseline`";

/// Share of the runs that are no worse and fail all the same, at most.
const SIGNIFICANCE: f64 = 0.05;

/// What a gate demands.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOptions {
    /// How much worse metrics may be.
    pub tolerances: Tolerances,
    /// Models that have another label.
    pub models: ModelMap,
    /// Of every bootstrap.
    pub resamples: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { tolerances: Tolerances::default(), models: ModelMap::default(), resamples: RESAMPLES }
    }
}

/// What a gate says of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not significantly other.
    Passed,
    /// Significantly better.
    Improved,
    /// Significantly worse, and not by more than its tolerance.
    Tolerated,
    /// It has no test, or too few samples for one.
    Untested,
    /// Significantly worse, by more than its tolerance.
    Regressed,
    /// The run does not have it.
    Missing,
}

impl Verdict {
    /// Whether the gate fails.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Regressed | Self::Missing)
    }

    /// As it stands in tables.
    pub fn as_str(self) -> &'static str {
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
    /// Name of the task.
    pub task: String,
    /// Protocol with its options.
    pub protocol: String,
    /// Name of the metric.
    pub metric: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// Samples that both have.
    pub n: usize,
    /// The baseline's value, over these samples.
    pub base: f64,
    /// The run's; none if it is missing.
    pub new: Option<f64>,
    /// 95 % interval of the difference.
    pub ci95: Option<(f64, f64)>,
    /// How much worse it may be.
    pub tolerance: Tolerance,
    /// p that it is worse, one-sided, Holm's over all metrics of the gate.
    pub p_worse: Option<f64>,
    /// p that it is better, likewise.
    pub p_better: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
}

impl CheckedMetric {
    /// By how much the run is worse, in the metric's unit; below 0 where it is better.
    pub fn worse_by(&self) -> Option<f64> {
        let difference = self.new? - self.base;
        Some(if self.higher_is_better { -difference } else { difference })
    }
}

/// What a gate says of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// In the baseline's order.
    pub metrics: Vec<CheckedMetric>,
    /// By model and task, where samples are left out.
    pub left_out: Vec<(String, LeftOut)>,
}

impl Check {
    /// Metrics with this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.metrics.iter().filter(|metric| metric.verdict == verdict).count()
    }

    /// Whether the gate fails.
    pub fn is_failure(&self) -> bool {
        self.metrics.iter().any(|metric| metric.verdict.is_failure())
    }

    /// Samples of the baseline that the run lacks or that failed in it, over all models and tasks.
    pub fn missing_samples(&self) -> usize {
        self.left_out.iter().map(|(_, left_out)| left_out.missing_in_new()).sum()
    }
}

/// Holds a run, `new`, against its baseline. A metric regresses if it is worse by more than its tolerance and
/// significantly so: the one-sided p of its paired test, by Holm's correction over all metrics, is below 0.05. So a run
/// that is as good as its baseline in all metrics fails in at most 5 % of the cases.
///
/// `Err` if both measured other data or protocols, or have no task in common.
pub fn check(
    (base_name, base): (&str, &RegressionBaseline),
    (new_name, new): (&str, &RegressionBaseline),
    options: &CheckOptions,
) -> Result<Check, GateError> {
    options.tolerances.check(base)?;
    let pairs =
        pairs((base_name, base), (new_name, new), &options.models, Otherwise::Refuse(MEASURE_THE_SAME))?;
    let registry = Registry::new(&base.custom_tasks)?;
    let mut metrics = Vec::new();
    let mut left_out = Vec::new();
    for pair in &pairs {
        let of_pair = check_pair(pair, &registry, options);
        if of_pair.1 != LeftOut::default() {
            let name = format!("{} {} ({})", pair.new_label, pair.base_task.task, pair.base_task.protocol);
            left_out.push((name, of_pair.1));
        }
        metrics.extend(of_pair.0);
    }
    decide(&mut metrics);
    Ok(Check { metrics, left_out })
}

/// The metrics of a model's task, not yet decided.
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
