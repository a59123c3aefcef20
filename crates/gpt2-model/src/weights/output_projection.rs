//! Decides which tensor is the output projection: the token embedding, or a stored one that differs from it.

use safetensors::tensor::Dtype;
use sha2::{Digest, Sha256};

use super::{WeightFile, shown};
use crate::Gpt2Config;
use crate::error::CheckpointError;
use untrusted_input::clipped;

const EMBEDDING: &str = "wte.weight";

const OUTPUT: &str = "lm_head.weight";

/// Numbers compared at a time.
const CHUNK: usize = 4 << 20;

impl WeightFile {
    /// Sets whether the output projection is tied, as transformers 5 does: a stored one that differs from the embedding is
    /// used whatever the configuration says, and if only one of both is stored in a tied model, it is both. Returns notes.
    ///
    /// # Errors
    /// If the output projection is missing or has another shape, or the file is damaged.
    pub(crate) fn resolve_output(&mut self, config: &mut Gpt2Config) -> Result<Vec<String>, CheckpointError> {
        let expected = [config.vocab_size, config.n_embd];
        let Some(output) = self.entries.get(OUTPUT) else {
            if config.tied_output {
                return Ok(vec![]);
            }
            let reason = format!(
                "tensor `{OUTPUT}` {expected:?} is missing, but tie_word_embeddings is false: save the whole model, or set \
                 it to true if the token embedding is the output projection"
            );
            return Err(CheckpointError::new(self.path(), reason));
        };
        let stored_name = clipped(&output.stored_name);
        if output.shape != expected {
            let reason = format!(
                "tensor `{stored_name}` has shape {:?}, expected {expected:?} by the model's configuration",
                shown(&output.shape)
            );
            return Err(CheckpointError::new(self.path(), reason));
        }
        if !config.tied_output {
            return Ok(vec![]);
        }
        let Some(embedding) = self.entries.get(EMBEDDING) else {
            let note = format!(
                "the file has no `{EMBEDDING}`: `{stored_name}`, which the model ties to it, is both"
            );
            let output = output.clone();
            self.entries.insert(EMBEDDING.to_owned(), output);
            self.entries.remove(OUTPUT);
            return Ok(vec![note]);
        };
        // Other shapes and types are found by `check`.
        if embedding.shape != expected || !is_float(embedding.dtype) {
            return Ok(vec![]);
        }
        if is_float(output.dtype) && self.digest(EMBEDDING, expected)? == self.digest(OUTPUT, expected)? {
            return Ok(vec![]);
        }
        config.tied_output = false;
        Ok(vec![format!(
            "`{stored_name}` differs from the token embedding, so it is the output projection, as in transformers 5, although \
             the configuration ties both"
        )])
    }

    /// Digest of the numbers of a matrix. Two matrices of a `torch.save` file would take twice the memory of one, so they
    /// are not compared directly.
    fn digest(&self, name: &str, [height, width]: [usize; 2]) -> Result<[u8; 32], CheckpointError> {
        let mut hasher = Sha256::new();
        let rows = (CHUNK / width.max(1)).max(1);
        for first in (0..height).step_by(rows) {
            let values = self.read_rows(name, first..height.min(first + rows))?;
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            hasher.update(bytes);
        }
        Ok(hasher.finalize().into())
    }
}

pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
}
