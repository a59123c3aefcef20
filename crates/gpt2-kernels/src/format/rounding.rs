//! Rounding to bf16, the upper half of an f32, and pairs of bf16 numbers in one word.

const UPPER_HALF: u32 = 0xFFFF_0000;

/// `value` rounded to the nearest bf16, to even on a tie, as an f32 whose lower half is 0.
#[inline(always)]
pub fn round(value: f32) -> f32 {
    let bits = value.to_bits();
    // Half a unit of the last bit kept, less one where that bit is even, carries into it.
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
    // NaN stays NaN.
    let bits = if value.is_nan() { bits | 0x0040_0000 } else { nearest };
    f32::from_bits(bits & UPPER_HALF)
}

/// `value` as the sum of two bf16 numbers, the high part first; exact to 16 bits.
#[inline(always)]
pub fn split(value: f32) -> (f32, f32) {
    let high = round(value);
    // The difference is exact, except for infinities, where it is NaN. The low part of an infinity is 0.
    let low = round(value - high);
    (high, if high.is_finite() { low } else { 0.0 })
}

/// Packs two bf16 numbers, as [`round`] returns them, into one word: the first into the lower half.
#[inline(always)]
pub fn pack(first: f32, second: f32) -> u32 {
    first.to_bits() >> 16 | second.to_bits() & UPPER_HALF
}

/// `pair` with its first (`index` 0) or second (`index` 1) number replaced.
#[inline(always)]
pub fn replace(pair: u32, index: usize, value: f32) -> u32 {
    if index == 0 {
        pair & UPPER_HALF | value.to_bits() >> 16
    } else {
        pair & !UPPER_HALF | value.to_bits() & UPPER_HALF
    }
}

/// The first (`index` 0) or second (`index` 1) number of a pair.
#[inline(always)]
pub fn number(pair: u32, index: usize) -> f32 {
    f32::from_bits(if index == 0 { pair << 16 } else { pair & UPPER_HALF })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_even() {
        for (value, expected) in [
            (1.0, 1.0),
            (-0.0, -0.0),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 1.0 / 64.0),
            (1.0 + 1.0 / 256.0 + 1e-6, 1.0 + 1.0 / 128.0),
            (-1.003, -1.0),
            (f32::INFINITY, f32::INFINITY),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(round(value).to_bits(), f32::to_bits(expected), "{value}");
        }
        assert!(round(f32::from_bits(0x7F80_0001)).is_nan());
        assert!(round(f32::from_bits(0xFFFF_FFFF)).is_nan());
    }

    #[test]
    fn high_and_low_part_together_have_sixteen_bits() {
        for value in [1.0, -0.1, 123.456, 1e-30, std::f32::consts::PI, 3e38] {
            let (high, low) = split(value);
            assert!((high + low - value).abs() <= value.abs() / 65536.0, "{value}: {high} {low}");
            assert_eq!((round(high), round(low)), (high, low));
        }
        assert_eq!(split(f32::INFINITY), (f32::INFINITY, 0.0));
    }

    #[test]
    fn pairs_keep_both_numbers() {
        let pair = replace(replace(pack(1.0, 2.0), 0, -3.0), 1, 0.5);
        assert_eq!((number(pair, 0), number(pair, 1)), (-3.0, 0.5));
    }
}
