//! Finds the weight file of a model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::registry::{FORMATS, detect};
use super::sharded;

/// Largest number of files of a directory that are looked at.
const MAX_FILES: usize = 1000;

/// The weight file of the model at `path`: `path` itself, or in a directory the file with a usual name, else the only file
/// whose content is that of a weight file.
///
/// # Errors
/// A message that says why there is none.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, String> {
    if path.is_file() {
        return table_of_data_file(path);
    }
    if !path.is_dir() {
        // TensorFlow calls a checkpoint `model.ckpt`, which means `model.ckpt.index` and its data files.
        let mut index = path.as_os_str().to_owned();
        index.push(".index");
        let index = PathBuf::from(index);
        return match path.exists() {
            true => Err("neither a file nor a directory".to_owned()),
            false if index.is_file() => Ok(index),
            false => Err("no such file or directory".to_owned()),
        };
    }
    let mut names = FORMATS.iter().flat_map(|format| format.file_names);
    if let Some(found) = names.clone().map(|name| path.join(name)).find(|path| path.is_file()) {
        return Ok(found);
    }
    let listed = std::fs::read_dir(path).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).take(MAX_FILES).collect();
    files.sort();
    files.retain(|file| file.is_file() && has_weights(file));
    match files.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let first = names.next().copied().unwrap_or_default();
            let others: Vec<&str> = names.copied().collect();
            Err(format!(
                "{first} is missing; the directory has no other weights either, such as {}",
                others.join(", ")
            ))
        }
        [one, other, ..] => {
            let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Err(format!("several files have weights, {} and {}: name the file", name(one), name(other)))
        }
    }
}

/// The weight file of the model at `path`, if there is one.
pub fn find_weights(path: &Path) -> Option<PathBuf> {
    locate(path).ok()
}

/// For a data file of a TensorFlow checkpoint its table, because data files have no header. Other files as they are.
fn table_of_data_file(path: &Path) -> Result<PathBuf, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((stem, _)) = name.rsplit_once(".data-").filter(|(_, shard)| shard.contains("-of-")) else {
        return Ok(path.to_owned());
    };
    let index = path.with_file_name(format!("{stem}.index"));
    if index.is_file() { Ok(index) } else { Err(format!("its companion {stem}.index is missing")) }
}

fn has_weights(path: &Path) -> bool {
    let ends = || {
        let mut file = File::open(path)?;
        let mut beginning = Vec::new();
        file.by_ref().take(16).read_to_end(&mut beginning)?;
        let mut end = [0; 8];
        file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut end)?;
        std::io::Result::Ok((beginning, end))
    };
    let Ok((beginning, end)) = ends() else { return false };
    // Any JSON file begins as an index does, so indexes are found by their names only.
    detect(&beginning, &end).is_some_and(|format| format.file_names != sharded::FORMAT.file_names)
}
