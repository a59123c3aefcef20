//! Writing files so that a crash leaves the old one or the new one, never half of either.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::RunError;

/// Writes `content` to a temporary name beside `path` and renames it.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), RunError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // Nothing to keep of a file that could not be finished.
        let _ = std::fs::remove_file(&temporary);
        RunError::write(path, &source)
    })
}
