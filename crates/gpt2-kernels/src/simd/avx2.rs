//! [`Vector`] as two 256-bit registers.
#![expect(unsafe_code, reason = "intrinsics")]

use std::arch::x86_64::{
    __m256, __m256i, _CMP_EQ_OQ, _CMP_NLT_UQ, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi32, _mm256_add_ps,
    _mm256_and_ps, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_div_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_max_ps, _mm256_min_ps, _mm256_movemask_ps,
    _mm256_mul_ps, _mm256_or_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps,
    _mm256_sub_ps,
};

use super::{Kernel, Vector};
use crate::layout::{LANES, Line, PairLine};

/// Two AVX registers.
///
/// Values exist only inside [`Vector::call`], and `SimdLevel::run` calls that only on a CPU that has AVX2 and FMA. So every
/// `unsafe` block below is sound.
#[derive(Clone, Copy)]
pub struct Avx2(__m256, __m256);

impl Vector for Avx2 {
    // Twelve registers of sums, two of weights and one broadcast factor: 15 of 16.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;

    type Pairs = (__m256i, __m256i);

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<Avx2>()
        }
        // SAFETY: the CPU has the instructions, see the type.
        unsafe { compiled(kernel) }
    }

    #[inline(always)]
    fn prefetch(address: *const Line) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: see the type. The same holds for all methods without a comment.
        let both = unsafe { _mm256_set1_ps(value) };
        Self(both, both)
    }

    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        // SAFETY: reads exactly the sixteen values.
        unsafe { Self(_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values.as_ptr().add(LANES / 2))) }
    }

    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        // SAFETY: writes exactly the sixteen values.
        unsafe {
            _mm256_storeu_ps(values.as_mut_ptr(), self.0);
            _mm256_storeu_ps(values.as_mut_ptr().add(LANES / 2), self.1);
        }
    }

    #[inline(always)]
    fn load_pairs(pairs: &PairLine) -> Self::Pairs {
        let pairs = std::ptr::from_ref(pairs).cast::<__m256i>();
        // SAFETY: reads exactly the sixteen pairs.
        unsafe { (_mm256_loadu_si256(pairs), _mm256_loadu_si256(pairs.add(1))) }
    }

    #[inline(always)]
    fn splat_pair(pair: u32) -> Self::Pairs {
        let both = unsafe { _mm256_set1_epi32(pair.cast_signed()) };
        (both, both)
    }

    #[inline(always)]
    fn add_dot_products(self, pairs: Self::Pairs, others: Self::Pairs) -> Self {
        let sum = second(pairs).multiply_add(second(others), self);
        first(pairs).multiply_add(first(others), sum)
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn subtract(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn divide(self, other: Self) -> Self {
        unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn multiply_add(self, factor: Self, addend: Self) -> Self {
        unsafe {
            Self(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1))
        }
    }

    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn or_zero_below(self, value: Self, bound: Self) -> Self {
        unsafe {
            Self(
                _mm256_and_ps(self.0, _mm256_cmp_ps::<_CMP_NLT_UQ>(value.0, bound.0)),
                _mm256_and_ps(self.1, _mm256_cmp_ps::<_CMP_NLT_UQ>(value.1, bound.1)),
            )
        }
    }

    #[inline(always)]
    fn any_equal(self, other: Self) -> bool {
        unsafe {
            let low = _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0);
            let high = _mm256_cmp_ps::<_CMP_EQ_OQ>(self.1, other.1);
            _mm256_movemask_ps(_mm256_or_ps(low, high)) != 0
        }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        #[inline(always)]
        fn half(value: __m256) -> __m256 {
            // SAFETY: see the type.
            unsafe {
                let exponent = _mm256_add_epi32(_mm256_castps_si256(value), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            }
        }
        Self(half(self.0), half(self.1))
    }
}

/// The first number of each pair, as f32.
#[inline(always)]
fn first(pairs: (__m256i, __m256i)) -> Avx2 {
    // SAFETY: see [`Avx2`].
    unsafe {
        Avx2(
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs.0)),
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs.1)),
        )
    }
}

/// The second number of each pair, as f32.
#[inline(always)]
fn second(pairs: (__m256i, __m256i)) -> Avx2 {
    // SAFETY: see [`Avx2`].
    unsafe {
        let upper = _mm256_set1_epi32(-0x1_0000);
        Avx2(
            _mm256_castsi256_ps(_mm256_and_si256(pairs.0, upper)),
            _mm256_castsi256_ps(_mm256_and_si256(pairs.1, upper)),
        )
    }
}
