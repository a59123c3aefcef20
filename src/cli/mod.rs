//! The command line. Each command has a file with its arguments; a run's arguments become a [`crate::plan::Plan`].

mod baseline;
mod check;
mod compare;
mod compute;
mod doctor;
mod fetch;
mod generate;
mod inspect;
mod list;
mod machine;
mod manual;
mod merge;
mod models;
mod observer;
mod one_model;
mod output;
mod progress;
mod report;
mod resolve;
mod run;
mod score;
mod score_text;
mod serve;
mod shard;
mod show;
mod stop;
mod tasks;
mod verify;
mod view;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use output::{Incomplete, Problem, Report, describe, print, say};

use crate::run::RunError;

/// Measures GPT-2 models zero-shot, exactly as the GPT-2 paper did, and prints the paper's table beside its own.
#[derive(Debug, Parser)]
#[command(name = "gpt2-eval", version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  gpt2-eval --tasks all --sizes tiny --data sample        the bundled models on the bundled samples
  gpt2-eval --tasks lambada --model mine=out/checkpoint --data data
                                                          your checkpoint on data/lambada/…
  gpt2-eval --tasks lambada,lambada:harness --sizes 117M --data data
                                                          also as lm-evaluation-harness does
  gpt2-eval --task-file my.toml --sizes tiny              a custom task (docs/custom-tasks.md)
  gpt2-eval fetch --tasks lambada,wikitext2 --sizes all   download files for --offline
  gpt2-eval doctor --tasks lambada --sizes all            what this machine lacks for that run
  gpt2-eval generate --size tiny-8M --prompt \"Once upon\"  a completion of a prompt
  gpt2-eval score-text FILE --size 117M                   perplexity of any text
  gpt2-eval ls                                            tasks, protocols, data and models
  gpt2-eval show lambada --limit 3                        what the model sees
  gpt2-eval score results/lambada-117M-1a2b3c4d           recompute the scores of a run
  gpt2-eval report results/A results/B --format latex     several runs in one table
  gpt2-eval view results/lambada-117M-1a2b3c4d            every sample of a run in the browser
  gpt2-eval compare results/OLD results/NEW --models old=new
                                                          differences and changed samples
  gpt2-eval check results/baselines/NAME.json results/NEW
                                                          exit code 1 if worse (docs/ci.md)
  gpt2-eval verify --sizes 117M                           this installation against published values

Exit codes: 0 success, 1 a gate failed, 2 wrong input or a task without a value, 3 incomplete or
with failed samples (run the same command again to continue)")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: resolve::RunArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List tasks, protocols, data and models
    Ls(list::ListArguments),
    /// Show what the model sees: prompt and target as tokens, with visible white space
    Show(show::ShowArguments),
    /// Download and check everything that a run needs, for later use without a network
    Fetch(fetch::FetchArguments),
    /// Show what this machine has, and what it lacks for a run with the same arguments: devices, memory, disk, network,
    /// files
    Doctor(doctor::DoctorArguments),
    /// Generate completions of a prompt
    Generate(generate::GenerateArguments),
    /// Score a text: perplexity, bits per byte, the most surprising tokens
    ScoreText(score_text::ScoreTextArguments),
    /// Recompute all scores of a run from its journals, without data or model
    Score(score::ScoreArguments),
    /// Describe a checkpoint: format, shape, parameters, types, sha256, tokenizer
    Inspect(inspect::InspectArguments),
    /// Merge the shards of a run
    Merge(merge::MergeArguments),
    /// Export the scores of one run, or of several in one table
    Report(report::ReportArguments),
    /// Show a run in the browser: tables, manifest, and every sample with prompt, answer and log-probabilities
    View(view::ViewArguments),
    /// Compare two runs sample by sample: every metric with the confidence interval and p-value of its difference, and
    /// the samples that changed most
    Compare(compare::CompareArguments),
    /// Print the regression baseline of a run, which `check` reads; small enough for a repository
    Baseline(baseline::BaselineArguments),
    /// Check a run against a regression baseline: exit code 1 if a metric is significantly worse, or missing
    Check(check::CheckArguments),
    /// Verify this installation: checksums of the weights, tokens and scores of the paper's models against published values
    Verify(verify::VerifyArguments),
    /// Print the completion script for a shell: bash, zsh, fish, powershell, elvish
    Completions(manual::CompletionsArguments),
    /// Print the manual page, or write all manual pages
    Man(manual::ManualArguments),
}

