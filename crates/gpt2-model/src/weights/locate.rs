//! Finds the weight file of a model.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::absent::{
    self, Shard, broken_link_at, has_extension, is_trainer_state, listed, looks_like_weights,
};
use super::explain::ADAPTER_CONFIG;
use super::registry::{FORMATS, detect};
use super::sharded;

/// Bytes of a file's beginning that tell its format.
const BEGINNING_BYTES: u64 = 1024;

/// The weight file of the model at `path`: `path` itself, or in a directory the file with a usual name, else the only file
/// whose content is that of a weight file.
///
/// # Errors
/// A message that says why there is none.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, String> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => in_directory(path),
        Ok(metadata) if metadata.is_file() => of_file(path),
        Ok(_) => Err("neither a file nor a directory".to_owned()),
        Err(error) => {
            // TensorFlow calls a checkpoint `model.ckpt`, which means `model.ckpt.index` and its data files.
            let mut index = path.as_os_str().to_owned();
            index.push(".index");
            let index = PathBuf::from(index);
            if index.is_file() { Ok(index) } else { Err(unreadable(path, &error)) }
        }
    }
}

/// The weight file of the model at `path`, if there is one.
pub fn find_weights(path: &Path) -> Option<PathBuf> {
    locate(path).ok()
}

/// Whether a directory has a weight file with a usual name or extension.
pub(super) fn has_model(directory: &Path) -> bool {
    let by_extension = || {
        let mut names = absent::names(directory).unwrap_or_default();
        names.retain(|name| looks_like_weights(name));
        !by_content(directory, &names).is_empty()
    };
    named_file(directory).is_some() || by_extension()
}

fn in_directory(path: &Path) -> Result<PathBuf, String> {
    let names = absent::names(path).map_err(|error| format!("cannot read the directory: {error}"))?;
    if let Some(found) = named_file(path) {
        if path.join(ADAPTER_CONFIG).is_file() {
            let name = found.file_name().unwrap_or_default().to_string_lossy();
            return Err(format!(
                "the directory has an adapter ({ADAPTER_CONFIG}) beside the weights: to measure {name} without the \
                 adapter, give {}; to measure both, merge them with `merge_and_unload()` of PEFT",
                found.display()
            ));
        }
        return Ok(found);
    }
    if path.join(ADAPTER_CONFIG).is_file() {
        return Err(absent::explain(path, &names));
    }
    let found = by_content(path, &names);
    match found.as_slice() {
        [one] => Ok(path.join(one)),
        [] => Err(absent::explain(path, &names)),
        [.., last] => Err(format!(
            "{} files have weights, {}: give one of them, such as {}",
            found.len(),
            listed(&found),
            path.join(last).display()
        )),
    }
}

/// The file of a directory with a usual name.
fn named_file(directory: &Path) -> Option<PathBuf> {
    let names = FORMATS.iter().flat_map(|format| format.file_names);
    names.map(|name| directory.join(name)).find(|path| path.is_file())
}

/// The names of the files whose content is that of a weight file.
fn by_content(directory: &Path, names: &[String]) -> Vec<String> {
    let is_other = |name: &str| is_trainer_state(name) || has_extension(name, &["zip", "npz"]);
    let shard = |name: &str| Shard::parse(name).is_some_and(|shard| shard.count > 1);
    let is_weights = |name: &&String| {
        let path = directory.join(name);
        !is_other(name) && !shard(name) && path.is_file() && has_weights(&path)
    };
    names.iter().filter(is_weights).cloned().collect()
}

/// The file with the table of a checkpoint in several files; another file as it is.
fn of_file(path: &Path) -> Result<PathBuf, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directory = path.parent().unwrap_or(Path::new(""));
    let shown = if directory == Path::new("") { ".".into() } else { directory.to_string_lossy() };
    // Data files of TensorFlow have no header.
    if let Some((stem, _)) = name.rsplit_once(".data-").filter(|(_, shard)| shard.contains("-of-")) {
        return companion(path, &format!("{stem}.index"));
    }
    if let Some(shard) = Shard::parse(&name).filter(|shard| shard.count > 1) {
        return companion(path, &shard.index())
            .map_err(|reason| format!("it is one of {} shards, and {reason}", shard.count));
    }
    if is_trainer_state(&name) {
        return Err(format!("the state of a trainer, not the model: give its directory, {shown}"));
    }
    if name == "config.json" || name == ADAPTER_CONFIG {
        return Err(format!("a configuration, not weights: give its directory, {shown}"));
    }
    Ok(path.to_owned())
}

fn companion(path: &Path, name: &str) -> Result<PathBuf, String> {
    let index = path.with_file_name(name);
    if index.is_file() { Ok(index) } else { Err(format!("its companion {name} is missing")) }
}

/// Why the metadata of a path cannot be read.
fn unreadable(path: &Path, error: &std::io::Error) -> String {
    if let Some(link) = broken_link_at(path) {
        return link;
    }
    if error.kind() == ErrorKind::NotADirectory {
        return "a part of the path is a file, not a directory".to_owned();
    }
    if error.kind() != ErrorKind::NotFound {
        return format!("cannot read it: {error}");
    }
    let missing = "no such file or directory";
    if path.starts_with("~") {
        return format!(
            "{missing}: the shell replaces `~` only at the beginning of a word; write $HOME instead"
        );
    }
    // The lowest directory that exists shows where a path goes wrong.
    let is_there = |parent: &&Path| parent.as_os_str().is_empty() || parent.is_dir();
    let exists = path.ancestors().skip(1).find(is_there);
    match exists.filter(|parent| Some(*parent) != path.parent()) {
        Some(parent) => {
            let next = path.ancestors().take_while(|part| *part != parent).last();
            next.map_or(missing.to_owned(), |next| format!("{missing}: {} does not exist", next.display()))
        }
        None => missing.to_owned(),
    }
}

/// The first bytes of a file.
pub(super) fn beginning(path: &Path) -> Option<Vec<u8>> {
    let mut beginning = Vec::new();
    File::open(path).ok()?.take(BEGINNING_BYTES).read_to_end(&mut beginning).ok()?;
    Some(beginning)
}

fn has_weights(path: &Path) -> bool {
    let end = || {
        let mut file = File::open(path)?;
        let mut end = [0; 8];
        file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut end)?;
        std::io::Result::Ok(end)
    };
    let (Some(beginning), Ok(end)) = (beginning(path), end()) else { return false };
    // Any JSON file begins as an index does, so indexes are found by their names only.
    detect(&beginning, &end).is_some_and(|format| format.file_names != sharded::FORMAT.file_names)
}
