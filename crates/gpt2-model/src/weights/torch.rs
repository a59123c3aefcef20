//! Files of `torch.save`: a zip with a pickle and the numbers of each storage, or, before PyTorch 1.6, five pickles followed
//! by the storages. They hold a state dict, alone or in the checkpoint of a trainer.
//!
//! Burn's `pytorch-reader` reads both kinds. It calls nothing that a pickle names. It reads only whole tensors and does not
//! say where they are in the file. Small files that would take much memory are refused before it sees them:
//! - compressed members of a zip (16 kB took 2.2 GB);
//! - long pickles (one byte can take 133);
//! - a tar archive that begins like a stream (its members may be sparse);
//! - tensors with more bytes than the file (strides of 0 repeat numbers).
//!
//! The pickles of a stream have no known end before they are read, so a stream can take 133 times its own length.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};
use safetensors::tensor::Dtype;
use zip::{CompressionMethod, ZipArchive};

use super::entry::{Entry, LastRead, NamedEntry, TorchTensor};
use super::format::{Contents, Format, Read};
use super::layout::Layout;
use super::names::may_share_storage;
use super::pickled_fields::pickled_fields;
use super::source::Source;
use super::{mistaken, trainers};
use crate::error::CheckpointError;
use untrusted_input::{clipped, thousands};

pub(super) const FORMAT: Format = Format {
    file_names: &["pytorch_model.bin", "ckpt.pt"],
    config_names: &["config.json"],
    recognizes: |beginning, _| beginning.starts_with(ZIP_MAGIC) || beginning.starts_with(&STREAM_MAGIC),
    read: Read::File(read),
};

const ZIP_MAGIC: &[u8] = b"PK\x03\x04";

/// `torch.save`'s magic number 0x1950a86a20f9469cfc6c, pickled.
const STREAM_MAGIC: [u8; 14] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Largest pickle; that of nanoGPT's largest GPT-2 with its optimizer has 0.6 MB.
const MAX_PICKLE_BYTES: u64 = 2 << 20;

/// Keys under which trainers keep the state dict, first choice first.
const STATE_DICT_KEYS: [&str; 5] = ["model", "state_dict", "model_state_dict", "module", "state"];

/// Offset of the magic of a tar archive.
const TAR_MAGIC: usize = 257;

fn malformed(path: &Path, tensor: Option<&str>, offset: Option<u64>, reason: &str) -> CheckpointError {
    let offset = offset.and_then(|offset| usize::try_from(offset).ok());
    CheckpointError::malformed(path, "a file of torch.save with a GPT-2", tensor, offset, reason)
}

fn read(source: &Source, index: usize) -> Result<Contents, CheckpointError> {
    let all = source.bytes();
    if all.starts_with(ZIP_MAGIC) {
        check_zip(source)?;
    } else if all.get(TAR_MAGIC..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Err(malformed(source.path(), None, Some(TAR_MAGIC as u64), "it is a tar archive as well"));
    }
    read_tensors(source, index)
}

/// Refuses a zip that is cut short or that `torch.save` does not write.
fn check_zip(source: &Source) -> Result<(), CheckpointError> {
    let all = source.bytes();
    let wrong = |offset, reason: String| malformed(source.path(), None, offset, &reason);
    let mut archive = ZipArchive::new(Cursor::new(all)).map_err(|error| {
        let reason = format!(
            "the zip's directory, at its end, cannot be read ({error}): the file is cut short or damaged; copy it again"
        );
        wrong(None, reason)
    })?;
    if let Some(other) = mistaken::other_zip(all) {
        return Err(CheckpointError::new(source.path(), other));
    }
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index);
        let member = member.map_err(|error| wrong(None, format!("a member of the zip: {error}")))?;
        let offset = Some(member.header_start());
        let name = member.name().map_err(|error| wrong(offset, error.to_string()))?;
        let refused =
            |reason: String| wrong(offset, format!("the zip's member `{}` {reason}", clipped(&name)));
        if member.compression() != CompressionMethod::Stored || member.size() != member.compressed_size() {
            return Err(refused("is compressed, but torch.save stores without compression".to_owned()));
        }
        if member.encrypted() {
            return Err(refused("is encrypted".to_owned()));
        }
        let end = member.data_start().and_then(|start| start.checked_add(member.size()));
        if end.is_none_or(|end| end > all.len() as u64) {
            return Err(refused("lies outside the file; copy it again".to_owned()));
        }
        if name.ends_with("data.pkl") && member.size() > MAX_PICKLE_BYTES {
            let (found, limit) = (thousands(member.size()), thousands(MAX_PICKLE_BYTES));
            return Err(refused(format!(
                "has {found} bytes, expected at most {limit}: save the model's state_dict() alone"
            )));
        }
    }
    Ok(())
}