const GATE_FAILED: u8 = 1;
/// Usage, configuration or preflight error.
const WRONG_INPUT: u8 = 2;
/// A task that was run has no value.
const NOTHING_MEASURED: u8 = 2;
const INCOMPLETE: u8 = 3;

/// Parses and runs the command line. Exit codes: 0 success; 1 a gate failed; 2 usage, configuration or preflight error, or
/// a task without a value; 3 incomplete but resumable, or with failed samples.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|mut error| {
        if error.get(ContextKind::InvalidArg) == Some(&ContextValue::String("--seeds".to_owned())) {
            error.insert(ContextKind::SuggestedArg, ContextValue::String("--repeats".to_owned()));
        }
        let has_open_list = || std::env::args().any(|argument| argument.len() > 1 && argument.ends_with(','));
        if matches!(error.kind(), ErrorKind::ArgumentConflict | ErrorKind::UnknownArgument) && has_open_list()
        {
            let tip = "a list is one argument: write `a,b` without spaces, or quote it".into();
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        }
        error.exit()
    });
    let printed = run_command(&cli).and_then(|report| print(&report.text).map(|()| report.problem));
    let (message, code) = match printed {
        Ok(None) => return ExitCode::SUCCESS,
        Ok(Some(Problem::GateFailed(reason))) => (reason, GATE_FAILED),
        Ok(Some(Problem::Incomplete(reason))) => (reason, INCOMPLETE),
        Ok(Some(Problem::NothingMeasured(reason))) => (reason, NOTHING_MEASURED),
        Err(error) => {
            let is_incomplete = error.chain().any(|cause| {
                cause.is::<Incomplete>() || matches!(cause.downcast_ref(), Some(RunError::Incomplete(_)))
            });
            (describe(&error), if is_incomplete { INCOMPLETE } else { WRONG_INPUT })
        }
    };
    say(&format!("error: {message}"));
    ExitCode::from(code)
}

fn run_command(cli: &Cli) -> anyhow::Result<Report> {
    match &cli.command {
        Some(Command::Ls(arguments)) => list::list(arguments).map(Report::from),
        Some(Command::Show(arguments)) => show::show(arguments).map(Report::from),
        Some(Command::Doctor(arguments)) => doctor::doctor(arguments),
        Some(Command::Fetch(arguments)) => fetch::fetch(arguments).map(Report::from),
        Some(Command::Inspect(arguments)) => inspect::inspect(arguments).map(Report::from),
        Some(Command::Generate(arguments)) => generate::generate(arguments).map(Report::from),
        Some(Command::ScoreText(arguments)) => score_text::score_text(arguments).map(Report::from),
        Some(Command::Score(arguments)) => score::score(arguments),
        Some(Command::Merge(arguments)) => merge::merge(arguments),
        Some(Command::Report(arguments)) => report::report(arguments),
        Some(Command::View(arguments)) => view::view(arguments).map(Report::from),
        Some(Command::Compare(arguments)) => compare::compare(arguments).map(Report::from),
        Some(Command::Baseline(arguments)) => baseline::baseline(arguments).map(Report::from),
        Some(Command::Check(arguments)) => check::check(arguments),
        Some(Command::Verify(arguments)) => verify::verify(arguments),
        Some(Command::Completions(arguments)) => {
            manual::completions(arguments, Cli::command()).map(Report::from)
        }
        Some(Command::Man(arguments)) => manual::manual(arguments, Cli::command()).map(Report::from),
        None => run::run(&cli.run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
