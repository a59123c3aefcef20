//! Errors of task configs, with their location.

use std::ops::Range;
use std::path::PathBuf;

use untrusted_input::{clipped, did_you_mean};

/// Why a custom task cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TaskConfigError {
    /// The task config has a mistake.
    #[error("{file}:{line}:{column}: {reason}")]
    Invalid {
        /// The task config's file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The problem and the expected value.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Two task configs have the same name.
    #[error("{first} and {second} both have a task `{task}`; change the `name` of one")]
    Twice {
        task: String,
        /// One file.
        first: String,
        /// The other file.
        second: String,
    },
    /// The task config in a manifest or regression baseline does not have the sha256 recorded with it.
    #[error(
        "the task config of `{task}` recorded with the run was changed: its sha256 is {found}, expected {expected}; restore \
         the file, or measure again"
    )]
    Changed {
        task: String,
        /// As computed.
        found: String,
        /// As recorded.
        expected: String,
    },
}

/// A mistake at a location of a task config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Bytes of the text.
    pub span: Range<usize>,
    pub reason: String,
}

impl Problem {
    pub fn new(span: Range<usize>, reason: impl Into<String>) -> Self {
        Self { span, reason: reason.into() }
    }

    /// The TOML parser's message, with a suggestion for an unknown name.
    pub fn of_toml(error: &toml::de::Error) -> Self {
        let message = error.message();
        let mut quoted = message.split('`').skip(1).step_by(2);
        let hint = match quoted.next().filter(|_| message.starts_with("unknown ")) {
            Some(given) => did_you_mean(given, quoted),
            None => String::new(),
        };
        let message = match message.strip_prefix("missing field ") {
            Some(key) => format!("the key {key} is missing"),
            None => message.replacen("unknown field", "unknown key", 1),
        };
        // Serde names Rust types.
        let message = message.replace("expected usize", "expected a whole number");
        let message = message.replace("expected u16", "expected a whole number from 0 to 65535");
        Self::new(error.span().unwrap_or(0..0), format!("{}{hint}", message.replace('\n', "; ")))
    }

    /// Adds the location in `file`, whose content is `text`.
    pub fn at(self, file: &str, text: &str) -> TaskConfigError {
        let before = text.get(..self.span.start.min(text.len())).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        TaskConfigError::Invalid { file: file.to_owned(), line, column, reason: clipped(&self.reason) }
    }
}
