//! One `model.safetensors`: mapped into memory, checked against the model's shape before anything is loaded,
//! and read tensor by tensor as f32.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::tensor::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::Gpt2Config;
use crate::text::{clipped, did_you_mean, hexadecimal, thousands};

/// Bytes converted at a time; mapped pages behind them are given back, so that the file's pages never add up to a
/// second copy of the model in memory.
const CHUNK_BYTES: usize = 16 << 20;

/// Axes of a tensor that a message shows; a header can claim any number.
const MOST_AXES_SHOWN: usize = 8;

/// The longest header that is read, as in the crate.
const MOST_HEADER_BYTES: u64 = 100_000_000;

/// What can be wrong with a weight file.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or mapped.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is shorter or longer than its header says.
    #[error(
        "{path}: the file {what}; it has {} bytes where its header promises {}{}; copy or download it again",
        thousands(*found), thousands(*expected),
        tensor.as_ref().map(|name| format!(" (tensor `{name}` lies outside)")).unwrap_or_default()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// "is cut short" or "has bytes that belong to no tensor".
        what: &'static str,
        /// The first tensor that does not fit.
        tensor: Option<String>,
        /// Bytes promised.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The header is not one of a safetensors file.
    #[error("{path}: not a safetensors file: {reason}")]
    Header {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A tensor that the model needs is not there.
    #[error("{path}: tensor `{tensor}` {expected:?} is missing{}", more(*others))]
    Missing {
        /// The file.
        path: PathBuf,
        /// Its name, without the `transformer.` prefix.
        tensor: String,
        /// Its shape.
        expected: Vec<usize>,
        /// How many more are missing.
        others: usize,
    },
    /// A tensor that no GPT-2 has.
    #[error("{path}: tensor `{tensor}` {found:?} is none of this GPT-2's{}{hint}", more(*others))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Its name as stored.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many more there are.
        others: usize,
        /// What may be meant.
        hint: String,
    },
    /// A tensor of another shape than `config.json` says.
    #[error("{path}: tensor `{tensor}` has shape {found:?}, expected {expected:?} by config.json")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Its name as stored.
        tensor: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor of a type that cannot be read.
    #[error("{path}: tensor `{tensor}` is {found}, expected F32, F16 or BF16")]
    Type {
        /// The file.
        path: PathBuf,
        /// Its name as stored.
        tensor: String,
        /// In the file.
        found: String,
    },
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

enum Bytes {
    Mapped(Mmap),
    InMemory(Cow<'static, [u8]>),
}

struct Entry {
    stored_name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Range<usize>,
}

/// An open weight file.
pub struct WeightFile {
    path: PathBuf,
    bytes: Bytes,
    entries: BTreeMap<String, Entry>,
}

impl WeightFile {
    /// Maps the file at `path` and reads its header.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let read_error = |source| WeightsError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read_error)?;
        if file.metadata().map_err(read_error)?.len() == 0 {
            let reason = "the file is empty".to_owned();
            return Err(WeightsError::Header { path: path.to_owned(), reason });
        }
        let map = map_read_only(&file).map_err(read_error)?;
        Self::parse(path, Bytes::Mapped(map))
    }

    /// Reads a file that is in memory: one that is part of the program; `path` is its name in messages.
    pub fn in_memory(path: &Path, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, WeightsError> {
        Self::parse(path, Bytes::InMemory(bytes.into()))
    }

    fn parse(path: &Path, bytes: Bytes) -> Result<Self, WeightsError> {
        let all = slice_of(&bytes);
        // Before the crate adds offsets up, whose sum it does not guard.
        if let Some(error) = outside(path, all) {
            return Err(error);
        }
        let (header_length, metadata) =
            SafeTensors::read_metadata(all).map_err(|error| explain(path, all, &error.to_string()))?;
        let data_start = header_length + size_of::<u64>();
        let mut entries = BTreeMap::new();
        for stored_name in metadata.offset_keys() {
            let Some(info) = metadata.info(&stored_name) else { continue };
            let name = stored_name.strip_prefix("transformer.").unwrap_or(&stored_name).to_owned();
            let (start, end) = info.data_offsets;
            let bytes = data_start + start..data_start + end;
            let entry = Entry { stored_name, dtype: info.dtype, shape: info.shape.clone(), bytes };
            if let Some(other) = entries.insert(name, entry) {
                let reason = format!(
                    "tensor `{}` is there twice, with the prefix `transformer.` and without",
                    clipped(&other.stored_name)
                );
                return Err(WeightsError::Header { path: path.to_owned(), reason });
            }
        }
        Ok(Self { path: path.to_owned(), bytes, entries })
    }

    /// Holds every tensor of the file against the configuration; nothing is read but the header.
    pub fn check(&self, config: &Gpt2Config) -> Result<(), WeightsError> {
        let expected: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let mut missing = expected.iter().filter(|(name, _)| !self.entries.contains_key(*name));
        if let Some((tensor, shape)) = missing.next() {
            return Err(WeightsError::Missing {
                path: self.path.clone(),
                tensor: tensor.clone(),
                expected: shape.clone(),
                others: missing.count(),
            });
        }
        let mut unknown =
            self.entries.iter().filter(|(name, _)| !expected.contains_key(*name) && !is_ignored(name));
        if let Some((name, entry)) = unknown.next() {
            return Err(WeightsError::Unknown {
                path: self.path.clone(),
                tensor: clipped(&entry.stored_name),
                found: entry.shape.iter().copied().take(MOST_AXES_SHOWN).collect(),
                others: unknown.count(),
                hint: did_you_mean(name, expected.keys().map(String::as_str)),
            });
        }
        for (name, shape) in &expected {
            let entry = &self.entries[name];
            if entry.shape != *shape {
                return Err(WeightsError::Shape {
                    path: self.path.clone(),
                    tensor: entry.stored_name.clone(),
                    expected: shape.clone(),
                    found: entry.shape.iter().copied().take(MOST_AXES_SHOWN).collect(),
                });
            }
            if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                return Err(WeightsError::Type {
                    path: self.path.clone(),
                    tensor: entry.stored_name.clone(),
                    found: format!("{:?}", entry.dtype),
                });
            }
        }
        Ok(())
    }

