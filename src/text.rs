//! Text for people: shell commands, and white space made visible.

/// Joins words to a command line for a POSIX shell, with quotes where necessary.
pub fn command_line(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    quoted.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_=+.,:/@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

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
    fn only_what_a_shell_would_change_is_quoted() {
        let words =
            ["gpt2-eval", "--model", "a=my dir", "it's", "", "--shard=0/4", "$HOME"].map(str::to_owned);
        assert_eq!(command_line(&words), r"gpt2-eval --model 'a=my dir' 'it'\''s' '' --shard=0/4 '$HOME'");
    }

    #[test]
    fn white_space_is_visible() {
        assert_eq!(visible_white_space("a b\n\tc\u{a0}d\r"), "a·b↵→c⍽d\\r");
        assert_eq!(visible_bytes(b" \xe2\x80"), "·\\xe2\\x80");
    }
}
