//! TensorFlow's checkpoints of version 2 (`tensorflow/core/util/tensor_bundle`), as `OpenAI` released GPT-2:
//! `model.ckpt.index` is a sorted table of variable → type, shape, file and bytes, `model.ckpt.data-00000-of-00001` has
//! the numbers.

mod protobuf;
mod table;

use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;

use super::entry::{Entry, Named};
use super::source::Source;
use super::{Contents, WeightFormat, WeightsError};
use untrusted_input::clipped;

/// Most data files; `OpenAI`'s checkpoints have one.
const MAX_FILES: i32 = 1000;

/// The largest table that is read; that of a GPT-2 has some ten thousand bytes.
const MAX_TABLE_BYTES: usize = 64 << 20;

/// Reads the table that is the first source, and maps its data files, which become sources.
pub(super) fn read(sources: &mut Vec<Source>) -> Result<Contents, WeightsError> {
    let path = sources.first().map_or_else(PathBuf::new, |source| source.path().to_owned());
    let malformed = |offset: Option<usize>, tensor: Option<&str>, reason: String| WeightsError::Malformed {
        path: path.clone(),
        format: "a TensorFlow checkpoint",
        tensor: tensor.map(clipped),
        offset: offset.map(|offset| offset as u64),
        reason,
    };
    let all = sources.first().map_or(&[][..], Source::bytes);
    if all.len() > MAX_TABLE_BYTES {
        return Err(malformed(None, None, format!("its index has more than {MAX_TABLE_BYTES} bytes")));
    }
    let rows = table::rows(all).map_err(|(offset, reason)| malformed(Some(offset), None, reason))?;
    // The first key is empty: what all variables share.
    let Some((header, variables)) = rows.split_first().filter(|(row, _)| row.key.is_empty()) else {
        return Err(malformed(None, None, "its table has no header".to_owned()));
    };
    let header =
        protobuf::header(&header.value).map_err(|reason| malformed(Some(header.offset), None, reason))?;
    if header.endianness != 0 {
        return Err(malformed(None, None, "its numbers are big-endian, expected little-endian".to_owned()));
    }
    if header.num_shards > MAX_FILES {
        let reason = format!("it claims {} data files, expected at most {MAX_FILES}", header.num_shards);
        return Err(malformed(None, None, reason));
    }
    let first = sources.len();
    for shard in 0..header.num_shards {
        let data = data_path(&path, shard, header.num_shards);
        sources.push(Source::open(&data)?);
    }
    let mut entries: Vec<Named> = Vec::new();
    for row in variables {
        let name = String::from_utf8_lossy(&row.key);
        let wrong = |reason: String| malformed(Some(row.offset), Some(&name), reason);
        let found = protobuf::variable(&row.value).map_err(wrong)?;
        let Some(known) = name_of(&name) else {
            // What a training run keeps beside the model: steps, moments.
            if is_of_model(&name) {
                return Err(wrong("it is none of GPT-2's".to_owned()));
            }
            continue;
        };
        let dtype = dtype_of(found.dtype)
            .ok_or_else(|| wrong(format!("it has the type {}, expected DT_FLOAT", found.dtype)))?;
        let source = usize::try_from(found.shard_id).ok().and_then(|shard| shard.checked_add(first));
        let data = source.and_then(|source| Some((source, sources.get(source)?)));
        let Some((source, data)) = data else {
            return Err(wrong(format!("it is in data file {} of {}", found.shard_id, header.num_shards)));
        };
        let start = usize::try_from(found.offset).ok();
        let end =
            start.zip(usize::try_from(found.size).ok()).and_then(|(start, size)| start.checked_add(size));
        let Some((start, end)) = start.zip(end).filter(|(_, end)| *end <= data.bytes().len()) else {
            let reason = format!(
                "it has {} bytes from byte {} on of {}, which has {}: the file is cut short",
                found.size,
                found.offset,
                data.path().display(),
                data.bytes().len()
            );
            return Err(wrong(reason));
        };
        let entry = found.shape().and_then(|shape| Entry::contiguous(dtype, shape, (source, start), end));
        let entry = entry.map_err(wrong)?.with_sum(table::unmasked(found.crc32c));
        if found.size != entry.bytes() as i64 {
            return Err(wrong(format!("it has {} bytes, its shape {}", found.size, entry.bytes())));
        }
        // Products are written as convolutions of width 1: [1, inputs, outputs].
        entries.push((known, entry.without_first_axis()));
    }
    Ok(Contents { format: WeightFormat::TensorFlow, entries, config: None })
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

fn is_of_model(name: &str) -> bool {
    name.starts_with("model/") && !name.contains("/Adam")
}

/// Transformers' name for a variable of `OpenAI`'s model.
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
}
