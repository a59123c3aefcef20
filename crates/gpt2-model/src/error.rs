//! Why a checkpoint cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use untrusted_input::{clipped, thousands};

/// A file of a checkpoint that cannot be used: which file, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct CheckpointError {
    path: PathBuf,
    reason: String,
}

impl CheckpointError {
    /// `reason` says what is wrong with the file or directory at `path`.
    pub fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into() }
    }

    /// There is no model at `path`.
    pub fn not_found(path: &Path, reason: &str) -> Self {
        Self::new(path, format!("no GPT-2 model: {reason}"))
    }

    pub(crate) fn read(path: &Path, error: &io::Error) -> Self {
        Self::new(path, format!("cannot read it: {error}"))
    }

    /// A file that is not `format`. `tensor` and `offset` say where it goes wrong; names and reasons from the file are
    /// clipped.
    pub(crate) fn malformed(
        path: &Path,
        format: &str,
        tensor: Option<&str>,
        offset: Option<usize>,
        reason: &str,
    ) -> Self {
        let tensor = tensor.map(|name| format!("tensor `{}`: ", clipped(name))).unwrap_or_default();
        let offset =
            offset.map(|offset| format!("at byte {}: ", thousands(offset as u64))).unwrap_or_default();
        Self::new(path, format!("not {format}: {tensor}{offset}{}", clipped(reason)))
    }

    /// A file that is shorter (`tensor` is the first one that does not fit) or longer than its header says.
    pub(crate) fn size(path: &Path, tensor: Option<&str>, expected: u64, found: u64) -> Self {
        let what = if found < expected { "is cut short" } else { "has bytes that belong to no tensor" };
        let tensor =
            tensor.map(|name| format!(" (tensor `{}` lies outside)", clipped(name))).unwrap_or_default();
        let (found, expected) = (thousands(found), thousands(expected));
        let reason = format!(
            "the file {what}: it has {found} bytes, but its header promises {expected}{tensor}; copy or download it again"
        );
        Self::new(path, reason)
    }
}
