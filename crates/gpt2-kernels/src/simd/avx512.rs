//! [`Vector`] as one 512-bit register.
#![expect(unsafe_code, reason = "intrinsics")]

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _CMP_EQ_OQ, _CMP_NLT_UQ, _MM_HINT_T0, _mm_prefetch, _mm512_add_epi32,
    _mm512_add_ps, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_div_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_slli_epi32, _mm512_storeu_ps, _mm512_sub_ps,
};
use std::mem::transmute;

use super::{Kernel, Vector};
use crate::layout::{LANES, Line, PairLine};

/// One AVX-512 register.
///
/// Values exist only inside [`Vector::call`], and `SimdLevel::run` calls that only on a CPU that has AVX-512, and
/// AVX512-BF16 if `BF16`. So every `unsafe` block below is sound.
#[derive(Clone, Copy)]
pub struct Avx512<const BF16: bool>(__m512);

impl<const BF16: bool> Vector for Avx512<BF16> {
    // 28 registers of sums, two of weights and one broadcast factor: 31 of 32.
    const TILE_ROWS: usize = 14;
    const TILE_VECTORS: usize = 2;

    type Pairs = __m512i;

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn compiled<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx512<false>>()
        }
        #[target_feature(enable = "avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
        fn compiled_with_bf16<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx512<true>>()
        }
        // SAFETY: the CPU has the instructions, see the type.
        unsafe { if BF16 { compiled_with_bf16(kernel) } else { compiled(kernel) } }
    }

    #[inline(always)]
    fn prefetch(address: *const Line) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the type. The same holds for all methods without a comment.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        // SAFETY: reads exactly the sixteen values.
        Self(unsafe { _mm512_loadu_ps(values.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        // SAFETY: writes exactly the sixteen values.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn load_pairs(pairs: &PairLine) -> __m512i {
        // SAFETY: reads exactly the sixteen pairs.
        unsafe { _mm512_loadu_si512(std::ptr::from_ref(pairs).cast()) }
    }

    #[inline(always)]
    fn splat_pair(pair: u32) -> __m512i {
        unsafe { _mm512_set1_epi32(pair.cast_signed()) }
    }

    #[inline(always)]
    fn add_dot_products(self, pairs: __m512i, others: __m512i) -> Self {
        if BF16 {
            // SAFETY: both types are 512-bit registers, in which any bits are valid.
            return Self(unsafe {
                let (pairs, others) =
                    (transmute::<__m512i, __m512bh>(pairs), transmute::<__m512i, __m512bh>(others));
                _mm512_dpbf16_ps(self.0, pairs, others)
            });
        }
        let sum = Self(second(pairs)).multiply_add(Self(second(others)), self);
        Self(first(pairs)).multiply_add(Self(first(others)), sum)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn or_zero_below(self, value: Self, bound: Self) -> Self {
        Self(unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(value.0, bound.0), self.0) })
    }

    #[inline(always)]
    fn any_equal(self, other: Self) -> bool {
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0) != 0 }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(unsafe {
            let exponent = _mm512_add_epi32(_mm512_castps_si512(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        })
    }
}

/// The first number of each pair, as f32.
#[inline(always)]
fn first(pairs: __m512i) -> __m512 {
    // SAFETY: see [`Avx512`].
    unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)) }
}

/// The second number of each pair, as f32.
#[inline(always)]
fn second(pairs: __m512i) -> __m512 {
    // SAFETY: see [`Avx512`].
    unsafe { _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-0x1_0000))) }
}
