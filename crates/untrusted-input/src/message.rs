//! Text for messages: printable excerpts, suggestions, grouped digits.

/// Makes text from outside printable in a message: escapes control characters except line ends, and cuts the text after 600
/// characters.
pub fn clipped(text: &str) -> String {
    const LIMIT: usize = 600;
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LIMIT {
            shown.push('…');
            break;
        }
        if character.is_control() && character != '\n' {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// `; did you mean …?` with the candidate closest to `given`, or an empty string if none is close.
pub fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    // The comparison takes time in proportion to the product of the lengths. No name is this long.
    const LIMIT: usize = 200;
    if given.len() > LIMIT {
        return String::new();
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(given, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len() / 3))
        .min()
        .map(|(_, candidate)| format!("; did you mean `{candidate}`?"))
        .unwrap_or_default()
}

/// Groups digits: 1234567 becomes `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_close_candidates() {
        let tasks = ["lambada", "winograd"];
        assert_eq!(did_you_mean("lambda", tasks), "; did you mean `lambada`?");
        assert_eq!(did_you_mean("enwik8", tasks), "");
        let long = "a".repeat(201);
        assert_eq!(did_you_mean(&long, [long.as_str()]), "", "names this long are not compared");
    }

    #[test]
    fn messages_are_printable_and_short() {
        assert_eq!(clipped("a\u{1b}[2J\tb\nc"), "a\\u{1b}[2J\\tb\nc");
        assert_eq!(clipped(&"é".repeat(601)), format!("{}…", "é".repeat(600)));
        assert_eq!(clipped(&"é".repeat(600)), "é".repeat(600));
    }

    #[test]
    fn groups_digits() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(124_439_808), "124,439,808");
    }
}