/// Reads a state dict or nanoGPT's checkpoint.
fn read_tensors(source: &Source, index: usize) -> Result<Contents, CheckpointError> {
    let path = source.path();
    let wrong = |tensor: Option<&str>, reason: &str| malformed(path, tensor, None, reason);
    if !source.is_file() {
        return Err(wrong(None, "it is in memory; only files can be read"));
    }
    // The file is read twice: one function returns the values, the other the tensors. Both read only the pickle.
    let values = PytorchReader::read_pickle_data(path, None).map_err(|error| library_error(path, error))?;
    let values = match values {
        PickleValue::Dict(values) => values,
        other => {
            let found = match other {
                PickleValue::Unsupported(name) => format!("an object of `{name}`"),
                _ => "a plain value".to_owned(),
            };
            let reason =
                format!("it holds {found}, expected a dictionary of tensors: save the model's state_dict()");
            return Err(wrong(None, &reason));
        }
    };
    let has_tensors = |key: &&str| values.get(*key).is_some_and(has_tensors);
    let reader = match STATE_DICT_KEYS.into_iter().find(has_tensors) {
        Some(key) => PytorchReader::with_top_level_key(path, key),
        None => PytorchReader::new(path),
    };
    let tensors = reader.map_err(|error| library_error(path, error))?.into_tensors();
    let tensors: BTreeMap<_, _> = tensors.into_iter().collect();
    let file_bytes = source.bytes().len();
    let last_read = Arc::new(LastRead::default());
    let mut claimed = 0_usize;
    let mut entries: Vec<NamedEntry> = Vec::new();
    for (number, (name, tensor)) in tensors.into_iter().enumerate() {
        // The output projection is often the embedding.
        if !may_share_storage(&name) {
            claimed = claimed.saturating_add(tensor.byte_len());
        }
        if claimed.max(tensor.byte_len()) > file_bytes {
            let reason = format!(
                "it has {} bytes, with the tensors before it more than the file: tensors share their storage, which no \
                 GPT-2 needs",
                thousands(tensor.byte_len() as u64)
            );
            return Err(wrong(Some(&name), &reason));
        }
        let (dtype, shape) = (dtype_of(tensor.dtype()), tensor.shape().to_vec());
        let entry = Entry::torch(dtype, shape, index, TorchTensor::new(tensor, number, &last_read));
        let entry = entry.map_err(|reason| wrong(Some(&name), &reason))?;
        entries.push((name, entry));
    }
    let (format, config) = match (values.get("model_args"), values.get("config")) {
        (Some(PickleValue::Dict(arguments)), _) => {
            let config = trainers::nano_gpt_config(arguments);
            let malformed = |reason: String| {
                CheckpointError::malformed(path, "a checkpoint of nanoGPT", None, None, &reason)
            };
            ("nanoGPT", Some(config.map_err(malformed)?))
        }
        (_, Some(PickleValue::Dict(fields))) => {
            ("PyTorch", trainers::config(fields).map_err(|r| wrong(None, &r))?)
        }
        (_, Some(PickleValue::Unsupported(_))) => {
            let fields = object_fields(source, "config").unwrap_or_default();
            ("PyTorch", trainers::config(&fields).map_err(|r| wrong(None, &r))?)
        }
        _ => ("PyTorch", None),
    };
    Ok(Contents { format, entries, layout: Layout::ByShape, config })
}

/// Whether a value holds a tensor, at any depth.
fn has_tensors(value: &PickleValue) -> bool {
    match value {
        PickleValue::Dict(values) => values.values().any(|value| {
            matches!(value, PickleValue::Unsupported(name) if name == "torch.Tensor") || has_tensors(value)
        }),
        _ => false,
    }
}

/// The attributes of the object under `key`, by the pickle in the zip, or the fourth one of a stream.
fn object_fields(source: &Source, key: &str) -> Option<HashMap<String, PickleValue>> {
    let all = source.bytes();
    if !all.starts_with(ZIP_MAGIC) {
        return pickled_fields(all, 3, key);
    }
    let mut archive = ZipArchive::new(Cursor::new(all)).ok()?;
    let index = (0..archive.len()).find(|index| {
        let member = archive.by_index_raw(*index);
        member.is_ok_and(|member| member.name().is_ok_and(|name| name.ends_with("data.pkl")))
    })?;
    let member = archive.by_index_raw(index).ok()?;
    let start = usize::try_from(member.data_start()?).ok()?;
    let end = start.checked_add(usize::try_from(member.size()).ok()?)?;
    pickled_fields(all.get(start..end)?, 0, key)
}

fn library_error(path: &Path, error: PytorchError) -> CheckpointError {
    match error {
        PytorchError::Io(error) if error.raw_os_error().is_some() => CheckpointError::read(path, &error),
        error => malformed(path, None, None, &error.to_string()),
    }
}

fn dtype_of(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}
