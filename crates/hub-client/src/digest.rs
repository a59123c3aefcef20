//! Checksums that the hub announces: sha256 for large files, git's blob id for small ones.

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// sha256 of the content, for files in large-file storage.
    Sha256(String),
    /// Git's sha1 of `blob LENGTH`, a zero byte and the content, for all other files.
    GitBlob(String),
}

impl Digest {
    /// The checksum in an `ETag` or `X-Linked-Etag` of the hub; `None` if it is not a checksum.
    pub fn of_etag(etag: &str) -> Option<Self> {
        if !etag.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        match etag.len() {
            64 => Some(Self::Sha256(etag.to_owned())),
            40 => Some(Self::GitBlob(etag.to_owned())),
            _ => None,
        }
    }

    /// Hexadecimal digits.
    pub fn value(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }

    /// The sha256 of the file at `path`.
    pub fn sha256_of(path: &Path) -> std::io::Result<Self> {
        Ok(Self::Sha256(checksum(Sha256::new(), &mut std::fs::File::open(path)?)?))
    }

    /// Checksum of the same kind of the file at `path`.
    pub fn recompute(&self, path: &Path) -> std::io::Result<Self> {
        let mut file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(match self {
            Self::Sha256(_) => Self::Sha256(checksum(Sha256::new(), &mut file)?),
            Self::GitBlob(_) => {
                let hasher = Sha1::new_with_prefix(format!("blob {bytes}\0"));
                Self::GitBlob(checksum(hasher, &mut file)?)
            }
        })
    }
}

fn checksum<H: sha2::Digest>(mut hasher: H, file: &mut std::fs::File) -> std::io::Result<String> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(formatter, "sha256 {digits}"),
            Self::GitBlob(digits) => write!(formatter, "git blob {digits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_equal_those_of_git_and_sha256sum() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "hello\n").unwrap();
        // `git hash-object f`, `sha256sum f`.
        for etag in [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let digest = Digest::of_etag(etag).unwrap();
            assert_eq!(digest.recompute(&path).unwrap(), digest);
        }
        for odd in ["", "abc", "CE013625030BA8DBA906F756967F9E9CA394464A", &"g".repeat(40)] {
            assert!(Digest::of_etag(odd).is_none(), "{odd}");
        }
    }
}
