//! Two runs side by side: every metric with its difference, and the samples that changed most.

use serde::Serialize;

use super::changes::{Changes, changes};
use super::pairing::{Otherwise, Pair, common, pairs};
use super::{GateError, LeftOut, ModelMap, Side};
use crate::tasks::Registry;
use text_metrics::{Metric, PairedTest, Pairs, RESAMPLES, TestMethod};

/// What a comparison is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareOptions {
    /// Models that have another label.
    pub models: ModelMap,
    /// Compare runs on other data or protocols too, on the samples of the same name.
    pub force: bool,
    /// Samples of each kind that are shown a task.
    pub samples: usize,
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The run that is compared with.
    pub base: String,
    /// The other.
    pub new: String,
    /// In the base's order.
    pub tasks: Vec<ComparedTask>,
    /// What could not be compared, in words.
    pub notes: Vec<String>,
}

/// A model's task side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedTask {
    /// Name of the task.
    pub task: String,
    /// Its name in tables.
    pub title: String,
    /// Protocol with its options.
    pub protocol: String,
    /// Label of the model in the base.
    pub base_model: String,
    /// Label of the model in the new run.
    pub new_model: String,
    /// Samples that both have.
    pub n: usize,
    /// Samples that only one has.
    pub left_out: LeftOut,
    /// Headline first.
    pub metrics: Vec<ComparedMetric>,
    /// The samples that changed most.
    pub changes: Vec<Changes>,
}

/// A metric side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedMetric {
    /// Name.
    pub metric: String,
    /// Whether more is better.
    pub higher_is_better: bool,
    /// The base's value.
    pub base: f64,
    /// The new run's value.
    pub new: f64,
    /// `new - base`.
    pub difference: f64,
    /// Lower end of its 95 % interval.
    pub ci95_low: Option<f64>,
    /// Upper end of its 95 % interval.
    pub ci95_high: Option<f64>,
    /// `mcnemar` or `bootstrap`; none for metrics that have no paired test, and with too few samples.
    pub test: Option<&'static str>,
    /// Its two-sided p.
    pub p: Option<f64>,
    /// Samples right in the base and wrong in the new run, for `mcnemar`.
    pub lost: Option<u64>,
    /// Samples wrong in the base and right in the new run, for `mcnemar`.
    pub won: Option<u64>,
}

/// Compares two run directories.
///
/// `Err` if they measured other data or protocols, unless that is forced, or have nothing in common.
pub fn compare(base: &Side, new: &Side, options: &CompareOptions) -> Result<Comparison, GateError> {
    let otherwise = if options.force {
        Otherwise::Compare
    } else {
        Otherwise::Refuse("\n--force compares the samples of the same name all the same")
    };
    let pairs = pairs(base.named(), new.named(), &options.models, otherwise)?;
    let registry = Registry::new(&base.measured.custom_tasks)?;
    let mut tasks = Vec::new();
    let mut notes = Vec::new();
    for pair in &pairs {
        match compare_pair(pair, (base, new), &registry, options)? {
            Some(task) => tasks.push(task),
            None => notes.push(format!(
                "{} {} ({}) is only in {}",
                pair.base.model, pair.base_task.task, pair.base_task.protocol, base.name
            )),
        }
    }
    if tasks.is_empty() {
        let models = |side: &Side| {
            side.measured.models.iter().map(|model| model.label.as_str()).collect::<Vec<_>>().join(", ")
        };
        let reason = format!(
            "no task and model are in both; the models are {} and {}: name pairs with --models OLD=NEW",
            models(base),
            models(new)
        );
        return Err(GateError::NothingInCommon { base: base.name.clone(), new: new.name.clone(), reason });
    }
    let is_paired = |name: &str, protocol: &str| {
        tasks.iter().any(|task: &ComparedTask| task.task == name && task.protocol == protocol)
    };
    for task in &new.measured.tasks {
        if !is_paired(&task.task, &task.protocol.to_string()) && !options.force {
            notes.push(format!("{} ({}) is only in {}", task.task, task.protocol, new.name));
        }
    }
    Ok(Comparison { base: base.name.clone(), new: new.name.clone(), tasks, notes })
}

fn compare_pair(
    pair: &Pair<'_>,
    (base, new): (&Side, &Side),
    registry: &Registry,
    options: &CompareOptions,
) -> Result<Option<ComparedTask>, GateError> {
    let Some((new_task, new_model)) = pair.new else { return Ok(None) };
    let Some(task) = registry.find(&pair.base_task.task) else { return Ok(None) };
    let common = common((pair.base_task, pair.base), (new_task, new_model));
    let metrics = task.metrics(&pair.base_task.protocol);
    let sides = Pairs { base: &common.base, new: &common.new, clusters: &common.clusters };
    let compared = metrics.iter().filter_map(|metric| compared(metric, sides)).collect();
    let protocol = if new_task.protocol == pair.base_task.protocol {
        new_task.protocol.to_string()
    } else {
        format!("{} → {}", pair.base_task.protocol, new_task.protocol)
    };
    Ok(Some(ComparedTask {
        task: pair.base_task.task.clone(),
        title: task.config().title.clone(),
        protocol,
        base_model: pair.base.model.clone(),
        new_model: new_model.model.clone(),
        n: common.places.len(),
        left_out: common.left_out,
        metrics: compared,
        changes: changes(pair, (base, new), &common, &metrics, options.samples)?,
    }))
}

fn compared(metric: &Metric, pairs: Pairs<'_>) -> Option<ComparedMetric> {
    let found = metric.compare(pairs, RESAMPLES)?;
    let (test, flips) = match found.test.map(|test| test.method) {
        Some(TestMethod::McNemar(flips)) => (Some("mcnemar"), Some(flips)),
        Some(TestMethod::Bootstrap) => (Some("bootstrap"), None),
        None => (None, None),
    };
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
        lost: flips.map(|flips| flips.lost),
        won: flips.map(|flips| flips.won),
    })
}
