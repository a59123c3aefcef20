//! The configuration in checkpoints of trainers: nanoGPT's `model_args`, and `config` of build-nanogpt's `train_gpt2.py` and
//! its copies, a dictionary or a dataclass.

use std::collections::HashMap;

use pytorch_reader::PickleValue;
use serde_json::{Map, Value};

use crate::{Activation, Gpt2Config};

/// Sizes without which a dictionary is not the configuration of a model.
const NECESSARY: [&str; 3] = ["n_layer", "n_head", "n_embd"];

/// The configuration in nanoGPT's `model_args`.
///
/// # Errors
/// A message that names the field.
pub(super) fn nano_gpt_config(arguments: &HashMap<String, PickleValue>) -> Result<Gpt2Config, String> {
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

/// The configuration in the fields of `config`, with the names of nanoGPT or of transformers; without a field for it the
/// activation is the tanh approximation of GELU, as in build-nanogpt. `None` if these are other settings.
///
/// # Errors
/// A message that names the field.
pub(super) fn config(fields: &HashMap<String, PickleValue>) -> Result<Option<Gpt2Config>, String> {
    if !NECESSARY.iter().all(|name| fields.contains_key(*name)) {
        return Ok(None);
    }
    let mut known: Map<String, Value> =
        fields.iter().filter_map(|(name, value)| Some((name.clone(), json(value)?))).collect();
    if let Some(positions) = known.remove("block_size") {
        known.insert("n_positions".to_owned(), positions);
    }
    let json = Value::Object(known).to_string();
    let config = Gpt2Config::from_hugging_face(json.as_bytes());
    config.map(Some).map_err(|reason| format!("`config`: {reason}"))
}

fn json(value: &PickleValue) -> Option<Value> {
    Some(match value {
        PickleValue::Bool(value) => Value::from(*value),
        PickleValue::Int(value) => Value::from(*value),
        PickleValue::Float(value) => Value::from(*value),
        PickleValue::String(value) => Value::from(value.as_str()),
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(values: &[(&str, PickleValue)]) -> HashMap<String, PickleValue> {
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn settings_of_a_model_and_of_a_training() {
        use PickleValue::{Bool, Int, String};
        let sizes = [("n_layer", Int(3)), ("n_head", Int(2)), ("n_embd", Int(64)), ("block_size", Int(256))];
        let expected = Gpt2Config { n_positions: 256, ..Gpt2Config::new(3, 64, 2, 256) };
        assert_eq!(config(&fields(&sizes)).unwrap(), Some(expected.clone()));
        let mut more = fields(&sizes);
        more.extend(fields(&[
            ("bias", Bool(true)),
            ("activation_function", String("relu".to_owned())),
            ("device", PickleValue::Unsupported("torch.device".to_owned())),
        ]));
        let relu = Gpt2Config { activation: Activation::Relu, ..expected };
        assert_eq!(config(&more).unwrap(), Some(relu));
        assert_eq!(config(&fields(&[("learning_rate", Int(1)), ("n_layer", Int(3))])).unwrap(), None);
        more.insert("n_head".to_owned(), Int(-2));
        assert!(config(&more).unwrap_err().contains("`config`: n_head is -2"));
    }
}
