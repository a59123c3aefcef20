//! Where examples come from: the bundled samples or a local directory.

mod cbt;
mod coqa;
mod hub_config;
mod jsonl;
mod original;
mod parallel;
mod parquet;
mod rows;
mod summaries;
mod verified;
mod winograd;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use cbt::{BLANK, CbtQuestion, read_cbt};
pub use coqa::{CoqaStory, CoqaTurn, read_coqa};
pub use hub_config::{Form, HubConfig};
pub use jsonl::read_json_lines;
pub use original::UpstreamConfig;
pub use parallel::{SentencePair, read_parallel};
pub use parquet::read_parquet;
pub use summaries::{Article, read_articles};
pub use verified::{VerifiedFile, VerifiedFiles};
pub use winograd::{WinogradForm, WinogradSchema, read_winograd};

use crate::plan::DataSource;
use untrusted_input::clipped;
use untrusted_input::read_bounded;

/// Most bytes of a data file; the largest known, of 103 million words, has a tenth.
const MAX_BYTES: u64 = 5_000_000_000;

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
    /// The task has no bundled sample of this split.
    #[error(
        "`{task}` has no bundled sample of the split `{split}`; leave out --split, or name a directory with --data"
    )]
    NoSample {
        /// The task.
        task: String,
        /// The split.
        split: &'static str,
    },
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not the one that a user's card means.
    #[error(
        "{path}: its sha256 is {found}, and the card has {expected}: put the right file there, or change the card"
    )]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// As computed.
        found: String,
        /// As the card has it.
        expected: String,
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
    /// Too few examples for a few-shot prompt.
    #[error(
        "`{task}` with --shots {shots} needs {shots} examples beside the one that is asked about, found {examples}"
    )]
    TooFewExamples {
        /// The task.
        task: String,
        /// As asked for.
        shots: usize,
        /// As found.
        examples: usize,
    },
    /// A file without records.
    #[error("{file}: the file has no records")]
    Empty {
        /// The file.
        file: String,
    },
}

/// A task's data, as its card lists it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The split that is measured without `--split`.
    #[serde(default)]
    pub split: Split,
    /// Files that hold the data, in order of preference; the first of a split that is there is read.
    pub files: Vec<FileConfig>,
    /// Repository of the data on the Hugging Face hub.
    pub hub: Option<String>,
    /// The bundled samples.
    pub samples: Vec<FileConfig>,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What is measured.
    #[default]
    Test,
    /// What choices are made on.
    Validation,
    /// What is learned from.
    Train,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Test, Self::Validation, Self::Train];

    /// Its name on the command line and in cards.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
            Self::Train => "train",
        }
    }

    /// The split of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.as_str() == name)
    }
}

/// One file, or a file and its companion, that may hold a split.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Path below the data directory.
    pub name: String,
    /// Path of a second file that belongs to it line by line: the translations.
    pub with: Option<String>,
    /// What it holds; without it, the split that is measured.
    pub split: Option<Split>,
    /// sha256 of the published file, where it is known for certain.
    pub sha256: Option<String>,
    /// sha256 of its published companion.
    pub with_sha256: Option<String>,
    /// Records in the published file.
    pub records: Option<usize>,
    /// The file of the hub that it is made from.
    pub hub: Option<HubConfig>,
    /// The file of the hub that its companion is made from.
    pub with_hub: Option<HubConfig>,
    /// Where its makers have put it on the web.
    pub original: Option<UpstreamConfig>,
    /// Where the makers of its companion have put that.
    pub with_original: Option<UpstreamConfig>,
}

/// A file that is part of the program: its name in the task's folder and its content.
pub type BundledFile = (&'static str, &'static [u8]);

impl DataConfig {
    fn of_split<'a>(&self, files: &'a [FileConfig], split: Split) -> impl Iterator<Item = &'a FileConfig> {
        let measured = self.split;
        files.iter().filter(move |file| file.split.unwrap_or(measured) == split)
    }

    /// The first of the split's files that exists below `directory`, with its path.
    pub fn at_hand(&self, directory: &Path, split: Split) -> Option<(&FileConfig, PathBuf)> {
        self.of_split(&self.files, split).map(|file| (file, directory.join(&file.name))).find(
            |(file, path)| {
                path.exists() && file.with.as_ref().is_none_or(|with| directory.join(with).exists())
            },
        )
    }

    /// The split's files that can be downloaded, in order of preference.
    pub fn downloads(&self, split: Split) -> impl Iterator<Item = &FileConfig> {
        self.of_split(&self.files, split).filter(|file| file.hub.is_some() || file.original.is_some())
    }

    /// Splits that a file or a bundled sample is known for.
    pub fn splits(&self) -> Vec<Split> {
        let mut splits: Vec<Split> =
            self.files.iter().chain(&self.samples).map(|file| file.split.unwrap_or(self.split)).collect();
        splits.sort_unstable();
        splits.dedup();
        splits
    }

    /// Splits that examples for few-shot prompts come from, best first, when `measured` is measured.
    pub fn example_splits(measured: Split) -> impl Iterator<Item = Split> {
        [Split::Train, Split::Validation].into_iter().filter(move |split| *split != measured)
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
    /// The file of a custom task; there is nothing published to compare it with.
    Custom,
}

impl Provenance {
    /// The word in `manifest.json`, and behind `data=` in protocol labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Sample => "sample",
            Self::Subset => "subset",
            Self::Unverified => "unverified",
            Self::Custom => "custom",
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
    /// Whether it is the published one.
    pub provenance: Provenance,
    /// The file that belongs to it line by line.
    pub companion: Option<Box<DataFile>>,
}

