//! The two forms of a loaded model.

use super::{Gpt2, PackedGpt2};

/// A GPT-2 in the form that is fastest on its device.
pub enum LanguageModel {
    /// Burn modules, for any backend.
    Tensors(Box<Gpt2>),
    /// Packed weights, for the kernels on the processor.
    Packed(Box<PackedGpt2>),
}

impl LanguageModel {
    /// The most tokens that the model sees at once.
    pub fn context(&self) -> usize {
        match self {
            Self::Tensors(model) => model.context(),
            Self::Packed(model) => model.context(),
        }
    }

    /// What computes, for the manifest: `burn`, or the kernels with their instructions.
    pub fn kernels(&self) -> String {
        match self {
            Self::Tensors(_) => "burn".to_owned(),
            Self::Packed(model) => format!("packed {:?}, {:?}", model.precision(), model.simd_level()),
        }
    }
}
