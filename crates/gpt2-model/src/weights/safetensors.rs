//! `model.safetensors`, by the crate `safetensors`, with messages of our own.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::SafeTensors;

use super::entry::{Entry, NamedEntry};
use super::format::{Contents, Format, Read};
use super::layout::Layout;
use super::source::Source;
use crate::error::CheckpointError;
use untrusted_input::{clipped, thousands};

pub(super) const FORMAT: Format = Format {
    file_names: &["model.safetensors"],
    config_names: &["config.json"],
    // A length, and JSON.
    recognizes: |beginning, _| {
        beginning.get(8) == Some(&b'{')
            && header_length(beginning).is_some_and(|length| length <= MAX_HEADER_BYTES)
    },
    read: Read::File(read),
};

/// Longest header, as in the crate.
const MAX_HEADER_BYTES: u64 = 100_000_000;

pub(super) fn read(source: &Source, index: usize) -> Result<Contents, CheckpointError> {
    let (path, all) = (source.path(), source.bytes());
    // First, because the crate adds offsets without a check for overflow.
    if let Some(error) = outside(path, all) {
        return Err(error);
    }
    let (header_length, metadata) =
        SafeTensors::read_metadata(all).map_err(|error| explain(path, all, &error.to_string()))?;
    let data_start = header_length + size_of::<u64>();
    let mut entries: Vec<NamedEntry> = Vec::new();
    for stored_name in metadata.offset_keys() {
        let Some(info) = metadata.info(&stored_name) else { continue };
        let (start, end) = info.data_offsets;
        let location = (index, data_start + start);
        let entry = Entry::contiguous(info.dtype, info.shape.clone(), location, data_start + end)
            .map_err(|reason| malformed(path, &format!("tensor `{}`: {reason}", clipped(&stored_name))))?;
        entries.push((stored_name, entry));
    }
    Ok(Contents { format: "safetensors", entries, layout: Layout::Conv1d, config: None })
}

fn malformed(path: &Path, reason: &str) -> CheckpointError {
    CheckpointError::malformed(path, "a safetensors file", None, None, reason)
}

/// Says what is wrong with a file whose header the crate refuses.
fn explain(path: &Path, all: &[u8], reason: &str) -> CheckpointError {
    let found = all.len() as u64;
    let Some((tensors, data_start)) = header(all) else {
        return match header_length(all) {
            Some(length) if length > MAX_HEADER_BYTES => malformed(
                path,
                &format!(
                    "its first eight bytes say that the header has {} bytes, expected at most {}",
                    thousands(length),
                    thousands(MAX_HEADER_BYTES)
                ),
            ),
            Some(length) if length + 8 > found => CheckpointError::size(path, None, length + 8, found),
            _ => malformed(path, reason),
        };
    };
    let expected = tensors.iter().map(|(_, end)| data_start.saturating_add(*end)).max().unwrap_or(data_start);
    if expected < found {
        return CheckpointError::size(path, None, expected, found);
    }
    malformed(path, reason)
}

/// The error of a file whose header promises more bytes than the file has.
fn outside(path: &Path, all: &[u8]) -> Option<CheckpointError> {
    let found = all.len() as u64;
    let (tensors, data_start) = header(all)?;
    let promised = |end: u64| data_start.saturating_add(end);
    let expected = tensors.iter().map(|(_, end)| promised(*end)).max()?;
    let first = tensors.into_iter().filter(|(_, end)| promised(*end) > found).min_by_key(|(_, end)| *end);
    first.map(|(name, _)| CheckpointError::size(path, Some(&name), expected, found))
}

/// The number in the first eight bytes.
fn header_length(all: &[u8]) -> Option<u64> {
    all.first_chunk().copied().map(u64::from_le_bytes)
}

/// Names and ends of the tensors in the header of a file that may be damaged, and the offset of the data.
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
