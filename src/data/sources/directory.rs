//! A directory with `<task>/<file>`, and its `verified.json`.
//!
//! A file of the hub is converted to the form that its task reads, and the sha256 of the result is in no task config.
//! `verified.json` notes which files were made from downloads with the pinned sha256, and the sha256 of the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::{DataConfig, DataError, DataFile, Provenance, Split};
use untrusted_input::read_bounded;

const VERIFIED_FILE: &str = "verified.json";
/// Maximum bytes of `verified.json`; an entry has about 300.
const MAX_BYTES: u64 = 1_000_000;

/// Reads the task's file of this split below `directory`; `Ok(None)` if none of the known files exists.
pub(super) fn find(
    config: &DataConfig,
    directory: &Path,
    split: Split,
) -> Result<Option<DataFile>, DataError> {
    if !directory.is_dir() {
        return Err(DataError::NoDirectory { path: directory.to_owned() });
    }
    let Some((known, path)) = config.find_in(directory, split) else { return Ok(None) };
    let verified = VerifiedFiles::read(directory);
    let published = |name: &str, sha256: &'_ Option<String>| {
        sha256.clone().or_else(|| verified.sha256(name).map(str::to_owned))
    };
    let mut file = DataFile::read(&path, published(&known.name, &known.sha256).as_deref())?;
    if let Some(with) = &known.with {
        let companion =
            DataFile::read(&directory.join(with), published(with, &known.with_sha256).as_deref())?;
        if companion.provenance != Provenance::Complete {
            file.provenance = companion.provenance;
        }
        file.companion = Some(Box::new(companion));
    }
    Ok(Some(file))
}

/// The download from which a file was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VerifiedFile {
    /// sha256 of the file in the directory.
    pub sha256: String,
    /// The download: repository, commit and path on the hub, or a URL.
    pub source: String,
    /// sha256 of the download, which the task config pins.
    pub source_sha256: String,
}

/// The entries of `verified.json`, by path in the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct VerifiedFiles(BTreeMap<String, VerifiedFile>);

impl VerifiedFiles {
    /// Reads the file of `directory`; a missing or unreadable one has no entries.
    pub fn read(directory: &Path) -> Self {
        let bytes = read_bounded(&directory.join(VERIFIED_FILE), MAX_BYTES).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// sha256 of the file `name` when it was made.
    pub fn sha256(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|file| file.sha256.as_str())
    }

    pub fn insert(&mut self, name: &str, file: VerifiedFile) {
        self.0.insert(name.to_owned(), file);
    }

    /// Path and content of the file for `directory`.
    pub fn to_file(&self, directory: &Path) -> serde_json::Result<(PathBuf, Vec<u8>)> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok((directory.join(VERIFIED_FILE), json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verified_files_round_trip() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(VerifiedFiles::read(directory.path()), VerifiedFiles::default());
        let mut files = VerifiedFiles::default();
        let file = VerifiedFile { sha256: "1".into(), source: "s".into(), source_sha256: "2".into() };
        files.insert("a/b.txt", file);
        let (path, bytes) = files.to_file(directory.path()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let again = VerifiedFiles::read(directory.path());
        assert_eq!((again.sha256("a/b.txt"), again.sha256("b.txt")), (Some("1"), None));
        std::fs::write(&path, "[").unwrap();
        assert_eq!(VerifiedFiles::read(directory.path()), VerifiedFiles::default());
    }
}
