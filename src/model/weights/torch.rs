//! What `torch.save` writes: a zip with the pickle `data.pkl` and the numbers of each storage, or, before PyTorch 1.6,
//! five pickles and the storages one after the other. In it is a state dict, or nanoGPT's checkpoint.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::entry::{Entry, Named, element_bytes};
use super::pickle::{self, Pickle, Value};
use super::source::Source;
use super::{Contents, WeightFormat, WeightsError, zip};
use crate::model::{Activation, Gpt2Config};
use crate::text::clipped;

/// The largest pickle that is read; that of a GPT-2 has a few hundred thousand bytes.
const MOST_PICKLE_BYTES: usize = 16 << 20;

/// Where the bytes of storages are, by their keys.
type Storages<'a> = BTreeMap<&'a str, Range<usize>>;

/// An error of a file, with its place.
struct At<'a> {
    path: &'a Path,
}

impl At<'_> {
    fn error(&self, offset: Option<usize>, tensor: Option<&str>, reason: String) -> WeightsError {
        WeightsError::Malformed {
            path: self.path.to_owned(),
            format: "a file of torch.save with a GPT-2",
            tensor: tensor.map(clipped),
            offset: offset.map(|offset| offset as u64),
            reason,
        }
    }
}

/// Reads a zip, which is number `index` of the sources.
pub(super) fn read_zip(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    let at = At { path: source.path() };
    let all = source.bytes();
    let members = zip::members(all).map_err(|(offset, reason)| at.error(Some(offset), None, reason))?;
    let found =
        members.iter().find_map(|(name, range)| Some((name.strip_suffix("/data.pkl")?, range.clone())));
    let (folder, range) = found.ok_or_else(|| {
        at.error(None, None, "the zip has no data.pkl: torch.save did not write it".to_owned())
    })?;
    let order = members.get(format!("{folder}/byteorder").as_str()).and_then(|range| all.get(range.clone()));
    if order.is_some_and(|order| order != b"little") {
        return Err(at.error(None, None, "its numbers are big-endian, expected little-endian".to_owned()));
    }
    let pickle = read_pickle(&at, all, range.start, range.end)?;
    let data = format!("{folder}/data/");
    let storages = members
        .iter()
        .filter_map(|(name, range)| Some((name.strip_prefix(&*data)?, range.clone())))
        .collect();
    contents(&at, &pickle, &storages, index)
}

/// Reads what PyTorch wrote before version 1.6.
pub(super) fn read_stream(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    let at = At { path: source.path() };
    let all = source.bytes();
    let mut place = 0;
    let mut next = || {
        let pickle = read_pickle(&at, all, place, all.len())?;
        place += pickle.length;
        Ok(pickle)
    };
    // The magic number, by which the file was known, the protocol, and the machine.
    let (_, _, machine) = (next()?, next()?, next()?);
    if machine.value.and_then(|value| machine.get(value, "little_endian")) == Some(Value::Bool(false)) {
        return Err(at.error(None, None, "its numbers are big-endian, expected little-endian".to_owned()));
    }
    let (pickle, keys) = (next()?, next()?);
    let types: BTreeMap<&str, _> =
        pickle.storages.iter().map(|storage| (storage.key, storage.dtype)).collect();
    let mut storages = Storages::new();
    for key in keys.value.map_or(&[][..], |value| keys.elements(value)) {
        let cut = |reason: &str| at.error(Some(place), None, reason.to_owned());
        let Value::Text(key) = *key else {
            return Err(cut("the key of a storage is no text"));
        };
        let Some(dtype) = types.get(key) else { return Err(cut("a storage belongs to no tensor")) };
        let numbers = all.get(place..).and_then(<[u8]>::first_chunk).map(|bytes| u64::from_le_bytes(*bytes));
        let start = place + size_of::<u64>();
        let end = numbers
            .and_then(|numbers| {
                usize::try_from(numbers).ok()?.checked_mul(element_bytes(*dtype))?.checked_add(start)
            })
            .filter(|end| *end <= all.len())
            .ok_or_else(|| cut("the file is cut short: a storage lies outside"))?;
        storages.insert(key, start..end);
        place = end;
    }
    contents(&at, &pickle, &storages, index)
}

fn read_pickle<'a>(at: &At<'_>, all: &'a [u8], start: usize, end: usize) -> Result<Pickle<'a>, WeightsError> {
    let bytes = all.get(start..end.min(start.saturating_add(MOST_PICKLE_BYTES))).unwrap_or_default();
    pickle::read(bytes).map_err(|(offset, reason)| at.error(Some(start + offset), None, reason))
}

