//! Tells how a state dict stores its linear layers, and brings it into the layout of transformers' GPT-2.
//!
//! Files of transformers store `[inputs, outputs]` (`Conv1D`), trainers mostly `[outputs, inputs]` (`nn.Linear`). `c_attn`
//! has three times as many outputs as inputs, so its shape tells the layout, and all matrices of a file have the same one.

use std::collections::BTreeMap;

use super::entry::Entry;

/// How a format stores linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// As the model wants them, `[inputs, outputs]`.
    Conv1d,
    /// Depends on the program that saved the file: the shapes tell.
    ByShape,
}

const LINEAR: [&str; 4] = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];

const NORMS: [&str; 3] = ["ln_1", "ln_2", "ln_f"];

/// The module of a tensor with this name, if it is one of `modules`.
fn module_of<'a>(name: &'a str, parameter: &str, modules: &[&str]) -> Option<&'a str> {
    let module = name.strip_suffix(parameter)?;
    modules.iter().any(|known| module == *known || module.ends_with(&format!(".{known}"))).then_some(module)
}

/// Transposes the linear layers if they are stored as `nn.Linear` has them.
pub(super) fn to_conv1d(entries: &mut BTreeMap<String, Entry>) {
    let first = entries.iter().find(|(name, _)| module_of(name, ".weight", &["attn.c_attn"]).is_some());
    let is_linear = |entry: &Entry| matches!(entry.shape.as_slice(), [outputs, inputs] if Some(*outputs) == inputs.checked_mul(3));
    if !first.is_some_and(|(_, entry)| is_linear(entry)) {
        return;
    }
    for (name, entry) in entries.iter_mut() {
        if module_of(name, ".weight", &LINEAR).is_some() {
            *entry = entry.clone().transposed();
        }
    }
}

/// Adds zeros for the biases of a model without biases: no linear layer has one, or no norm. Whether there were any.
pub(super) fn add_missing_biases(entries: &mut BTreeMap<String, Entry>) -> bool {
    let mut added = BTreeMap::new();
    for modules in [&LINEAR[..], &NORMS[..]] {
        if entries.keys().any(|name| module_of(name, ".bias", modules).is_some()) {
            continue;
        }
        for (name, entry) in &*entries {
            // The outputs of a linear layer, or the width of a norm.
            let (Some(module), Some(length)) = (module_of(name, ".weight", modules), entry.shape.last())
            else {
                continue;
            };
            added.insert(format!("{module}.bias"), Entry::zeros(*length, entry.dtype));
        }
    }
    let is_any = !added.is_empty();
    entries.append(&mut added);
    is_any
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::Dtype;

    use super::*;

    fn entries(shapes: &[(&str, &[usize])]) -> BTreeMap<String, Entry> {
        let entry = |shape: &[usize]| Entry::contiguous(Dtype::F32, shape.to_vec(), (0, 0), 4096).unwrap();
        shapes.iter().map(|(name, shape)| ((*name).to_owned(), entry(shape))).collect()
    }

    #[test]
    fn one_matrix_tells_the_layout_of_all() {
        let stored = [
            ("h.0.attn.c_attn.weight", &[12, 4][..]),
            ("h.0.attn.c_proj.weight", &[4, 4]),
            ("h.0.mlp.c_fc.weight", &[12, 4]),
            ("h.0.mlp.c_proj.weight", &[4, 12]),
            ("wpe.weight", &[12, 4]),
        ];
        let mut linear = entries(&stored);
        to_conv1d(&mut linear);
        let shape = |entries: &BTreeMap<String, Entry>, name: &str| entries[name].shape.clone();
        assert_eq!(shape(&linear, "h.0.attn.c_attn.weight"), [4, 12]);
        assert_eq!(shape(&linear, "h.0.mlp.c_fc.weight"), [4, 12]);
        assert_eq!(shape(&linear, "h.0.mlp.c_proj.weight"), [12, 4]);
        assert_eq!(shape(&linear, "wpe.weight"), [12, 4], "not a linear layer");
        let mut same = linear.clone();
        to_conv1d(&mut same);
        assert_eq!(shape(&same, "h.0.attn.c_attn.weight"), [4, 12], "already in the wanted layout");
    }

    #[test]
    fn biases_are_added_where_no_module_of_a_kind_has_one() {
        let mut none = entries(&[("h.0.ln_1.weight", &[4]), ("h.0.attn.c_attn.weight", &[4, 12])]);
        assert!(add_missing_biases(&mut none));
        assert_eq!(none["h.0.attn.c_attn.bias"].shape, [12]);
        assert_eq!(none["h.0.ln_1.bias"].shape, [4]);
        let mut some = entries(&[
            ("h.0.attn.c_attn.weight", &[4, 12]),
            ("h.0.attn.c_attn.bias", &[12]),
            ("h.1.attn.c_attn.weight", &[4, 12]),
            ("h.0.attn.bias", &[1, 1, 4, 4]),
        ]);
        assert!(!add_missing_biases(&mut some), "a lost bias stays missing");
    }
}
