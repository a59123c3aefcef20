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

/// What proves that a file holds the published test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The sha256 of the file.
    File,
    /// The checksum over its normalized records, in whatever kind of file they are.
    Records,
}

impl Proof {
    /// The word in `manifest.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Records => "records",
        }
    }
}

/// The byte order mark that some editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A data file in memory.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Its path, or the name of the bundled sample.
    pub name: String,
    /// The content without a byte order mark.
    pub bytes: Cow<'static, [u8]>,
    /// sha256 of the whole file, in hexadecimal.
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
            bytes: Cow::Borrowed(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)),
            sha256: hex::encode(Sha256::digest(bytes)),
            provenance: Provenance::Sample,
            companion: None,
        }
    }

    /// A file of unknown origin whose content is in memory.
    pub fn in_memory(name: &str, mut bytes: Vec<u8>) -> Self {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        let (name, bytes) = (name.to_owned(), Cow::Owned(bytes));
        Self { name, bytes, sha256, provenance: Provenance::Unverified, companion: None }
    }

    /// Reads a file of a data directory; it is complete if its sha256 is `published`. `Err` names a file that is not the
    /// data: compressed, in UTF-16, a web page, a Git LFS pointer.
    pub(super) fn read(path: &Path, published: Option<&str>) -> Result<Self, DataError> {
        let bytes = read_bounded(path, MAX_BYTES)
            .map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        if let Some(reason) = foreign(&bytes, path) {
            return Err(DataError::Foreign { path: path.to_owned(), reason });
        }
        let file = Self::in_memory(&path.display().to_string(), bytes);
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let provenance = if published == Some(file.sha256.as_str()) {
            Provenance::Complete
        } else if ["subset", "lookalike", "first-"].iter().any(|word| file_name.contains(word)) {
            Provenance::Subset
        } else {
            Provenance::Unverified
        };
        Ok(Self { provenance, ..file })
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

    /// The content as text. `Err` names the line of the first byte that is not UTF-8, or a
    /// file with nothing but white space.
    pub fn text(&self) -> Result<&str, DataError> {
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let line = 1 + self.bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
            let byte = self.bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            self.record_error(line, not_utf8(byte))
        })?;
        if text.trim().is_empty() {
            return Err(DataError::Empty { file: self.name.clone() });
        }
        Ok(text)
    }

    /// Number of blank lines.
    pub fn blank_lines(&self) -> usize {
        let lines = self.bytes.split(|&byte| byte == b'\n');
        let blank = lines.filter(|line| line.trim_ascii().is_empty()).count();
        // Nothing follows the last line end.
        blank.saturating_sub(usize::from(self.bytes.is_empty() || self.bytes.ends_with(b"\n")))
    }

    /// An error in line `line` (from 1) of this file. A long reason is cut, because it may quote the file.
    pub fn record_error(&self, line: usize, reason: impl Into<String>) -> DataError {
        DataError::Record { file: self.name.clone(), line, reason: clipped(&reason.into()) }
    }
}

/// The reason for a byte that is not UTF-8.
pub(super) fn not_utf8(byte: u8) -> String {
    format!(
        "not UTF-8: byte 0x{byte:02x}; if the file is Latin-1 or Windows-1252, convert it: `iconv -f WINDOWS-1252 -t \
         UTF-8 FILE > NEW`"
    )
}

/// What a file is that cannot hold a data set, and the remedy.
fn foreign(bytes: &[u8], path: &Path) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let compressed: [(&[u8], &str, &str); 5] = [
        (b"\x1f\x8b", "gzip", "gunzip -k"),
        (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
        (b"\xfd7zXZ\0", "xz", "unxz -k"),
        (b"BZh", "bzip2", "bunzip2 -k"),
        (b"PK\x03\x04", "zip", "unzip"),
    ];
    if let Some((_, kind, command)) = compressed.iter().find(|(magic, _, _)| bytes.starts_with(magic)) {
        return Some(format!("the file is compressed with {kind}; decompress it first: `{command} {name}`"));
    }
    // In UTF-16, every second byte of ASCII text is 0.
    let utf16 = match bytes {
        [0xff, 0xfe, ..] | [1..=255, 0, 1..=255, 0, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] => Some("UTF-16BE"),
        _ => None,
    };
    if let Some(encoding) = utf16 {
        return Some(format!(
            "the text is in {encoding}; convert it to UTF-8: `iconv -f {} -t UTF-8 {name} > NEW`",
            if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                "UTF-16"
            } else {
                encoding
            }
        ));
    }
    let start: String = String::from_utf8_lossy(bytes.get(..100.min(bytes.len())).unwrap_or_default())
        .trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t'])
        .to_ascii_lowercase();
    if start.starts_with("version https://git-lfs") {
        return Some(
            "the file is a Git LFS pointer, not the data; run `git lfs pull` in its repository".to_owned(),
        );
    }
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return Some("the file is a web page, not the data; download the file itself (\"raw\")".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<DataFile, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        DataFile::read(&path, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_byte_order_mark_is_no_content_but_part_of_the_checksum() {
        let file = read("x.txt", b"\xef\xbb\xbftext").unwrap();
        assert_eq!(&*file.bytes, b"text");
        assert_eq!(file.sha256, hex::encode(Sha256::digest(b"\xef\xbb\xbftext")));
    }

    #[test]
    fn files_that_are_no_data_are_named_with_the_remedy() {
        let utf16: Vec<u8> = "{\"a\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&[0xff, 0xfe], utf16.as_slice()].concat();
        for (bytes, part) in [
            (&b"\x1f\x8b\x08"[..], "gzip; decompress it first: `gunzip -k x.jsonl`"),
            (b"PK\x03\x04", "zip"),
            (&marked, "UTF-16LE; convert it to UTF-8: `iconv -f UTF-16 "),
            (&utf16, "`iconv -f UTF-16LE -t UTF-8 x.jsonl"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            (b"\n<!DOCTYPE html><html>", "a web page"),
        ] {
            let message = read("x.jsonl", bytes).unwrap_err();
            assert!(message.contains(part) && message.contains("x.jsonl"), "{message}");
        }
        assert!(read("x.xml", b"<mediawiki").is_ok() && read("x", b"PAR1").is_ok() && read("x", b"").is_ok());
    }

    #[test]
    fn lines_that_are_not_utf8_or_blank() {
        let message = read("x.txt", b"a\nb\xe9c\n").unwrap().text().unwrap_err().to_string();
        assert!(message.contains("x.txt:2: not UTF-8: byte 0xe9; if the file is Latin-1"), "{message}");
        for (text, blank) in [(&b""[..], 0), (b"a", 0), (b"a\n", 0), (b"a\n\n", 1), (b"\r\na\n  \nb", 2)] {
            assert_eq!(read("x", text).unwrap().blank_lines(), blank, "{text:?}");
        }
    }
}
