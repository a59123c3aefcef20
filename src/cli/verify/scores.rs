//! Checks of a model's scores against published values.

use anyhow::Context;
use clap::{Args, FromArgMatches};

use super::VerifyArguments;
use super::outcome::Line;
use super::references::{References, Score as Reference};
use crate::cli::output::{Incomplete, describe};
use crate::cli::resolve::{RunArguments, RunChoice};
use crate::cli::run::finished_run;
use crate::cli::tasks::task_of;
use crate::models::ModelChoice;
use crate::record::Score;
use crate::report::{distinct, number};
use crate::run::RunError;
use crate::tasks::Registry;
use gpt2_model::ComputeDevice;
use untrusted_input::thousands;

/// Standard errors that a subset may differ from the published value: 99.9 % of right installations pass.
const STANDARD_ERRORS: f64 = 3.29;

/// What other hardware and rounding change, percentage points of an accuracy. A tenth of a point of LAMBADA is five passages.
const ACCURACY_TOLERANCE: f64 = 0.1;

/// The same of any other metric, relative.
const RELATIVE_TOLERANCE: f64 = 0.005;

/// `Err` names a task or protocol of the references that does not exist.
pub(super) fn check_tasks(references: &References, registry: &Registry) -> anyhow::Result<()> {
    for reference in &references.score {
        task_of(&reference.name(), registry)
            .with_context(|| format!("references: score of {}", reference.model))?;
    }
    Ok(())
}

impl Reference {
    /// `lambada:harness`.
    fn name(&self) -> String {
        let protocol = self.protocol.split(',').next().unwrap_or_default();
        format!("{}:{protocol}", self.task)
    }
}

/// Runs the tasks of a model's references, each in its own run directory, and checks their metrics.
pub(super) fn check(
    model: &ModelChoice,
    references: &References,
    arguments: &VerifyArguments,
    device: &ComputeDevice,
    add: &mut dyn FnMut(Line) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let own = || references.score.iter().filter(|reference| reference.model == model.label);
    for task in distinct(own().map(Reference::name)) {
        let measured = measure(&task, model, arguments, device);
        let scores = match measured {
            Ok(scores) => scores,
            // The same command continues.
            Err(error) if is_stopped(&error) => return Err(error),
            Err(error) => {
                add(Line::not_checked(&model.label, &task, describe(&error)))?;
                continue;
            }
        };
        for reference in own().filter(|reference| reference.name() == task) {
            add(compare(reference, &scores))?;
        }
    }
    Ok(())
}

fn is_stopped(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<Incomplete>() || matches!(cause.downcast_ref(), Some(RunError::Stopped)))
}

/// The scores of a run of one task on one model; the same arguments continue an interrupted one.
fn measure(
    task: &str,
    model: &ModelChoice,
    arguments: &VerifyArguments,
    device: &ComputeDevice,
) -> anyhow::Result<Vec<Score>> {
    let command = RunArguments::augment_args(clap::Command::new("run"));
    let mut run = RunArguments::from_arg_matches(&command.try_get_matches_from(["run"])?)?;
    run.tasks = vec![task.to_owned()];
    run.data.clone_from(&arguments.data);
    run.limit = arguments.limit();
    run.compute = arguments.compute.clone();
    run.quiet = arguments.quiet;
    let choice = RunChoice::with_models(&run, vec![model.clone()])?;
    let (results, _) = finished_run(&run, choice, device)?;
    Ok(results.scores().to_vec())
}

/// A reference against the score of its metric.
fn compare(reference: &Reference, scores: &[Score]) -> Line {
    let Reference { model, task, metric, value: expected, source, .. } = reference;
    let what = format!("{}, {metric}", reference.name());
    let found =
        scores.iter().find(|score| score.model == *model && score.task == *task && score.metric == *metric);
    let Some(score) = found else {
        return Line::failed(model, &what, format!("no value was measured, expected {expected} ({source})"));
    };
    let label = without_limit(&score.protocol);
    if label != reference.protocol {
        let reason = format!(
            "measured as `{label}`, but the reference is of `{}`: another --data may be needed",
            reference.protocol
        );
        return Line::not_checked(model, &what, reason);
    }
    let allowed = Allowed::new(reference, score);
    let [low, high] = allowed.ends(*expected);
    let samples = thousands(score.n as u64);
    let of = reference.samples.map(|all| format!(" of {}", thousands(all as u64))).unwrap_or_default();
    let failed = if score.failed > 0 { format!("; {} samples failed", score.failed) } else { String::new() };
    let finding = format!(
        "{} on {samples}{of} samples, expected {expected}, allowed {} to {}{failed} ({source})",
        number(score.value),
        number(low),
        number(high)
    );
    let passed = (low..=high).contains(&score.value) && score.failed == 0;
    Line::of(passed, model, &what, finding)
}

