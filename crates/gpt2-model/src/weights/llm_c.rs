//! llm.c's model files (`train_gpt2.py` writes them): 256 numbers of four bytes, then the parameters in a fixed order,
//! those of one kind for all layers together, and linear layers as PyTorch keeps them, `[outputs, inputs]`.

use safetensors::tensor::Dtype;

use super::entry::{Entry, Named, element_bytes};
use super::source::Source;
use super::{Contents, WeightFormat, WeightsError};
use crate::Gpt2Config;

/// Bytes of the header.
const HEADER: usize = 256 * 4;

/// Reads the header of `source`, which is number `index` of the sources.
pub(super) fn read(source: &Source, index: usize) -> Result<Contents, WeightsError> {
    let malformed = |offset: usize, tensor: Option<String>, reason: String| WeightsError::Malformed {
        path: source.path().to_owned(),
        format: "a model file of llm.c",
        tensor,
        offset: Some(offset as u64),
        reason,
    };
    let all = source.bytes();
    let Some(header) = all.get(..HEADER) else {
        let reason = format!("the file ends within its header of {HEADER} bytes");
        return Err(malformed(all.len(), None, reason));
    };
    let fields: Vec<i32> = header.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
    let field = |place: usize| fields.get(place).copied().unwrap_or(0);
    let dtype = match field(1) {
        3 => Dtype::F32,
        5 => Dtype::BF16,
        other => {
            let reason = format!(
                "its version is {other}, expected 3 (f32) or 5 (bf16); write it again with llm.c's train_gpt2.py"
            );
            return Err(malformed(4, None, reason));
        }
    };
    let [context, vocabulary, layers, heads, width, padded] =
        [2, 3, 4, 5, 6, 7].map(|place| usize::try_from(field(place)).unwrap_or(0));
    let config = Gpt2Config::from_sizes([layers, width, heads, context, vocabulary])
        .map_err(|reason| malformed(8, None, reason))?;
    if padded < vocabulary || padded > vocabulary.next_multiple_of(1024) {
        let reason = format!(
            "its vocabulary is padded to {}, expected {vocabulary} and less than 1,024 more",
            field(7)
        );
        return Err(malformed(28, None, reason));
    }
    let kinds = kinds(&config, padded);
    let numbers: u64 = kinds.iter().map(Kind::numbers).sum();
    // Sizes in the header are at most 2^22 each, so that nothing overflows.
    let expected = HEADER as u64 + numbers.saturating_mul(element_bytes(dtype) as u64);
    if all.len() as u64 != expected {
        return Err(WeightsError::Size {
            path: source.path().to_owned(),
            what: if (all.len() as u64) < expected {
                "is cut short"
            } else {
                "has bytes that belong to no tensor"
            },
            tensor: None,
            expected,
            found: all.len() as u64,
        });
    }
    let mut entries: Vec<Named> = Vec::new();
    let mut start = HEADER;
    for kind in kinds {
        let size = kind.stored.iter().product::<usize>() * element_bytes(dtype);
        for layer in 0..kind.layers.unwrap_or(1) {
            let name = match kind.layers {
                Some(_) => format!("h.{layer}.{}", kind.name),
                None => kind.name.to_owned(),
            };
            let mut shape = kind.stored.clone();
            if let Some(rows) = kind.rows {
                shape[0] = rows;
            }
            let entry = Entry::contiguous(dtype, shape, (index, start), all.len())
                .map_err(|reason| malformed(start, Some(name.clone()), reason))?;
            entries.push((name, if kind.is_linear { entry.transposed() } else { entry }));
            start += size;
        }
    }
    Ok(Contents { format: WeightFormat::LlmC, entries, config: Some(config) })
}

/// Tensors of one kind.
struct Kind {
    name: &'static str,
    /// How many layers have one; `None` for a tensor of the whole model.
    layers: Option<usize>,
    stored: Vec<usize>,
    /// Rows that are no padding.
    rows: Option<usize>,
    is_linear: bool,
}

impl Kind {
    fn numbers(&self) -> u64 {
        let each: u64 = self.stored.iter().map(|&size| size as u64).product();
        each.saturating_mul(self.layers.unwrap_or(1) as u64)
    }
}

/// The parameters in the order of the file.
fn kinds(config: &Gpt2Config, padded: usize) -> Vec<Kind> {
    let (width, inner) = (config.n_embd, config.n_inner);
    let whole = |name, stored: [usize; 2], rows| Kind {
        name,
        layers: None,
        stored: stored.to_vec(),
        rows,
        is_linear: false,
    };
    let vector = |name, length: usize| Kind {
        name,
        layers: Some(config.n_layer),
        stored: vec![length],
        rows: None,
        is_linear: false,
    };
    let linear = |name, outputs: usize, inputs: usize| Kind {
        name,
        layers: Some(config.n_layer),
        stored: vec![outputs, inputs],
        rows: None,
        is_linear: true,
    };
    let last = |name| Kind { name, layers: None, stored: vec![width], rows: None, is_linear: false };
    vec![
        whole("wte.weight", [padded, width], Some(config.vocab_size)),
        whole("wpe.weight", [config.n_positions, width], None),
        vector("ln_1.weight", width),
        vector("ln_1.bias", width),
        linear("attn.c_attn.weight", 3 * width, width),
        vector("attn.c_attn.bias", 3 * width),
        linear("attn.c_proj.weight", width, width),
        vector("attn.c_proj.bias", width),
        vector("ln_2.weight", width),
        vector("ln_2.bias", width),
        linear("mlp.c_fc.weight", inner, width),
        vector("mlp.c_fc.bias", inner),
        linear("mlp.c_proj.weight", width, inner),
        vector("mlp.c_proj.bias", width),
        last("ln_f.weight"),
        last("ln_f.bias"),
    ]
}
