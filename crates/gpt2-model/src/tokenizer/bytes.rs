//! GPT-2's byte alphabet: the character that a vocabulary shows for each byte.

/// Printable bytes first, then the others, each in ascending order: the order of GPT-2's first 256 ids.
pub(super) fn byte_order() -> impl Iterator<Item = u8> {
    (0..=255).filter(|&byte| is_printable(byte)).chain((0..=255).filter(|&byte| !is_printable(byte)))
}

/// The character that GPT-2's vocabulary shows for a byte: itself if printable, else one from U+0100 on, in ascending order.
pub(super) fn byte_to_char(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&other| !is_printable(other)).count() as u32;
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Whether a character of a vocabulary stands for a byte.
pub(super) fn is_byte(character: char) -> bool {
    let code = u32::from(character);
    (0x100..0x144).contains(&code) || u8::try_from(code).is_ok_and(is_printable)
}

/// The byte that a character of a vocabulary stands for; `None` for a character that no byte-level vocabulary has.
pub(super) fn char_to_byte(character: char) -> Option<u8> {
    match u8::try_from(u32::from(character)) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => {
            let rank = u32::from(character).checked_sub(0x100)? as usize;
            (0..=255).filter(|&byte| !is_printable(byte)).nth(rank)
        }
    }
}

/// Whether GPT-2's vocabulary shows this byte as itself.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_through_the_byte_alphabet() {
        for byte in 0..=255 {
            assert_eq!(char_to_byte(byte_to_char(byte)), Some(byte));
        }
        assert_eq!(byte_to_char(b' '), 'Ġ');
        assert_eq!(byte_to_char(b'\n'), 'Ċ');
        assert_eq!(char_to_byte('▁'), None);
        let characters = (0..0x3000).filter_map(char::from_u32);
        assert!(
            characters.into_iter().all(|character| is_byte(character) == char_to_byte(character).is_some())
        );
    }
}
