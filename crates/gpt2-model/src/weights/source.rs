//! One file with weights, mapped into memory or part of the program.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::{Mmap, UncheckedAdvice};
use sha2::Digest as _;
use sha2::Sha256;

use super::WeightsError;

/// Bytes converted at a time; mapped pages behind them are given back, so that the file's pages never add up to a
/// second copy of the model in memory.
pub(super) const CHUNK_BYTES: usize = 16 << 20;

enum Bytes {
    Mapped(Mmap),
    InMemory(Cow<'static, [u8]>),
}

/// The bytes of one file, and its name for messages.
pub(super) struct Source {
    path: PathBuf,
    bytes: Bytes,
}

impl Source {
    /// Maps the file at `path`; nothing of it is read. `Err` if it is no regular file or empty.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let read_error = |source| WeightsError::Read { path: path.to_owned(), source };
        // Before it is opened: a pipe that nobody writes to would be waited for.
        let metadata = std::fs::metadata(path).map_err(read_error)?;
        if metadata.is_dir() {
            return Err(read_error(std::io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            let reason = "it is no regular file";
            return Err(read_error(std::io::Error::new(std::io::ErrorKind::InvalidInput, reason)));
        }
        let file = File::open(path).map_err(read_error)?;
        if file.metadata().map_err(read_error)?.len() == 0 {
            return Err(WeightsError::Malformed {
                path: path.to_owned(),
                format: "a weight file",
                tensor: None,
                offset: None,
                reason: "the file is empty".to_owned(),
            });
        }
        let map = map_read_only(&file).map_err(read_error)?;
        Ok(Self { path: path.to_owned(), bytes: Bytes::Mapped(map) })
    }

    /// Bytes that are in memory; `path` is their name in messages.
    pub fn in_memory(path: &Path, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { path: path.to_owned(), bytes: Bytes::InMemory(bytes.into()) }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::InMemory(bytes) => bytes,
        }
    }

    /// Adds all of it to a digest.
    pub fn digest(&self, hasher: &mut Sha256) {
        let all = self.bytes();
        for start in (0..all.len()).step_by(CHUNK_BYTES) {
            let chunk = start..all.len().min(start + CHUNK_BYTES);
            hasher.update(&all[chunk.clone()]);
            self.give_back(chunk);
        }
    }

    /// The CRC-32C of these bytes; `None` if they are not there.
    pub fn crc32c(&self, range: Range<usize>) -> Option<u32> {
        let mut sum = 0;
        for start in range.clone().step_by(CHUNK_BYTES) {
            let chunk = start..range.end.min(start + CHUNK_BYTES);
            sum = crc32c::crc32c_append(sum, self.bytes().get(chunk.clone())?);
            self.give_back(chunk);
        }
        Some(sum)
    }

    /// Whether it is a file, which others can open by its path.
    pub fn is_file(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }

    /// Tells the system that these mapped pages are not needed for now.
    #[allow(unsafe_code)]
    pub fn give_back(&self, range: Range<usize>) {
        if let Bytes::Mapped(map) = &self.bytes {
            // SAFETY: the map is shared, read-only and backed by a file, so pages that are dropped are read
            // from the file again when touched. A failure costs memory, nothing else.
            let _ =
                unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

#[allow(unsafe_code)]
fn map_read_only(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only read. Another process that shortens the file meanwhile can still end this one with
    // a signal, as with every program that maps files; weights are not edited in place.
    unsafe { Mmap::map(file) }
}
