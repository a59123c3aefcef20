//! The cache on disk, in the layout that all clients of the hub share:
//! `models--OWNER--NAME/{blobs/<etag>, refs/<revision>, snapshots/<commit>/<path>}`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::repository::{Location, is_commit};
use super::{Digest, HubError};
use untrusted_input::{path_below, read_bounded};

/// Most bytes of a file in `refs/`: a commit has 40.
const MAX_REF_BYTES: u64 = 1000;

/// A file of the hub on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// Where it is: `snapshots/<commit>/<path>`.
    pub path: PathBuf,
    /// The commit it is of.
    pub commit: String,
    /// The sum that it was checked against when it came; `None` if the cache does not say.
    pub digest: Option<Digest>,
    /// Its length.
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

    /// What has come of a blob so far. Under the name that `huggingface_hub` once resumed from too.
    pub fn incomplete(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(format!("{etag}.incomplete"))
    }

    fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// The commit that a revision was when it was last asked for.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let path = path_below(&self.root.join("refs"), revision).ok()?;
        let text = String::from_utf8(read_bounded(&path, MAX_REF_BYTES).ok()?).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// The file `path` at a revision, if it is here.
    pub fn find(&self, revision: &str, path: &str) -> Option<CachedFile> {
        let commit = self.commit(revision)?;
        let place = path_below(&self.snapshot(&commit), path).ok()?;
        // Through the link: one that leads nowhere is no file.
        let metadata = std::fs::metadata(&place).ok().filter(std::fs::Metadata::is_file)?;
        let blob = std::fs::canonicalize(&place).ok()?;
        let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let digest = Digest::of_etag(name);
        Some(CachedFile { path: place, commit, digest, bytes: metadata.len() })
    }

    /// Puts a blob into the snapshot of a commit and notes which commit the revision is.
    pub fn link(&self, revision: &str, commit: &str, path: &str, etag: &str) -> Result<(), HubError> {
        let snapshot = self.snapshot(commit);
        let place = path_below(&snapshot, path).map_err(HubError::Name)?;
        let up = "../".repeat(2 + path.matches('/').count());
        make_room_for(&place)?;
        let blob = self.blob(etag);
        link_or_copy(&blob, Path::new(&format!("{up}blobs/{etag}")), &place)?;
        if !is_commit(revision) {
            let reference = path_below(&self.root.join("refs"), revision).map_err(HubError::Name)?;
            make_room_for(&reference)?;
            write_whole(&reference, commit.as_bytes())?;
        }
        Ok(())
    }

    /// Notes that a commit has no such file, as `huggingface_hub` does, for those who are offline later.
    pub fn note_missing(&self, commit: &str, path: &str) -> Result<(), HubError> {
        let note = path_below(&self.root.join(".no_exist").join(commit), path).map_err(HubError::Name)?;
        make_room_for(&note)?;
        write_whole(&note, b"")
    }

    /// Whether it is known that a revision has no such file.
    pub fn is_missing(&self, revision: &str, path: &str) -> bool {
        let note = |commit: String| path_below(&self.root.join(".no_exist").join(commit), path).ok();
        self.commit(revision).and_then(note).is_some_and(|note| note.is_file())
    }
}

/// Makes the directories above a file.
pub(super) fn make_room_for(path: &Path) -> Result<(), HubError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(|error| HubError::of_disk(parent, error))
}

/// Takes a file out of a snapshot, and the blob that it leads to.
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

/// Waits until no other process downloads this blob; the lock is the one that `huggingface_hub` takes.
pub(super) fn lock_blob(cache: &Path, location: &Location, etag: &str) -> Result<File, HubError> {
    let path = cache.join(".locks").join(location.repository.folder()).join(format!("{etag}.lock"));
    make_room_for(&path)?;
    lock(&path)
}

/// Waits until no other process has the lock at `path`.
pub(super) fn lock(path: &Path) -> Result<File, HubError> {
    let in_cache = |error| HubError::of_disk(path, error);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(in_cache)?;
    match file.lock() {
        // Some network file systems have no locks; a download there is worth more than the lock.
        Err(error) if error.kind() != std::io::ErrorKind::Unsupported => Err(in_cache(error)),
        _ => Ok(file),
    }
}

/// Writes a small file so that others see all of it or nothing.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), HubError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        HubError::of_disk(path, error)
    })
}

/// A link at `place` to `target`, which leads to `blob`; a copy where there are no links.
fn link_or_copy(blob: &Path, target: &Path, place: &Path) -> Result<(), HubError> {
    if std::fs::read_link(place).is_ok_and(|known| known == target) {
        return Ok(());
    }
    let in_cache = |error| HubError::of_disk(place, error);
    match std::fs::remove_file(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(in_cache(error)),
        _ => {}
    }
    #[cfg(unix)]
    match std::os::unix::fs::symlink(target, place) {
        Ok(()) => return Ok(()),
        // Another process was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(_) => {}
    }
    #[cfg(not(unix))]
    let _ = target;
    std::fs::copy(blob, place).map(|_| ()).map_err(in_cache)
}
