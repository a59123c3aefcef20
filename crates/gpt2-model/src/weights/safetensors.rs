//! The header of a `model.safetensors`, by the crate `safetensors`, with messages of our own.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::SafeTensors;

use super::WeightsError;
use super::entry::{Entry, Named};
use untrusted_input::{clipped, thousands};

/// The longest header that is read, as in the crate.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The tensors of a file of the bytes `all`, which is source `source`.
pub(super) fn entries(path: &Path, all: &[u8], source: usize) -> Result<Vec<Named>, WeightsError> {
    // Before the crate adds offsets up, whose sum it does not guard.
    if let Some(error) = outside(path, all) {
        return Err(error);
    }
    let (header_length, metadata) =
        SafeTensors::read_metadata(all).map_err(|error| explain(path, all, &error.to_string()))?;
    let data_start = header_length + size_of::<u64>();
    let mut entries = Vec::new();
    for stored_name in metadata.offset_keys() {
        let Some(info) = metadata.info(&stored_name) else { continue };
        let (start, end) = info.data_offsets;
        let place = (source, data_start + start);
        let entry = Entry::contiguous(info.dtype, info.shape.clone(), place, data_start + end);
        let refused = |reason| malformed(path, format!("tensor `{}`: {reason}", clipped(&stored_name)));
        let entry = entry.map_err(refused)?;
        entries.push((stored_name, entry));
    }
    Ok(entries)
}

fn malformed(path: &Path, reason: String) -> WeightsError {
    WeightsError::Malformed {
        path: path.to_owned(),
        format: "a safetensors file",
        tensor: None,
        offset: None,
        reason,
    }
}

/// Whether these bytes begin as a safetensors file does: a length, and JSON.
pub(super) fn is_one(all: &[u8]) -> bool {
    all.get(8) == Some(&b'{') && header_length(all).is_some_and(|length| length <= MAX_HEADER_BYTES)
}

/// Says what is wrong with a file whose header the safetensors crate refuses.
fn explain(path: &Path, all: &[u8], reason: &str) -> WeightsError {
    let found = all.len() as u64;
    let refused = |reason: &str| malformed(path, clipped(reason));
    let Some((tensors, data_start)) = header(all) else {
        return match header_length(all) {
            Some(length) if length > MAX_HEADER_BYTES => refused(&format!(
                "its first eight bytes say that the header has {} bytes, expected at most {}",
                thousands(length),
                thousands(MAX_HEADER_BYTES)
            )),
            Some(length) if length + 8 > found => WeightsError::Size {
                path: path.to_owned(),
                what: "is cut short",
                tensor: None,
                expected: length + 8,
                found,
            },
            _ => refused(reason),
        };
    };
    let expected = tensors.iter().map(|(_, end)| data_start.saturating_add(*end)).max().unwrap_or(data_start);
    if expected < found {
        let what = "has bytes that belong to no tensor";
        return WeightsError::Size { path: path.to_owned(), what, tensor: None, expected, found };
    }
    refused(reason)
}

/// The error of a file whose header promises more bytes than there are; `None` where that is not what is wrong.
fn outside(path: &Path, all: &[u8]) -> Option<WeightsError> {
    let found = all.len() as u64;
    let (tensors, data_start) = header(all)?;
    let promised = |end: u64| data_start.saturating_add(end);
    let expected = tensors.iter().map(|(_, end)| promised(*end)).max()?;
    let first = tensors.into_iter().filter(|(_, end)| promised(*end) > found).min_by_key(|(_, end)| *end);
    first.map(|(name, _)| WeightsError::Size {
        path: path.to_owned(),
        what: "is cut short",
        tensor: Some(clipped(&name)),
        expected,
        found,
    })
}

/// What the first eight bytes say.
fn header_length(all: &[u8]) -> Option<u64> {
    all.first_chunk().copied().map(u64::from_le_bytes)
}

/// Names and ends of the tensors by the header of a file that may be damaged, and where their data start.
fn header(all: &[u8]) -> Option<(Vec<(String, u64)>, u64)> {
    #[derive(serde::Deserialize)]
    struct Offsets {
        data_offsets: Option<(u64, u64)>,
    }
    let length = header_length(all).filter(|length| *length <= MAX_HEADER_BYTES)?;
    let json = all.get(8..usize::try_from(length).ok()?.checked_add(8)?)?;
    let tensors: BTreeMap<String, Offsets> = serde_json::from_slice(json).ok()?;
    let ends = tensors
        .into_iter()
        .filter(|(name, _)| name != "__metadata__")
        .map(|(name, tensor)| Some((name, tensor.data_offsets?.1)))
        .collect::<Option<Vec<_>>>()?;
    Some((ends, length + 8))
}
