//! A data file in memory.

use std::borrow::Cow;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DataError;
use untrusted_input::{clipped, read_bounded};

/// Maximum bytes of a data file; the largest published one, with 103 million words, has a tenth.
const MAX_BYTES: u64 = 5_000_000_000;

/// Whether a data file is the published test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// Its sha256 is the published one.
    Complete,
    /// The bundled sample.
    Sample,
    /// Its name says that it is a subset.
    Subset,
    /// Nothing says that it is the published one.
    Unverified,
    /// The file of a custom task; there is nothing published to compare it with.
    Custom,
}

impl Provenance {
    /// The word in `manifest.json`, and after `data=` in protocol labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Sample => "sample",
            Self::Subset => "subset",
            Self::Unverified => "unverified",
            Self::Custom => "custom",
        }
    }
}

/// A data file in memory.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Its path, or the name of the bundled sample.
    pub name: String,
    pub bytes: Cow<'static, [u8]>,
    /// sha256 of `bytes`, in hexadecimal.
    pub sha256: String,
    pub provenance: Provenance,
    /// The file that belongs to it line by line.
    pub companion: Option<Box<DataFile>>,
}

impl DataFile {
    /// A file that is part of the program.
    pub fn bundled(name: &str, bytes: &'static [u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: Cow::Borrowed(bytes),
            sha256: hex::encode(Sha256::digest(bytes)),
            provenance: Provenance::Sample,
            companion: None,
        }
    }

    /// Reads a file of a data directory; it is complete if its sha256 is `published`.
    pub(super) fn read(path: &Path, published: Option<&str>) -> Result<Self, DataError> {
        let bytes = read_bounded(path, MAX_BYTES)
            .map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let provenance = if published == Some(sha256.as_str()) {
            Provenance::Complete
        } else if ["subset", "lookalike"].iter().any(|word| file_name.contains(word)) {
            Provenance::Subset
        } else {
            Provenance::Unverified
        };
        let name = path.display().to_string();
        Ok(Self { name, bytes: Cow::Owned(bytes), sha256, provenance, companion: None })
    }

    /// Reads the file of a custom task. `Err` if its sha256 is not `sha256`, the one in the task config.
    pub fn custom(path: &Path, sha256: Option<&str>) -> Result<Self, DataError> {
        let file = Self::read(path, None)?;
        match sha256 {
            Some(expected) if expected != file.sha256 => Err(DataError::OtherFile {
                path: path.to_owned(),
                found: file.sha256,
                expected: expected.to_owned(),
            }),
            _ => Ok(Self { provenance: Provenance::Custom, ..file }),
        }
    }

    /// Frees the content; name, sha256 and provenance stay.
    pub fn drop_bytes(&mut self) {
        self.bytes = Cow::Borrowed(b"");
        self.companion.iter_mut().for_each(|companion| companion.drop_bytes());
    }

    /// sha256 of the content; with a companion, sha256 of the two hexadecimal sha256.
    pub fn fingerprint(&self) -> String {
        match &self.companion {
            None => self.sha256.clone(),
            Some(companion) => hex::encode(Sha256::digest(format!("{} {}", self.sha256, companion.sha256))),
        }
    }

    /// The content as text, without a byte order mark. `Err` names the line of the first byte that is not UTF-8, or a
    /// file with nothing but white space.
    pub fn text(&self) -> Result<&str, DataError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let line = 1 + self.bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            self.record_error(line, format!("not UTF-8: {error}"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(DataError::Empty { file: self.name.clone() });
        }
        Ok(text)
    }

    /// An error in line `line` (from 1) of this file. A long reason is cut, because it may quote the file.
    pub fn record_error(&self, line: usize, reason: impl Into<String>) -> DataError {
        DataError::Record { file: self.name.clone(), line, reason: clipped(&reason.into()) }
    }
}