/// The tensors of a state dict, or of nanoGPT's checkpoint.
fn contents(
    at: &At<'_>,
    pickle: &Pickle<'_>,
    storages: &Storages<'_>,
    index: usize,
) -> Result<Contents, WeightsError> {
    let wrong = |reason: &str| at.error(None, None, reason.to_owned());
    let Some(top @ Value::Dictionary(_)) = pickle.value else {
        return Err(wrong("it holds no dictionary of tensors: save the model's state_dict()"));
    };
    let arguments = pickle.get(top, "model_args");
    let state = match (pickle.get(top, "model"), pickle.get(top, "state_dict")) {
        (Some(model @ Value::Dictionary(_)), _) | (_, Some(model @ Value::Dictionary(_))) => model,
        _ => top,
    };
    let mut entries: Vec<Named> = Vec::new();
    for (key, value) in pickle.entries(state) {
        let (Value::Text(name), Value::Tensor(tensor)) = (key, value) else {
            let Value::Text(name) = key else { return Err(wrong("the name of a tensor is no text")) };
            let reason = format!("it is {}, expected a tensor", value.kind());
            return Err(at.error(None, Some(name), reason));
        };
        entries.push(((*name).to_owned(), entry(at, pickle, storages, name, *tensor, index)?));
    }
    match arguments {
        Some(arguments) => nano_gpt(at, pickle, arguments, entries),
        None => Ok(Contents { format: WeightFormat::PyTorch, entries, config: None }),
    }
}

fn entry(
    at: &At<'_>,
    pickle: &Pickle<'_>,
    storages: &Storages<'_>,
    name: &str,
    tensor: usize,
    index: usize,
) -> Result<Entry, WeightsError> {
    let wrong = |offset, reason| at.error(offset, Some(name), reason);
    let tensor = pickle.tensors.get(tensor).ok_or_else(|| wrong(None, "it is missing".to_owned()))?;
    let storage =
        pickle.storages.get(tensor.storage).ok_or_else(|| wrong(None, "it has no storage".to_owned()))?;
    let missing =
        || wrong(None, format!("its numbers, `data/{}`, are not in the file", clipped(storage.key)));
    let range = storages.get(storage.key).ok_or_else(missing)?;
    let each = element_bytes(storage.dtype);
    let promised = storage.numbers.checked_mul(each).and_then(|bytes| range.start.checked_add(bytes));
    let end = promised.filter(|end| *end <= range.end).ok_or_else(|| {
        let there = range.len() / each;
        wrong(Some(range.start), format!("its storage has {there} numbers, expected {}", storage.numbers))
    })?;
    let start = tensor.offset.checked_mul(each).and_then(|bytes| range.start.checked_add(bytes));
    let start = start.ok_or_else(|| wrong(Some(range.start), "it begins beyond its storage".to_owned()))?;
    let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
    Entry::strided(storage.dtype, shape, strides, (index, start), end)
        .map_err(|reason| wrong(Some(start), reason))
}

/// Makes of nanoGPT's tensors those of a GPT-2: linear layers are `[outputs, inputs]`, biases may be missing, and the
/// output projection is the token embedding.
fn nano_gpt(
    at: &At<'_>,
    pickle: &Pickle<'_>,
    arguments: Value<'_>,
    stored: Vec<Named>,
) -> Result<Contents, WeightsError> {
    let size = |field: &str, absent: Option<usize>| match (pickle.get(arguments, field), absent) {
        (Some(Value::Integer(size)), _) => Ok(usize::try_from(size).unwrap_or(0)),
        (None, Some(absent)) => Ok(absent),
        (None, None) => Err(at.error(None, None, format!("`model_args.{field}` is missing"))),
        (Some(other), _) => {
            let reason = format!("`model_args.{field}` is {}, expected a whole number", other.kind());
            Err(at.error(None, None, reason))
        }
    };
    let sizes = [
        size("n_layer", None)?,
        size("n_embd", None)?,
        size("n_head", None)?,
        size("block_size", Some(1024))?,
        size("vocab_size", Some(50_304))?,
    ];
    let mut config = Gpt2Config::from_sizes(sizes)
        .map_err(|reason| at.error(None, None, format!("`model_args`: {reason}")))?;
    // nanoGPT's `nn.GELU()` is the exact one.
    config.activation = Activation::Gelu;
    let mut entries: Vec<Named> = Vec::new();
    let mut embedding = None;
    let mut output = None;
    for (name, entry) in stored {
        let plain = super::plain_name(&name);
        match plain {
            "wte.weight" => embedding = Some(entry.place),
            "lm_head.weight" => output = Some(entry.place),
            _ => {}
        }
        let is_linear =
            ["c_attn.weight", "c_proj.weight", "c_fc.weight"].iter().any(|end| plain.ends_with(end));
        entries.push((name, if is_linear { entry.transposed() } else { entry }));
    }
    config.tied_output = output.is_none() || output == embedding;
    if pickle.get(arguments, "bias") == Some(Value::Bool(false)) {
        entries.extend(missing_biases(&config, &entries));
    }
    Ok(Contents { format: WeightFormat::NanoGpt, entries, config: Some(config) })
}

/// Zeros for the biases that a model without them does not store; only for weights that are there.
fn missing_biases(config: &Gpt2Config, entries: &[Named]) -> Vec<Named> {
    let mut missing = Vec::new();
    for (name, entry) in entries {
        let plain = super::plain_name(name);
        let Some(stem) = plain.strip_suffix(".weight") else { continue };
        let has_bias =
            ["ln_1", "ln_2", "ln_f", "c_attn", "c_proj", "c_fc"].iter().any(|end| stem.ends_with(end));
        // By the configuration, not by what the file says of a shape.
        let length = match stem.rsplit('.').next() {
            Some("c_attn") => 3 * config.width,
            Some("c_fc") => config.inner_width,
            _ => config.width,
        };
        if has_bias {
            missing.push((format!("{stem}.bias"), Entry::zeros(length, entry.dtype)));
        }
    }
    missing
}
