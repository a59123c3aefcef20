//! What commands print: results, messages, errors.

use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail};

/// Output of a command, and problems that did not prevent it.
pub(super) struct Report {
    pub text: String,
    pub problem: Option<Problem>,
}

/// A problem that is not an error of the command.
pub(super) enum Problem {
    /// Something is missing or failed; the same command, run again, continues.
    Incomplete(String),
    /// A task that was run has no value; the same command, run again, would not change that.
    NothingMeasured(String),
    GateFailed(String),
}

impl Problem {
    /// What happened.
    pub fn text(&self) -> &str {
        match self {
            Self::Incomplete(text) | Self::NothingMeasured(text) | Self::GateFailed(text) => text,
        }
    }
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self { text, problem: None }
    }
}

/// An error after which the same command, run again, continues.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Incomplete(pub String);

/// `Err` if there cannot be a directory at `path`, the value of `--out`: it is a file, or is below one.
pub(super) fn check_out(path: &Path) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() {
        bail!("--out is empty: expected a directory");
    }
    let shown = path.display();
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        match std::fs::metadata(part) {
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Ok(_) if part == path => {
                bail!("--out {shown}: this is a file; expected a directory, which is created if missing")
            }
            Ok(_) => bail!("--out {shown}: {} is a file, so that no directory can be in it", part.display()),
            Err(_) if std::fs::read_link(part).is_ok() => {
                bail!("--out {shown}: {} is a link to something that does not exist", part.display())
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => bail!("--out {shown}: {error}"),
        }
    }
    Ok(())
}

/// Prints a line to standard error, ignoring errors.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

pub(super) fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

/// The error and its causes; a cause that the message before it quotes is left out.
pub(super) fn describe(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        known if known.contains(&cause) => text,
        _ => format!("{text}: {cause}"),
    })
}

/// Prints to standard output. A closed pipe (`gpt2-eval ls | head`) is not an error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}