    /// The rows `rows` of tensor `name` as f32, row after row; a vector is one row.
    ///
    /// `Err` if the file has no such tensor; [`Self::check`] makes sure that it has.
    pub(super) fn read_rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, WeightsError> {
        let missing = || WeightsError::Missing {
            path: self.path.clone(),
            tensor: name.to_owned(),
            expected: vec![],
            others: 0,
        };
        let entry = self.entries.get(name).ok_or_else(missing)?;
        let row_length = entry.shape.last().copied().unwrap_or(1);
        let element = if entry.dtype == Dtype::F32 { 4 } else { 2 };
        let start = entry.bytes.start + rows.start * row_length * element;
        let end = entry.bytes.start + rows.end * row_length * element;
        if end > entry.bytes.end {
            return Err(missing());
        }
        let mut values = Vec::with_capacity(rows.len() * row_length);
        for chunk_start in (start..end).step_by(CHUNK_BYTES) {
            let chunk = chunk_start..end.min(chunk_start + CHUNK_BYTES);
            let bytes = &slice_of(&self.bytes)[chunk.clone()];
            match entry.dtype {
                Dtype::F32 => values.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
                Dtype::BF16 => {
                    values.extend(bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()));
                }
                _ => values.extend(bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            }
            self.give_back(chunk);
        }
        Ok(values)
    }

    /// sha256 of the whole file, in hexadecimal.
    pub fn sha256(&self) -> String {
        let all = slice_of(&self.bytes);
        let mut hasher = Sha256::new();
        for start in (0..all.len()).step_by(CHUNK_BYTES) {
            let chunk = start..all.len().min(start + CHUNK_BYTES);
            hasher.update(&all[chunk.clone()]);
            self.give_back(chunk);
        }
        hexadecimal(&hasher.finalize())
    }

    /// The types of the stored tensors, each once, joined by `+`.
    pub fn stored_types(&self) -> String {
        let mut types: Vec<String> =
            self.entries.values().map(|entry| format!("{:?}", entry.dtype)).collect();
        types.sort();
        types.dedup();
        types.join("+")
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells the system that these mapped pages are not needed for now.
    #[allow(unsafe_code)]
    fn give_back(&self, range: Range<usize>) {
        if let Bytes::Mapped(map) = &self.bytes {
            // SAFETY: the map is shared, read-only and backed by a file, so pages that are dropped are read
            // from the file again when touched. A failure costs memory, nothing else.
            let _ =
                unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

#[allow(unsafe_code)]
fn map_read_only(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only read. Another process that shortens the file meanwhile can still end this one with
    // a signal, as with every program that maps files; weights are not edited in place.
    unsafe { Mmap::map(file) }
}

fn slice_of(bytes: &Bytes) -> &[u8] {
    match bytes {
        Bytes::Mapped(map) => map,
        Bytes::InMemory(bytes) => bytes,
    }
}

/// Tensors that some exports hold and no computation needs: the causal masks, and the output projection, which is
/// tied to `wte.weight` (where it is not, the configuration names it).
fn is_ignored(name: &str) -> bool {
    name == "lm_head.weight"
        || name.strip_prefix("h.").is_some_and(|rest| {
            rest.split_once('.').is_some_and(|(layer, tensor)| {
                layer.parse::<usize>().is_ok() && matches!(tensor, "attn.bias" | "attn.masked_bias")
            })
        })
}

/// Says what is wrong with a file whose header the safetensors crate refuses.
fn explain(path: &Path, all: &[u8], reason: &str) -> WeightsError {
    let found = all.len() as u64;
    let refused = |reason: &str| WeightsError::Header { path: path.to_owned(), reason: clipped(reason) };
    let Some((tensors, data_start)) = header(all) else {
        return match header_length(all) {
            Some(length) if length > MOST_HEADER_BYTES => refused(&format!(
                "its first eight bytes say that the header has {} bytes, expected at most {}",
                thousands(length),
                thousands(MOST_HEADER_BYTES)
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
    let length = header_length(all).filter(|length| *length <= MOST_HEADER_BYTES)?;
    let json = all.get(8..usize::try_from(length).ok()?.checked_add(8)?)?;
    let tensors: BTreeMap<String, Offsets> = serde_json::from_slice(json).ok()?;
    let ends = tensors
        .into_iter()
        .filter(|(name, _)| name != "__metadata__")
        .map(|(name, tensor)| Some((name, tensor.data_offsets?.1)))
        .collect::<Option<Vec<_>>>()?;
    Some((ends, length + 8))
}
