//! The sentences of `paper` that are made from a pronoun or a blank: a candidate takes its place, as grammatically as
//! rules can. Trinh and Le (2018) and those after them did this by hand; docs/protocols.md counts how often the rules agree.

use super::Substituted;
use super::words::{
    AUXILIARIES, CONJUNCTIONS, DETERMINERS, FUNCTION_WORDS, INDEFINITE_PRONOUNS, NOUNS_IN_LY, POSSESSIVES,
    PREPOSITIONS, PRONOUNS, RELATIVES, SINGULAR,
};

/// The sentence without its pronoun or blank.
struct Gap<'a> {
    before: &'a str,
    /// The pronoun in lower case; `None` for a blank.
    pronoun: Option<String>,
    after: &'a str,
}

/// Puts both candidates into the place of the pronoun that begins at character `location`.
pub(super) fn replace_pronoun(
    text: &str,
    pronoun: &str,
    location: usize,
    candidates: &[String; 2],
) -> Substituted {
    let byte = |characters| text.char_indices().nth(characters).map_or(text.len(), |(byte, _)| byte);
    let (start, end) = (byte(location), byte(location + pronoun.chars().count()));
    let (before, after) = (&text[..start], &text[end..]);
    fill(&Gap { before, pronoun: Some(pronoun.to_lowercase()), after }, candidates)
}

/// Puts both candidates into the place of the blank between `before` and `after`.
pub(super) fn fill_blank(before: &str, after: &str, candidates: &[String; 2]) -> Substituted {
    fill(&Gap { before, pronoun: None, after }, candidates)
}

fn fill(gap: &Gap<'_>, [first, second]: &[String; 2]) -> Substituted {
    let before = collapsed(gap.before);
    let context = |candidate, other| format!("{before}{}", gap.fitting(candidate, other));
    Substituted { contexts: [context(first, second), context(second, first)], rest: collapsed(gap.after) }
}

/// Runs of white space become one space.
fn collapsed(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_whitespace() {
            collapsed.push(character);
        } else if !collapsed.ends_with(' ') {
            collapsed.push(' ');
        }
    }
    collapsed
}

/// A word in lower case without the punctuation around it.
fn plain(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn is_any(list: &[&str], word: &str) -> bool {
    list.contains(&word.to_lowercase().as_str())
}

/// The forms of a personal pronoun.
fn forms_of(word: &str) -> Option<&'static [&'static str; 3]> {
    PRONOUNS.iter().find(|[subject, object, _]| is_any(&[subject, object], word))
}

impl Gap<'_> {
    /// The candidate in the form that fits the gap; `other` is the other candidate.
    fn fitting(&self, candidate: &str, other: &str) -> String {
        let mut words: Vec<String> = candidate.split_whitespace().map(str::to_owned).collect();
        let other: Vec<&str> = other.split_whitespace().collect();
        let is_possessive = self.is_possessive();
        if let Some(pronoun) = &self.pronoun {
            resolve_pronoun(&mut words, &other, pronoun, is_possessive);
            without_genitive(&mut words, &other, is_possessive);
            self.agree_in_number(&mut words, &other, pronoun);
            make_definite(&mut words, &other);
        }
        if let Some(first) = words.first_mut() {
            if self.starts_sentence() {
                *first = capitalised(first);
            } else if is_any(DETERMINERS, first) || forms_of(first).is_some() {
                *first = if is_any(&["i"], first) { "I".to_owned() } else { first.to_lowercase() };
            }
        }
        let is_pronoun = matches!(&words[..], [word] if is_any(POSSESSIVES, word));
        let text = words.join(" ");
        if is_possessive && !is_pronoun { genitive(text, &words) } else { text }
    }

    fn starts_sentence(&self) -> bool {
        let before = self.before.trim_end().trim_end_matches(['"', '\'', '”', '’', ')']);
        before.is_empty() || before.ends_with(['.', '!', '?'])
    }

    /// Whether the gap needs a genitive: `his`, or `her` before a noun. A blank needs one between a preposition and a
    /// noun, and as the beginning of a clause before a noun and a verb (`because _ turn was next`).
    fn is_possessive(&self) -> bool {
        let mut following = self.after.split_whitespace();
        let next =
            following.next().filter(|_| self.after.starts_with(char::is_whitespace)).unwrap_or_default();
        let word = plain(next);
        let begins_with_letter = next.trim_start_matches(['"', '“']).starts_with(char::is_alphabetic);
        let is_adverb = word.ends_with("ly") && !is_any(NOUNS_IN_LY, &word);
        // `against her will.`
        let ends_clause = next.ends_with(|c: char| c.is_ascii_punctuation());
        let is_function_word = is_any(FUNCTION_WORDS, &word) && !(ends_clause && is_any(AUXILIARIES, &word));
        let is_noun = begins_with_letter && !is_adverb && !is_function_word;
        match self.pronoun.as_deref() {
            Some("her") => is_noun,
            Some(pronoun) => POSSESSIVES.contains(&pronoun),
            None => {
                let previous = self.before.split_whitespace().last().unwrap_or_default();
                let is_noun = is_noun && !word.ends_with("ing");
                if is_any(PREPOSITIONS, previous) {
                    return is_noun;
                }
                let begins_clause = is_any(CONJUNCTIONS, previous)
                    || previous.is_empty()
                    || previous.ends_with(|c: char| c.is_ascii_punctuation());
                let verb = following.next().unwrap_or_default();
                begins_clause && is_noun && next.chars().all(char::is_alphabetic) && is_any(AUXILIARIES, verb)
            }
        }
    }

    /// `one` and `ones` become the noun of the other candidate (`the younger ones` beside `the older students`). In `one of
    /// the tellers`, a singular pronoun means one teller.
    fn agree_in_number(&self, words: &mut [String], other: &[&str], pronoun: &str) {
        let is_phrase = words.len() > 1;
        let Some(last) = words.last_mut() else { return };
        if is_phrase && matches!(last.as_str(), "one" | "ones") {
            if let Some(noun) = other.last() {
                (*noun).clone_into(last);
            }
            return;
        }
        let Some(singular) = singular(last).filter(|_| SINGULAR.contains(&pronoun)) else { return };
        let text: Vec<String> = self.before.split_whitespace().map(plain).collect();
        let noun = plain(last);
        let one_of = |start: usize| {
            let found = text.get(start..).unwrap_or_default().iter();
            // At most a determiner and an adjective are between.
            found.skip(1).take(3).position(|word| *word == noun).is_some_and(|between| between > 0)
        };
        let pairs = text.windows(2).enumerate();
        if pairs.filter(|(_, pair)| pair[0] == "one" && pair[1] == "of").any(|(index, _)| one_of(index + 1)) {
            *last = singular;
        }
    }
}