/// The label of a protocol without `limit=`.
fn without_limit(label: &str) -> String {
    let options = label.split(',').filter(|option| !option.starts_with("limit="));
    options.collect::<Vec<_>>().join(",")
}

/// How far a score may be from the published value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Allowed {
    /// Percentage points.
    Points(f64),
    /// Difference of logarithms.
    Ratio(f64),
}

impl Allowed {
    /// [`STANDARD_ERRORS`] of a subset of the published samples, drawn without replacement, and a tolerance; the
    /// tolerance alone on all samples.
    fn new(reference: &Reference, score: &Score) -> Self {
        let (n, all) = (score.n as f64, reference.samples.unwrap_or(usize::MAX) as f64);
        let correction = if n >= all { 0.0 } else { ((all - n) / (all - 1.0)).sqrt() };
        let errors = STANDARD_ERRORS * correction;
        if reference.metric.starts_with("accuracy") {
            // Of the published share: a subset without a right answer has no error of its own.
            let share = (reference.value / 100.0).clamp(0.0, 1.0);
            let stderr = 100.0 * (share * (1.0 - share) / n.max(1.0)).sqrt();
            return Self::Points(errors * stderr + ACCURACY_TOLERANCE);
        }
        let relative = score.stderr.map_or(0.0, |stderr| stderr / score.value.abs());
        Self::Ratio(errors * relative + RELATIVE_TOLERANCE)
    }

    fn ends(self, value: f64) -> [f64; 2] {
        match self {
            Self::Points(points) => [(value - points).max(0.0), (value + points).min(100.0)],
            Self::Ratio(ratio) => {
                let ends = [value * (-ratio).exp(), value * ratio.exp()];
                if value < 0.0 { [ends[1], ends[0]] } else { ends }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::verify::outcome::Outcome;

    fn reference(metric: &str, value: f64) -> Reference {
        Reference {
            model: "117M".to_owned(),
            task: "lambada".to_owned(),
            protocol: "harness".to_owned(),
            metric: metric.to_owned(),
            value,
            samples: Some(5153),
            source: "a test".to_owned(),
        }
    }

    fn score(metric: &str, value: f64, n: usize) -> Score {
        Score {
            model: "117M".to_owned(),
            parameters: Some(1),
            task: "lambada".to_owned(),
            protocol: if n < 5153 { format!("harness,limit={n}") } else { "harness".to_owned() },
            metric: metric.to_owned(),
            value,
            stderr: Some(value * 2.65 / (n as f64).sqrt()),
            ci95_low: None,
            ci95_high: None,
            n,
            higher_is_better: true,
            paper: None,
            failed: 0,
            published: None,
        }
    }

    #[test]
    fn a_subset_may_differ_by_its_error_and_all_samples_may_not() {
        let passes = |metric: &str, expected: f64, found: f64, n: usize| {
            compare(&reference(metric, expected), &[score(metric, found, n)]).outcome == Outcome::Passed
        };
        // 3.29 standard errors of 1,000 of 5,153 passages are 4.4 points.
        assert!(passes("accuracy", 32.56, 28.2, 1000) && !passes("accuracy", 32.56, 27.9, 1000));
        assert!(passes("accuracy", 32.56, 36.9, 1000) && !passes("accuracy", 32.56, 37.2, 1000));
        assert!(passes("accuracy", 32.56, 32.64, 5153) && !passes("accuracy", 32.56, 32.68, 5153));
        // And of the perplexity 25 %.
        assert!(passes("perplexity", 40.0554, 50.0, 1000) && !passes("perplexity", 40.0554, 52.5, 1000));
        assert!(passes("perplexity", 40.0554, 40.2, 5153) && !passes("perplexity", 40.0554, 40.3, 5153));
        assert!(!passes("perplexity", 40.0554, f64::NAN, 5153));
    }

    #[test]
    fn other_data_are_not_checked() {
        let mut of_sample = score("accuracy", 1.0, 60);
        of_sample.protocol = "harness,data=sample".to_owned();
        let line = compare(&reference("accuracy", 32.56), &[of_sample.clone()]);
        assert_eq!(line.outcome, Outcome::NotChecked, "{line}");
        assert!(line.to_string().contains("measured as `harness,data=sample`"), "{line}");
        let of_reference =
            Reference { protocol: "harness,data=sample".to_owned(), ..reference("accuracy", 1.0) };
        assert_eq!(compare(&of_reference, &[of_sample.clone()]).outcome, Outcome::Passed);
        of_sample.failed = 1;
        assert_eq!(compare(&of_reference, &[of_sample]).outcome, Outcome::Failed);
        assert_eq!(compare(&of_reference, &[]).outcome, Outcome::Failed);
    }
}
