//! TensorFlow checkpoints of version 2 (`tensorflow/core/util/tensor_bundle`), in which OpenAI released GPT-2. A sorted
//! table, `model.ckpt.index`, gives type, shape, file and offset of each variable. `model.ckpt.data-00000-of-00001` has the
//! numbers.

mod table;

use std::path::{Path, PathBuf};

use prost::Message;
use safetensors::tensor::Dtype;

use super::entry::{Entry, NamedEntry};
use super::format::{Contents, Format, Read, ReadFile, WithFiles};
use super::layout::Layout;
use super::source::Source;
use crate::error::CheckpointError;

pub(super) const FORMAT: Format = Format {
    file_names: &["model.ckpt.index"],
    config_names: &["hparams.json", "config.json"],
    recognizes: |_, end| end.ends_with(&table::MAGIC.to_le_bytes()),
    read: Read::Files(read),
};

/// Largest number of data files; OpenAI's checkpoints have one.
const MAX_FILES: i32 = 1000;

/// Largest table; that of a GPT-2 has about 10 kB.
const MAX_TABLE_BYTES: usize = 64 << 20;

const MAX_AXES: usize = 8;

/// `BundleHeaderProto` of `tensorflow/core/protobuf/tensor_bundle.proto`, with the fields that are needed here.
#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(int32, tag = "1")]
    num_shards: i32,
    /// 0 is little-endian.
    #[prost(int32, tag = "2")]
    endianness: i32,
}

/// `BundleEntryProto` of the same file.
#[derive(Clone, PartialEq, Message)]
struct Variable {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(int32, tag = "3")]
    shard_id: i32,
    #[prost(int64, tag = "4")]
    offset: i64,
    #[prost(int64, tag = "5")]
    size: i64,
    /// The masked CRC-32C of the numbers.
    #[prost(fixed32, tag = "6")]
    crc32c: u32,
    #[prost(message, repeated, tag = "7")]
    slices: Vec<Slice>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "2")]
    dim: Vec<Axis>,
}

/// `TensorShapeProto.Dim`.
#[derive(Clone, PartialEq, Message)]
struct Axis {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// `TensorSliceProto`, without its fields.
#[derive(Clone, PartialEq, Message)]
struct Slice {}

impl Variable {
    /// Decodes a variable that is stored in one piece.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let variable = Self::decode(bytes).map_err(|error| damaged(&error))?;
        if !variable.slices.is_empty() {
            return Err("it is cut into slices, which this program does not read".to_owned());
        }
        Ok(variable)
    }

    fn shape(&self) -> Result<Vec<usize>, String> {
        let axes = self.shape.as_ref().map_or(&[][..], |shape| &shape.dim);
        if axes.len() > MAX_AXES {
            return Err(format!("it has {} axes, expected at most {MAX_AXES}", axes.len()));
        }
        let size =
            |axis: &Axis| usize::try_from(axis.size).map_err(|_| format!("an axis has size {}", axis.size));
        axes.iter().map(size).collect()
    }
}

fn damaged(error: &prost::DecodeError) -> String {
    format!("its table entry is damaged: {error}")
}

