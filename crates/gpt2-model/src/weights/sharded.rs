//! Weights in several files: `model.safetensors.index.json` of transformers says which tensor is in which file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::format::{Contents, Format, Read, ReadFile, WithFiles};
use super::layout::Layout;
use super::mistaken;
use super::source::Source;
use crate::error::CheckpointError;
use untrusted_input::{clipped, path_below};

pub(super) const FORMAT: Format = Format {
    file_names: &["model.safetensors.index.json", "pytorch_model.bin.index.json"],
    config_names: &["config.json"],
    recognizes: |beginning, _| beginning.trim_ascii_start().starts_with(b"{"),
    read: Read::Files(read),
};

/// Largest index; that of the largest GPT-2 has about 50 kB.
const MAX_INDEX_BYTES: usize = 10_000_000;

/// Largest number of files; each is mapped.
const MAX_FILES: usize = 1000;

/// Longest file name.
const MAX_NAME_BYTES: usize = 255;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads the index, and the headers of the files that it names.
fn read(index: &Source, read_file: ReadFile) -> Result<WithFiles, CheckpointError> {
    let malformed = |tensor: Option<&str>, reason: String| {
        CheckpointError::malformed(index.path(), "an index of weight files", tensor, None, &reason)
    };
    if index.bytes().len() > MAX_INDEX_BYTES {
        return Err(malformed(None, format!("it has more than {MAX_INDEX_BYTES} bytes")));
    }
    let Index { weight_map } = serde_json::from_slice(index.bytes()).map_err(|error| {
        let beginning = mistaken::text_beginning(index.bytes()).unwrap_or_default();
        malformed(None, format!("{error}; the file begins with {beginning:?}"))
    })?;
    let names: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
    if names.len() > MAX_FILES {
        return Err(malformed(None, format!("it names {} files, expected at most {MAX_FILES}", names.len())));
    }
    let directory = index.path().parent().unwrap_or(Path::new(""));
    let mut file_of: BTreeMap<String, &str> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut layout = Layout::Conv1d;
    let mut files = Vec::new();
    for name in names {
        if name.len() > MAX_NAME_BYTES {
            let reason = format!("a file name has {} bytes, expected at most {MAX_NAME_BYTES}", name.len());
            return Err(malformed(None, reason));
        }
        let path = path_below(directory, name).map_err(|reason| malformed(None, reason))?;
        if !path.exists() {
            let reason =
                format!("it names {}, which is missing: download it from the same place", clipped(name));
            return Err(CheckpointError::new(index.path(), reason));
        }
        let file = Source::open(&path)?;
        let contents = read_file(&file, 1 + files.len())?;
        if contents.layout == Layout::ByShape {
            layout = Layout::ByShape;
        }
        for (tensor, entry) in contents.entries {
            if let Some(other) = file_of.insert(tensor.clone(), name) {
                let reason = format!("it is in {} and in {}", clipped(other), clipped(name));
                return Err(malformed(Some(&tensor), reason));
            }
            entries.push((tensor, entry));
        }
        files.push(file);
    }
    for (tensor, name) in &weight_map {
        if file_of.get(tensor) != Some(&name.as_str()) {
            let reason = format!("it is not in {}, where the index has it", clipped(name));
            return Err(malformed(Some(tensor), reason));
        }
    }
    Ok((Contents { format: "sharded", entries, layout, config: None }, files))
}
