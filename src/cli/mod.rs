//! The command line: parse, resolve into a [`crate::plan::Plan`], run.

mod arguments;
mod baseline;
mod check;
mod compare;
mod doctor;
mod downloads;
mod fetch;
mod generate;
mod inspect;
mod list;
mod manual;
mod merge;
mod models;
mod observer;
mod one_model;
mod parts;
mod progress;
mod provenance;
mod remote;
mod report;
mod resolve;
mod results;
mod run;
#[cfg(test)]
mod schemas;
mod score;
mod score_text;
mod serve;
mod shard;
mod show;
mod stop;
mod view;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::{Arguments, Command};

/// A gate failed.
const GATE_FAILED: u8 = 1;
/// Usage, configuration or preflight.
const WRONG_INPUT: u8 = 2;
/// Something is missing: not finished, or samples that failed.
const INCOMPLETE: u8 = 3;

/// What a command prints, and what is not as it should be in a command that came to its end.
struct Report {
    text: String,
    problem: Option<String>,
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self { text, problem: None }
    }
}

/// An error after which the same command, run again, continues.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Incomplete(String);

/// A run is worse than its baseline. The report is what the command prints all the same.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct GateFailed {
    report: String,
    reason: String,
}

/// Parses the command line, does what it says, and returns the exit code: 0 success, 1 a gate failed, 2 usage,
/// configuration or preflight error, 3 incomplete but resumable, or samples that failed.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Ls(ls)) => list::list(ls).map(Report::from),
        Some(Command::Show(show)) => show::show(show).map(Report::from),
        Some(Command::Doctor(doctor)) => doctor::doctor(doctor),
        Some(Command::Fetch(fetch)) => fetch::fetch(fetch).map(Report::from),
        Some(Command::Inspect(inspect)) => inspect::inspect(inspect).map(Report::from),
        Some(Command::Generate(generate)) => generate::generate(generate).map(Report::from),
        Some(Command::ScoreText(score)) => score_text::score_text(score).map(Report::from),
        Some(Command::Score(score)) => score::score(score),
        Some(Command::Merge(merge)) => merge::merge(merge),
        Some(Command::Report(report)) => report::report(report),
        Some(Command::View(view)) => view::view(view).map(Report::from),
        Some(Command::Compare(compare)) => compare::compare(compare).map(Report::from),
        Some(Command::Baseline(baseline)) => baseline::baseline(baseline).map(Report::from),
        Some(Command::Check(check)) => check::check(check),
        Some(Command::Completions(shell)) => manual::completions(shell).map(Report::from),
        Some(Command::Man(man)) => manual::manual(man).map(Report::from),
        None => run::run(&arguments.run),
    };
    let printed = outcome.and_then(|report| {
        print(&report.text)?;
        report.problem.map_or(Ok(()), |problem| Err(Incomplete(problem).into()))
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let failed_gate = error.downcast_ref::<GateFailed>();
            if let Some(Err(error)) = failed_gate.map(|failed| print(&failed.report)) {
                say(&format!("error: {}", describe(&error)));
                return ExitCode::from(WRONG_INPUT);
            }
            say(&format!("error: {}", describe(&error)));
            let is_incomplete = error.chain().any(|cause| {
                cause.is::<Incomplete>()
                    || matches!(cause.downcast_ref(), Some(crate::run::MergeError::Incomplete { .. }))
            });
            ExitCode::from(match (failed_gate, is_incomplete) {
                (Some(_), _) => GATE_FAILED,
                (None, true) => INCOMPLETE,
                (None, false) => WRONG_INPUT,
            })
        }
    }
}

/// Writes a line to standard error; that nobody can read it is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The error and its causes, each once: many messages quote their cause already.
fn describe(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        known if known.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

/// Writes to standard output; a reader that has gone away (`gpt2-eval ls | head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}
