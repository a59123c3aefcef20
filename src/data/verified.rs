//! Which files of a data directory were made from downloads whose sha256 a card pins.
//!
//! A file that was turned from one form into another has a sum that no card can know. Where its source was the pinned one,
//! `verified.json` beside the task's folders says so, with the sum of what was made of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use untrusted_input::read_bounded;

/// Its name.
const FILE: &str = "verified.json";
/// Most bytes of it; an entry has about 300.
const MAX_BYTES: u64 = 1_000_000;

/// What a file was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFile {
    /// sha256 of the file in the directory.
    pub sha256: String,
    /// Where its source is, with repository and commit or as an address.
    pub source: String,
    /// sha256 of that, as the card pins it.
    pub source_sha256: String,
}

/// The files of a directory that are known, by their paths in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VerifiedFiles(BTreeMap<String, VerifiedFile>);

impl VerifiedFiles {
    /// Those of `directory`; none if it does not say, or not in words that are understood.
    pub fn of(directory: &Path) -> Self {
        let bytes = read_bounded(&directory.join(FILE), MAX_BYTES).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// sha256 that the file `name` has if nobody changed it.
    pub fn sha256(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|file| file.sha256.as_str())
    }

    /// Adds or replaces a file.
    pub fn add(&mut self, name: &str, file: VerifiedFile) {
        self.0.insert(name.to_owned(), file);
    }

    /// Where they are kept for `directory`, and what is to be written there.
    pub fn to_file(&self, directory: &Path) -> serde_json::Result<(PathBuf, Vec<u8>)> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok((directory.join(FILE), json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(VerifiedFiles::of(directory.path()), VerifiedFiles::default());
        let mut files = VerifiedFiles::default();
        let file = VerifiedFile { sha256: "1".into(), source: "s".into(), source_sha256: "2".into() };
        files.add("a/b.txt", file);
        let (path, bytes) = files.to_file(directory.path()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let again = VerifiedFiles::of(directory.path());
        assert_eq!((again.sha256("a/b.txt"), again.sha256("b.txt")), (Some("1"), None));
        std::fs::write(&path, "[").unwrap();
        assert_eq!(VerifiedFiles::of(directory.path()), VerifiedFiles::default());
    }
}
