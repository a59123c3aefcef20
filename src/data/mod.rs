//! Where examples come from: the bundled samples or a local directory.

mod cbt;
mod jsonl;
mod winograd;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use cbt::{BLANK, CbtQuestion, read_cbt};
pub use jsonl::read_json_lines;
pub use winograd::{WinogradForm, WinogradSchema, read_winograd};

use crate::plan::DataSource;
use crate::text::hexadecimal;

/// What can be wrong with a task's data.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The data directory does not exist.
    #[error("no data directory at {path}")]
    NoDirectory {
        /// As given with `--data`.
        path: PathBuf,
    },
    /// The directory has no file for this task.
    #[error(
        "no data for `{task}` in {directory}: expected {}; put the file there, or use `--data sample` for the \
         bundled sample",
        names.join(" or ")
    )]
    NotFound {
        /// The task.
        task: String,
        /// As given with `--data`.
        directory: PathBuf,
        /// File names that were looked for.
        names: Vec<String>,
    },
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record that is not as it should be.
    #[error("{file}:{line}: {reason}")]
    Record {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong, the value, and what was expected.
        reason: String,
    },
    /// A file without records.
    #[error("{file}: the file has no records")]
    Empty {
        /// The file.
        file: String,
    },
}

/// A task's test set, as its card lists it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataCard {
    /// Files that hold it, in order of preference; the first that is there is read.
    pub files: Vec<FileCard>,
    /// Repository of the data on the Hugging Face hub.
    pub hub: Option<String>,
    /// Name of the bundled sample.
    pub sample: String,
}

/// One file that may hold a test set.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCard {
    /// Path below the data directory.
    pub name: String,
    /// sha256 of the published file, where it is known for certain.
    pub sha256: Option<String>,
    /// Records in the published file.
    pub records: Option<usize>,
}

impl DataCard {
    /// The first of the files that exists below `directory`, with its path.
    pub fn at_hand(&self, directory: &Path) -> Option<(&FileCard, PathBuf)> {
        self.files.iter().map(|file| (file, directory.join(&file.name))).find(|(_, path)| path.exists())
    }
}

/// How far a data file can be trusted to be the published test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Its sha256 is the published one.
    Complete,
    /// The sample that is part of the program.
    Sample,
    /// Its name says that it is only a part.
    Subset,
    /// It is not known to be the published one.
    Unverified,
}

impl Provenance {
    /// The word in `manifest.json`, and behind `data=` in protocol labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Sample => "sample",
            Self::Subset => "subset",
            Self::Unverified => "unverified",
        }
    }
}

/// A data file in memory.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Its path, or the name of the bundled sample.
    pub name: String,
    /// Its content.
    pub bytes: Cow<'static, [u8]>,
    /// sha256 of the content, in hexadecimal.
    pub sha256: String,
    /// Whether it is the published test set.
    pub provenance: Provenance,
}

impl DataFile {
    /// A file that is part of the program.
    pub fn bundled(name: &str, bytes: &'static [u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: Cow::Borrowed(bytes),
            sha256: hexadecimal(&Sha256::digest(bytes)),
            provenance: Provenance::Sample,
        }
    }

    /// The task's file below `directory`.
    pub fn find(task: &str, card: &DataCard, directory: &Path) -> Result<Self, DataError> {
        if !directory.is_dir() {
            return Err(DataError::NoDirectory { path: directory.to_owned() });
        }
        let (known, path) = card.at_hand(directory).ok_or_else(|| DataError::NotFound {
            task: task.to_owned(),
            directory: directory.to_owned(),
            names: card.files.iter().map(|file| file.name.clone()).collect(),
        })?;
        let bytes = std::fs::read(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
        let sha256 = hexadecimal(&Sha256::digest(&bytes));
        let name = path.display().to_string();
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let provenance = if known.sha256.as_deref() == Some(sha256.as_str()) {
            Provenance::Complete
        } else if ["subset", "lookalike"].iter().any(|word| file_name.contains(word)) {
            Provenance::Subset
        } else {
            Provenance::Unverified
        };
        Ok(Self { name, bytes: Cow::Owned(bytes), sha256, provenance })
    }

    /// The task's file from `source`.
    pub fn open(
        task: &str,
        card: &DataCard,
        sample: &'static [u8],
        source: &DataSource,
    ) -> Result<Self, DataError> {
        match source {
            DataSource::Sample => Ok(Self::bundled(&format!("tasks/{task}/{}", card.sample), sample)),
            DataSource::Directory(directory) => Self::find(task, card, directory),
        }
    }

    /// An error about line `line` (from 1) of this file.
    pub fn record_error(&self, line: usize, reason: impl Into<String>) -> DataError {
        DataError::Record { file: self.name.clone(), line, reason: reason.into() }
    }
}
