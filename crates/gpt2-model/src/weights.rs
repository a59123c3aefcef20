//! The weights of a checkpoint: mapped into memory, checked against the configuration before anything is loaded, and read
//! tensor by tensor as f32.
//!
//! Every format becomes one table: name → file, offset, type and shape. Only headers are read for it. Names and layouts of
//! the formats end there.

mod absent;
mod burn_record;
mod entry;
mod explain;
mod finite;
mod format;
mod layout;
mod llm_c;
mod locate;
mod mistaken;
mod names;
mod output_projection;
mod pickled_fields;
mod registry;
mod safetensors;
mod sharded;
mod source;
mod strided;
mod tensorflow;
mod torch;
mod trainers;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ::safetensors::tensor::Dtype;
use sha2::{Digest, Sha256};

use crate::Gpt2Config;
use crate::error::CheckpointError;
use entry::Entry;
use layout::Layout;
use names::{is_ignored, is_other_head, plain_name, unwrapped};
use output_projection::is_float;
use source::Source;
use untrusted_input::{clipped, did_you_mean};

pub use explain::adapter_message;
pub use locate::find_weights;
pub(crate) use locate::locate;
pub(crate) use mistaken::placeholder;

/// Largest number of axes shown in a message; a header can claim any number.
const MAX_AXES_SHOWN: usize = 8;

/// Hint for matrices in the layout of another module.
const TRANSPOSED: &str = ": matrices stored as nn.Linear has them, not as Conv1D: transposed; transpose the weights of c_attn, \
                          c_proj and c_fc";

/// The open weights of a model: one file, or several that belong together.
pub struct WeightFile {
    format: &'static str,
    config_names: &'static [&'static str],
    config: Option<Gpt2Config>,
    /// The opened file, then those that it names.
    sources: Vec<Source>,
    entries: BTreeMap<String, Entry>,
    /// Whether the file has no biases, so that they are zeros.
    lacks_biases: bool,
    /// Explanation of scores that are not finite, once asked for.
    not_finite: OnceLock<String>,
}

