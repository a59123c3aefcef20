//! Number formats of the weights.

use serde::{Deserialize, Serialize};

use crate::simd::SimdLevel;

/// Number format of the weights, and so of the input they are multiplied with. Sums are always f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Weights and input are f32.
    #[default]
    F32,
    /// Weights and input are sums of two bf16 numbers, 16 bits of precision together. The product of the two lower parts
    /// is left out, so errors are about 1e-5 of the terms of a sum. Takes as much memory as `f32`, and three
    /// multiplications instead of one: meant for CPUs that multiply bf16 matrices (AMX), slower than `f32` elsewhere.
    Bf16x3,
    /// Weights and input are rounded to bf16, 8 bits of precision. Takes half the memory of `f32`.
    Bf16,
}

impl Precision {
    /// All formats, the most precise first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16x3, Self::Bf16];

    /// The name on the command line and in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16x3 => "bf16x3",
            Self::Bf16 => "bf16",
        }
    }

    /// The arithmetic that decides the bits of a result on this CPU: `f32`, `bf16 (Avx512Bf16)`, `bf16x3 (Amx)`. With
    /// bf16 numbers the SIMD level is part of it, because sums differ by a bit here and there.
    pub fn arithmetic(self) -> String {
        match self {
            Self::F32 => self.as_str().to_owned(),
            Self::Bf16x3 | Self::Bf16 => format!("{} ({:?})", self.as_str(), SimdLevel::detect()),
        }
    }

    /// The format called `name` on the command line.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.as_str() == name)
    }

    /// Whether this CPU has the instructions for the format. Without them it is emulated by fused multiply-adds and no
    /// faster than [`Self::F32`].
    ///
    /// [`Self::Bf16`] needs AVX512-BF16, which every CPU with AMX-BF16 also has. [`Self::Bf16x3`] needs AMX-BF16, on which
    /// its speed was never measured.
    pub fn is_native(self) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16x3 => SimdLevel::Amx.is_available(),
            Self::Bf16 => SimdLevel::Avx512Bf16.is_available(),
        }
    }
}
