//! How much worse a metric may be.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{anyhow, bail};

use super::baseline::RegressionBaseline;
use untrusted_input::did_you_mean;

/// How much worse a metric may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// In the metric's unit.
    Absolute(f64),
    /// In percent of the value in the baseline.
    Relative(f64),
}

impl Tolerance {
    /// In the metric's unit, for a metric with this value in the baseline.
    pub(super) fn allowed(self, value: f64) -> f64 {
        match self {
            Self::Absolute(amount) => amount,
            Self::Relative(percent) => value.abs() * percent / 100.0,
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(amount) => write!(formatter, "{amount}"),
            Self::Relative(percent) => write!(formatter, "{percent} %"),
        }
    }
}

/// The tolerances of a gate (`--tolerance`); 0 for metrics without a rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tolerances(Vec<Rule>);

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    /// As typed.
    given: String,
    /// `None`: any task.
    task: Option<String>,
    /// `None`: any metric.
    metric: Option<String>,
    tolerance: Tolerance,
}

impl Tolerances {
    /// Reads `task.metric=0.5%` (relative) and `task.metric=0.5` (in the metric's unit), with `*` for any task or metric.
    pub(crate) fn parse(given: &[String]) -> anyhow::Result<Self> {
        given.iter().map(|given| Rule::parse(given)).collect::<Result<_, _>>().map(Self)
    }

    /// The tolerance of a metric. Rules that name task and metric come first, then those of the task, of the metric, and
    /// of everything; the last of equal rules counts.
    pub(super) fn of(&self, task: &str, metric: &str) -> Tolerance {
        let fits = |named: &Option<String>, name: &str| named.as_deref().is_none_or(|named| named == name);
        let rules = self.0.iter().filter(|rule| fits(&rule.task, task) && fits(&rule.metric, metric));
        let most_specific = rules.max_by_key(|rule| (rule.task.is_some(), rule.metric.is_some()));
        most_specific.map_or(Tolerance::Absolute(0.0), |rule| rule.tolerance)
    }

    /// `Err` for a rule that names a task or metric that the baseline lacks.
    pub(super) fn check(&self, baseline: &RegressionBaseline) -> anyhow::Result<()> {
        for rule in &self.0 {
            let given = &rule.given;
            let tasks: BTreeSet<&str> = baseline.tasks.iter().map(|task| task.task.as_str()).collect();
            if let Some(task) = rule.task.as_deref().filter(|task| !tasks.contains(task)) {
                bail!("--tolerance {given}: the baseline has no task `{task}`{}", among(task, &tasks));
            }
            let of_task = baseline
                .tasks
                .iter()
                .filter(|task| rule.task.as_ref().is_none_or(|named| *named == task.task));
            let metrics: BTreeSet<&str> = of_task
                .flat_map(|task| task.models.iter().flat_map(|model| &model.metrics))
                .map(|metric| metric.metric.as_str())
                .collect();
            if let Some(metric) = rule.metric.as_deref().filter(|metric| !metrics.contains(metric)) {
                let whose = rule.task.as_deref().unwrap_or("the baseline");
                bail!("--tolerance {given}: {whose} has no metric `{metric}`{}", among(metric, &metrics));
            }
        }
        Ok(())
    }
}

/// A suggestion and the known names.
fn among(given: &str, names: &BTreeSet<&str>) -> String {
    let known: Vec<&str> = names.iter().copied().collect();
    format!("{}; it has {}", did_you_mean(given, known.iter().copied()), known.join(", "))
}

impl Rule {
    fn parse(given: &str) -> anyhow::Result<Self> {
        let error = |reason: &str| anyhow!("--tolerance {given}: {reason}");
        let form = "expected task.metric=0.5% or task.metric=0.5, with * for any task or metric";
        let (names, amount) = given.split_once('=').ok_or_else(|| error(form))?;
        let (task, metric) = names.split_once('.').ok_or_else(|| error(form))?;
        if task.is_empty() || metric.is_empty() {
            return Err(error(form));
        }
        let (number, is_relative) = match amount.strip_suffix('%') {
            Some(number) => (number, true),
            None => (amount, false),
        };
        let number: f64 = number.trim().parse().map_err(|_| error(form))?;
        if !number.is_finite() || number < 0.0 {
            return Err(error("expected a number of at least 0"));
        }
        let named = |name: &str| (name != "*").then(|| name.to_owned());
        let tolerance = if is_relative { Tolerance::Relative(number) } else { Tolerance::Absolute(number) };
        Ok(Self { given: given.to_owned(), task: named(task), metric: named(metric), tolerance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tolerances(given: &[&str]) -> anyhow::Result<Tolerances> {
        Tolerances::parse(&given.iter().map(|&given| given.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_most_specific_rule_counts() {
        let rules =
            tolerances(&["*.*=1", "lambada.*=2", "*.perplexity=3%", "lambada.perplexity=0.5%"]).unwrap();
        assert_eq!(rules.of("lambada", "perplexity"), Tolerance::Relative(0.5));
        assert_eq!(rules.of("ptb", "perplexity"), Tolerance::Relative(3.0));
        assert_eq!(rules.of("lambada", "accuracy"), Tolerance::Absolute(2.0));
        assert_eq!(rules.of("ptb", "bits_per_byte"), Tolerance::Absolute(1.0));
        assert_eq!(Tolerances::default().of("ptb", "bits_per_byte").allowed(3.0), 0.0);
        assert_eq!(Tolerance::Relative(0.5).allowed(200.0), 1.0);
        let last = tolerances(&["ptb.*=1", "ptb.*=4"]).unwrap();
        assert_eq!(last.of("ptb", "perplexity"), Tolerance::Absolute(4.0));
    }

    #[test]
    fn malformed_rules_are_refused() {
        for odd in ["", "lambada", "lambada=1", "a.b", "a.b=", "a.b=x", "a.b=-1", "a.b=NaN%", ".b=1", "a.=1"]
        {
            let message = tolerances(&[odd]).unwrap_err().to_string();
            assert!(message.contains("expected"), "{odd}: {message}");
        }
    }
}
