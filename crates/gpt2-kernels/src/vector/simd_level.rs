//! Which instructions the processor has, and the one place where they are chosen.

use super::portable::Portable;
use super::{Task, Tiles, Vector};

/// Vector instructions that the kernels are compiled for, chosen at run time. All give the same results, but for
/// products in [`Precision::Bf16`](crate::Precision::Bf16) and [`Precision::Bf16x3`](crate::Precision::Bf16x3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SimdLevel {
    /// [`Self::Avx512Bf16`], and AMX-BF16 for products of bf16 numbers: x86-64 processors with AMX, under Linux 5.16 or
    /// later.
    Amx,
    /// [`Self::Avx512`], and AVX512-BF16 for products of bf16 numbers.
    Avx512Bf16,
    /// 512 bits: x86-64 processors with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// 256 bits: x86-64 processors with AVX2 and FMA.
    Avx2,
    /// What the compiler makes of plain arrays. Fast where fused multiply-add belongs to the base instructions
    /// (`AArch64`), slow on x86-64 processors without it (before 2013), where each one is a function call.
    Portable,
}

impl SimdLevel {
    /// All of them, the widest first.
    pub const ALL: [Self; 5] = [Self::Amx, Self::Avx512Bf16, Self::Avx512, Self::Avx2, Self::Portable];

    /// The widest that this processor has.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|simd_level| simd_level.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has them.
    #[cfg(target_arch = "x86_64")]
    pub fn is_available(self) -> bool {
        match self {
            Self::Amx => Self::Avx512Bf16.is_available() && Tiles::find().is_some(),
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

    /// Whether this processor has them.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn is_available(self) -> bool {
        self == Self::Portable
    }

    /// The instructions for matrices among them, where this processor has them.
    pub(crate) fn tiles(self) -> Option<Tiles> {
        if self == Self::Amx && self.is_available() { Tiles::find() } else { None }
    }

    /// Runs `task` with these instructions, or with portable code where the processor does not have them.
    pub fn run<T: Task>(self, task: T) -> T::Output {
        // Asked every time: it is a few loads, and makes every value of the enum safe on every processor.
        if !self.is_available() {
            return Portable::call(task);
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx | Self::Avx512Bf16 => super::avx512::Avx512::<true>::call(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => super::avx512::Avx512::<false>::call(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => super::avx2::Avx2::call(task),
            _ => Portable::call(task),
        }
    }
}
