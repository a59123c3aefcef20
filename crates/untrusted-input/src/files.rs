//! Files from outside, read with care: a size that is known beforehand, and names that stay in their directory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Component, Path, PathBuf};

use crate::thousands;

/// The bytes of the file at `path`, or of the file that a link there leads to.
///
/// `Err` if it is no regular file (a pipe or device may never end), or has more than `most` bytes; nothing of a file
/// that is too large is read.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>> {
    // Before it is opened: a pipe that nobody writes to would be waited for.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let too_large = |bytes: u64| {
        let reason = format!("it has {} bytes; at most {} are read", thousands(bytes), thousands(most));
        Error::new(ErrorKind::FileTooLarge, reason)
    };
    if metadata.len() > most {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // It may have grown since, and files of /proc have no length.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Whether `name` is the name of one file, on every system: no path, no drive, nothing that leads elsewhere.
pub fn is_plain_name(name: &str) -> bool {
    let leads_elsewhere = |character: char| matches!(character, '/' | '\\' | ':') || character.is_control();
    !matches!(name, "" | "." | "..") && !name.contains(leads_elsewhere)
}

/// `directory/name`, where `name` may have folders but cannot lead out of `directory`; links that lie there may.
///
/// `Err` says in words what is wrong with the name.
pub fn path_below(directory: &Path, name: &str) -> std::result::Result<PathBuf, String> {
    let plain = name.split('/').all(is_plain_name);
    // The same question, asked of the system's own understanding of paths.
    let normal = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && normal {
        return Ok(directory.join(name));
    }
    Err(format!(
        "the name {name:?} could lead out of its directory; expected names with `/` between them, without `..`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_directory() {
        let base = Path::new("base");
        for good in ["a", "a/b.txt", "..a/b..", "model-00001-of-00002.safetensors", "é/ü"] {
            assert_eq!(path_below(base, good), Ok(base.join(good)));
        }
        let bad =
            ["", ".", "..", "/a", "a/..", "../a", "a/../../b", "a//b", "a/", "a\\..\\b", "C:a", "a\0", "./a"];
        for bad in bad {
            assert!(path_below(base, bad).unwrap_err().contains("lead out of"), "{bad:?}");
        }
        assert!(!is_plain_name("a/b"));
        assert!(is_plain_name("lambada.paper,stride=32.jsonl"));
    }

    #[test]
    fn only_files_of_a_known_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        let error = read_bounded(&path, 4).unwrap_err().to_string();
        assert_eq!(error, "it has 5 bytes; at most 4 are read");
        assert!(read_bounded(directory.path(), 4).is_err());
        #[cfg(unix)]
        {
            let link = directory.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert_eq!(read_bounded(&link, 5).unwrap(), b"12345");
            let error = read_bounded(Path::new("/dev/zero"), 4).unwrap_err().to_string();
            assert_eq!(error, "it is no regular file");
        }
    }
}
