//! What each file of the hub was when it was first used here: a branch may move, and a measurement should not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HubError;
use super::cache::write_whole;
use untrusted_input::read_bounded;

/// Most bytes of the file; an entry has about 200.
const MAX_BYTES: u64 = 10_000_000;

/// A file as it was when it was first used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstUse {
    /// The sum of its content.
    pub digest: String,
    /// The commit that it was taken from.
    pub commit: String,
}

/// `hub.lock.json`: by `REPOSITORY@REVISION:PATH`.
#[derive(Debug)]
pub struct FirstUses {
    path: PathBuf,
    files: BTreeMap<String, FirstUse>,
}

impl FirstUses {
    /// Reads the file at `path`; none there is one without entries. `Err` if it is not this program's.
    pub fn open(path: &Path) -> Result<Self, HubError> {
        let files = match read_bounded(path, MAX_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let path = path.display();
                HubError::Name(format!(
                    "{path}: {error}; delete it: it only notes what files were at their first use"
                ))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(HubError::of_disk(path, error)),
        };
        Ok(Self { path: path.to_owned(), files })
    }

    /// Notes the first use of a file; of a later one, what it was at the first if that was something else.
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

    /// Where it is.
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
        write_whole(&self.path, &json)
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