fn read(index: &Source, _: ReadFile) -> Result<WithFiles, CheckpointError> {
    let (path, all) = (index.path(), index.bytes());
    let malformed = |offset: Option<usize>, tensor: Option<&str>, reason: String| {
        CheckpointError::malformed(path, "a TensorFlow checkpoint", tensor, offset, &reason)
    };
    if all.len() > MAX_TABLE_BYTES {
        return Err(malformed(None, None, format!("its index has more than {MAX_TABLE_BYTES} bytes")));
    }
    let rows = table::rows(all).map_err(|(offset, reason)| malformed(Some(offset), None, reason))?;
    // The row with the empty key is the header.
    let Some((header, variables)) = rows.split_first().filter(|(row, _)| row.key.is_empty()) else {
        return Err(malformed(None, None, "its table has no header".to_owned()));
    };
    let header = Header::decode(header.value.as_slice())
        .map_err(|error| malformed(Some(header.offset), None, damaged(&error)))?;
    if header.endianness != 0 {
        return Err(malformed(None, None, "its numbers are big-endian, expected little-endian".to_owned()));
    }
    if header.num_shards > MAX_FILES {
        let reason = format!("it claims {} data files, expected at most {MAX_FILES}", header.num_shards);
        return Err(malformed(None, None, reason));
    }
    let files = (0..header.num_shards)
        .map(|shard| Source::open(&data_path(path, shard, header.num_shards)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut entries: Vec<NamedEntry> = Vec::new();
    for row in variables {
        let name = String::from_utf8_lossy(&row.key);
        let wrong = |reason: String| malformed(Some(row.offset), Some(&name), reason);
        let found = Variable::parse(&row.value).map_err(wrong)?;
        let Some(known) = name_of(&name) else {
            // Steps and moments of the training run are skipped.
            if name.starts_with("model/") && !name.contains("/Adam") {
                return Err(wrong("GPT-2 has no such tensor".to_owned()));
            }
            continue;
        };
        let dtype = dtype_of(found.dtype)
            .ok_or_else(|| wrong(format!("it has the type {}, expected DT_FLOAT", found.dtype)))?;
        let shard = usize::try_from(found.shard_id).ok();
        let Some((shard, data)) = shard.and_then(|shard| Some((shard, files.get(shard)?))) else {
            let reason =
                format!("it is in data file {}, but there are {}", found.shard_id, header.num_shards);
            return Err(wrong(reason));
        };
        let start = usize::try_from(found.offset).ok();
        let end =
            start.zip(usize::try_from(found.size).ok()).and_then(|(start, size)| start.checked_add(size));
        let Some((start, end)) = start.zip(end).filter(|(_, end)| *end <= data.bytes().len()) else {
            let reason = format!(
                "it has {} bytes at byte {} of {}, which has {} bytes: the file is cut short",
                found.size,
                found.offset,
                data.path().display(),
                data.bytes().len()
            );
            return Err(wrong(reason));
        };
        let entry = found.shape().and_then(|shape| Entry::contiguous(dtype, shape, (1 + shard, start), end));
        let entry = entry.map_err(wrong)?.with_crc32c(table::unmask(found.crc32c));
        if found.size != entry.bytes() as i64 {
            return Err(wrong(format!("it has {} bytes, but its shape needs {}", found.size, entry.bytes())));
        }
        // Linear layers are convolutions of width 1: [1, inputs, outputs].
        entries.push((known, entry.without_first_axis()));
    }
    Ok((Contents { format: "TensorFlow checkpoint", entries, layout: Layout::Conv1d, config: None }, files))
}

/// `model.ckpt.data-00000-of-00001` for `model.ckpt.index`.
fn data_path(index: &Path, shard: i32, shards: i32) -> PathBuf {
    let name = index.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(".index").unwrap_or(&name);
    index.with_file_name(format!("{stem}.data-{shard:05}-of-{shards:05}"))
}

/// Types by their numbers in `tensorflow/core/framework/types.proto`.
fn dtype_of(number: i32) -> Option<Dtype> {
    match number {
        1 => Some(Dtype::F32),
        2 => Some(Dtype::F64),
        14 => Some(Dtype::BF16),
        19 => Some(Dtype::F16),
        _ => None,
    }
}

/// Transformers' name for a variable of OpenAI's model.
fn name_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("model/")?;
    match name {
        "wte" | "wpe" => return Some(format!("{name}.weight")),
        _ => {}
    }
    let (module, parameter) = name.rsplit_once('/')?;
    let parameter = match parameter {
        "g" | "w" => "weight",
        "b" => "bias",
        _ => return None,
    };
    if module == "ln_f" {
        return Some(format!("ln_f.{parameter}"));
    }
    let (layer, module) = module.strip_prefix('h')?.split_once('/')?;
    layer.parse::<u32>().ok()?;
    let module = match module {
        "ln_1" | "ln_2" => module,
        "attn/c_attn" => "attn.c_attn",
        "attn/c_proj" => "attn.c_proj",
        "mlp/c_fc" => "mlp.c_fc",
        "mlp/c_proj" => "mlp.c_proj",
        _ => return None,
    };
    Some(format!("h.{layer}.{module}.{parameter}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_files() {
        assert_eq!(name_of("model/h11/attn/c_attn/w").unwrap(), "h.11.attn.c_attn.weight");
        assert_eq!(name_of("model/ln_f/g").unwrap(), "ln_f.weight");
        assert_eq!(name_of("model/wpe").unwrap(), "wpe.weight");
        assert!(name_of("model/hx/ln_1/g").is_none() && name_of("global_step").is_none());
        let data = data_path(Path::new("117M/model.ckpt.index"), 0, 1);
        assert_eq!(data, Path::new("117M/model.ckpt.data-00000-of-00001"));
    }

    #[test]
    fn a_variable_of_tensorflow() {
        // DT_FLOAT, [768], offset 3072, 3072 bytes, a checksum: as in OpenAI's index, with shard 0 left out.
        let bytes = [
            0x08, 1, 0x12, 5, 0x12, 3, 0x08, 0x80, 0x06, 0x20, 0x80, 0x18, 0x28, 0x80, 0x18, 0x35, 1, 2, 3, 4,
        ];
        let found = Variable::parse(&bytes).unwrap();
        assert_eq!((found.dtype, found.shard_id, found.offset, found.size), (1, 0, 3072, 3072));
        assert_eq!((found.shape().unwrap(), found.crc32c), (vec![768], 0x0403_0201));
        for length in 1..bytes.len() {
            // Reading a cut message must not panic.
            let _ = Variable::parse(&bytes[..length]);
        }
        assert!(Variable::parse(&bytes[..19]).unwrap_err().contains("its table entry is damaged"));
        assert!(Variable::parse(&[0x3a, 0]).unwrap_err().contains("slices"));
        let many: Vec<u8> = [0x12, 18].into_iter().chain([0x12, 0].repeat(9)).collect();
        assert!(Variable::parse(&many).unwrap().shape().unwrap_err().contains("9 axes, expected at most 8"));
        let negative = [0x12, 13, 0x12, 11, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(Variable::parse(&negative).unwrap().shape().unwrap_err().contains("size -1"));
    }
}
