//! Burn records (`burnpack`) of [`crate::Gpt2`], which `into_record().save(…)` writes.
//!
//! The crate burn-pack copies tensors and does not say where they are in the file, so the header is decoded here, with the
//! crate's constants. Its metadata are CBOR.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::Dtype;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::entry::{Entry, NamedEntry};
use super::format::{Contents, Format, Read};
use super::layout::Layout;
use super::source::Source;
use crate::error::CheckpointError;

pub(super) const FORMAT: Format = Format {
    file_names: &["model.bpk"],
    config_names: &["config.json"],
    recognizes: |beginning, _| beginning.starts_with(&burn_pack::MAGIC_NUMBER.to_le_bytes()),
    read: Read::File(read),
};

const MAX_AXES: usize = 8;

#[derive(serde::Deserialize)]
struct Metadata {
    tensors: BTreeMap<String, TensorMetadata>,
}

#[derive(serde::Deserialize)]
struct TensorMetadata {
    dtype: burn_pack::DType,
    shape: Axes,
    data_offsets: (u64, u64),
}

/// A shape. Sizes are read one by one, because `Vec`'s own deserializer reserves up to a megabyte for the length that a
/// damaged file claims.
struct Axes(Vec<usize>);

impl<'de> Deserialize<'de> for Axes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne;
        impl<'de> Visitor<'de> for OneByOne {
            type Value = Axes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "at most {MAX_AXES} sizes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Axes, A::Error> {
                let mut axes = Vec::new();
                while let Some(size) = sequence.next_element::<usize>()? {
                    if axes.len() == MAX_AXES {
                        return Err(serde::de::Error::custom(format!(
                            "a shape has more than {MAX_AXES} axes"
                        )));
                    }
                    axes.push(size);
                }
                Ok(Axes(axes))
            }
        }
        deserializer.deserialize_seq(OneByOne)
    }
}

fn read(source: &Source, index: usize) -> Result<Contents, CheckpointError> {
    let all = source.bytes();
    let malformed = |offset: usize, tensor: Option<&str>, reason: &str| {
        CheckpointError::malformed(source.path(), "a Burn record of GPT-2", tensor, Some(offset), reason)
    };
    let header =
        burn_pack::Header::from_bytes(all).map_err(|error| malformed(0, None, &error.to_string()))?;
    if header.version > burn_pack::FORMAT_VERSION {
        let reason =
            format!("its version is {}, expected at most {}", header.version, burn_pack::FORMAT_VERSION);
        return Err(malformed(4, None, &reason));
    }
    let length = header.metadata_size as usize;
    let metadata = all
        .get(burn_pack::HEADER_SIZE..)
        .and_then(|rest| rest.get(..length))
        .filter(|_| header.metadata_size <= burn_pack::MAX_METADATA_SIZE)
        .ok_or_else(|| {
            malformed(
                6,
                None,
                &format!("its metadata have {length} bytes, more than the file or the limit allows"),
            )
        })?;
    let limit = burn_pack::MAX_CBOR_RECURSION_DEPTH;
    let Metadata { tensors } = ciborium::de::from_reader_with_recursion_limit(metadata, limit)
        .map_err(|error| malformed(burn_pack::HEADER_SIZE, None, &error.to_string()))?;
    let data = burn_pack::aligned_data_section_start(length);
    let mut entries: Vec<NamedEntry> = Vec::new();
    for (stored_name, TensorMetadata { dtype, shape, data_offsets: (start, end) }) in tensors {
        let wrong = |reason: String| malformed(data, Some(&stored_name), &reason);
        let in_file = |offset: u64| {
            let offset = usize::try_from(offset).ok()?.checked_add(data)?;
            Some(offset).filter(|offset| *offset <= all.len())
        };
        let Some((start, end)) = in_file(start).zip(in_file(end)) else {
            return Err(wrong(format!(
                "its bytes {start} to {end} are outside the file: the file is cut short"
            )));
        };
        let dtype =
            dtype_of(dtype).ok_or_else(|| wrong(format!("it is {dtype:?}, expected F32, F16 or BF16")))?;
        let entry = Entry::contiguous(dtype, shape.0, (index, start), end).map_err(wrong)?;
        let name = name_of(&stored_name).ok_or_else(|| {
            wrong("unknown name; expected a record of gpt2_model::Gpt2, saved from a CPU".to_owned())
        })?;
        entries.push((name, entry));
    }
    Ok(Contents { format: "Burn record", entries, layout: Layout::Conv1d, config: None })
}

fn dtype_of(dtype: burn_pack::DType) -> Option<Dtype> {
    match dtype {
        burn_pack::DType::F32 | burn_pack::DType::Flex32 => Some(Dtype::F32),
        burn_pack::DType::F16 => Some(Dtype::F16),
        burn_pack::DType::BF16 => Some(Dtype::BF16),
        burn_pack::DType::F64 => Some(Dtype::F64),
        _ => None,
    }
}

/// Transformers' name for a parameter of [`crate::Gpt2`].
fn name_of(path: &str) -> Option<String> {
    match path {
        "token_embedding.parts.0" => return Some("wte.weight".to_owned()),
        "position_embedding" => return Some("wpe.weight".to_owned()),
        "output.parts.0" => return Some("lm_head.weight".to_owned()),
        _ => {}
    }
    let (module, parameter) = path.rsplit_once('.')?;
    let parameter = match parameter {
        "gamma" | "weight" => "weight",
        "beta" | "bias" => "bias",
        _ => return None,
    };
    if module == "final_norm" {
        return Some(format!("ln_f.{parameter}"));
    }
    let (layer, module) = module.strip_prefix("blocks.")?.split_once('.')?;
    let module = match module {
        "attention_norm" => "ln_1",
        "attention.query_key_value" => "attn.c_attn",
        "attention.projection" => "attn.c_proj",
        "feed_forward_norm" => "ln_2",
        "feed_forward.expand" => "mlp.c_fc",
        "feed_forward.project" => "mlp.c_proj",
        _ => return None,
    };
    Some(format!("h.{layer}.{module}.{parameter}"))
}
