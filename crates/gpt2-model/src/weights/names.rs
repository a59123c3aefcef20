//! Names of tensors: prefixes and modules that wrappers add, and tensors that a language model does not need.

use std::borrow::Cow;

/// Modules that PyTorch wraps around others, anywhere in a name: `torch.compile`, FSDP, activation checkpointing, Fabric.
const WRAPPERS: [&str; 4] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

/// Tensors that every GPT-2 has, beside which all others are. The first that is there tells the prefix.
pub(super) const ANCHORS: [&str; 3] = ["wte.weight", "wpe.weight", "ln_f.weight"];

/// Heads of classification, multiple choice, question answering and reinforcement learning.
const OTHER_HEADS: [&str; 7] =
    ["score", "classifier", "multiple_choice_head", "summary", "qa_outputs", "v_head", "value_head"];

/// A name without the modules of wrappers.
pub(super) fn unwrapped(stored: &str) -> Cow<'_, str> {
    let is_wrapper = |part: &str| WRAPPERS.contains(&part);
    if !stored.split('.').any(is_wrapper) {
        return Cow::Borrowed(stored);
    }
    Cow::Owned(stored.split('.').filter(|part| !is_wrapper(part)).collect::<Vec<_>>().join("."))
}

/// The text before the known names, such as `module.transformer.`; empty if there is none.
///
/// # Errors
/// The names of one tensor with two prefixes.
pub(super) fn common_prefix<'a>(
    names: &(impl Iterator<Item = &'a str> + Clone),
) -> Result<&'a str, [&'a str; 2]> {
    for anchor in ANCHORS {
        let is_prefix = |prefix: &&str| prefix.is_empty() || prefix.ends_with('.');
        let mut found =
            names.clone().filter(|name| name.strip_suffix(anchor).as_ref().is_some_and(is_prefix));
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => return Err([one, other]),
            (Some(one), None) => return Ok(one.strip_suffix(anchor).unwrap_or_default()),
            (None, _) => {}
        }
    }
    Ok("")
}

/// The name as in transformers' state dict without `transformer.`.
pub(super) fn plain_name<'a>(unwrapped: &'a str, prefix: &str) -> &'a str {
    let name = match unwrapped.strip_prefix(prefix) {
        Some(rest) => rest,
        // Heads are beside the model, not in it: `module.lm_head.weight` beside `module.transformer.wte.weight`.
        None => ancestors(prefix)
            .filter_map(|ancestor| unwrapped.strip_prefix(ancestor))
            .find(|rest| is_output(rest) || is_other_head(rest))
            .unwrap_or(unwrapped),
    };
    let name = name.strip_prefix("transformer.").unwrap_or(name);
    if is_output(name) { "lm_head.weight" } else { name }
}

/// The prefixes of the modules around a module, innermost first; the last is empty.
fn ancestors(prefix: &str) -> impl Iterator<Item = &str> {
    let module = prefix.strip_suffix('.').unwrap_or_default();
    let dots = module.rmatch_indices('.').map(|(dot, _)| dot + 1);
    dots.chain([0]).filter_map(|end| prefix.get(..end))
}

/// The output projection; old files of `DialoGPT` have a module `decoder` in it.
fn is_output(name: &str) -> bool {
    matches!(name, "lm_head.weight" | "lm_head.decoder.weight")
}

/// Whether a tensor is of a head for another task.
pub(super) fn is_other_head(name: &str) -> bool {
    name.split_once('.').is_some_and(|(module, _)| OTHER_HEADS.contains(&module))
}

/// Whether a tensor with this stored name may share its storage with another: the output projection, and causal masks.
pub(super) fn may_share_storage(stored: &str) -> bool {
    ["lm_head.weight", "lm_head.decoder.weight", "attn.bias", "attn.masked_bias"]
        .iter()
        .any(|end| stored.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Whether a tensor may be in a file although the model does not need it: causal masks, heads for other tasks, and the
/// output projection. If that is not the token embedding, the configuration lists it.
pub(super) fn is_ignored(name: &str) -> bool {
    name == "lm_head.weight"
        || is_other_head(name)
        || name.strip_prefix("h.").is_some_and(|rest| {
            rest.split_once('.').is_some_and(|(layer, tensor)| {
                layer.parse::<usize>().is_ok() && matches!(tensor, "attn.bias" | "attn.masked_bias")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(names: &[&str]) -> Vec<String> {
        let unwrapped: Vec<_> = names.iter().map(|name| unwrapped(name)).collect();
        let prefix = common_prefix(&unwrapped.iter().map(|name| &**name)).unwrap();
        unwrapped.iter().map(|name| plain_name(name, prefix).to_owned()).collect()
    }

    #[test]
    fn prefixes_of_wrappers() {
        let expected = ["wte.weight", "h.0.attn.c_attn.weight", "lm_head.weight", "score.weight"];
        for prefix in [
            "",
            "module.",
            "_orig_mod.",
            "_orig_mod.module.",
            "model.",
            "_forward_module.model._orig_mod.",
            "a.b.c.",
        ] {
            for body in ["", "transformer."] {
                let names = [
                    format!("{prefix}{body}wte.weight"),
                    format!("{prefix}{body}h.0._fsdp_wrapped_module.attn.c_attn.weight"),
                    format!("{prefix}lm_head.weight"),
                    format!("{prefix}score.weight"),
                ];
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                assert_eq!(plain(&names), expected, "{names:?}");
            }
        }
    }

    #[test]
    fn heads_beside_a_wrapped_model() {
        let names = ["pretrained_model.transformer.wpe.weight", "v_head.summary.weight", "other.weight"];
        assert_eq!(plain(&names), ["wpe.weight", "v_head.summary.weight", "other.weight"]);
        assert_eq!(plain(&["transformer.wte.weight", "lm_head.decoder.weight"])[1], "lm_head.weight");
        assert_eq!(plain(&["transformer.wte.weight", "ln_f.bias"])[1], "ln_f.bias");
        // Without the embedding, the positions tell the prefix.
        assert_eq!(plain(&["module.lm_head.weight", "module.transformer.wpe.weight"])[0], "lm_head.weight");
    }

    #[test]
    fn two_models_have_two_prefixes() {
        let names = ["policy.wte.weight", "reference.wte.weight"];
        assert_eq!(common_prefix(&names.into_iter()), Err(names));
        assert_eq!(common_prefix(&["xwte.weight"].into_iter()), Ok(""));
    }
}
