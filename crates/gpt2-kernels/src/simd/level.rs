//! Detects the vector instructions of the CPU, and is the only code that chooses among them.

use super::portable::Portable;
use super::{Amx, Kernel, Vector};

/// Vector instructions that the kernels are compiled for, chosen at run time. All levels give the same results, except for
/// GEMMs in [`Precision::Bf16`](crate::Precision::Bf16) and [`Precision::Bf16x3`](crate::Precision::Bf16x3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SimdLevel {
    /// [`Self::Avx512Bf16`], and AMX-BF16 for GEMMs of bf16 numbers. Needs Linux 5.16 or later.
    Amx,
    /// [`Self::Avx512`], and AVX512-BF16 for GEMMs of bf16 numbers.
    Avx512Bf16,
    /// 512-bit vectors: x86-64 CPUs with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// 256-bit vectors: x86-64 CPUs with AVX2 and FMA.
    Avx2,
    /// Plain arrays that the compiler vectorizes. Fast where fused multiply-add belongs to the base instructions
    /// (`AArch64`). Slow on x86-64 CPUs without it (before 2013), where each one is a function call.
    Portable,
}

impl SimdLevel {
    /// All levels, the widest first.
    pub const ALL: [Self; 5] = [Self::Amx, Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Portable];

    /// The widest level that this CPU has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|simd_level| simd_level.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this CPU has the instructions of the level.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Self::Amx => Self::Avx512Bf16.is_available() && Amx::find().is_some(),
            Self::Avx512Bf16 => is_x86_feature_detected!("avx512bf16") && Self::Avx512.is_available(),
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && Self::Avx2.is_available()
            }
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Portable => true,
        }
    }

    /// Whether this CPU has the instructions of the level.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Self::Portable
    }

    /// Permission to use AMX, if it belongs to the level and this CPU has it.
    pub(crate) fn amx(self) -> Option<Amx> {
        if self == Self::Amx && self.is_available() { Amx::find() } else { None }
    }

    /// Runs `kernel` with the instructions of this level, or as portable code where the CPU lacks them.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // Checked at every call, which costs a few loads: so no value of the enum can reach instructions that the CPU
        // lacks.
        if !self.is_available() {
            return Portable::call(kernel);
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512Bf16 => super::avx512::Avx512::<true>::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::avx512::Avx512::<false>::call(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::avx2::Avx2::call(kernel),
            _ => Portable::call(kernel),
        }
    }
}
