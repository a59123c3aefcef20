//! How exactly weights are kept and multiplied.

use serde::{Deserialize, Serialize};

use crate::vector::SimdLevel;

/// How a [`PackedMatrix`](crate::PackedMatrix) keeps its weights, and so how it is multiplied. Sums are f32 always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Weights and input as they are.
    #[default]
    F32,
    /// Weights and input as sums of two bf16 numbers, of 16 bits of precision together; the product of the two lower
    /// ones is left out. The errors are about 1e-5 of the terms of a sum. Takes as much memory as [`Self::F32`], and
    /// three products for each: it is for processors that multiply matrices of bf16 numbers (AMX), and slower than
    /// [`Self::F32`] on all others.
    Bf16x3,
    /// Weights and input rounded to bf16, 8 bits of precision. Takes half the memory of [`Self::F32`].
    Bf16,
}

impl Precision {
    /// All of them, the most precise first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16x3, Self::Bf16];

    /// Its name on the command line and in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16x3 => "bf16x3",
            Self::Bf16 => "bf16",
        }
    }

    /// The mode, and for numbers of bf16 the instructions of this processor, since their sums differ by a bit here and
    /// there: what a result has in common with others. `f32`, `bf16 (Avx512Bf16)`, `bf16x3 (Amx)`.
    pub fn arithmetic(self) -> String {
        match self {
            Self::F32 => self.as_str().to_owned(),
            Self::Bf16x3 | Self::Bf16 => format!("{} ({:?})", self.as_str(), SimdLevel::detect()),
        }
    }

    /// The precision of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.as_str() == name)
    }

    /// Whether these kernels are any faster with it on this processor than with [`Self::F32`].
    ///
    /// [`Self::Bf16`] needs AVX512-BF16, which all processors with AMX-BF16 have too; elsewhere it is computed with
    /// fused multiply-adds, and only the memory is saved. [`Self::Bf16x3`] needs AMX-BF16, with which its speed was never
    /// measured: what is known is that the processor multiplies sixteen times as many numbers of bf16 as of f32.
    pub fn is_native(self) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16x3 => SimdLevel::Amx.is_available(),
            Self::Bf16 => SimdLevel::Avx512Bf16.is_available(),
        }
    }
}