/// One file of a model's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightPart {
    /// Its path, or its name if it is compiled into the program.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl WeightFile {
    /// Maps the file at `path`, in any format, and the files that it names, and reads their headers.
    ///
    /// # Errors
    /// If a file cannot be read, or its header does not fit it.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::parse(Source::open(path)?)
    }

    /// Reads the headers of a file in memory; `path` is its name in messages.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn in_memory(path: &Path, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, CheckpointError> {
        Self::parse(Source::in_memory(path, bytes))
    }

    fn parse(first: Source) -> Result<Self, CheckpointError> {
        let (format, contents, others) = registry::read(&first)?;
        let names = || contents.entries.iter().map(|(name, _)| name.as_str());
        let directory = first.path().parent().unwrap_or(Path::new(""));
        // Before a configuration is searched: adapters have none.
        let adapter = explain::adapter(directory, names());
        if let Some(reason) = adapter.or_else(|| explain::optimizer(names()).map(str::to_owned)) {
            return Err(CheckpointError::new(first.path(), reason));
        }
        let unwrapped_names: Vec<Cow<'_, str>> = names().map(unwrapped).collect();
        let prefix = names::common_prefix(&unwrapped_names.iter().map(|name| &**name));
        let prefix = prefix.map_err(|[one, other]| duplicate(first.path(), one, other))?.to_owned();
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for (stored_name, mut entry) in contents.entries {
            let name = plain_name(&unwrapped(&stored_name), &prefix).to_owned();
            entry.stored_name = stored_name;
            if let Some(other) = entries.get(&name) {
                return Err(duplicate(first.path(), &other.stored_name, &entry.stored_name));
            }
            entries.insert(name, entry);
        }
        let mut lacks_biases = false;
        if contents.layout == Layout::ByShape {
            layout::to_conv1d(&mut entries);
            lacks_biases = layout::add_missing_biases(&mut entries);
        }
        Ok(Self {
            format: contents.format,
            config_names: format.config_names,
            config: contents.config,
            sources: [first].into_iter().chain(others).collect(),
            entries,
            lacks_biases,
            not_finite: OnceLock::new(),
        })
    }

    /// Checks that the file has every tensor of a model with this configuration, and no other. Reads no data.
    ///
    /// # Errors
    /// Names the first tensor that is missing, unknown, or of another shape or type.
    pub fn check(&self, config: &Gpt2Config) -> Result<(), CheckpointError> {
        self.check_tensors(config).map_err(|error| {
            let directory = self.path().parent().unwrap_or(Path::new(""));
            let tensors = self.entries.values().map(|entry| (entry.stored_name.as_str(), entry.dtype));
            let quantised = explain::quantised(directory, &tensors.collect::<Vec<_>>());
            quantised.map_or(error, |reason| CheckpointError::new(self.path(), reason))
        })
    }

    fn check_tensors(&self, config: &Gpt2Config) -> Result<(), CheckpointError> {
        let wrong = |reason: String| CheckpointError::new(self.path(), reason);
        let expected: BTreeMap<String, Vec<usize>> = config.tensors().into_iter().collect();
        let mut missing = expected.iter().filter(|(name, _)| !self.entries.contains_key(*name));
        if let Some((name, shape)) = missing.next() {
            let unexpected = self.entries.iter().filter(|(name, _)| !expected.contains_key(*name));
            let mut there: Vec<&str> = unexpected.map(|(_, entry)| entry.stored_name.as_str()).collect();
            if there.is_empty() {
                there = self.entries.values().map(|entry| entry.stored_name.as_str()).collect();
            }
            let others = more(missing.count());
            let names = explain::some_names(there.into_iter());
            return Err(wrong(format!("tensor `{name}` {shape:?} is missing{others}{names}")));
        }
        let mut unknown =
            self.entries.iter().filter(|(name, _)| !expected.contains_key(*name) && !is_ignored(name));
        if let Some((name, entry)) = unknown.next() {
            let reason = format!(
                "tensor `{}` {:?} is unknown: a GPT-2 with this configuration has no such tensor{}{}",
                clipped(&entry.stored_name),
                shown(&entry.shape),
                more(unknown.count()),
                did_you_mean(name, expected.keys().map(String::as_str))
            );
            return Err(wrong(reason));
        }
        for (name, shape) in &expected {
            let entry = &self.entries[name];
            let stored_name = &entry.stored_name;
            if entry.shape != *shape {
                let found = shown(&entry.shape);
                let is_transposed = matches!((found, shape.as_slice()), ([a, b], [c, d]) if a == d && b == c);
                let hint = if is_transposed { TRANSPOSED } else { "" };
                return Err(wrong(format!(
                    "tensor `{stored_name}` has shape {found:?}, expected {shape:?} by the model's configuration{hint}"
                )));
            }
            if !is_float(entry.dtype) {
                let found = entry.dtype;
                return Err(wrong(format!(
                    "tensor `{stored_name}` is {found:?}, expected F64, F32, F16 or BF16"
                )));
            }
        }
        Ok(())
    }

    /// Rows `rows` of tensor `name` as f32, row after row; a vector is one row. A checksum of the tensor, if the file has
    /// one, is checked when row 0 is read.
    ///
    /// # Errors
    /// If the file is damaged, or has no such tensor, which [`Self::check`] excludes.
    pub(crate) fn read_rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, CheckpointError> {
        let missing = || CheckpointError::new(self.path(), format!("tensor `{name}` is missing"));
        let entry = self.entries.get(name).ok_or_else(missing)?;
        let read = entry.read_rows(&self.sources, rows).map_err(|unreadable| {
            let path = self.sources.get(unreadable.source).map_or(self.path(), Source::path);
            unreadable.into_error(path, &entry.stored_name)
        })?;
        read.ok_or_else(missing)
    }

    /// sha256 of the file in hexadecimal; of several files as if they were one, in the order of [`Self::parts`].
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for source in &self.sources {
            source.update_digest(&mut hasher);
        }
        hex::encode(hasher.finalize())
    }

    /// The opened file, and the files that it names in the order of their names.
    pub fn parts(&self) -> Vec<WeightPart> {
        let part = |source: &Source| {
            let mut hasher = Sha256::new();
            source.update_digest(&mut hasher);
            WeightPart {
                path: source.path().to_owned(),
                bytes: source.bytes().len() as u64,
                sha256: hex::encode(hasher.finalize()),
            }
        };
        self.sources.iter().map(part).collect()
    }

    /// The types of the stored tensors, each once, joined by `+`: `BF16+F32`.
    pub fn stored_types(&self) -> String {
        let mut types: Vec<String> =
            self.entries.values().map(|entry| format!("{:?}", entry.dtype)).collect();
        types.sort();
        types.dedup();
        types.join("+")
    }

    /// Number of tensors.
    pub fn tensors(&self) -> usize {
        self.entries.len()
    }

    /// Name of the format: `safetensors`, `sharded`, `PyTorch`, `nanoGPT`, `llm.c`, `TensorFlow checkpoint`, `Burn record`.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// Text before the names of the tensors in the file, such as `_orig_mod.module.transformer.`.
    pub fn prefix(&self) -> &str {
        let of = |anchor: &&str| self.entries.get(*anchor)?.stored_name.strip_suffix(*anchor);
        names::ANCHORS.iter().find_map(of).unwrap_or_default()
    }

    /// What users may not expect of these tensors, one sentence each.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let heads: Vec<&Entry> =
            self.entries.iter().filter(|(name, _)| is_other_head(name)).map(|(_, entry)| entry).collect();
        if let [first, rest @ ..] = heads.as_slice() {
            notes.push(format!(
                "`{}`{}, a head for another task, is ignored: the model is measured as a language model",
                clipped(&first.stored_name),
                more(rest.len())
            ));
        }
        let doubles = self.entries.values().filter(|entry| entry.dtype == Dtype::F64).count();
        if doubles > 0 {
            notes.push(format!("{doubles} tensors are stored in F64 and are rounded to F32"));
        }
        if self.lacks_biases {
            notes.push("the file has no biases, as a model with bias=False: they are 0".to_owned());
        }
        notes
    }

    /// The configuration in the weight file itself: files of nanoGPT, of other trainers and of llm.c have one.
    pub fn config(&self) -> Option<&Gpt2Config> {
        self.config.as_ref()
    }

    /// Names of files in the same directory that may hold the configuration, first choice first.
    pub(crate) fn config_names(&self) -> &'static [&'static str] {
        self.config_names
    }

    /// The opened file.
    pub fn path(&self) -> &Path {
        self.sources.first().map_or(Path::new(""), Source::path)
    }
}

fn shown(shape: &[usize]) -> &[usize] {
    &shape[..shape.len().min(MAX_AXES_SHOWN)]
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

fn duplicate(path: &Path, one: &str, other: &str) -> CheckpointError {
    let [one, other] = if one.len() <= other.len() { [one, other] } else { [other, one] };
    let how = match other.strip_suffix(one) {
        Some("") => String::new(),
        Some(prefix) => format!(", with the prefix `{}` and without", clipped(prefix)),
        None => format!(", as `{}` too: save one of the models alone", clipped(other)),
    };
    let reason = format!("it occurs twice{how}");
    CheckpointError::malformed(path, "a GPT-2", Some(one), None, &reason)
}
