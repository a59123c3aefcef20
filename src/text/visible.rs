//! White space made visible, for people who check what a model sees.

/// `text` with a space as `·`, a new line as `↵`, a tab as `→` and other control characters escaped.
pub fn visible_white_space(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        match character {
            ' ' => shown.push('·'),
            '\n' => shown.push('↵'),
            '\t' => shown.push('→'),
            '\u{a0}' => shown.push('⍽'),
            other if other.is_control() => shown.extend(other.escape_default()),
            other => shown.push(other),
        }
        shown
    })
}

/// The bytes of one token as [`visible_white_space`]; bytes that are part of a longer character as `\xNN`.
pub fn visible_bytes(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |mut shown, chunk| {
        shown.push_str(&visible_white_space(chunk.valid()));
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_visible() {
        assert_eq!(visible_white_space("a b\n\tc\u{a0}d\r"), "a·b↵→c⍽d\\r");
        assert_eq!(visible_bytes(b" \xe2\x80"), "·\\xe2\\x80");
    }
}
