//! Loads a checkpoint as Burn modules, one tensor at a time.

use burn::module::Param;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor, TensorData};

use super::{Checkpoint, CheckpointError, ComputeDevice, Gpt2, TokenEmbedding, WeightFile};
impl Checkpoint {
    /// Loads the weights as f32 Burn modules on `device`. Peak memory on a CPU is the model in f32 plus one tensor.
    ///
    /// # Errors
    /// If the weight file is damaged.
    pub fn load(&self, device: &ComputeDevice) -> Result<Gpt2, CheckpointError> {
        let mut model = self.config.init(device);
        let loader = Loader { weights: &self.weights, device: device.burn() };
        loader.embedding("wte.weight", &mut model.token_embedding)?;
        if let Some(output) = &mut model.output {
            loader.embedding("lm_head.weight", output)?;
        }
        model.position_embedding =
            loader.matrix("wpe.weight", [self.config.n_positions, self.config.n_embd])?;
        for (layer, block) in model.blocks.iter_mut().enumerate() {
            let name = |suffix: &str| format!("h.{layer}.{suffix}");
            loader.norm(&name("ln_1"), &mut block.attention_norm)?;
            loader.linear(&name("attn.c_attn"), &mut block.attention.query_key_value)?;
            loader.linear(&name("attn.c_proj"), &mut block.attention.projection)?;
            loader.norm(&name("ln_2"), &mut block.feed_forward_norm)?;
            loader.linear(&name("mlp.c_fc"), &mut block.feed_forward.expand)?;
            loader.linear(&name("mlp.c_proj"), &mut block.feed_forward.project)?;
        }
        loader.norm("ln_f", &mut model.final_norm)?;
        Ok(model)
    }
}

struct Loader<'a> {
    weights: &'a WeightFile,
    device: &'a Device,
}

impl Loader<'_> {
    fn vector(&self, name: &str) -> Result<Param<Tensor<1>>, CheckpointError> {
        let values = self.weights.read_rows(name, 0..1)?;
        let shape = [values.len()];
        Ok(Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device)))
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Param<Tensor<2>>, CheckpointError> {
        let values = self.weights.read_rows(name, 0..shape[0])?;
        Ok(Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device)))
    }

    /// Both transformers' GPT-2 and Burn's `Linear` store `[inputs, outputs]`.
    fn linear(&self, name: &str, linear: &mut Linear) -> Result<(), CheckpointError> {
        let shape = linear.weight.lazy_shape().dims::<2>();
        linear.weight = self.matrix(&format!("{name}.weight"), shape)?;
        linear.bias = Some(self.vector(&format!("{name}.bias"))?);
        Ok(())
    }

    fn norm(&self, name: &str, norm: &mut LayerNorm) -> Result<(), CheckpointError> {
        norm.gamma = self.vector(&format!("{name}.weight"))?;
        norm.beta = Some(self.vector(&format!("{name}.bias"))?);
        Ok(())
    }

    fn embedding(&self, name: &str, embedding: &mut TokenEmbedding) -> Result<(), CheckpointError> {
        let mut start = 0;
        for (index, height) in embedding.part_heights().into_iter().enumerate() {
            let values = self.weights.read_rows(name, start..start + height)?;
            let shape = [height, values.len() / height];
            embedding.set_part(index, Tensor::from_data(TensorData::new(values, shape), self.device));
            start += height;
        }
        Ok(())
    }
}
