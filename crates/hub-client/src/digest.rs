//! What the hub says of a file's content: sha256 for large files, git's name of a blob for small ones.

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A sum over the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// sha256 of the content: files in large-file storage.
    Sha256(String),
    /// Git's sha1 of `blob LENGTH`, a zero byte and the content: all other files.
    GitBlob(String),
}

impl Digest {
    /// The sum that an `ETag` or `X-Linked-Etag` of the hub is; `None` for one that is none.
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

    /// Its digits.
    pub fn value(&self) -> &str {
        match self {
            Self::Sha256(sum) | Self::GitBlob(sum) => sum,
        }
    }

    /// The sha256 of the file at `path`.
    pub fn sha256_of(path: &Path) -> std::io::Result<Self> {
        Ok(Self::Sha256(sum(Sha256::new(), &mut std::fs::File::open(path)?)?))
    }

    /// The same sum of the file at `path`.
    pub fn again(&self, path: &Path) -> std::io::Result<Self> {
        let mut file = std::fs::File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok(match self {
            Self::Sha256(_) => Self::Sha256(sum(Sha256::new(), &mut file)?),
            Self::GitBlob(_) => {
                let begun = Sha1::new_with_prefix(format!("blob {bytes}\0"));
                Self::GitBlob(sum(begun, &mut file)?)
            }
        })
    }
}

fn sum<H: sha2::Digest>(mut hasher: H, file: &mut std::fs::File) -> std::io::Result<String> {
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
            Self::Sha256(sum) => write!(formatter, "sha256 {sum}"),
            Self::GitBlob(sum) => write!(formatter, "git blob {sum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_git_and_sha256sum() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "hello\n").unwrap();
        // `git hash-object f`, `sha256sum f`.
        for etag in [
            "ce013625030ba8dba906f756967f9e9ca394464a",
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        ] {
            let digest = Digest::of_etag(etag).unwrap();
            assert_eq!(digest.again(&path).unwrap(), digest);
        }
        for odd in ["", "abc", "CE013625030BA8DBA906F756967F9E9CA394464A", &"g".repeat(40)] {
            assert!(Digest::of_etag(odd).is_none(), "{odd}");
        }
    }
}
