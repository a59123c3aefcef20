//! The `[data]` table of a task config: the files of a task, and where they are published.

use std::path::{Path, PathBuf};

use super::sources::{HubConfig, UpstreamConfig};

/// A task's data, as its task config lists it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The split that is measured without `--split`.
    #[serde(default)]
    pub split: Split,
    /// Files that hold the data, in order of preference. The first existing file of a split is read.
    pub files: Vec<FileConfig>,
    /// Repository of the data on the Hugging Face hub.
    pub hub: Option<String>,
    /// The bundled samples.
    pub samples: Vec<FileConfig>,
}

/// A part of a data set.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    #[default]
    Test,
    Validation,
    Train,
}

impl Split {
    const ALL: [Self; 3] = [Self::Test, Self::Validation, Self::Train];

    /// Its name on the command line and in task configs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
            Self::Train => "train",
        }
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.as_str() == name)
    }
}

/// One file, or a file and its companion, that may hold a split.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// Path below the data directory.
    pub name: String,
    /// Path of a second file that belongs to it line by line: the translations.
    pub with: Option<String>,
    /// The split that it holds; by default [`DataConfig::split`].
    pub split: Option<Split>,
    /// sha256 of the published file, if known.
    pub sha256: Option<String>,
    /// sha256 of the published companion, if known.
    pub with_sha256: Option<String>,
    /// Number of records in the published file.
    pub records: Option<usize>,
    /// Checksum over the records of the published set, which another kind of file may hold.
    pub records_sha256: Option<String>,
    /// The file of the hub that it is made from.
    pub hub: Option<HubConfig>,
    /// The file of the hub that its companion is made from.
    pub with_hub: Option<HubConfig>,
    /// The file as its authors publish it.
    pub upstream: Option<UpstreamConfig>,
    /// The companion as its authors publish it.
    pub with_upstream: Option<UpstreamConfig>,
    /// The protocols that the file is for; all if empty. Others read it only if there is no file for them.
    #[serde(default)]
    pub protocols: Vec<String>,
}

impl FileConfig {
    pub(crate) fn is_for(&self, protocol: &str) -> bool {
        self.protocols.is_empty() || self.protocols.iter().any(|known| known == protocol)
    }
}

impl DataConfig {
    /// The same data with the files for this protocol before the others.
    pub(crate) fn for_protocol(&self, protocol: &str) -> Self {
        let mut data = self.clone();
        // The sort is stable.
        data.files.sort_by_key(|file| !file.is_for(protocol));
        data
    }

    /// Those of `files` that hold `split`.
    pub(super) fn of_split<'a>(
        &self,
        files: &'a [FileConfig],
        split: Split,
    ) -> impl Iterator<Item = &'a FileConfig> {
        let measured = self.split;
        files.iter().filter(move |file| file.split.unwrap_or(measured) == split)
    }

    /// The first of the split's files that exists below `directory`, with its path.
    pub(crate) fn find_in(&self, directory: &Path, split: Split) -> Option<(&FileConfig, PathBuf)> {
        self.of_split(&self.files, split).map(|file| (file, directory.join(&file.name))).find(
            |(file, path)| {
                path.exists() && file.with.as_ref().is_none_or(|with| directory.join(with).exists())
            },
        )
    }

    /// The number of records of the published set of a split, if known.
    pub(crate) fn published_count(&self, split: Split) -> Option<usize> {
        self.of_split(&self.files, split).find_map(|file| file.records)
    }

    /// The checksums over the records of the published set of a split; several where it is published in several forms.
    pub(crate) fn published_records(&self, split: Split) -> impl Iterator<Item = &str> {
        self.of_split(&self.files, split).filter_map(|file| file.records_sha256.as_deref())
    }

    /// The split's files for this protocol that can be downloaded, in order of preference.
    pub(crate) fn downloads<'a>(
        &'a self,
        split: Split,
        protocol: &'a str,
    ) -> impl Iterator<Item = &'a FileConfig> {
        self.of_split(&self.files, split)
            .filter(|file| file.hub.is_some() || file.upstream.is_some())
            .filter(move |file| file.is_for(protocol))
    }

    /// Splits that have a file or a bundled sample.
    pub(crate) fn splits(&self) -> Vec<Split> {
        let mut splits: Vec<Split> =
            self.files.iter().chain(&self.samples).map(|file| file.split.unwrap_or(self.split)).collect();
        splits.sort_unstable();
        splits.dedup();
        splits
    }

    /// Splits that few-shot examples come from when `measured` is measured, in order of preference.
    pub(crate) fn example_splits(measured: Split) -> impl Iterator<Item = Split> {
        [Split::Train, Split::Validation].into_iter().filter(move |split| *split != measured)
    }
}
