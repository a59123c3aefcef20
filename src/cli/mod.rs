//! The command line: parse, resolve into a [`crate::plan::Plan`], run.

mod arguments;
mod list;
mod observer;
mod progress;
mod provenance;
mod resolve;
mod run;
mod show;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use arguments::{Arguments, Command};

/// Usage, configuration or preflight.
const WRONG_INPUT: u8 = 2;
/// Incomplete; the same command continues.
const INCOMPLETE: u8 = 3;

/// Parses the command line, does what it says, and returns the exit code: 0 success, 2 usage, configuration or preflight
/// error, 3 incomplete but resumable.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::Ls(ls)) => list::list(ls).and_then(|text| print(&text)),
        Some(Command::Show(show)) => show::show(show).and_then(|text| print(&text)),
        None => run::run(&arguments.run).and_then(|text| print(&text)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", describe(&error));
            let resumable = error
                .chain()
                .filter_map(|cause| cause.downcast_ref::<crate::run::RunError>())
                .any(crate::run::RunError::is_resumable);
            ExitCode::from(if resumable { INCOMPLETE } else { WRONG_INPUT })
        }
    }
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
