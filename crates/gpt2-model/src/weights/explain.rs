//! Explains tensors that are not those of a GPT-2: adapters, quantised weights, the state of an optimizer.

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::Value;

use untrusted_input::{clipped, read_bounded};

/// Largest `config.json` or `adapter_config.json` that is read for a message.
const MAX_CONFIG_BYTES: u64 = 1_000_000;

/// Maximum number of names in a message.
const MAX_NAMES: usize = 4;

/// Name of the configuration of an adapter.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Endings of the tensors of quantised weights, with the method. The first that occurs decides.
const QUANTISED_NAMES: [(&str, &str); 13] = [
    (".SCB", "bitsandbytes (8 bit)"),
    (".quant_state.bitsandbytes__nf4", "bitsandbytes (4 bit)"),
    (".quant_state.bitsandbytes__fp4", "bitsandbytes (4 bit)"),
    (".absmax", "bitsandbytes (4 bit)"),
    (".g_idx", "GPTQ"),
    (".qzeros", "AWQ or GPTQ"),
    (".qweight", "AWQ or GPTQ"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale", "compressed-tensors"),
    (".W_q", "HQQ"),
    (".codebooks", "AQLM"),
    ("._packed_params", "PyTorch"),
    (".zero_point", "PyTorch"),
];

/// The message for tensors of an adapter, which needs its base. `directory` may have its configuration.
pub(super) fn adapter<'a>(directory: &Path, mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let is_part = |name: &str| {
        let parts =
            ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "ia3_l", "prompt_embeddings"];
        name.split('.').any(|part| parts.contains(&part))
    };
    names.any(is_part).then(|| adapter_message(directory))
}

/// Says that `directory` has an adapter and no whole model, with its kind and base from `adapter_config.json`, and the
/// remedy.
pub fn adapter_message(directory: &Path) -> String {
    let config = json(&directory.join(ADAPTER_CONFIG));
    let text = |field: &str| config.as_ref()?.get(field)?.as_str().map(clipped);
    let kind = match text("peft_type") {
        None => "a LoRA adapter".to_owned(),
        Some(kind) if kind.eq_ignore_ascii_case("lora") => "a LoRA adapter".to_owned(),
        Some(kind) => format!("a PEFT adapter ({kind})"),
    };
    let base = match text("base_model_name_or_path") {
        Some(base) if !base.is_empty() => format!(" ({ADAPTER_CONFIG} says {base})"),
        _ => String::new(),
    };
    format!(
        "{kind}, not a whole model; merge it into its base{base} with \
         `PeftModel.from_pretrained(BASE, DIR).merge_and_unload().save_pretrained(NEW)` and use NEW"
    )
}

/// The message for quantised weights, by the names and types of the tensors and by `config.json` in `directory`.
pub(super) fn quantised(directory: &Path, tensors: &[(&str, Dtype)]) -> Option<String> {
    let by_name = QUANTISED_NAMES
        .into_iter()
        .find(|(ending, _)| tensors.iter().any(|(name, _)| name.ends_with(ending)))
        .map(|(_, method)| method.to_owned());
    let of_matrix = |(name, dtype): &(&str, Dtype)| {
        let numbers = match dtype {
            Dtype::I8 | Dtype::U8 => "8-bit integers",
            Dtype::F8_E4M3 | Dtype::F8_E5M2 => "8-bit floats",
            _ => return None,
        };
        name.ends_with(".weight").then_some(numbers)
    };
    let method = by_config(&directory.join("config.json")).or(by_name);
    let how = match method {
        Some(method) => format!("by {method}"),
        None => format!("to {}", tensors.iter().find_map(of_matrix)?),
    };
    Some(format!(
        "weights quantised {how}, which are not read: dequantise them with transformers \
         (`model.dequantize().save_pretrained(NEW)`), or use the checkpoint from which they were made"
    ))
}

/// Method and bits of `quantization_config`.
fn by_config(path: &Path) -> Option<String> {
    let config = json(path)?;
    let config = config.get("quantization_config")?;
    let is_true = |field: &str| config.get(field).and_then(Value::as_bool) == Some(true);
    let loads = [("load_in_8bit", 8), ("_load_in_8bit", 8), ("load_in_4bit", 4), ("_load_in_4bit", 4)];
    let loads = loads.into_iter().find(|(field, _)| is_true(field)).map(|(_, bits)| bits);
    let method = match config.get("quant_method").and_then(Value::as_str) {
        Some(method @ ("gptq" | "awq" | "hqq" | "aqlm" | "fp8" | "eetq")) => method.to_uppercase(),
        Some(method) => clipped(method),
        None if loads.is_some() => "bitsandbytes".to_owned(),
        None => return None,
    };
    let bits = ["bits", "w_bit", "nbits"].into_iter().find_map(|field| config.get(field)?.as_u64()).or(loads);
    Some(bits.map_or(method.clone(), |bits| format!("{method} ({bits} bit)")))
}

