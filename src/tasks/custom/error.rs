//! What can be wrong with a user's card, and where.

use std::ops::Range;
use std::path::PathBuf;

use untrusted_input::{clipped, did_you_mean};

/// Why a user's task cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TaskConfigError {
    /// Something in the card is not as it should be.
    #[error("{file}:{line}:{column}: {reason}")]
    Invalid {
        /// The card's file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong, and what was expected.
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
    /// Two cards have one name.
    #[error("{first} and {second} both have a task `{task}`: give one another `name`")]
    Twice {
        /// The name.
        task: String,
        /// A card's file.
        first: String,
        /// Another's.
        second: String,
    },
    /// The card in a manifest or baseline is not the one that its sum is of.
    #[error(
        "the card of `{task}` that was kept with the run has the sha256 {found}, expected {expected}: it was changed"
    )]
    Changed {
        /// The name.
        task: String,
        /// As computed.
        found: String,
        /// As written beside it.
        expected: String,
    },
}

/// What is wrong at a place of a card's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    /// Something wrong with these bytes.
    pub fn new(span: Range<usize>, reason: impl Into<String>) -> Self {
        Self { span, reason: reason.into() }
    }

    /// What the parser of TOML says, with a hint where a name is unknown.
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
        // Serde names the types of this program.
        let message = message.replace("expected usize", "expected a whole number");
        let message = message.replace("expected u16", "expected a whole number from 0 to 65535");
        Self::new(error.span().unwrap_or(0..0), format!("{}{hint}", message.replace('\n', "; ")))
    }

    /// The same with its place in `text`, which is that of `file`.
    pub fn at(self, file: &str, text: &str) -> TaskConfigError {
        let before = text.get(..self.span.start.min(text.len())).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        TaskConfigError::Invalid { file: file.to_owned(), line, column, reason: clipped(&self.reason) }
    }
}
