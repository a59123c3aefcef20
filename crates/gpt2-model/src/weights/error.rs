//! What can be wrong with a weight file.

use std::path::PathBuf;

use untrusted_input::thousands;

/// What can be wrong with a weight file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or mapped.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is shorter or longer than its header says.
    #[error(
        "{path}: the file {what}; it has {} bytes where its header promises {}{}; copy or download it again",
        thousands(*found), thousands(*expected),
        tensor.as_ref().map(|name| format!(" (tensor `{name}` lies outside)")).unwrap_or_default()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// "is cut short" or "has bytes that belong to no tensor".
        what: &'static str,
        /// The first tensor that does not fit.
        tensor: Option<String>,
        /// Bytes promised.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The file is not what it seems to be.
    #[error("{path}: not {format}: {}{}{reason}",
        tensor.as_ref().map(|name| format!("tensor `{name}`: ")).unwrap_or_default(),
        offset.map(|offset| format!("at byte {}: ", thousands(offset))).unwrap_or_default()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it was read as.
        format: &'static str,
        /// The tensor where it is wrong.
        tensor: Option<String>,
        /// The byte of the file where it is wrong.
        offset: Option<u64>,
        /// Why.
        reason: String,
    },
    /// A tensor that the model needs is not there.
    #[error("{path}: tensor `{tensor}` {expected:?} is missing{}", more(*others))]
    Missing {
        /// The file.
        path: PathBuf,
        /// Its name, without the `transformer.` prefix.
        tensor: String,
        /// Its shape.
        expected: Vec<usize>,
        /// How many more are missing.
        others: usize,
    },
    /// A tensor that no GPT-2 has.
    #[error("{path}: tensor `{tensor}` {found:?} is none of this GPT-2's{}{hint}", more(*others))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Its name as stored.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many more there are.
        others: usize,
        /// What may be meant.
        hint: String,
    },
    /// A tensor of another shape than `config.json` says.
    #[error(
        "{path}: tensor `{tensor}` has shape {found:?}, expected {expected:?} by the model's configuration"
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Its name as stored.
        tensor: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that cannot be read.
    #[error("{path}: tensor `{tensor}` is {found}, expected F32, F16 or BF16")]
    Type {
        /// The file.
        path: PathBuf,
        /// Its name as stored.
        tensor: String,
        /// In the file.
        found: String,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}
