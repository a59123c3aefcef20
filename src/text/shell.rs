//! Commands as users type them.

/// Words as one line for a POSIX shell, quoted where need be.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        let words =
            ["gpt2-eval", "--model", "a=my dir", "it's", "", "--shard=0/4", "$HOME"].map(str::to_owned);
        assert_eq!(command_line(&words), r"gpt2-eval --model 'a=my dir' 'it'\''s' '' --shard=0/4 '$HOME'");
    }
}
