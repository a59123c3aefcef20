//! The substitutions of lm-evaluation-harness's task `wsc273`.

use super::Substituted;

/// First words of candidates that are lower-cased within a sentence.
const LOWERED: [&str; 11] = ["A", "An", "The", "She", "He", "It", "They", "My", "His", "Her", "Their"];
/// Pronouns whose candidates get `'s`.
const POSSESSIVE: [&str; 5] = ["my", "his", "her", "our", "their"];

/// Replaces the pronoun by each candidate: `'s` for a possessive, lower case within a sentence, double spaces collapsed
/// without adjusting the pronoun's offset.
pub(super) fn substitute(text: &str, pronoun: &str, location: usize, options: &[String; 2]) -> Substituted {
    let characters: Vec<char> = text.replace("  ", " ").chars().collect();
    let location = location.min(characters.len());
    let end = (location + pronoun.chars().count()).min(characters.len());
    // As in Python, a negative index counts from the end: for a pronoun at the start, the end of the sentence is checked.
    let before = if location >= 2 { location - 2 } else { (characters.len() + location).saturating_sub(2) };
    let starts_sentence = characters.get(before) == Some(&'.');
    let prefix: String = characters[..location].iter().collect();
    let contexts = options.clone().map(|mut option| {
        if POSSESSIVE.contains(&pronoun.to_lowercase().as_str()) {
            option.push_str("'s");
        }
        let first = option.split_whitespace().next().unwrap_or_default().to_owned();
        if !starts_sentence && LOWERED.contains(&first.as_str()) {
            option = option.replace(&first, &first.to_lowercase());
        }
        format!("{prefix}{option}")
    });
    Substituted { contexts, rest: characters[end..].iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(text: &str, pronoun: &str, options: [&str; 2]) -> [String; 2] {
        let location = text.find(&format!(" {pronoun} ")).map_or(0, |at| at + 1);
        substitute(text, pronoun, location, &options.map(str::to_owned)).contexts
    }

    #[test]
    fn articles_are_lowered_within_a_sentence_only() {
        assert_eq!(
            contexts("It broke because it was old.", "it", ["The vase", "Ann"]),
            ["It broke because the vase", "It broke because Ann"]
        );
        assert_eq!(contexts("It fell. It broke .", "It", ["The vase", "Ann"])[0], "It fell. The vase");
    }

    #[test]
    fn possessive_pronouns_add_s_to_candidates() {
        assert_eq!(
            contexts("Ann fed Bo in her house.", "her", ["Ann", "Bo"]),
            ["Ann fed Bo in Ann's", "Ann fed Bo in Bo's"]
        );
    }

    #[test]
    fn candidates_are_inserted_mechanically() {
        assert_eq!(
            contexts("Ann saw a cat on Bo's roof. It was high .", "It", ["a cat", "Bo's"]),
            ["Ann saw a cat on Bo's roof. a cat", "Ann saw a cat on Bo's roof. Bo's"]
        );
    }
}
