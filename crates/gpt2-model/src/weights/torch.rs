//! What `torch.save` writes: a zip with a pickle and the numbers of each storage, or, before PyTorch 1.6, five pickles
//! and the storages one after the other. In it is a state dict, or nanoGPT's checkpoint.
//!
//! Burn's `pytorch-reader` reads both; it calls nothing that a pickle names. It reads tensors as a whole and does not say
//! where in the file they are. What makes a small file take much memory in it is refused before it is asked: compressed
//! members of a zip (16 kB of them took 2.2 GB), long pickles (a byte can take 133), an archive of `tar` that begins as a
//! stream (its members may be sparse), and tensors of more bytes than the file, for strides of 0 make many of few. Where
//! the pickles of a stream end is known to nobody before they are read: a stream can take 133 times its own length.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader};
use safetensors::tensor::Dtype;
use zip::{CompressionMethod, ZipArchive};

use super::entry::{Entry, Named};
use super::format::TORCH;
use super::nano_gpt;
use super::source::Source;
use super::whole::{Kept, Whole};
use super::{Contents, WeightFormat, WeightsError, is_ignored, plain_name};
use untrusted_input::{clipped, thousands};

/// The largest pickle that is read; that of nanoGPT's largest GPT-2 with its optimizer has 0.6 million bytes.
const MAX_PICKLE_BYTES: u64 = 2 << 20;

/// Where the magic of a tar archive is.
const TAR_MAGIC: usize = 257;

/// An error of a file, with its place.
pub(super) fn malformed(
    path: &Path,
    offset: Option<u64>,
    tensor: Option<&str>,
    reason: String,
) -> WeightsError {
    WeightsError::Malformed {
        path: path.to_owned(),
        format: TORCH,
        tensor: tensor.map(clipped),
        offset,
        reason,
    }
}

/// Reads a zip, which is number `index` of the sources.
pub(super) fn read_zip(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    check_zip(source)?;
    contents(source, index)
}

/// Reads what PyTorch wrote before version 1.6.
pub(super) fn read_stream(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    if source.bytes().get(TAR_MAGIC..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        let reason = "it is an archive of tar as well".to_owned();
        return Err(malformed(source.path(), Some(TAR_MAGIC as u64), None, reason));
    }
    contents(source, index)
}

/// Refuses a zip that is cut short, or that `torch.save` does not write: with compressed members, or a long pickle.
fn check_zip(source: &Source) -> Result<(), WeightsError> {
    let all = source.bytes();
    let wrong = |offset, reason| malformed(source.path(), offset, None, reason);
    let mut archive = ZipArchive::new(Cursor::new(all)).map_err(|error| {
        let reason = format!(
            "the zip's directory, at its end, cannot be read ({error}): the file is cut short or damaged; copy it again"
        );
        wrong(None, clipped(&reason))
    })?;
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index);
        let member =
            member.map_err(|error| wrong(None, clipped(&format!("a member of the zip: {error}"))))?;
        let offset = Some(member.header_start());
        let name = member.name().map_err(|error| wrong(offset, clipped(&error.to_string())))?;
        let refused =
            |reason: String| wrong(offset, format!("the zip's member `{}` {reason}", clipped(&name)));
        if member.compression() != CompressionMethod::Stored || member.size() != member.compressed_size() {
            return Err(refused("is compressed, expected it stored as torch.save does".to_owned()));
        }
        if member.encrypted() {
            return Err(refused("is encrypted".to_owned()));
        }
        let end = member.data_start().and_then(|start| start.checked_add(member.size()));
        if end.is_none_or(|end| end > all.len() as u64) {
            return Err(refused("lies outside the file; copy it again".to_owned()));
        }
        if name.ends_with("data.pkl") && member.size() > MAX_PICKLE_BYTES {
            let (found, most) = (thousands(member.size()), thousands(MAX_PICKLE_BYTES));
            return Err(refused(format!(
                "has {found} bytes, expected at most {most}: save the model's state_dict() alone"
            )));
        }
    }
    Ok(())
}

/// The tensors of a state dict, or of nanoGPT's checkpoint.
fn contents(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    let path = source.path();
    let wrong = |tensor: Option<&str>, reason: String| malformed(path, None, tensor, reason);
    if !source.is_file() {
        return Err(wrong(None, "it is in memory, where it is not read".to_owned()));
    }
    // Twice, for one gives the values and the other the tensors; both read the pickle alone.
    let values = PytorchReader::read_pickle_data(path, None).map_err(|error| refused(path, error))?;
    let values = match values {
        PickleValue::Dict(values) => values,
        other => {
            let what = match other {
                PickleValue::Unsupported(name) => format!("an object of `{name}`, "),
                _ => String::new(),
            };
            let reason = format!("it holds {what}no dictionary of tensors: save the model's state_dict()");
            return Err(wrong(None, clipped(&reason)));
        }
    };
    let is_dictionary = |key: &&str| matches!(values.get(*key), Some(PickleValue::Dict(_)));
    let reader = match ["model", "state_dict"].into_iter().find(is_dictionary) {
        Some(key) => PytorchReader::with_top_level_key(path, key),
        None => PytorchReader::new(path),
    };
    let tensors = reader.map_err(|error| refused(path, error))?.into_tensors();
    let tensors: BTreeMap<_, _> = tensors.into_iter().collect();
    let there = source.bytes().len();
    let kept = Arc::new(Kept::default());
    let mut claimed = 0_usize;
    let mut entries: Vec<Named> = Vec::new();
    for (number, (name, tensor)) in tensors.into_iter().enumerate() {
        // The output projection is often the embedding.
        if !is_ignored(plain_name(&name)) {
            claimed = claimed.saturating_add(tensor.byte_len());
        }
        if claimed.max(tensor.byte_len()) > there {
            let reason = format!(
                "it would have {} bytes, with the tensors before it more than the file: numbers are stored once for \
                 several places, which no GPT-2 needs",
                thousands(tensor.byte_len() as u64)
            );
            return Err(wrong(Some(&name), reason));
        }
        let (dtype, shape) = (dtype_of(tensor.dtype()), tensor.shape().to_vec());
        let entry = Entry::whole(dtype, shape, index, Whole::new(tensor, number, &kept));
        let entry = entry.map_err(|reason| wrong(Some(&name), reason))?;
        entries.push((name, entry));
    }
    match values.get("model_args") {
        Some(PickleValue::Dict(arguments)) => nano_gpt::contents(path, arguments, entries),
        _ => Ok(Contents { format: WeightFormat::PyTorch, entries, config: None }),
    }
}

/// What the library says of a file, as an error of ours.
fn refused(path: &Path, error: PytorchError) -> WeightsError {
    match error {
        PytorchError::Io(source) if source.raw_os_error().is_some() => {
            WeightsError::Read { path: path.to_owned(), source }
        }
        error => malformed(path, None, None, clipped(&error.to_string())),
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
