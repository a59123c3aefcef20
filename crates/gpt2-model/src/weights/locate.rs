//! Which file of a directory has the weights.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::format::{Container, TABLE_MAGIC};

/// Names that programs give to weights, the one that is read first in front.
const NAMES: [&str; 9] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "ckpt.pt",
    "gpt2_124M.bin",
    "gpt2_124M_bf16.bin",
    "model.ckpt.index",
    "model.bpk",
];

/// Files of a directory that are looked at.
const MAX_FILES: usize = 1000;

/// The file with the weights: `path` itself, or in a directory the one with a usual name, else the only one that begins
/// as weights do.
///
/// `Err` says in words why there is none.
pub(crate) fn locate(path: &Path) -> Result<PathBuf, String> {
    if path.is_file() {
        return of_bundle(path);
    }
    if !path.is_dir() {
        // `model.ckpt` is what TensorFlow calls `model.ckpt.index` and its data.
        let index = with_suffix(path, ".index");
        return match path.exists() {
            true => Err("it is neither a file nor a directory".to_owned()),
            false if index.is_file() => Ok(index),
            false => Err("no such file or directory".to_owned()),
        };
    }
    if let Some(found) = NAMES.iter().map(|name| path.join(name)).find(|path| path.is_file()) {
        return Ok(found);
    }
    let listed = std::fs::read_dir(path).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> =
        listed.filter_map(|entry| Some(entry.ok()?.path())).take(MAX_FILES).collect();
    files.sort();
    files.retain(|file| file.is_file() && has_weights(file));
    match files.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!(
            "model.safetensors is missing: the directory has no weights, nor {}",
            NAMES[1..].join(", ")
        )),
        [one, other, ..] => {
            let names =
                [one, other].map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned());
            Err(format!("several files have weights, {} and {}: name the file", names[0], names[1]))
        }
    }
}

/// The file with the weights of the model at `path`, where there is one.
pub fn find_weights(path: &Path) -> Option<PathBuf> {
    locate(path).ok()
}

/// The table of a TensorFlow checkpoint for its data file, which says nothing by itself; other files as they are.
fn of_bundle(path: &Path) -> Result<PathBuf, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((stem, _)) = name.rsplit_once(".data-").filter(|(_, shard)| shard.contains("-of-")) else {
        return Ok(path.to_owned());
    };
    let index = path.with_file_name(format!("{stem}.index"));
    if index.is_file() { Ok(index) } else { Err(format!("its companion {stem}.index is missing")) }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a file begins, or as a table of TensorFlow ends, as weights do; JSON is left to its names.
fn has_weights(path: &Path) -> bool {
    let look = || {
        let mut file = File::open(path)?;
        let mut first = Vec::new();
        file.by_ref().take(16).read_to_end(&mut first)?;
        let mut last = [0; 8];
        file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut last)?;
        std::io::Result::Ok((first, last))
    };
    let Ok((first, last)) = look() else { return false };
    match Container::of(&first) {
        Some(Container::Index) | None => u64::from_le_bytes(last) == TABLE_MAGIC,
        // Its length is held against the file when it is opened.
        Some(_) => true,
    }
}
