//! `gpt2-eval verify`: whether this installation gives the values that others published.

mod outcome;
mod references;
mod scores;
mod tokens;

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::compute::{ComputeArguments, positive};
use super::models::{SizesArgument, models_of};
use super::one_model::OneModel;
use super::output::{Problem, Report, describe, print};
use crate::models::ModelChoice;
use crate::tasks::Registry;
use gpt2_model::{CheckpointError, ComputeDevice};
use hub_client::HubError;
use outcome::{Line, Outcome};
use references::References;

/// Default of `--limit`.
const DEFAULT_LIMIT: usize = 1000;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  gpt2-eval verify --sizes 117M                           minutes: checksum, tokens, 1,000 samples of each task
  gpt2-eval verify --sizes 117M,1542M --full              all samples of each task
  gpt2-eval verify --sizes tiny --references FILE --data sample
                                                          other models, with references of your own
Prints one line per check. Exit codes: 0 no check failed, 1 a check failed, 2 nothing could be checked.
docs/verify.md describes the checks and the file of references.")]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    models: SizesArgument,
    /// A checkpoint, under the label that its references have; may be repeated
    #[arg(short, long, value_name = "[LABEL=]PATH|hf:OWNER/NAME[@REVISION]")]
    model: Vec<String>,
    /// Data of the tasks, as for a run
    #[arg(short, long, value_name = "sample|DIR|hub", default_value = "hub")]
    data: String,
    /// File of references in TOML, or in JSON if its name ends in .json [default: the published values of the paper's
    /// models]
    #[arg(long, value_name = "FILE")]
    references: Option<PathBuf>,
    /// Samples of each task: a seeded subset [default: 1000]
    #[arg(short, long, value_name = "N", value_parser = positive)]
    limit: Option<usize>,
    /// All samples of each task
    #[arg(long, conflicts_with = "limit")]
    full: bool,
    #[command(flatten)]
    compute: ComputeArguments,
    /// Print only the lines of the checks
    #[arg(short, long)]
    quiet: bool,
}

impl VerifyArguments {
    fn limit(&self) -> Option<usize> {
        (!self.full).then_some(self.limit.unwrap_or(DEFAULT_LIMIT))
    }
}

/// Checks every model against its references, and prints a line as soon as a check is done.
pub(super) fn verify(arguments: &VerifyArguments) -> anyhow::Result<Report> {
    let registry = Registry::default();
    let references = match &arguments.references {
        Some(path) => References::read(path)?,
        None => References::built_in(&registry)?,
    };
    scores::check_tasks(&references, &registry)?;
    let models = models_of(&arguments.models.sizes, &arguments.model, Some(&arguments.compute.models_dir))?;
    if models.is_empty() {
        bail!("no model: choose one with --sizes, for example `--sizes 117M`, or with --model 117M=PATH");
    }
    let known = references.models();
    let unknown: Vec<&str> =
        models.iter().map(|model| model.label.as_str()).filter(|label| !known.contains(label)).collect();
    if unknown.len() == models.len() {
        bail!(
            "nothing can be checked: there are no references for {}; there are some for {}",
            unknown.join(", "),
            if known.is_empty() { "no model".to_owned() } else { known.join(", ") }
        );
    }
    let device = arguments.compute.open_device()?;
    let mut counts = Counts::default();
    for model in &models {
        if unknown.contains(&model.label.as_str()) {
            counts.add(&Line::not_checked(
                &model.label,
                "all",
                "there are no references for it".to_owned(),
            ))?;
            continue;
        }
        check_model(model, &references, arguments, &device, &mut counts)?;
    }
    counts.report()
}

fn check_model(
    choice: &ModelChoice,
    references: &References,
    arguments: &VerifyArguments,
    device: &ComputeDevice,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let label = &choice.label;
    let model = match OneModel::open(choice.clone(), &arguments.compute, device, arguments.quiet) {
        Ok(model) => model,
        Err(error) => {
            let reason = describe(&error);
            return counts.add(&if is_wrong_file(&error) {
                Line::failed(label, "weights", reason)
            } else {
                Line::not_checked(label, "all", reason)
            });
        }
    };
    tokens::check(&model, references, &mut |line| counts.add(&line))?;
    // Each run loads the model again; two in memory may be too many.
    drop(model);
    scores::check(choice, references, arguments, device, &mut |line| counts.add(&line))
}

/// Whether a model could not be opened because its files are not what they should be.
fn is_wrong_file(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<CheckpointError>() || matches!(cause.downcast_ref(), Some(HubError::Checksum { .. }))
    })
}

/// Numbers of checks by outcome.
#[derive(Debug, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    not_checked: usize,
}

impl Counts {
    /// Prints a line and counts it.
    fn add(&mut self, line: &Line) -> anyhow::Result<()> {
        match line.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::NotChecked => self.not_checked += 1,
        }
        print(&format!("{line}\n"))
    }

    fn report(&self) -> anyhow::Result<Report> {
        let Self { passed, failed, not_checked } = self;
        let text = format!("{passed} passed, {failed} failed, {not_checked} not checked\n");
        if passed + failed == 0 {
            print(&text)?;
            bail!("nothing could be checked; the lines above say why");
        }
        let of = passed + failed;
        let problem = (*failed > 0).then(|| {
            Problem::GateFailed(format!(
                "{failed} of {of} checks failed; docs/verify.md says what each may mean"
            ))
        });
        Ok(Report { text, problem })
    }
}
