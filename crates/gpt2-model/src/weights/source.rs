//! One weight file, mapped into memory or compiled into the program.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, UncheckedAdvice};
use sha2::{Digest as _, Sha256};

use super::mistaken;
use crate::error::CheckpointError;

/// Bytes converted at a time. Their mapped pages are released at once, so that the file does not become a second copy of
/// the model in memory.
pub(super) const CHUNK_BYTES: usize = 16 << 20;

enum Bytes {
    Mapped(Mmap),
    InMemory(Cow<'static, [u8]>),
}

pub(super) struct Source {
    path: PathBuf,
    bytes: Bytes,
}

impl Source {
    /// Maps the file at `path` without reading it.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let read_error = |error: io::Error| CheckpointError::read(path, &error);
        // Checked before opening: opening a pipe waits for a writer.
        let metadata = std::fs::metadata(path).map_err(read_error)?;
        if metadata.is_dir() {
            return Err(read_error(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Err(CheckpointError::new(path, "not a regular file"));
        }
        if metadata.len() == 0 {
            return Err(CheckpointError::malformed(path, "a weight file", None, None, "the file is empty"));
        }
        let map = File::open(path).and_then(|file| map_read_only(&file)).map_err(read_error)?;
        match mistaken::placeholder(&map) {
            Some(reason) => Err(CheckpointError::new(path, reason)),
            None => Ok(Self { path: path.to_owned(), bytes: Bytes::Mapped(map) }),
        }
    }

    /// `path` is the name in messages.
    pub fn in_memory(path: &Path, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { path: path.to_owned(), bytes: Bytes::InMemory(bytes.into()) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::InMemory(bytes) => bytes,
        }
    }

    pub fn update_digest(&self, hasher: &mut Sha256) {
        let all = self.bytes();
        for start in (0..all.len()).step_by(CHUNK_BYTES) {
            let chunk = start..all.len().min(start + CHUNK_BYTES);
            hasher.update(&all[chunk.clone()]);
            self.release(chunk);
        }
    }

    /// `None` if the file has no such range.
    pub fn crc32c(&self, range: Range<usize>) -> Option<u32> {
        let mut checksum = 0;
        for start in range.clone().step_by(CHUNK_BYTES) {
            let chunk = start..range.end.min(start + CHUNK_BYTES);
            checksum = crc32c::crc32c_append(checksum, self.bytes().get(chunk.clone())?);
            self.release(chunk);
        }
        Some(checksum)
    }

    /// Whether the bytes are in a file, which libraries can open by its path.
    pub fn is_file(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }

    /// Tells the system that these mapped pages are not needed for now.
    #[allow(unsafe_code)]
    pub fn release(&self, range: Range<usize>) {
        if let Bytes::Mapped(map) = &self.bytes {
            // SAFETY: the map is shared, read-only and backed by a file, so dropped pages are read from the file again
            // when touched. A failure costs only memory.
            let _ =
                unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

#[allow(unsafe_code)]
fn map_read_only(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read. Another process that shortens the file meanwhile can still end this one with
    // a signal, as with every program that maps files; weights are not edited in place.
    unsafe { Mmap::map(file) }
}
