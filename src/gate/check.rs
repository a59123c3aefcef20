//! Decides whether a run is worse than its regression baseline, metric by metric.

use anyhow::{anyhow, bail};

use super::baseline::{BaselineModel, BaselineTask, RegressionBaseline};
use super::pairing::{Common, IfDifferent, LeftOut, ModelMap, Pair, common, pairs};
use super::tolerance::{Tolerance, Tolerances};
use super::units::{is_same_layout, other_units};
use crate::report::arithmetic_differences;
use crate::tasks::Registry;
use text_metrics::{Metric, Pairs, holm};

/// Advice where run and baseline cannot be compared.
pub(super) const REFUSE: IfDifferent = IfDifferent::RefuseOtherProtocols(
    "measure the baseline's data and protocols, or make a new baseline with `gpt2-eval baseline`",
);

/// Maximum share of gates that fail although the run is not worse.
const SIGNIFICANCE: f64 = 0.05;

/// A metric that is worse than its tolerance by at most this share of its value is within it: 68 and 58 of 100 correct are
/// 68 and 57.99999999999999 percent. Sums of a million samples agree to 1e-10 in any order.
pub(super) const ROUNDING: f64 = 1e-9;

/// Options of a gate.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CheckOptions {
    /// How much worse metrics may be.
    pub tolerances: Tolerances,
    /// Pairs of models with different labels.
    pub models: ModelMap,
    /// Whether every record is compared too: a task without a test is then no reason to refuse the gate.
    pub exact: bool,
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

    /// Whether it is not worse than its tolerance allows.
    fn is_tolerated(&self) -> bool {
        let rounding = ROUNDING * self.base.abs().max(self.new.unwrap_or_default().abs());
        self.worse_by().is_some_and(|worse_by| worse_by <= self.tolerance.allowed(self.base) + rounding)
    }
}

/// Outcome of a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// In the baseline's order.
    pub metrics: Vec<CheckedMetric>,
    /// Models and tasks of which samples are left out.
    pub left_out: Vec<(String, LeftOut)>,
    /// Number of metrics of the run that the baseline lacks.
    pub only_in_run: usize,
    /// What else differs between baseline and run, one sentence each.
    pub notes: Vec<String>,
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
/// Data, protocols or seeds differ; a tolerance or model pair names what the baseline lacks; the baseline has no metric of
/// a model and task, or the run none at all; or no metric of a model and task can be tested.
pub fn check(
    (base_name, base): (&str, &RegressionBaseline),
    (new_name, new): (&str, &RegressionBaseline),
    options: &CheckOptions,
) -> anyhow::Result<Check> {
    base.check_measured().map_err(|reason| {
        anyhow!("{base_name}: {reason}: no gate can compare it; make the baseline of a run that has it")
    })?;
    if !new.has_metrics() {
        bail!("{new_name}: the run has no metric of any task: nothing was measured, or every sample failed");
    }
    options.tolerances.check(base)?;
    let pairs = pairs((base_name, base), (new_name, new), &options.models, REFUSE)?;
    let registry = Registry::new(&base.custom_tasks)?;
    let mut metrics = Vec::new();
    let mut left_out = Vec::new();
    let mut notes = arithmetic_differences(&[(base_name, base.arithmetic()), (new_name, new.arithmetic())]);
    for pair in &pairs {
        let name = || format!("{} {}", pair.new_label, pair.base_task.name());
        let common = pair.new.map(|new| common((pair.base_task, pair.base), new));
        let other_units = match &common {
            Some(common) => other_units(pair, common, &registry, is_same_layout(pair, base, new))
                .map_err(|reason| anyhow!("{}: {reason}", name()))?,
            None => Vec::new(),
        };
        notes.extend(other_units.iter().map(|metric| {
            format!("{}: {metric} is not tested: another tokenizer or context gives it other units", name())
        }));
        let checked = check_pair(pair, common.as_ref(), &registry, options, &other_units);
        if !options.exact
            && checked.iter().all(|metric| metric.verdict == Verdict::Untested && metric.p_worse.is_none())
        {
            let reason = match &common {
                Some(_) if !other_units.is_empty() => "another tokenizer or context gives them other units",
                Some(common) => why_untested(common),
                None => "it has no metric",
            };
            bail!(
                "{}: no metric can be tested: {reason}; measure more, leave the task out of the baseline, or compare the \
                 records with --exact",
                name()
            );
        }
        for metric in &checked {
            options.tolerances.check_limit(
                (&metric.task, &metric.metric),
                metric.base,
                metric.higher_is_better,
            )?;
        }
        if let Some(common) = common.filter(|common| common.left_out != LeftOut::default()) {
            left_out.push((name(), common.left_out));
        }
        metrics.extend(checked);
    }
    decide(&mut metrics);
    Ok(Check { metrics, left_out, only_in_run: only_in_run(&pairs, new), notes })
}

