//! The weights of a checkpoint: mapped into memory, checked against the model's shape before anything is loaded, and
//! read tensor by tensor as f32.
//!
//! Every format is read into one table of entries, tensor → file, bytes, type and shape; only headers are looked at for
//! that. What the formats call a tensor, and whether they store it transposed, is gone behind the table.

mod burn_record;
mod entry;
mod error;
mod format;
mod llm_c;
mod locate;
mod nano_gpt;
mod safetensors;
mod shards;
mod source;
mod tensorflow;
mod torch;
mod whole;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ::safetensors::tensor::Dtype;
use sha2::{Digest, Sha256};

use super::Gpt2Config;
use entry::{Entry, Named};
use format::Container;
use source::Source;
use untrusted_input::{clipped, did_you_mean};

pub use error::WeightsError;
pub use format::WeightFormat;
pub use locate::find_weights;
pub(super) use locate::locate;

/// Axes of a tensor that a message shows; a header can claim any number.
const MAX_AXES_SHOWN: usize = 8;

/// What a reader finds in a file.
struct Contents {
    format: WeightFormat,
    entries: Vec<Named>,
    /// The shape of the model, where the file says it.
    config: Option<Gpt2Config>,
}

/// The open weights of a model: one file, or several that belong together.
pub struct WeightFile {
    path: PathBuf,
    format: WeightFormat,
    config: Option<Gpt2Config>,
    sources: Vec<Source>,
    entries: BTreeMap<String, Entry>,
}

/// One file of a model's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightPart {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its sha256 in hexadecimal.
    pub sha256: String,
}

impl WeightFile {
    /// Maps the file at `path`, in any format, and those that it names, and reads their headers.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::parse(Source::open(path)?)
    }

    /// Reads a file that is in memory: one that is part of the program; `path` is its name in messages.
    pub fn in_memory(path: &Path, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, WeightsError> {
        Self::parse(Source::in_memory(path, bytes))
    }

    fn parse(first: Source) -> Result<Self, WeightsError> {
        let path = first.path().to_owned();
        let mut sources = vec![first];
        let contents = read(&mut sources)?;
        let mut entries = BTreeMap::new();
        for (stored_name, mut entry) in contents.entries {
            let name = plain_name(&stored_name).to_owned();
            entry.stored_name = stored_name;
            if let Some(other) = entries.get(&name) {
                return Err(twice(path, other, &entry));
            }
            entries.insert(name, entry);
        }
        Ok(Self { path, format: contents.format, config: contents.config, sources, entries })
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
                found: entry.shape.iter().copied().take(MAX_AXES_SHOWN).collect(),
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
                    found: entry.shape.iter().copied().take(MAX_AXES_SHOWN).collect(),
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
    /// Rows are read from the first on: a tensor whose file has its sum is held against it then.
    ///
    /// `Err` if the file has no such tensor, of which [`Self::check`] makes sure, or if it is damaged.
    pub(super) fn read_rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, WeightsError> {
        let missing = || WeightsError::Missing {
            path: self.path.clone(),
            tensor: name.to_owned(),
            expected: vec![],
            others: 0,
        };
        let entry = self.entries.get(name).ok_or_else(missing)?;
        let read = entry.read_rows(&self.sources, rows);
        let read = read.map_err(|unreadable| {
            let path = self.sources.get(unreadable.source).map_or(self.path(), Source::path);
            self.format.unreadable(path, &entry.stored_name, unreadable)
        })?;
        read.ok_or_else(missing)
    }

    /// sha256 of the whole file, in hexadecimal; of several files as if they were one, in the order of [`Self::parts`].
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for source in &self.sources {
            source.digest(&mut hasher);
        }
        hex::encode(hasher.finalize())
    }

    /// The files: the one that was opened, and those that it names in the order of their names.
    pub fn parts(&self) -> Vec<WeightPart> {
        let part = |source: &Source| {
            let mut hasher = Sha256::new();
            source.digest(&mut hasher);
            WeightPart {
                path: source.path().to_owned(),
                bytes: source.bytes().len() as u64,
                sha256: hex::encode(hasher.finalize()),
            }
        };
        self.sources.iter().map(part).collect()
    }

    /// The types of the stored tensors, each once, joined by `+`.
    pub fn stored_types(&self) -> String {
        let mut types: Vec<String> =
            self.entries.values().map(|entry| format!("{:?}", entry.dtype)).collect();
        types.sort();
        types.dedup();
        types.join("+")
    }

    /// How many tensors there are.
    pub fn tensors(&self) -> usize {
        self.entries.len()
    }

    /// The format of the weights.
    pub fn format(&self) -> WeightFormat {
        self.format
    }

    /// The model's shape, where the weights' own file says it: nanoGPT's and llm.c's do.
    pub fn config(&self) -> Option<&Gpt2Config> {
        self.config.as_ref()
    }

    /// Where the file is; of several, the one that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads the header of the first source, and adds the sources that it names.
fn read(sources: &mut Vec<Source>) -> Result<Contents, WeightsError> {
    let Some(first) = sources.first() else {
        return Ok(Contents { format: WeightFormat::Safetensors, entries: vec![], config: None });
    };
    match Container::of(first.bytes()) {
        Some(Container::Index) => shards::read(sources),
        Some(Container::TensorFlow) => tensorflow::read(sources),
        _ => read_one(first, 0),
    }
}

/// Reads a file that needs no other; it is number `index` of the sources.
fn read_one(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    match Container::of(source.bytes()) {
        Some(Container::TorchZip) => torch::read_zip(source, index),
        Some(Container::TorchStream) => torch::read_stream(source, index),
        Some(Container::LlmC) => llm_c::read(source, index),
        Some(Container::BurnRecord) => burn_record::read(source, index),
        // Whatever it is: the reader of this format says best what is wrong.
        _ => Ok(Contents {
            format: WeightFormat::Safetensors,
            entries: safetensors::entries(source.path(), source.bytes(), index)?,
            config: None,
        }),
    }
}

/// What to say of two tensors of one name.
fn twice(path: PathBuf, one: &Entry, other: &Entry) -> WeightsError {
    let how = if one.stored_name == other.stored_name {
        ""
    } else {
        ", with the prefix `transformer.` and without"
    };
    WeightsError::Malformed {
        path,
        format: "a GPT-2",
        tensor: Some(clipped(&one.stored_name)),
        offset: None,
        reason: format!("it is there twice{how}"),
    }
}

/// A tensor's name without what some programs put before it.
fn plain_name(stored: &str) -> &str {
    // `torch.compile` and nanoGPT; then transformers.
    let stored = stored.strip_prefix("_orig_mod.").unwrap_or(stored);
    stored.strip_prefix("transformer.").unwrap_or(stored)
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
