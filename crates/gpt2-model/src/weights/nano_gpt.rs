//! nanoGPT's `ckpt.pt`: tensors, and the arguments of the model, which give its configuration.

use std::collections::HashMap;
use std::path::Path;

use pytorch_reader::PickleValue;
use safetensors::tensor::Dtype;

use super::entry::{Entry, NamedEntry, plain_name};
use super::format::Contents;
use crate::error::CheckpointError;
use crate::{Activation, Gpt2Config};

/// Turns nanoGPT's tensors into those of a GPT-2: linear layers are `[outputs, inputs]`, biases may be missing, and the
/// output projection may be the token embedding.
pub(super) fn contents(
    path: &Path,
    arguments: &HashMap<String, PickleValue>,
    stored: Vec<NamedEntry>,
) -> Result<Contents, CheckpointError> {
    let mut config = configuration(arguments)
        .map_err(|reason| CheckpointError::malformed(path, "a checkpoint of nanoGPT", None, None, &reason))?;
    let mut entries: Vec<NamedEntry> = Vec::new();
    for (name, entry) in stored {
        let plain = plain_name(&name);
        let is_linear =
            ["c_attn.weight", "c_proj.weight", "c_fc.weight"].iter().any(|end| plain.ends_with(end));
        entries.push((name, if is_linear { entry.transposed() } else { entry }));
    }
    config.tied_output = is_tied(path, &config, &entries)?;
    if arguments.get("bias") == Some(&PickleValue::Bool(false)) {
        entries.extend(missing_biases(&config, &entries));
    }
    Ok(Contents { format: "nanoGPT", entries, config: Some(config) })
}

fn configuration(arguments: &HashMap<String, PickleValue>) -> Result<Gpt2Config, String> {
    let size = |field: &str, absent: Option<usize>| match (arguments.get(field), absent) {
        (Some(PickleValue::Int(size)), _) => Ok(usize::try_from(*size).unwrap_or(0)),
        (None, Some(absent)) => Ok(absent),
        (None, None) => Err(format!("`model_args.{field}` is missing")),
        (Some(other), _) => Err(format!("`model_args.{field}` is {}, expected a whole number", kind(other))),
    };
    let sizes = [
        size("n_layer", None)?,
        size("n_embd", None)?,
        size("n_head", None)?,
        size("block_size", Some(1024))?,
        size("vocab_size", Some(50_304))?,
    ];
    let mut config = Gpt2Config::from_sizes(sizes).map_err(|reason| format!("`model_args`: {reason}"))?;
    // nanoGPT's `nn.GELU()` is not the tanh approximation.
    config.activation = Activation::Gelu;
    Ok(config)
}

fn kind(value: &PickleValue) -> &'static str {
    match value {
        PickleValue::None => "None",
        PickleValue::Bool(_) => "a boolean",
        PickleValue::Int(_) | PickleValue::Float(_) => "a number",
        PickleValue::String(_) => "a string",
        PickleValue::List(_) => "a list",
        PickleValue::Dict(_) => "a dictionary",
        PickleValue::Bytes(_) => "bytes",
        PickleValue::Unsupported(_) => "an object",
    }
}

/// Whether the output projection is the token embedding: it is not stored, or has the same bits, because the library does
/// not say which tensors share their storage. Tensors of a wrong shape are not read.
fn is_tied(path: &Path, config: &Gpt2Config, entries: &[NamedEntry]) -> Result<bool, CheckpointError> {
    let find = |wanted: &str| entries.iter().find(|(name, _)| plain_name(name) == wanted);
    let Some((name, output)) = find("lm_head.weight") else { return Ok(true) };
    let Some((_, embedding)) = find("wte.weight") else { return Ok(false) };
    let is_right = |entry: &Entry| {
        entry.shape == [config.vocab_size, config.n_embd]
            && matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
    };
    if !is_right(output) || !is_right(embedding) {
        return Ok(false);
    }
    embedding.is_same(output).map_err(|unreadable| unreadable.into_error(path, name))
}

/// Zeros for the biases of the stored weights, in a model that has no biases.
fn missing_biases(config: &Gpt2Config, entries: &[NamedEntry]) -> Vec<NamedEntry> {
    let mut missing = Vec::new();
    for (name, entry) in entries {
        let plain = plain_name(name);
        let Some(stem) = plain.strip_suffix(".weight") else { continue };
        let has_bias =
            ["ln_1", "ln_2", "ln_f", "c_attn", "c_proj", "c_fc"].iter().any(|end| stem.ends_with(end));
        // From the configuration, because the file's shape is not checked yet.
        let length = match stem.rsplit('.').next() {
            Some("c_attn") => 3 * config.n_embd,
            Some("c_fc") => config.n_inner,
            _ => config.n_embd,
        };
        if has_bias {
            missing.push((format!("{stem}.bias"), Entry::zeros(length, entry.dtype)));
        }
    }
    missing
}
