//! llm.c's model files, which `train_gpt2.py` writes: 256 integers of four bytes, then the parameters in a fixed order. The
//! parameters of one kind follow each other layer by layer. Linear layers are stored as in PyTorch, `[outputs, inputs]`.

use safetensors::tensor::Dtype;

use super::entry::{Entry, NamedEntry, element_bytes};
use super::format::{Contents, Format, Read};
use super::layout::Layout;
use super::source::Source;
use crate::Gpt2Config;
use crate::error::CheckpointError;

pub(super) const FORMAT: Format = Format {
    file_names: &["gpt2_124M.bin", "gpt2_124M_bf16.bin"],
    config_names: &[],
    recognizes: |beginning, _| beginning.starts_with(&MAGIC.to_le_bytes()),
    read: Read::File(read),
};

const MAGIC: i32 = 20_240_326;

const HEADER_BYTES: usize = 256 * 4;

fn read(source: &Source, index: usize) -> Result<Contents, CheckpointError> {
    let malformed = |offset: usize, tensor: Option<&str>, reason: &str| {
        CheckpointError::malformed(source.path(), "a model file of llm.c", tensor, Some(offset), reason)
    };
    let all = source.bytes();
    let Some(header) = all.get(..HEADER_BYTES) else {
        let reason = format!("the file ends within its header of {HEADER_BYTES} bytes");
        return Err(malformed(all.len(), None, &reason));
    };
    let fields: Vec<i32> = header.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
    let field = |index: usize| fields.get(index).copied().unwrap_or(0);
    let dtype = match field(1) {
        3 => Dtype::F32,
        5 => Dtype::BF16,
        other => {
            let reason = format!(
                "its version is {other}, expected 3 (f32) or 5 (bf16); export it again with llm.c's train_gpt2.py"
            );
            return Err(malformed(4, None, &reason));
        }
    };
    let [n_positions, vocab_size, n_layer, n_head, n_embd, padded] =
        [2, 3, 4, 5, 6, 7].map(|index| usize::try_from(field(index)).unwrap_or(0));
    let config = Gpt2Config::from_sizes([n_layer, n_embd, n_head, n_positions, vocab_size])
        .map_err(|reason| malformed(8, None, &reason))?;
    if padded < vocab_size || padded > vocab_size.next_multiple_of(1024) {
        let reason = format!(
            "its vocabulary is padded to {}, expected {vocab_size} and less than 1,024 more",
            field(7)
        );
        return Err(malformed(28, None, &reason));
    }
    let kinds = kinds(&config, padded);
    let numbers: u64 = kinds.iter().map(Kind::numbers).sum();
    // Sizes in the header are at most 2^22 each, so nothing overflows.
    let expected = HEADER_BYTES as u64 + numbers.saturating_mul(element_bytes(dtype) as u64);
    if all.len() as u64 != expected {
        return Err(CheckpointError::size(source.path(), None, expected, all.len() as u64));
    }
    let mut entries: Vec<NamedEntry> = Vec::new();
    let mut start = HEADER_BYTES;
    for kind in kinds {
        let bytes = kind.stored.iter().product::<usize>() * element_bytes(dtype);
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
                .map_err(|reason| malformed(start, Some(&name), &reason))?;
            entries.push((name, if kind.is_linear { entry.transposed() } else { entry }));
            start += bytes;
        }
    }
    Ok(Contents { format: "llm.c", entries, layout: Layout::Conv1d, config: Some(config) })
}

/// Tensors of one kind, one for each layer or one for the model.
struct Kind {
    name: &'static str,
    /// Number of layers; `None` for a tensor of the model.
    layers: Option<usize>,
    stored: Vec<usize>,
    /// Rows without padding, if padding follows.
    rows: Option<usize>,
    is_linear: bool,
}

impl Kind {
    fn numbers(&self) -> u64 {
        let each: u64 = self.stored.iter().map(|&size| size as u64).product();
        each.saturating_mul(self.layers.unwrap_or(1) as u64)
    }
}

/// In the order of the file.
fn kinds(config: &Gpt2Config, padded: usize) -> Vec<Kind> {
    let (n_embd, n_inner) = (config.n_embd, config.n_inner);
    let of_model = |name, stored: &[usize], rows| Kind {
        name,
        layers: None,
        stored: stored.to_vec(),
        rows,
        is_linear: false,
    };
    let of_layer = |name, stored: &[usize]| Kind {
        name,
        layers: Some(config.n_layer),
        stored: stored.to_vec(),
        rows: None,
        is_linear: stored.len() == 2,
    };
    vec![
        of_model("wte.weight", &[padded, n_embd], Some(config.vocab_size)),
        of_model("wpe.weight", &[config.n_positions, n_embd], None),
        of_layer("ln_1.weight", &[n_embd]),
        of_layer("ln_1.bias", &[n_embd]),
        of_layer("attn.c_attn.weight", &[3 * n_embd, n_embd]),
        of_layer("attn.c_attn.bias", &[3 * n_embd]),
        of_layer("attn.c_proj.weight", &[n_embd, n_embd]),
        of_layer("attn.c_proj.bias", &[n_embd]),
        of_layer("ln_2.weight", &[n_embd]),
        of_layer("ln_2.bias", &[n_embd]),
        of_layer("mlp.c_fc.weight", &[n_inner, n_embd]),
        of_layer("mlp.c_fc.bias", &[n_inner]),
        of_layer("mlp.c_proj.weight", &[n_embd, n_inner]),
        of_layer("mlp.c_proj.bias", &[n_embd]),
        of_model("ln_f.weight", &[n_embd], None),
        of_model("ln_f.bias", &[n_embd], None),
    ]
}
