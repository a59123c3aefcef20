//! Weights in several files: transformers' `model.safetensors.index.json` says which tensor is in which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::source::Source;
use super::{Contents, WeightFormat, WeightsError, read_one};
use untrusted_input::clipped;
use untrusted_input::path_below;

/// Most bytes of an index; that of the largest GPT-2 has fifty thousand.
const MAX_INDEX_BYTES: usize = 10_000_000;

/// Most files; each is mapped.
const MAX_FILES: usize = 1000;

/// The longest name of a file.
const MAX_NAME_BYTES: usize = 255;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads the index that is the first source, and the headers of its files, which become sources.
pub(super) fn read(sources: &mut Vec<Source>) -> Result<Contents, WeightsError> {
    let Some(index) = sources.first() else {
        return Ok(Contents { format: WeightFormat::Sharded, entries: vec![], config: None });
    };
    let path = index.path().to_owned();
    let malformed = |tensor: Option<&str>, reason: String| WeightsError::Malformed {
        path: path.clone(),
        format: "an index of weight files",
        tensor: tensor.map(clipped),
        offset: None,
        reason,
    };
    if index.bytes().len() > MAX_INDEX_BYTES {
        return Err(malformed(None, format!("it has more than {MAX_INDEX_BYTES} bytes")));
    }
    let Index { weight_map } = serde_json::from_slice(index.bytes())
        .map_err(|error| malformed(None, clipped(&error.to_string())))?;
    let names: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
    if names.len() > MAX_FILES {
        return Err(malformed(None, format!("it names {} files, expected at most {MAX_FILES}", names.len())));
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut found: BTreeMap<String, &str> = BTreeMap::new();
    let mut entries = Vec::new();
    for name in names {
        if name.len() > MAX_NAME_BYTES {
            return Err(malformed(None, format!("the name of a file has {} bytes", name.len())));
        }
        let shard = path_below(directory, name).map_err(|reason| malformed(None, clipped(&reason)))?;
        let source = Source::open(&shard)?;
        let contents = read_one(&source, sources.len())?;
        for (tensor, entry) in contents.entries {
            if let Some(other) = found.insert(tensor.clone(), name) {
                let reason = format!("it is in {} and in {}", clipped(other), clipped(name));
                return Err(malformed(Some(&tensor), reason));
            }
            entries.push((tensor, entry));
        }
        sources.push(source);
    }
    for (tensor, name) in &weight_map {
        if found.get(tensor) != Some(&name.as_str()) {
            return Err(malformed(
                Some(tensor),
                format!("it is not in {}, where the index says", clipped(name)),
            ));
        }
    }
    Ok(Contents { format: WeightFormat::Sharded, entries, config: None })
}
