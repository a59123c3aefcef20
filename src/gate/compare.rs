//! Compares two runs: every metric with its difference, and the samples that changed most.

use anyhow::bail;
use serde::Serialize;

use super::changes::{Changes, changes};
use super::pairing::{IfDifferent, LeftOut, ModelMap, Pair, common, pairs};
use super::side::Side;
use crate::report::arithmetic_differences;
use crate::tasks::Registry;
use text_metrics::{Metric, PairedTest, Pairs, TestMethod};

/// Options of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareOptions {
    /// Pairs of models with different labels.
    pub models: ModelMap,
    /// Also compare runs that differ in data or protocols, on the samples of the same name.
    pub force: bool,
    /// Maximum samples of each kind to show per task.
    pub samples: usize,
}

/// The comparison of two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Path of the first run.
    pub base: String,
    /// Path of the second run.
    pub new: String,
    /// In the base's order.
    pub tasks: Vec<ComparedTask>,
    /// Tasks that only one run has, in words.
    pub not_compared: Vec<String>,
    /// Differences in what computed the runs, one sentence each.
    pub notes: Vec<String>,
}

/// A model's task in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedTask {
    pub task: String,
    /// Its name in tables.
    pub title: String,
    /// Protocol with its options.
    pub protocol: String,
    /// Label of the model in the base.
    pub base_model: String,
    /// Label of the model in the new run.
    pub new_model: String,
    /// Number of samples that both have.
    pub n: usize,
    /// Counts of samples that were not compared.
    pub left_out: LeftOut,
    /// Headline first.
    pub metrics: Vec<ComparedMetric>,
    /// The samples that changed most.
    pub changes: Vec<Changes>,
}

/// A metric in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedMetric {
    pub metric: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    pub base: f64,
    /// Value in the new run.
    pub new: f64,
    /// `new - base`.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub ci95_high: Option<f64>,
    /// `mcnemar` or `hall`; `None` for metrics without a paired test, and with too few samples.
    pub test: Option<&'static str>,
    /// Two-sided p of the test.
    pub p: Option<f64>,
    /// Samples that are correct in the base only, for accuracies.
    pub lost: Option<u64>,
    /// Samples that are correct in the new run only, for accuracies.
    pub won: Option<u64>,
}

/// Compares two run directories.
///
/// `Err` if data or protocols differ and `force` is off, or if the runs have no task and model in common.
pub(crate) fn compare(base: &Side, new: &Side, options: &CompareOptions) -> anyhow::Result<Comparison> {
    let if_different = if options.force {
        IfDifferent::Compare
    } else {
        IfDifferent::Refuse("use --force to compare the samples of the same name anyway")
    };
    let pairs = pairs(base.named(), new.named(), &options.models, if_different)?;
    let registry = Registry::new(&base.measured.custom_tasks)?;
    let mut tasks = Vec::new();
    let mut not_compared = Vec::new();
    for pair in &pairs {
        match compare_pair(pair, (base, new), &registry, options) {
            Some(task) => tasks.push(task),
            None => not_compared.push(format!(
                "{} {} ({}) is only in {}",
                pair.base.model, pair.base_task.task, pair.base_task.protocol, base.name
            )),
        }
    }
    if tasks.is_empty() {
        let models = |side: &Side| {
            side.measured.models.iter().map(|model| model.label.as_str()).collect::<Vec<_>>().join(", ")
        };
        bail!(
            "{} and {} have nothing in common: no task and model are in both; the models are {} and {}: name pairs with \
             --models OLD=NEW",
            base.name,
            new.name,
            models(base),
            models(new)
        );
    }
    let is_paired = |name: &str, protocol: &str| {
        tasks.iter().any(|task: &ComparedTask| task.task == name && task.protocol == protocol)
    };
    for task in &new.measured.tasks {
        if !is_paired(&task.task, &task.protocol.to_string()) && !options.force {
            not_compared.push(format!("{} ({}) is only in {}", task.task, task.protocol, new.name));
        }
    }
    let arithmetic = [base, new].map(|side| (side.name.as_str(), side.measured.arithmetic()));
    let notes = arithmetic_differences(&arithmetic);
    Ok(Comparison { base: base.name.clone(), new: new.name.clone(), tasks, not_compared, notes })
}

fn compare_pair(
    pair: &Pair<'_>,
    (base, new): (&Side, &Side),
    registry: &Registry,
    options: &CompareOptions,
) -> Option<ComparedTask> {
    let (new_task, new_model) = pair.new?;
    let task = registry.find(&pair.base_task.task)?;
    let common = common((pair.base_task, pair.base), (new_task, new_model));
    let metrics = task.metrics(&pair.base_task.protocol);
    let sides = Pairs { base: &common.base, new: &common.new, clusters: &common.clusters };
    let compared = metrics.iter().filter_map(|metric| compared(metric, sides)).collect();
    let protocol = if new_task.protocol == pair.base_task.protocol {
        new_task.protocol.to_string()
    } else {
        format!("{} → {}", pair.base_task.protocol, new_task.protocol)
    };
    Some(ComparedTask {
        task: pair.base_task.task.clone(),
        title: task.config().title.clone(),
        protocol,
        base_model: pair.base.model.clone(),
        new_model: new_model.model.clone(),
        n: common.indices.len(),
        left_out: common.left_out,
        metrics: compared,
        changes: changes(pair, (base, new), &common, &metrics, options.samples),
    })
}

fn compared(metric: &Metric, pairs: Pairs<'_>) -> Option<ComparedMetric> {
    let found = metric.compare(pairs)?;
    let test = found.test.map(|test| match test.method {
        TestMethod::McNemar => "mcnemar",
        TestMethod::Hall => "hall",
    });
    Some(ComparedMetric {
        metric: metric.name.to_owned(),
        higher_is_better: metric.higher_is_better(),
        base: found.base,
        new: found.new,
        difference: found.new - found.base,
        ci95_low: found.ci95.map(|(low, _)| low),
        ci95_high: found.ci95.map(|(_, high)| high),
        test,
        p: found.test.as_ref().map(PairedTest::two_sided),
        lost: found.flips.map(|flips| flips.lost),
        won: found.flips.map(|flips| flips.won),
    })
}