/// Number of metrics of the run that no metric of the baseline is compared with.
fn only_in_run(pairs: &[Pair<'_>], new: &RegressionBaseline) -> usize {
    let is_compared = |task: &BaselineTask, model: &BaselineModel, metric: &str| {
        pairs.iter().any(|pair| {
            let is_it = |(new_task, new_model): (&BaselineTask, &BaselineModel)| {
                (&new_task.task, &new_task.protocol, &new_model.model)
                    == (&task.task, &task.protocol, &model.model)
            };
            pair.new.is_some_and(is_it) && pair.base.metrics.iter().any(|known| known.metric == metric)
        })
    };
    let models = new.tasks.iter().flat_map(|task| task.models.iter().map(move |model| (task, model)));
    let metrics =
        models.flat_map(|(task, model)| model.metrics.iter().map(move |metric| (task, model, metric)));
    metrics.filter(|(task, model, metric)| !is_compared(task, model, &metric.metric)).count()
}

/// Why no metric of these samples has a test.
fn why_untested(common: &Common) -> &'static str {
    let first = common.clusters.first();
    match common.clusters.len() {
        1 => "baseline and run share one sample",
        _ if first.is_some_and(|first| {
            first.is_some() && common.clusters.iter().all(|cluster| cluster == first)
        }) =>
        {
            "all samples are of one cluster, such as one story or one document"
        }
        _ => "its metrics are no sums over samples, or too few samples have a value",
    }
}

/// The metrics of a model's task, before the correction of p.
fn check_pair(
    pair: &Pair<'_>,
    common: Option<&Common>,
    registry: &Registry,
    options: &CheckOptions,
    other_units: &[&str],
) -> Vec<CheckedMetric> {
    let Pair { base_task, base, new_label, .. } = *pair;
    let known = base_task.known_metrics(registry);
    let checked = base.metrics.iter().map(|in_base| {
        let metric = known.iter().find(|metric| metric.name == in_base.metric);
        let found = metric.zip(common).and_then(|(metric, common)| {
            let pairs = Pairs { base: &common.base, new: &common.new, clusters: &common.clusters };
            metric.compare(pairs)
        });
        let is_testable = !other_units.contains(&in_base.metric.as_str());
        let p = metric.zip(found.and_then(|found| found.test)).filter(|_| is_testable);
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
    checked.collect()
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
            if metric.is_tolerated() { Verdict::Tolerated } else { Verdict::Regressed }
        } else {
            Verdict::Passed
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use text_metrics::{Aggregate, Columns};

    const SAMPLES: usize = 500;

    /// Accuracy by the number of correct samples, as the gate computes it.
    fn accuracies() -> Vec<f64> {
        let metric = Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "correct" } };
        let column = |right: usize| (0..SAMPLES).map(|index| f64::from(u8::from(index < right))).collect();
        let of =
            |right| metric.value(&Columns::from([("correct".to_owned(), column(right))]), SAMPLES).unwrap();
        (0..=SAMPLES).map(of).collect()
    }

    fn is_tolerated(base: f64, new: f64, tolerance: Tolerance) -> bool {
        let metric = CheckedMetric {
            model: String::new(),
            task: String::new(),
            protocol: String::new(),
            metric: String::new(),
            higher_is_better: true,
            n: SAMPLES,
            base,
            new: Some(new),
            ci95: None,
            tolerance,
            p_worse: None,
            p_better: None,
            verdict: Verdict::Untested,
        };
        metric.is_tolerated()
    }

    #[test]
    fn a_drop_of_exactly_the_tolerance_is_within_it() {
        let accuracy = accuracies();
        for base in 1..=SAMPLES {
            for drop in 1..=base {
                // As a user types it: 0.2 points a sample.
                let points = Tolerance::Absolute(format!("{}.{}", drop / 5, drop % 5 * 2).parse().unwrap());
                let percent = Tolerance::Relative(100.0 * drop as f64 / base as f64);
                for tolerance in [points, percent] {
                    let at = |right: usize| is_tolerated(accuracy[base], accuracy[right], tolerance);
                    assert!(at(base - drop), "{base} - {drop}, {tolerance}");
                    assert!(
                        drop == base || !at(base - drop - 1),
                        "one more than {base} - {drop}, {tolerance}"
                    );
                }
            }
        }
        assert!(!is_tolerated(68.0, 57.999_999, Tolerance::Absolute(10.0)), "rounding is far smaller");
        assert!(is_tolerated(68.0, 68.0 - 1e-12, Tolerance::Absolute(0.0)));
    }
}
