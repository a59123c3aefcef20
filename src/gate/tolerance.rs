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
    ///
    /// `Err` names a malformed rule, or two of the same names with other amounts.
    pub(crate) fn parse(given: &[String]) -> anyhow::Result<Self> {
        let rules: Vec<Rule> = given.iter().map(|given| Rule::parse(given)).collect::<Result<_, _>>()?;
        for (index, rule) in rules.iter().enumerate() {
            let same = |other: &&Rule| (&other.task, &other.metric) == (&rule.task, &rule.metric);
            if let Some(other) =
                rules[..index].iter().filter(same).find(|other| other.tolerance != rule.tolerance)
            {
                bail!(
                    "--tolerance {} and --tolerance {} disagree: give one of them",
                    other.given,
                    rule.given
                );
            }
        }
        Ok(Self(rules))
    }

    /// The tolerance of a metric.
    pub(super) fn of(&self, task: &str, metric: &str) -> Tolerance {
        self.rule(task, metric).map_or(Tolerance::Absolute(0.0), |rule| rule.tolerance)
    }

    /// The rule of a metric. Those that name task and metric come first, then those of the task, of the metric, and of
    /// everything.
    fn rule(&self, task: &str, metric: &str) -> Option<&Rule> {
        let fits = |named: &Option<String>, name: &str| named.as_deref().is_none_or(|named| named == name);
        let rules = self.0.iter().filter(|rule| fits(&rule.task, task) && fits(&rule.metric, metric));
        rules.max_by_key(|rule| (rule.task.is_some(), rule.metric.is_some()))
    }

    /// `Err` if the rule of a metric with the value `base` lets it be anything. All metrics of which more is better are
    /// percentages. A rule for any metric can be meant for others of its task, such as perplexity.
    pub(super) fn check_limit(
        &self,
        (task, metric): (&str, &str),
        base: f64,
        higher_is_better: bool,
    ) -> anyhow::Result<()> {
        let Some(rule) = self.rule(task, metric) else { return Ok(()) };
        let (Tolerance::Absolute(amount) | Tolerance::Relative(amount)) = rule.tolerance;
        let is_whole = higher_is_better && rule.metric.is_some() && amount >= 100.0;
        if is_whole || !rule.tolerance.allowed(base).is_finite() {
            bail!("--tolerance {}: {task}.{metric} could not fail: give a smaller amount", rule.given);
        }
        Ok(())
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
    }

    #[test]
    fn rules_of_the_same_names_agree() {
        for pair in [["ptb.*=1", "ptb.*=4"], ["*.*=4", "*.*=4%"], ["a.b=0", "a.b=0.5%"]] {
            let message = tolerances(&[pair[0], "x.y=3", pair[1]]).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("--tolerance {} and --tolerance {} disagree: give one of them", pair[0], pair[1])
            );
        }
        let twice = tolerances(&["ptb.*=4", "ptb.*=4.0"]).unwrap();
        assert_eq!(twice.of("ptb", "perplexity"), Tolerance::Absolute(4.0));
    }

    #[test]
    fn a_rule_cannot_switch_a_metric_off() {
        let limit = |rule: &str, base, higher_is_better| {
            tolerances(&[rule]).unwrap().check_limit(("a", "m"), base, higher_is_better)
        };
        for (rule, higher_is_better) in
            [("*.m=100", true), ("a.m=100%", true), ("*.*=1e308%", false), ("a.m=1e300%", true)]
        {
            let message = limit(rule, 1e9, higher_is_better).unwrap_err().to_string();
            assert_eq!(message, format!("--tolerance {rule}: a.m could not fail: give a smaller amount"));
        }
        for (rule, higher_is_better) in
            [("*.m=99.9", true), ("*.m=640%", false), ("a.*=640%", true), ("b.m=100", true)]
        {
            limit(rule, 50.0, higher_is_better).unwrap();
        }
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
