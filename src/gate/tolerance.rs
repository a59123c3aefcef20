//! How much worse a metric may be.

use std::collections::BTreeSet;
use std::fmt;

use super::{GateError, RegressionBaseline};
use untrusted_input::did_you_mean;

/// How much worse a metric may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// In the metric's unit.
    Absolute(f64),
    /// In percent of the baseline's value.
    Relative(f64),
}

impl Tolerance {
    /// In the metric's unit, for a metric whose baseline is `value`.
    pub fn allowed(self, value: f64) -> f64 {
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

/// The tolerances of a gate, 0 where none is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tolerances(Vec<Rule>);

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    given: String,
    /// Any without it.
    task: Option<String>,
    /// Any without it.
    metric: Option<String>,
    tolerance: Tolerance,
}

impl Tolerances {
    /// Reads `task.metric=0.5%` (relative) and `task.metric=0.5` (in the metric's unit), with `*` for any task or metric.
    pub fn parse(given: &[String]) -> Result<Self, GateError> {
        given.iter().map(|given| Rule::parse(given)).collect::<Result<_, _>>().map(Self)
    }

    /// The tolerance of a metric: the rule that names both, else that of the task, else that of the metric, else that of
    /// all; the last of equals.
    pub fn of(&self, task: &str, metric: &str) -> Tolerance {
        let fits = |named: &Option<String>, name: &str| named.as_deref().is_none_or(|named| named == name);
        let rules = self.0.iter().filter(|rule| fits(&rule.task, task) && fits(&rule.metric, metric));
        let most = rules.max_by_key(|rule| (rule.task.is_some(), rule.metric.is_some()));
        most.map_or(Tolerance::Absolute(0.0), |rule| rule.tolerance)
    }

    /// `Err` for a rule that names what the baseline does not have.
    pub fn check(&self, baseline: &RegressionBaseline) -> Result<(), GateError> {
        for rule in &self.0 {
            let error = |reason: String| GateError::Tolerance { given: rule.given.clone(), reason };
            let tasks: BTreeSet<&str> = baseline.tasks.iter().map(|task| task.task.as_str()).collect();
            if let Some(task) = rule.task.as_deref().filter(|task| !tasks.contains(task)) {
                return Err(error(format!("the baseline has no task `{task}`{}", among(task, &tasks))));
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
                return Err(error(format!("{whose} has no metric `{metric}`{}", among(metric, &metrics))));
            }
        }
        Ok(())
    }
}

fn among(given: &str, names: &BTreeSet<&str>) -> String {
    let known: Vec<&str> = names.iter().copied().collect();
    format!("{}; it has {}", did_you_mean(given, known.iter().copied()), known.join(", "))
}

impl Rule {
    fn parse(given: &str) -> Result<Self, GateError> {
        let error =
            |reason: &str| GateError::Tolerance { given: given.to_owned(), reason: reason.to_owned() };
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
            return Err(error("expected a number from 0"));
        }
        let named = |name: &str| (name != "*").then(|| name.to_owned());
        let tolerance = if is_relative { Tolerance::Relative(number) } else { Tolerance::Absolute(number) };
        Ok(Self { given: given.to_owned(), task: named(task), metric: named(metric), tolerance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tolerances(given: &[&str]) -> Result<Tolerances, GateError> {
        Tolerances::parse(&given.iter().map(|&given| given.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_closest_rule_counts() {
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
    fn odd_rules_are_refused() {
        for odd in ["", "lambada", "lambada=1", "a.b", "a.b=", "a.b=x", "a.b=-1", "a.b=NaN%", ".b=1", "a.=1"]
        {
            let message = tolerances(&[odd]).unwrap_err().to_string();
            assert!(message.contains("expected"), "{odd}: {message}");
        }
    }
}