/// A candidate that is a pronoun becomes the owner in the other candidate (`him` beside `Joe's uncle`: `Joe`), or else takes
/// the case of the gap (`him` in the place of `he`: `he`).
fn resolve_pronoun(words: &mut [String], other: &[&str], pronoun: &str, is_possessive: bool) {
    let [word] = words else { return };
    let Some([subject, object, possessive]) = forms_of(word) else { return };
    let owner = other.first().filter(|_| other.len() > 1).and_then(|owner| owner.strip_suffix("'s"));
    let form = match (owner, forms_of(pronoun)) {
        (Some(owner), _) => owner,
        (None, _) if is_possessive => possessive,
        // `it` and `you` are subject and object.
        (None, Some([subject, object, _])) if subject == object => return,
        (None, Some([_, case, _])) if *case == pronoun => object,
        (None, _) => subject,
    };
    *word = form.to_owned();
}

/// `tellers`: `teller`; `boxes`: `box`; `ladies`: `lady`.
fn singular(noun: &str) -> Option<String> {
    let stem = noun.strip_suffix('s').filter(|stem| !stem.ends_with('s'))?;
    if let Some(stem) = stem.strip_suffix("ie") {
        return Some(format!("{stem}y"));
    }
    let sibilant = stem
        .strip_suffix('e')
        .filter(|stem| stem.ends_with(['x', 'z', 's']) || stem.ends_with("sh") || stem.ends_with("ch"));
    Some(sibilant.unwrap_or(stem).to_owned())
}

/// Removes the genitive of a candidate (`Ann's`). If it stands for a thing that the other candidate names, the thing is
/// added (`Tina's` beside `Sam's drawing`: `Tina's drawing`).
fn without_genitive(words: &mut Vec<String>, other: &[&str], is_possessive: bool) {
    let Some(last) = words.last_mut() else { return };
    let Some(owner) =
        last.strip_suffix("'s").or_else(|| last.strip_suffix('\'').filter(|name| name.ends_with('s')))
    else {
        return;
    };
    match other {
        [.., of, thing] if !is_possessive && of.ends_with("'s") => words.push((*thing).to_owned()),
        _ => *last = owner.to_owned(),
    }
}

/// A thing that the sentence has already mentioned gets `the`, without or instead of another determiner: `a gap`, `hair`,
/// `that tree`, `his ankles`. Names stay. A relative belongs to the other candidate, where that is a name (`her daughter`
/// beside `Mary`: `Mary's daughter`), or to the speaker (`my father`). A determiner of both candidates stays (`his eyes`,
/// `his hands`).
fn make_definite(words: &mut Vec<String>, other: &[&str]) {
    let [first, rest @ ..] = &mut words[..] else { return };
    let determiner = first.to_lowercase();
    let is_determined = is_any(DETERMINERS, &determiner) && !rest.is_empty();
    let is_pronoun = is_any(INDEFINITE_PRONOUNS, &determiner) || forms_of(&determiner).is_some();
    let is_bare = first.starts_with(char::is_lowercase) && !is_pronoun && !is_any(DETERMINERS, &determiner);
    let is_relative = rest.last().map_or(is_bare && RELATIVES.contains(&first.as_str()), |last| {
        is_determined && RELATIVES.contains(&last.as_str())
    });
    let is_shared = POSSESSIVES.contains(&determiner.as_str())
        && other.first().is_some_and(|other| other.to_lowercase() == determiner);
    // `her asking for more`, but not `this building`.
    let describes_an_act = POSSESSIVES.contains(&determiner.as_str())
        && rest.len() > 1
        && rest.first().is_some_and(|word| word.ends_with("ing"));
    let of_speaker = matches!(determiner.as_str(), "my" | "our")
        && rest.iter().any(|word| RELATIVES.contains(&word.trim_end_matches("'s")));
    if is_shared || describes_an_act || of_speaker {
        return;
    }
    let article = match other {
        [name] if is_relative && determiner != "the" && is_name(name) => format!("{name}'s"),
        _ => "the".to_owned(),
    };
    if is_determined {
        *first = article;
    } else if is_bare {
        words.insert(0, article);
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
        && word.chars().all(char::is_alphabetic)
        && !is_any(DETERMINERS, word)
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// `the man's`, `James's`; `the students'`.
fn genitive(mut text: String, words: &[String]) -> String {
    let is_plural =
        words.len() > 1 && text.ends_with('s') && !text.ends_with("ss") && is_any(DETERMINERS, &words[0]);
    text.push_str(if is_plural { "'" } else { "'s" });
    text
}

#[cfg(test)]
mod tests;