impl DataFile {
    /// A file that is part of the program.
    pub fn bundled(name: &str, bytes: &'static [u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: Cow::Borrowed(bytes),
            sha256: hex::encode(Sha256::digest(bytes)),
            provenance: Provenance::Sample,
            companion: None,
        }
    }

    fn read(path: &Path, published: Option<&str>) -> Result<Self, DataError> {
        let bytes = read_bounded(path, MAX_BYTES)
            .map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let provenance = if published == Some(sha256.as_str()) {
            Provenance::Complete
        } else if ["subset", "lookalike"].iter().any(|word| file_name.contains(word)) {
            Provenance::Subset
        } else {
            Provenance::Unverified
        };
        let name = path.display().to_string();
        Ok(Self { name, bytes: Cow::Owned(bytes), sha256, provenance, companion: None })
    }

    /// The file of a user's own task. `Err` if it has not the sha256 that its card names.
    pub fn custom(path: &Path, sha256: Option<&str>) -> Result<Self, DataError> {
        let file = Self::read(path, None)?;
        match sha256 {
            Some(expected) if expected != file.sha256 => Err(DataError::OtherFile {
                path: path.to_owned(),
                found: file.sha256,
                expected: expected.to_owned(),
            }),
            _ => Ok(Self { provenance: Provenance::Custom, ..file }),
        }
    }

    /// The task's file of this split below `directory`; `Ok(None)` if none of the known names is there.
    fn find(config: &DataConfig, directory: &Path, split: Split) -> Result<Option<Self>, DataError> {
        if !directory.is_dir() {
            return Err(DataError::NoDirectory { path: directory.to_owned() });
        }
        let Some((known, path)) = config.at_hand(directory, split) else { return Ok(None) };
        let verified = VerifiedFiles::of(directory);
        let published = |name: &str, sha256: &'_ Option<String>| {
            sha256.clone().or_else(|| verified.sha256(name).map(str::to_owned))
        };
        let mut file = Self::read(&path, published(&known.name, &known.sha256).as_deref())?;
        if let Some(with) = &known.with {
            let companion =
                Self::read(&directory.join(with), published(with, &known.with_sha256).as_deref())?;
            if companion.provenance != Provenance::Complete {
                file.provenance = companion.provenance;
            }
            file.companion = Some(Box::new(companion));
        }
        Ok(Some(file))
    }

    fn sample(
        task: &str,
        config: &DataConfig,
        samples: &[BundledFile],
        split: Split,
    ) -> Result<Option<Self>, DataError> {
        let Some(known) = config.of_split(&config.samples, split).next() else { return Ok(None) };
        let bundled = |name: &str| {
            let found = samples.iter().find(|(known, _)| *known == name);
            let (name, bytes) = found.ok_or_else(|| DataError::NotFound {
                task: task.to_owned(),
                directory: "the program".into(),
                names: vec![name.to_owned()],
            })?;
            Ok(Self::bundled(&format!("tasks/{task}/{name}"), bytes))
        };
        let mut file = bundled(&known.name)?;
        if let Some(with) = &known.with {
            file.companion = Some(Box::new(bundled(with)?));
        }
        Ok(Some(file))
    }

    /// The task's file of this split from `source`; `Ok(None)` if there is none.
    pub fn open(
        task: &str,
        config: &DataConfig,
        samples: &[BundledFile],
        source: &DataSource,
        split: Split,
    ) -> Result<Option<Self>, DataError> {
        match source {
            DataSource::Sample => Self::sample(task, config, samples, split),
            DataSource::Directory(directory) => Self::find(config, directory, split),
            DataSource::TaskFiles => Ok(None),
        }
    }

    /// What is missing when [`Self::open`] finds nothing.
    pub fn not_found(task: &str, config: &DataConfig, source: &DataSource, split: Split) -> DataError {
        let files = match source {
            DataSource::Sample | DataSource::TaskFiles => {
                return DataError::NoSample { task: task.to_owned(), split: split.as_str() };
            }
            DataSource::Directory(directory) => (directory, config.of_split(&config.files, split)),
        };
        let (directory, files) = files;
        let mut names: Vec<String> = Vec::new();
        for file in files {
            let name = match &file.with {
                Some(with) => format!("{} with {with}", file.name),
                None => file.name.clone(),
            };
            // A file that the hub has in two forms stands in the card twice.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        DataError::NotFound { task: task.to_owned(), directory: directory.clone(), names }
    }

    /// Gives the memory of the content back, once it has been read.
    pub fn drop_bytes(&mut self) {
        self.bytes = Cow::Borrowed(b"");
        self.companion.iter_mut().for_each(|companion| companion.drop_bytes());
    }

    /// sha256 of the content; with a companion, of both sums.
    pub fn fingerprint(&self) -> String {
        match &self.companion {
            None => self.sha256.clone(),
            Some(companion) => hex::encode(Sha256::digest(format!("{} {}", self.sha256, companion.sha256))),
        }
    }

    /// The content as text. `Err` names the line with the first byte that is no UTF-8, or a file without any text.
    pub fn text(&self) -> Result<&str, DataError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let line = 1 + self.bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            self.record_error(line, format!("not UTF-8: {error}"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(DataError::Empty { file: self.name.clone() });
        }
        Ok(text)
    }

    /// An error about line `line` (from 1) of this file. Of a long reason the first part is kept: it may quote what
    /// stands in the file.
    pub fn record_error(&self, line: usize, reason: impl Into<String>) -> DataError {
        DataError::Record { file: self.name.clone(), line, reason: clipped(&reason.into()) }
    }
}
