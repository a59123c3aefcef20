//! From an opened checkpoint to a model on a device, one tensor at a time.

use burn::module::Param;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Device, Tensor, TensorData};

use std::sync::Arc;

use super::block::{Norm, PackedBlock, PackedLinear};
use super::{
    Activation, Checkpoint, ComputeDevice, Gpt2, LanguageModel, PackedGpt2, TokenEmbedding, WeightFile,
    WeightsError,
};
use gpt2_kernels::{PackedMatrix, Precision, SimdLevel};

/// Numbers that are read from the file and packed at a time.
const CHUNK: usize = 4 << 20;

impl Checkpoint {
    /// Loads the weights as f32 in the form that is fastest on `device`: packed for the kernels on the CPU backend
    /// flex, as Burn tensors elsewhere, and for models with another activation than GPT-2's.
    pub fn load_for(
        &self,
        device: &ComputeDevice,
        precision: Precision,
    ) -> Result<LanguageModel, WeightsError> {
        if device.backend() == "flex" && self.config.activation == Activation::GeluTanh {
            return Ok(LanguageModel::Packed(Box::new(self.load_packed(device, precision)?)));
        }
        Ok(LanguageModel::Tensors(Box::new(self.load(device)?)))
    }

    /// Packs the weights as f32 for the kernels, chunk by chunk from the file: there is no second copy of them. What stands between the blocks are tensors
    /// on `device`; only the CPU backend flex has the fused block.
    pub fn load_packed(
        &self,
        device: &ComputeDevice,
        precision: Precision,
    ) -> Result<PackedGpt2, WeightsError> {
        let config = &self.config;
        let packer = Packer { weights: &self.weights, precision, epsilon: config.norm_epsilon as f32 };
        let (width, inner) = (config.width, config.inner_width);
        let blocks = (0..config.layers).map(|layer| {
            let name = |suffix: &str| format!("h.{layer}.{suffix}");
            Ok(Arc::new(PackedBlock {
                heads: config.heads,
                attention_norm: packer.norm(&name("ln_1"))?,
                query_key_value: packer.linear(&name("attn.c_attn"), width, 3 * width)?,
                projection: packer.linear(&name("attn.c_proj"), width, width)?,
                feed_forward_norm: packer.norm(&name("ln_2"))?,
                expand: packer.linear(&name("mlp.c_fc"), width, inner)?,
                contract: packer.linear(&name("mlp.c_proj"), inner, width)?,
                scale: config.attention_scale(layer) as f32,
            }))
        });
        Ok(PackedGpt2 {
            simd_level: SimdLevel::detect(),
            token_embedding: packer.embedding("wte.weight", config.vocabulary, width)?,
            position_embedding: self.weights.read_rows("wpe.weight", 0..config.context)?,
            blocks: blocks.collect::<Result<_, WeightsError>>()?,
            final_norm: packer.norm("ln_f")?,
            output: if config.tied_output {
                None
            } else {
                Some(packer.embedding("lm_head.weight", config.vocabulary, width)?)
            },
            config: config.clone(),
            device: device.burn().clone(),
        })
    }

    /// Loads the weights as f32 onto `device`. Peak memory on a CPU is the model in f32 and one chunk of the file.
    pub fn load(&self, device: &ComputeDevice) -> Result<Gpt2, WeightsError> {
        let mut model = self.config.init(device);
        let loader = Loader { weights: &self.weights, device: device.burn() };
        loader.embedding("wte.weight", &mut model.token_embedding)?;
        if let Some(output) = &mut model.output {
            loader.embedding("lm_head.weight", output)?;
        }
        model.position_embedding = loader.matrix("wpe.weight", [self.config.context, self.config.width])?;
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
    fn vector(&self, name: &str) -> Result<Param<Tensor<1>>, WeightsError> {
        let values = self.weights.read_rows(name, 0..1)?;
        let shape = [values.len()];
        Ok(Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device)))
    }

    fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Param<Tensor<2>>, WeightsError> {
        let values = self.weights.read_rows(name, 0..shape[0])?;
        Ok(Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device)))
    }

    /// Hugging Face's GPT-2 keeps `[inputs, outputs]`, as Burn's `Linear` does: nothing is transposed.
    fn linear(&self, name: &str, linear: &mut Linear) -> Result<(), WeightsError> {
        let shape = linear.weight.lazy_shape().dims::<2>();
        linear.weight = self.matrix(&format!("{name}.weight"), shape)?;
        linear.bias = Some(self.vector(&format!("{name}.bias"))?);
        Ok(())
    }

    fn norm(&self, name: &str, norm: &mut LayerNorm) -> Result<(), WeightsError> {
        norm.gamma = self.vector(&format!("{name}.weight"))?;
        norm.beta = Some(self.vector(&format!("{name}.bias"))?);
        Ok(())
    }

    fn embedding(&self, name: &str, embedding: &mut TokenEmbedding) -> Result<(), WeightsError> {
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

struct Packer<'a> {
    weights: &'a WeightFile,
    precision: Precision,
    epsilon: f32,
}

impl Packer<'_> {
    fn norm(&self, name: &str) -> Result<Norm, WeightsError> {
        let vector = |suffix: &str| self.weights.read_rows(&format!("{name}.{suffix}"), 0..1);
        Ok(Norm { gamma: vector("weight")?, beta: vector("bias")?, epsilon: self.epsilon })
    }

    /// `[inputs, outputs]` in the file.
    fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<PackedLinear, WeightsError> {
        let mut weights = PackedMatrix::zeros(self.precision, inputs, outputs);
        let rows = (CHUNK / outputs).max(1);
        for first in (0..inputs).step_by(rows) {
            let last = inputs.min(first + rows);
            weights.set_inputs(first, &self.weights.read_rows(&format!("{name}.weight"), first..last)?);
        }
        Ok(PackedLinear { weights, bias: self.weights.read_rows(&format!("{name}.bias"), 0..1)? })
    }

    /// `[vocabulary, width]` in the file.
    fn embedding(&self, name: &str, vocabulary: usize, width: usize) -> Result<PackedMatrix, WeightsError> {
        let mut packed = PackedMatrix::zeros(self.precision, width, vocabulary);
        let rows = (CHUNK / width).max(1);
        for first in (0..vocabulary).step_by(rows) {
            let last = vocabulary.min(first + rows);
            packed.set_outputs(first, &self.weights.read_rows(name, first..last)?);
        }
        Ok(packed)
    }
}
