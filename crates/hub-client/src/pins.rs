//! Checksums of files, pinned on first use: a branch may move, but a measurement should not change unnoticed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HubError;
use super::cache::write_file;
use untrusted_input::read_bounded;

/// Maximum bytes of the file; an entry has about 200.
const MAX_BYTES: u64 = 10_000_000;

/// Checksum and commit of a file at its first use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Checksum of its content, such as `sha256 01ab…`.
    pub digest: String,
    /// Its commit.
    pub commit: String,
}

/// `hub.lock.json`: pins by `REPOSITORY@REVISION:PATH`.
#[derive(Debug)]
pub struct Pins {
    path: PathBuf,
    pins: BTreeMap<String, Pin>,
}

impl Pins {
    /// Reads the file at `path`; a missing one has no pins.
    ///
    /// # Errors
    /// If the file cannot be read or is invalid.
    pub fn open(path: &Path) -> Result<Self, HubError> {
        let pins = match read_bounded(path, MAX_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let path = path.display();
                HubError::Invalid(format!(
                    "{path}: {error}; delete the file: it only pins checksums of files at their first use"
                ))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(HubError::of_disk(path, error)),
        };
        Ok(Self { path: path.to_owned(), pins })
    }

    /// Pins a file on first use. Returns its pin if `now` has another checksum.
    ///
    /// # Errors
    /// If the pins cannot be written.
    pub fn check(&mut self, file: &str, now: Pin) -> Result<Option<Pin>, HubError> {
        match self.pins.get(file) {
            Some(first) if first.digest == now.digest => Ok(None),
            Some(first) => Ok(Some(first.clone())),
            None => {
                self.pins.insert(file.to_owned(), now);
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
        let mut json = serde_json::to_vec_pretty(&self.pins)
            .map_err(|error| HubError::of_disk(&self.path, error.into()))?;
        json.push(b'\n');
        write_file(&self.path, &json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_is_told_from_one_that_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/hub.lock.json");
        let state = |digest: &str| Pin { digest: digest.to_owned(), commit: "c".to_owned() };
        let mut pins = Pins::open(&path).unwrap();
        assert_eq!(pins.check("a", state("1")).unwrap(), None);
        let mut again = Pins::open(&path).unwrap();
        assert_eq!(again.check("a", state("1")).unwrap(), None);
        assert_eq!(again.check("a", state("2")).unwrap(), Some(state("1")));
        assert_eq!(again.check("a", state("2")).unwrap(), Some(state("1")), "the first use stays");
        std::fs::write(&path, "[]").unwrap();
        assert!(Pins::open(&path).unwrap_err().to_string().contains("delete the file"));
    }
}
