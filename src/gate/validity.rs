//! Refuses runs and regression baselines that contradict themselves or have nothing to compare. A gate would pass with
//! them, whatever the run is.

use std::collections::{BTreeMap, BTreeSet};

use super::baseline::{BaselineModel, BaselineTask, RegressionBaseline, SampleIds};
use crate::tasks::Registry;
use text_metrics::{Aggregate, BleuStatistics, Metric};
use untrusted_input::thousands;

/// A sum of log-likelihoods that is above 0 by this much is rounding.
const LOG_LIKELIHOOD_ROUNDING: f64 = 1e-3;

/// A share that is above 1 by this much is rounding.
const SHARE_ROUNDING: f64 = 1e-9;

impl RegressionBaseline {
    /// Checks that every model, task and metric is named once, that names are printable, and that every value is possible.
    pub(super) fn check(&self) -> Result<(), String> {
        let registry = Registry::new(&self.custom_tasks).map_err(|error| error.to_string())?;
        let labels: Vec<&str> = self.models.iter().map(|model| model.label.as_str()).collect();
        once("model", labels.iter().copied())?;
        let tasks: Vec<String> = self.tasks.iter().map(BaselineTask::name).collect();
        once("task", tasks.iter().map(String::as_str))?;
        for task in &self.tasks {
            let known = task.known_metrics(&registry);
            task.check(&labels, &known).map_err(|reason| format!("{}: {reason}", task.task))?;
        }
        Ok(())
    }

    /// Checks that every model has a metric of every task, without which a gate would pass unseen.
    pub(crate) fn check_measured(&self) -> Result<(), String> {
        if self.models.is_empty() {
            return Err("it has no model".to_owned());
        }
        if self.tasks.is_empty() {
            return Err("it has no task".to_owned());
        }
        for task in &self.tasks {
            let name = task.name();
            if task.models.is_empty() {
                return Err(format!("{name} has no model"));
            }
            if let Some(model) = task.models.iter().find(|model| model.metrics.is_empty()) {
                return Err(match task.samples.len() {
                    0 => format!("{name} has no samples of {}", model.model),
                    count if model.without.len() == count => {
                        format!("all {} samples of {} failed in {name}", thousands(count as u64), model.model)
                    }
                    _ => format!("{name} has no metric of {}", model.model),
                });
            }
        }
        Ok(())
    }

    /// Whether any model has a metric of any task.
    pub(super) fn has_metrics(&self) -> bool {
        self.tasks.iter().flat_map(|task| &task.models).any(|model| !model.metrics.is_empty())
    }

    /// What a gate with this baseline cannot test, one sentence each.
    pub(crate) fn warnings(&self) -> anyhow::Result<Vec<String>> {
        let registry = Registry::new(&self.custom_tasks)?;
        let mut warnings = Vec::new();
        for task in &self.tasks {
            for model in &task.models {
                let (name, label) = (task.name(), &model.model);
                if task.independent_samples(model) < 2 {
                    warnings.push(format!(
                        "{name}: all samples of {label} are of one cluster: `check` can only compare them with --exact"
                    ));
                }
                for metric in task.known_metrics(&registry) {
                    if !model.metrics.iter().any(|known| known.metric == metric.name) {
                        let metric = metric.name;
                        warnings
                            .push(format!("{name}: {label} has no value of {metric}: no gate compares it"));
                    }
                }
            }
        }
        Ok(warnings)
    }
}

impl BaselineTask {
    /// `lambada (paper,data=sample)`.
    pub(super) fn name(&self) -> String {
        format!("{} ({})", self.task, self.protocol)
    }

    /// The metrics of the task, whether a model has them or not.
    pub(super) fn known_metrics(&self, registry: &Registry) -> Vec<Metric> {
        registry.find(&self.task).map(|task| task.metrics(&self.protocol)).unwrap_or_default()
    }

    /// Number of samples with values that are independent of each other: clusters, where there are any.
    fn independent_samples(&self, model: &BaselineModel) -> usize {
        let Some(clusters) = &self.clusters else { return self.samples.len() - model.without.len() };
        let measured =
            clusters.iter().enumerate().filter(|(index, _)| model.without.binary_search(index).is_err());
        measured.map(|(_, cluster)| cluster).collect::<BTreeSet<_>>().len()
    }

    fn check(&self, labels: &[&str], known: &[Metric]) -> Result<(), String> {
        let count = self.samples.len();
        let protocol = self.protocol.to_string();
        let metrics = self.models.iter().flat_map(|model| &model.metrics).map(|metric| &metric.metric);
        let models = self.models.iter().map(|model| &model.model);
        // Names are printed to terminals, which interpret control characters.
        let mut names = metrics.chain(models).chain([&self.task, &protocol]);
        if let Some(name) = names.find(|name| name.chars().any(char::is_control)) {
            return Err(format!("the name `{name}` has control characters"));
        }
        if let SampleIds::Named(ids) = &self.samples {
            once("sample", ids.iter().map(String::as_str))?;
        }
        if let Some(clusters) = self.clusters.as_ref().filter(|clusters| clusters.len() != count) {
            return Err(format!(
                "`clusters` has {} numbers, not one for each of {count} samples",
                clusters.len()
            ));
        }
        once("model", self.models.iter().map(|model| model.model.as_str()))?;
        if let Some(model) = self.models.iter().find(|model| !labels.contains(&model.model.as_str())) {
            return Err(format!("its model `{}` is not in the list of models", model.model));
        }
        if let Some(label) =
            labels.iter().find(|label| !self.models.iter().any(|model| model.model == **label))
        {
            return Err(format!("it has no entry of the model `{label}`"));
        }
        for model in &self.models {
            model.check(count, known).map_err(|reason| format!("{}: {reason}", model.model))?;
        }
        Ok(())
    }
}

