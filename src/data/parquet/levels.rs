//! Runs and packed bits: levels, and places in a dictionary.

use super::thrift::varint;

/// Reads `count` numbers of `width` bits each. `None` if there are fewer, or one is too wide.
pub(super) fn hybrid(mut bytes: &[u8], width: u32, count: usize) -> Option<Vec<u32>> {
    if width == 0 {
        return Some(vec![0; count]);
    }
    if width > 32 {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let (head, length) = varint(bytes)?;
        bytes = bytes.get(length..)?;
        let left = count - values.len();
        if head & 1 == 0 {
            let run = usize::try_from(head >> 1).ok().filter(|run| *run > 0)?;
            let size = width.div_ceil(8) as usize;
            let value =
                bytes.get(..size)?.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            bytes = bytes.get(size..)?;
            values.extend(std::iter::repeat_n(u32::try_from(value).ok()?, run.min(left)));
        } else {
            // Groups of eight values, lowest bits first.
            let size = usize::try_from(head >> 1).ok()?.checked_mul(width as usize)?;
            let packed = bytes.get(..size.min(bytes.len()))?;
            bytes = bytes.get(size..).unwrap_or_default();
            let there = (packed.len() * 8 / width as usize).min(left);
            if there == 0 {
                return None;
            }
            values.extend((0..there).map(|index| unpack(packed, index * width as usize, width)));
        }
    }
    Some(values)
}

/// `width` bits from bit `start` on.
fn unpack(packed: &[u8], start: usize, width: u32) -> u32 {
    let mut value = 0_u64;
    let (first, shift) = (start / 8, start % 8);
    for (index, byte) in packed.iter().skip(first).take(5).enumerate() {
        value |= u64::from(*byte) << (8 * index);
    }
    (value >> shift & ((1_u64 << width) - 1)) as u32
}

/// Bits that the numbers up to `most` take.
pub(super) fn width_of(most: u16) -> u32 {
    u16::BITS - most.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_format() {
        // Eight numbers of three bits, 0 to 7, and a run of six fours.
        assert_eq!(hybrid(&[3, 0x88, 0xC6, 0xFA], 3, 8).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hybrid(&[12, 4], 3, 6).unwrap(), [4; 6]);
        assert_eq!(hybrid(&[], 0, 3).unwrap(), [0; 3]);
        assert_eq!(hybrid(&[12], 3, 6), None);
        assert_eq!((width_of(0), width_of(1), width_of(2), width_of(3), width_of(4)), (0, 1, 2, 2, 3));
    }
}
