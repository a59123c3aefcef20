//! Records of Burn (`burnpack`) of this program's own module: what `Gpt2::into_record().save(…)` writes.
//!
//! The crate burn-pack gives tensors as bytes of their own and not where they lie in the file, so its header is decoded
//! here, with the crate's constants; the description is CBOR.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::Dtype;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use super::entry::{Entry, Named};
use super::source::Source;
use super::{Contents, WeightFormat, WeightsError};
use untrusted_input::clipped;

/// Axes of a tensor.
const MAX_AXES: usize = 8;

#[derive(serde::Deserialize)]
struct Description {
    tensors: BTreeMap<String, Described>,
}

#[derive(serde::Deserialize)]
struct Described {
    dtype: burn_pack::DType,
    shape: Axes,
    data_offsets: (u64, u64),
}

/// A shape; read one by one, for a list's length in a damaged file makes the standard one reserve a megabyte.
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

/// Reads the header of `source`, which is number `index` of the sources.
pub(super) fn read(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    let all = source.bytes();
    let malformed = |offset: usize, tensor: Option<&str>, reason: String| WeightsError::Malformed {
        path: source.path().to_owned(),
        format: "a Burn record of this program's GPT-2",
        tensor: tensor.map(clipped),
        offset: Some(offset as u64),
        reason,
    };
    let header = burn_pack::Header::from_bytes(all).map_err(|error| malformed(0, None, error.to_string()))?;
    if header.version > burn_pack::FORMAT_VERSION {
        let reason =
            format!("its version is {}, expected at most {}", header.version, burn_pack::FORMAT_VERSION);
        return Err(malformed(4, None, reason));
    }
    let length = header.metadata_size as usize;
    let described = all
        .get(burn_pack::HEADER_SIZE..)
        .and_then(|rest| rest.get(..length))
        .filter(|_| header.metadata_size <= burn_pack::MAX_METADATA_SIZE)
        .ok_or_else(|| {
            malformed(6, None, format!("its description has {length} bytes, more than there are"))
        })?;
    let limit = burn_pack::MAX_CBOR_RECURSION_DEPTH;
    let Description { tensors } = ciborium::de::from_reader_with_recursion_limit(described, limit)
        .map_err(|error| malformed(burn_pack::HEADER_SIZE, None, clipped(&error.to_string())))?;
    let data = burn_pack::aligned_data_section_start(length);
    let mut entries: Vec<Named> = Vec::new();
    for (stored_name, Described { dtype, shape, data_offsets: (start, end) }) in tensors {
        let wrong = |reason: String| malformed(data, Some(&stored_name), reason);
        let inside = |offset: u64| {
            let place = usize::try_from(offset).ok().and_then(|offset| offset.checked_add(data));
            place.filter(|place| *place <= all.len())
        };
        let Some((start, end)) = inside(start).zip(inside(end)) else {
            return Err(wrong(format!(
                "it has the bytes {start} to {end}, outside the file: it is cut short"
            )));
        };
        let dtype =
            dtype_of(dtype).ok_or_else(|| wrong(format!("it is {dtype:?}, expected F32, F16 or BF16")))?;
        let entry = Entry::contiguous(dtype, shape.0, (index, start), end).map_err(wrong)?;
        let name = name_of(&stored_name).ok_or_else(|| {
            malformed(
                data,
                Some(&stored_name),
                "it is none of this program's GPT-2 as saved from a CPU".to_owned(),
            )
        })?;
        entries.push((name, entry));
    }
    Ok(Contents { format: WeightFormat::BurnRecord, entries, config: None })
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
    let (place, parameter) = path.rsplit_once('.')?;
    let parameter = match parameter {
        "gamma" | "weight" => "weight",
        "beta" | "bias" => "bias",
        _ => return None,
    };
    if place == "final_norm" {
        return Some(format!("ln_f.{parameter}"));
    }
    let (layer, module) = place.strip_prefix("blocks.")?.split_once('.')?;
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
