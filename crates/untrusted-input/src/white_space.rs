//! White space as Python defines it, because the reference implementations are Python programs.

/// Whether Python's `str.strip` removes the character: Unicode white space and the four ASCII separators.
pub fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Python's `text.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}

/// Python's `text.rstrip()`, and the white space that it removes.
pub fn split_trailing_white_space(text: &str) -> (&str, &str) {
    text.split_at(text.trim_end_matches(is_python_space).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_as_python_does() {
        assert_eq!(strip("\u{1c} a b\u{a0}\n"), "a b");
        assert_eq!(split_trailing_white_space("a \n"), ("a", " \n"));
        assert_eq!(split_trailing_white_space("a"), ("a", ""));
    }
}