impl BaselineModel {
    /// Checks that all columns have one possible value per sample.
    fn check(&self, count: usize, known: &[Metric]) -> Result<(), String> {
        let is_ascending = self.without.is_sorted_by(|a, b| a < b);
        if !is_ascending || self.without.iter().any(|&index| index >= count) {
            return Err(format!("`without` must be ascending indices below {count}"));
        }
        let rest = count - self.without.len();
        // Without columns, nothing else in the file confirms the number of samples.
        if rest > 0 && self.values.is_empty() {
            return Err(format!("`values` is empty, but there are {rest} samples"));
        }
        for (name, column) in &self.values {
            if column.0.len() != rest {
                return Err(format!("`{name}` has {} numbers, not {rest}", column.0.len()));
            }
        }
        once("metric", self.metrics.iter().map(|metric| metric.metric.as_str()))?;
        if let Some(metric) = self.metrics.iter().find(|metric| !metric.value.is_finite()) {
            return Err(format!("the value of {} is {}", metric.metric, metric.value));
        }
        for metric in known.iter().filter(|known| self.metrics.iter().any(|own| own.metric == known.name)) {
            for name in metric.values(&BTreeMap::new()) {
                if !self.values.contains_key(&name) {
                    return Err(format!("`values` has no `{name}`, which {} needs", metric.name));
                }
            }
        }
        for (name, range) in known.iter().flat_map(|metric| self.ranges(metric)) {
            let column = self.values.get(&name).map(|column| column.0.as_slice()).unwrap_or_default();
            if let Some((row, value)) = column.iter().enumerate().find(|(_, value)| !range.contains(**value))
            {
                let sample = self.sample_of_row(row);
                return Err(format!(
                    "`{name}` of sample number {sample} is {value}, not {}",
                    range.describe()
                ));
            }
        }
        known.iter().try_for_each(|metric| self.check_matches(metric))
    }

    /// Number of the sample in a row of the columns, from 1.
    fn sample_of_row(&self, row: usize) -> usize {
        // `without` is ascending: each index up to the sample's own moves it by one.
        self.without.iter().fold(row, |index, &without| index + usize::from(without <= index)) + 1
    }

    /// The values that a metric is computed from, with their ranges.
    fn ranges(&self, metric: &Metric) -> Vec<(String, Range)> {
        match metric.aggregate {
            Aggregate::Accuracy { correct } | Aggregate::CenteredAccuracy { correct, .. } => {
                vec![(correct.to_owned(), Range::Correct)]
            }
            Aggregate::MostConfident { correct, confidence, .. } => {
                vec![(correct.to_owned(), Range::Correct), (confidence.to_owned(), Range::Finite)]
            }
            Aggregate::Mean { value } => vec![(value.to_owned(), Range::Share)],
            Aggregate::SeedDeviation { .. } => {
                let present = self.values.keys().map(|name| (name.clone(), 0.0)).collect();
                metric.values(&present).into_iter().map(|name| (name, Range::Share)).collect()
            }
            Aggregate::Perplexity { log_likelihood, units } | Aggregate::Bits { log_likelihood, units } => {
                vec![(log_likelihood.to_owned(), Range::LogLikelihood), (units.to_owned(), Range::Units)]
            }
            Aggregate::Bleu { prefix } => {
                BleuStatistics::names(prefix).into_iter().map(|name| (name, Range::Count)).collect()
            }
        }
    }

    /// Checks that BLEU has no more matches than n-grams, and no more n-grams than tokens.
    fn check_matches(&self, metric: &Metric) -> Result<(), String> {
        let Aggregate::Bleu { prefix } = metric.aggregate else { return Ok(()) };
        let column =
            |name: String| self.values.get(&name).map(|column| column.0.as_slice()).unwrap_or_default();
        for order in 1..=4 {
            for (few, many) in [
                (format!("correct{order}"), format!("total{order}")),
                (format!("total{order}"), "hypothesis_length".to_owned()),
            ] {
                let (fewer, more) = (column(format!("{prefix}{few}")), column(format!("{prefix}{many}")));
                if let Some(row) = fewer.iter().zip(more).position(|(few, many)| few > many) {
                    let sample = self.sample_of_row(row);
                    return Err(format!(
                        "`{prefix}{few}` of sample number {sample} is larger than `{prefix}{many}`"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Possible values of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Range {
    /// 0 or 1.
    Correct,
    /// 0 to 1.
    Share,
    /// At most 0.
    LogLikelihood,
    /// At least 0. A sample can have a part of a word.
    Units,
    /// A natural number or 0.
    Count,
    Finite,
}

impl Range {
    fn contains(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Correct => value == 0.0 || value == 1.0,
                Self::Share => (0.0..=1.0 + SHARE_ROUNDING).contains(&value),
                Self::LogLikelihood => value <= LOG_LIKELIHOOD_ROUNDING,
                Self::Units => value >= 0.0,
                Self::Count => value >= 0.0 && value.fract() == 0.0,
                Self::Finite => true,
            }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Correct => "0 or 1",
            Self::Share => "between 0 and 1",
            Self::LogLikelihood => "a log-likelihood of at most 0",
            Self::Units => "a number of at least 0",
            Self::Count => "a whole number of at least 0",
            Self::Finite => "a finite number",
        }
    }
}

/// `Err` if a name is there twice.
fn once<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(format!("the {what} `{name}` is there twice"));
        }
    }
    Ok(())
}
