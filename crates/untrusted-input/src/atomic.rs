//! Atomic writes: after a crash, a path has the old file or the new one, never half of either.

use std::io::{BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Replaces the file at `path` by `content`, through a temporary file in the same directory.
///
/// # Errors
/// If the temporary file cannot be written or renamed. The old file then stays.
pub fn write_atomically(path: &Path, content: &[u8]) -> std::io::Result<()> {
    write_atomically_with(path, |out| out.write_all(content))
}

/// [`write_atomically`] of what `write` writes.
///
/// # Errors
/// As for [`write_atomically`], or the error of `write`.
pub fn write_atomically_with<E: From<std::io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> Result<(), E>,
) -> Result<(), E> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let prefix = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // By default, only the owner could read the file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut out = BufWriter::new(builder.tempfile_in(directory.unwrap_or(Path::new(".")))?);
    write(&mut out)?;
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_or_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        write_atomically(&path, b"old").unwrap();
        let failed = write_atomically_with(&path, |out| {
            out.write_all(b"half")?;
            Err(std::io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        write_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
