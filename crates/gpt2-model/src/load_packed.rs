//! Packs a checkpoint for the CPU kernels, chunk by chunk, so that there is never a second copy of the weights in memory.

use std::sync::Arc;

use gpt2_kernels::{PackedMatrix, Precision, SimdLevel};

use crate::fused_block::{FusedBlock, PackedLinear, PackedNorm};
use crate::{Checkpoint, CheckpointError, ComputeDevice, PackedGpt2, WeightFile};

/// Numbers packed at a time.
const CHUNK: usize = 4 << 20;

impl Checkpoint {
    /// Packs the weights in this precision. `device` must be flex, which has the fused block.
    ///
    /// # Errors
    /// If the weight file is damaged.
    pub fn load_packed(
        &self,
        device: &ComputeDevice,
        precision: Precision,
    ) -> Result<PackedGpt2, CheckpointError> {
        let config = &self.config;
        let packer = Packer { weights: &self.weights, precision, epsilon: config.layer_norm_epsilon as f32 };
        let (width, inner) = (config.n_embd, config.n_inner);
        let blocks = (0..config.n_layer).map(|layer| {
            let name = |suffix: &str| format!("h.{layer}.{suffix}");
            Ok(Arc::new(FusedBlock {
                attention_norm: packer.norm(&name("ln_1"))?,
                query_key_value: packer.linear(&name("attn.c_attn"), width, 3 * width)?,
                projection: packer.linear(&name("attn.c_proj"), width, width)?,
                mlp_norm: packer.norm(&name("ln_2"))?,
                activation: config.activation,
                expand: packer.linear(&name("mlp.c_fc"), width, inner)?,
                contract: packer.linear(&name("mlp.c_proj"), inner, width)?,
                scale: config.attention_scale(layer) as f32,
            }))
        });
        Ok(PackedGpt2 {
            simd_level: SimdLevel::detect(),
            token_embedding: packer.embedding("wte.weight", config.vocab_size, width)?,
            position_embedding: self.weights.read_rows("wpe.weight", 0..config.n_positions)?,
            blocks: blocks.collect::<Result<_, CheckpointError>>()?,
            final_norm: packer.norm("ln_f")?,
            output: if config.tied_output {
                None
            } else {
                Some(packer.embedding("lm_head.weight", config.vocab_size, width)?)
            },
            config: config.clone(),
            device: device.burn().clone(),
        })
    }
}

struct Packer<'a> {
    weights: &'a WeightFile,
    precision: Precision,
    epsilon: f32,
}

impl Packer<'_> {
    fn norm(&self, name: &str) -> Result<PackedNorm, CheckpointError> {
        let vector = |suffix: &str| self.weights.read_rows(&format!("{name}.{suffix}"), 0..1);
        Ok(PackedNorm { gamma: vector("weight")?, beta: vector("bias")?, epsilon: self.epsilon })
    }

    /// `[inputs, outputs]` in the file.
    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<PackedLinear, CheckpointError> {
        let mut weights = PackedMatrix::zeros(self.precision, inputs, outputs);
        let rows = (CHUNK / outputs).max(1);
        for first in (0..inputs).step_by(rows) {
            let last = inputs.min(first + rows);
            weights.set_inputs(first, &self.weights.read_rows(&format!("{name}.weight"), first..last)?);
        }
        Ok(PackedLinear { weights, bias: self.weights.read_rows(&format!("{name}.bias"), 0..1)? })
    }

    /// `[vocab_size, n_embd]` in the file.
    fn embedding(
        &self,
        name: &str,
        vocab_size: usize,
        n_embd: usize,
    ) -> Result<PackedMatrix, CheckpointError> {
        let mut packed = PackedMatrix::zeros(self.precision, n_embd, vocab_size);
        let rows = (CHUNK / n_embd).max(1);
        for first in (0..vocab_size).step_by(rows) {
            let last = vocab_size.min(first + rows);
            packed.set_outputs(first, &self.weights.read_rows(name, first..last)?);
        }
        Ok(packed)
    }
}
