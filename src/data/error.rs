//! Errors of data sets.

use std::path::PathBuf;

/// Why a task's data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The directory of `--data` does not exist.
    #[error("no data directory at {path}; expected a directory with <task>/<file>")]
    NoDirectory { path: PathBuf },
    /// The directory of `--data` has no file for this task. `names` are the files that were looked for.
    #[error(
        "no data for `{task}` in {directory}: expected {}; put the file there, or use `--data sample` for the \
         bundled sample",
        names.join(" or ")
    )]
    NotFound { task: String, directory: PathBuf, names: Vec<String> },
    /// The task has no bundled sample of this split.
    #[error(
        "`{task}` has no bundled sample of the split `{split}`; leave out --split, or pass a directory with --data"
    )]
    NoSample { task: String, split: &'static str },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    /// A file that cannot hold a data set.
    #[error("{path}: {reason}")]
    Foreign { path: PathBuf, reason: String },
    /// A file of a custom task whose sha256 is not the one in its task config.
    #[error(
        "{path}: sha256 is {found}, but the task config has {expected}: put the right file there, or change the config"
    )]
    OtherFile { path: PathBuf, found: String, expected: String },
    /// An invalid record. `line` counts from 1; `reason` says what is wrong, the value, and what was expected.
    #[error("{file}:{line}: {reason}")]
    Record { file: String, line: usize, reason: String },
    #[error(
        "`{task}` with --shots {shots} needs {shots} few-shot examples beside the sample itself, found {examples}"
    )]
    TooFewExamples { task: String, shots: usize, examples: usize },
    #[error("{file}: the file has no records")]
    Empty { file: String },
}
