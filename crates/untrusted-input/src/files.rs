//! Reads files from outside with a bounded size, and checks that names stay in their directory.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Component, Path, PathBuf};

use crate::thousands;

/// Reads the file at `path`, following links.
///
/// # Errors
/// If the file cannot be read, is not a regular file (a pipe or device may never end), or has more than `max_bytes` bytes. A
/// file that is too large is not read.
pub fn read_bounded(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    // Checked before opening: opening a pipe waits for a writer.
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let too_large = |bytes: u64| {
        let reason =
            format!("{} bytes are more than the limit of {}", thousands(bytes), thousands(max_bytes));
        Error::new(ErrorKind::FileTooLarge, reason)
    };
    if metadata.len() > max_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may have grown since, and files in /proc claim length 0.
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Whether `name` is the name of one file on every system: not a path, a drive, `.` or `..`.
pub fn is_plain_name(name: &str) -> bool {
    let is_forbidden = |character: char| matches!(character, '/' | '\\' | ':') || character.is_control();
    !matches!(name, "" | "." | "..") && !name.contains(is_forbidden)
}

/// Joins `directory` and `name`. The name may have folders but cannot lead out of `directory`; links in the directory may.
///
/// # Errors
/// A message, if the name could lead out of the directory on any system.
pub fn path_below(directory: &Path, name: &str) -> std::result::Result<PathBuf, String> {
    let plain = name.split('/').all(is_plain_name);
    // The same check by this system's own rules for paths.
    let normal = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain && normal {
        return Ok(directory.join(name));
    }
    Err(format!(
        "the name {name:?} could lead out of its directory: expected file and folder names joined by `/`, without `..`"
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
    fn only_regular_files_of_bounded_size_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        let error = read_bounded(&path, 4).unwrap_err().to_string();
        assert_eq!(error, "5 bytes are more than the limit of 4");
        assert!(read_bounded(directory.path(), 4).is_err());
        #[cfg(unix)]
        {
            let link = directory.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert_eq!(read_bounded(&link, 5).unwrap(), b"12345");
            let error = read_bounded(Path::new("/dev/zero"), 4).unwrap_err().to_string();
            assert_eq!(error, "not a regular file");
        }
    }
}
