//! The cache on disk, in the layout that all clients of the hub share:
//! `models--OWNER--NAME/{blobs/<etag>, refs/<revision>, snapshots/<commit>/<path>}`.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::repository::{Location, is_commit};
use super::{Digest, HubError};
use untrusted_input::{path_below, read_bounded};

/// Maximum bytes of a file in `refs/`; a commit has 40.
const MAX_REF_BYTES: u64 = 1000;

/// A file of the hub in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// Its path, `snapshots/<commit>/<path>`.
    pub path: PathBuf,
    /// Its commit.
    pub commit: String,
    /// The checksum that was verified after the download; `None` if the cache does not record it.
    pub digest: Option<Digest>,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The folder of a repository in the cache.
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(cache: &Path, location: &Location) -> Self {
        Self { root: cache.join(location.repository.folder()) }
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// The downloaded part of a blob. Older versions of `huggingface_hub` resumed from the same name.
    pub fn incomplete(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{etag}.incomplete"))
    }

    fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// The commit that a revision had when it was last looked up.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let path = path_below(&self.root.join("refs"), revision).ok()?;
        let text = String::from_utf8(read_bounded(&path, MAX_REF_BYTES).ok()?).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// The file `path` at a revision, if it is cached.
    pub fn find(&self, revision: &str, path: &str) -> Option<CachedFile> {
        let commit = self.commit(revision)?;
        let file = path_below(&self.snapshot(&commit), path).ok()?;
        // Follows the link: a dangling one is not a file.
        let metadata = std::fs::metadata(&file).ok().filter(std::fs::Metadata::is_file)?;
        let blob = std::fs::canonicalize(&file).ok()?;
        let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let digest = Digest::of_etag(name);
        Some(CachedFile { path: file, commit, digest, bytes: metadata.len() })
    }

    /// Links a blob into the snapshot of a commit and records the commit of the revision.
    pub fn link(&self, revision: &str, commit: &str, path: &str, etag: &str) -> Result<(), HubError> {
        let snapshot = self.snapshot(commit);
        let file = path_below(&snapshot, path).map_err(HubError::Invalid)?;
        let up = "../".repeat(2 + path.matches('/').count());
        create_parent(&file)?;
        let blob = self.blob(etag);
        link_or_copy(&blob, Path::new(&format!("{up}blobs/{etag}")), &file)?;
        if !is_commit(revision) {
            let reference = path_below(&self.root.join("refs"), revision).map_err(HubError::Invalid)?;
            write_file(&reference, commit.as_bytes())?;
        }
        Ok(())
    }

    /// Records that a commit lacks a file, as `huggingface_hub` does, for later offline use.
    pub fn note_missing(&self, commit: &str, path: &str) -> Result<(), HubError> {
        let note = path_below(&self.root.join(".no_exist").join(commit), path).map_err(HubError::Invalid)?;
        write_file(&note, b"")
    }

    /// Whether the cache records that a revision lacks a file.
    pub fn is_missing(&self, revision: &str, path: &str) -> bool {
        let note = |commit: String| path_below(&self.root.join(".no_exist").join(commit), path).ok();
        self.commit(revision).and_then(note).is_some_and(|note| note.is_file())
    }
}

/// Creates the directories above a file.
pub(super) fn create_parent(path: &Path) -> Result<(), HubError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(|error| HubError::of_disk(parent, error))
}

/// Deletes a file of a snapshot and its blob.
pub(super) fn remove(path: &Path) -> Result<(), HubError> {
    let blob = std::fs::canonicalize(path).map_err(|error| HubError::of_disk(path, error))?;
    for path in [blob.as_path(), path] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(HubError::of_disk(path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Waits until no other process downloads this blob. The lock is shared with `huggingface_hub`.
pub(super) fn lock_blob(cache: &Path, location: &Location, etag: &str) -> Result<File, HubError> {
    let path = cache.join(".locks").join(location.repository.folder()).join(format!("{etag}.lock"));
    create_parent(&path)?;
    lock(&path)
}

/// Waits until no other process has the lock at `path`.
pub(super) fn lock(path: &Path) -> Result<File, HubError> {
    let in_cache = |error| HubError::of_disk(path, error);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(in_cache)?;
    match file.lock() {
        // Some network file systems have no locks; the download proceeds without one.
        Err(error) if error.kind() != std::io::ErrorKind::Unsupported => Err(in_cache(error)),
        _ => Ok(file),
    }
}

/// Writes a small file atomically, and creates the directories above it.
pub(super) fn write_file(path: &Path, content: &[u8]) -> Result<(), HubError> {
    create_parent(path)?;
    untrusted_input::write_atomically(path, content).map_err(|error| HubError::of_disk(path, error))
}

/// Creates a symbolic link at `path` to `target`, which names `blob`; a copy if the system has no links.
fn link_or_copy(blob: &Path, target: &Path, path: &Path) -> Result<(), HubError> {
    if std::fs::read_link(path).is_ok_and(|known| known == target) {
        return Ok(());
    }
    let in_cache = |error| HubError::of_disk(path, error);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(in_cache(error)),
        _ => {}
    }
    #[cfg(unix)]
    match std::os::unix::fs::symlink(target, path) {
        Ok(()) => return Ok(()),
        // Another process was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(_) => {}
    }
    #[cfg(not(unix))]
    let _ = target;
    std::fs::copy(blob, path).map(|_| ()).map_err(in_cache)
}
