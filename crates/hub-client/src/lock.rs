//! Checksums of files, pinned on first use: a branch may move, but a measurement should not change unnoticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HubError;
use super::cache::write_atomically;
use untrusted_input::read_bounded;

/// Maximum bytes of the file; an entry has about 200.
const MAX_BYTES: u64 = 10_000_000;

/// Checksum and commit of a file at its first use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstUse {
    /// Checksum of its content, such as `sha256 01ab…`.
    pub digest: String,
    /// Its commit.
    pub commit: String,
}

/// `hub.lock.json`: first uses by `REPOSITORY@REVISION:PATH`.
#[derive(Debug)]
pub struct FirstUses {
    path: PathBuf,
    files: BTreeMap<String, FirstUse>,
}

impl FirstUses {
    /// Reads the file at `path`; a missing one has no entries. `Err` if it is invalid.
    pub fn open(path: &Path) -> Result<Self, HubError> {
        let files = match read_bounded(path, MAX_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let path = path.display();
                HubError::Name(format!(
                    "{path}: {error}; delete the file: it only pins checksums of files at their first use"
                ))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(HubError::of_disk(path, error)),
        };
        Ok(Self { path: path.to_owned(), files })
    }

    /// Records the first use of a file. Returns the first use if `now` has another checksum.
    pub fn check(&mut self, file: &str, now: FirstUse) -> Result<Option<FirstUse>, HubError> {
        match self.files.get(file) {
            Some(first) if first.digest == now.digest => Ok(None),
            Some(first) => Ok(Some(first.clone())),
            None => {
                self.files.insert(file.to_owned(), now);
                self.write()?;
                Ok(None)
            }
        }
    }

    /// Path of `hub.lock.json`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self) -> Result<(), HubError> {
        if let Some(parent) = self.path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| HubError::of_disk(parent, error))?;
        }
        let mut json = serde_json::to_vec_pretty(&self.files)
            .map_err(|error| HubError::of_disk(&self.path, error.into()))?;
        json.push(b'\n');
        write_atomically(&self.path, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_told_from_one_that_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/hub.lock.json");
        let state = |digest: &str| FirstUse { digest: digest.to_owned(), commit: "c".to_owned() };
        let mut uses = FirstUses::open(&path).unwrap();
        assert_eq!(uses.check("a", state("1")).unwrap(), None);
        let mut again = FirstUses::open(&path).unwrap();
        assert_eq!(again.check("a", state("1")).unwrap(), None);
        assert_eq!(again.check("a", state("2")).unwrap(), Some(state("1")));
        assert_eq!(again.check("a", state("2")).unwrap(), Some(state("1")), "the first use stays");
        std::fs::write(&path, "[]").unwrap();
        assert!(FirstUses::open(&path).unwrap_err().to_string().contains("delete it"));
    }
}
