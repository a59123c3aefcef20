//! Numbers of bf16: the upper half of an f32.

/// The upper half of an f32.
const UPPER: u32 = 0xFFFF_0000;

/// `value` rounded to bf16, to the nearest even on a tie, as an f32 that has no lower half.
#[inline(always)]
pub fn rounded(value: f32) -> f32 {
    let bits = value.to_bits();
    // Half of the last place, less a bit where that place is even, carries into it.
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
    // What is not a number must not become one.
    let bits = if value.is_nan() { bits | 0x0040_0000 } else { nearest };
    f32::from_bits(bits & UPPER)
}

/// `value` as the sum of two numbers of bf16, the higher first; exact to 16 bits.
#[inline(always)]
pub fn split(value: f32) -> (f32, f32) {
    let high = rounded(value);
    // The difference is exact. One of infinities is no number, and there is nothing below them.
    let low = rounded(value - high);
    (high, if high.is_finite() { low } else { 0.0 })
}

/// Two numbers of bf16, as [`rounded`] returns them, in one word: the first in its lower half.
#[inline(always)]
pub fn pair(first: f32, second: f32) -> u32 {
    first.to_bits() >> 16 | second.to_bits() & UPPER
}

/// `pair` with another number in its `place`, 0 or 1.
#[inline(always)]
pub fn replaced(pair: u32, place: usize, value: f32) -> u32 {
    if place == 0 { pair & UPPER | value.to_bits() >> 16 } else { pair & !UPPER | value.to_bits() & UPPER }
}

/// The number in the `place` of a pair, 0 or 1.
#[inline(always)]
pub fn number(pair: u32, place: usize) -> f32 {
    f32::from_bits(if place == 0 { pair << 16 } else { pair & UPPER })
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
            assert_eq!(rounded(value).to_bits(), f32::to_bits(expected), "{value}");
        }
        assert!(rounded(f32::from_bits(0x7F80_0001)).is_nan());
        assert!(rounded(f32::from_bits(0xFFFF_FFFF)).is_nan());
    }

    #[test]
    fn both_parts_together_have_sixteen_bits() {
        for value in [1.0, -0.1, 123.456, 1e-30, std::f32::consts::PI, 3e38] {
            let (high, low) = split(value);
            assert!((high + low - value).abs() <= value.abs() / 65536.0, "{value}: {high} {low}");
            assert_eq!((rounded(high), rounded(low)), (high, low));
        }
        assert_eq!(split(f32::INFINITY), (f32::INFINITY, 0.0));
    }

    #[test]
    fn pairs_keep_both_numbers() {
        let pair = replaced(replaced(pair(1.0, 2.0), 0, -3.0), 1, 0.5);
        assert_eq!((number(pair, 0), number(pair, 1)), (-3.0, 0.5));
    }
}