/// The message for the state of an optimizer.
pub(super) fn optimizer<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    let is_state = |name: &str| {
        name.rsplit('.')
            .next()
            .is_some_and(|last| matches!(last, "exp_avg" | "exp_avg_sq" | "momentum_buffer"))
    };
    names
        .any(is_state)
        .then_some("the state of an optimizer, not the model: name the file with the model's weights")
}

/// `; the file has …` with some of the names.
pub(super) fn some_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{}`", clipped(name))).collect();
    match names.as_slice() {
        [] => "; the file has no tensors".to_owned(),
        names if names.len() <= MAX_NAMES => format!("; the file has {}", names.join(", ")),
        names => {
            let (shown, rest) = names.split_at(MAX_NAMES - 1);
            format!("; the file has {} and {} more", shown.join(", "), rest.len())
        }
    }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&read_bounded(path, MAX_CONFIG_BYTES).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantised_names(names: &[(&'static str, Dtype)], config: &str) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        quantised(directory.path(), names)
    }

    #[test]
    fn methods_of_quantisation() {
        let plain = [("h.0.mlp.c_fc.weight", Dtype::F16)];
        for (names, config, expected) in [
            (&plain[..], r#"{"quantization_config":{"quant_method":"gptq","bits":4}}"#, "by GPTQ (4 bit)"),
            (&plain, r#"{"quantization_config":{"quant_method":"awq","bits":4}}"#, "by AWQ (4 bit)"),
            (&plain, r#"{"quantization_config":{"load_in_8bit":true}}"#, "by bitsandbytes (8 bit)"),
            (&plain, r#"{"quantization_config":{"quant_method":"quanto"}}"#, "by quanto"),
            (&[("h.0.attn.c_attn.SCB", Dtype::F32)], "{}", "by bitsandbytes (8 bit)"),
            (&[("h.0.attn.c_attn.weight.absmax", Dtype::U8)], "{}", "by bitsandbytes (4 bit)"),
            (
                &[("h.0.attn.c_attn.qweight", Dtype::I32), ("h.0.attn.c_attn.g_idx", Dtype::I32)],
                "",
                "by GPTQ",
            ),
            (&[("h.0.attn.c_attn.qzeros", Dtype::I32)], "", "by AWQ or GPTQ"),
            (&[("h.0.attn.c_attn.weight", Dtype::I8)], "", "to 8-bit integers"),
            (&[("h.0.attn.c_attn.weight", Dtype::F8_E4M3)], "", "to 8-bit floats"),
        ] {
            let found = quantised_names(names, config).unwrap();
            assert!(found.starts_with(&format!("weights quantised {expected}, which")), "{found}");
        }
        assert_eq!(quantised_names(&plain, "{}"), None);
        // Causal masks are stored as bytes.
        assert_eq!(quantised_names(&[("h.0.attn.bias", Dtype::U8)], "{}"), None);
    }

    #[test]
    fn adapters_name_their_base() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"];
        let message = || adapter(directory.path(), names.into_iter()).unwrap();
        assert!(message().starts_with("a LoRA adapter, not a whole model; merge it into its base with"));
        let config = directory.path().join(ADAPTER_CONFIG);
        std::fs::write(&config, r#"{"base_model_name_or_path":"gpt2","peft_type":"IA3"}"#).unwrap();
        let found = message();
        assert!(found.starts_with("a PEFT adapter (IA3), not a whole model"), "{found}");
        assert!(found.contains("its base (adapter_config.json says gpt2)"), "{found}");
        assert_eq!(adapter(directory.path(), ["transformer.h.0.ln_1.weight"].into_iter()), None);
    }

    #[test]
    fn names_in_messages_are_few() {
        assert_eq!(some_names(["a", "b"].into_iter()), "; the file has `a`, `b`");
        assert_eq!(
            some_names(["a", "b", "c", "d", "e"].into_iter()),
            "; the file has `a`, `b`, `c` and 2 more"
        );
        assert_eq!(some_names(std::iter::empty()), "; the file has no tensors");
        assert!(
            optimizer(["0.exp_avg"].into_iter()).is_some() && optimizer(["wte.weight"].into_iter()).is_none()
        );
    }
}
