//! The texts of the tokens whose log-probabilities a run keeps.
//!
//! A journal has the ids of tokens that were written, and of scored text only the number of its tokens. GPT-2's tokenizer
//! turns both into text again, and what it says is held against the journal: where the numbers or the text differ, as with
//! another tokenizer's model, there are no pieces, and the page shows positions.

use std::collections::HashMap;

use serde::{Serialize, Serializer};

use gpt2_model::tokenizer::{Gpt2Tokenizer, TokenizerError};
use untrusted_input::split_trailing_white_space;

/// The bytes of a token: a text, or a list of numbers where they are no text by themselves.
#[derive(Debug, PartialEq, Eq)]
struct Piece(Vec<u8>);

impl Serialize for Piece {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

/// GPT-2's tokens, each once.
pub(super) struct Pieces {
    tokenizer: Gpt2Tokenizer,
    places: HashMap<u32, usize>,
    known: Vec<Piece>,
}

impl Serialize for Pieces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.known.serialize(serializer)
    }
}

impl Pieces {
    /// None yet.
    pub fn new() -> Result<Self, TokenizerError> {
        Ok(Self { tokenizer: Gpt2Tokenizer::bundled()?, places: HashMap::new(), known: Vec::new() })
    }

    /// sha256 of GPT-2's tokenizer as it is bundled.
    pub fn tokenizer_sha256(&self) -> &str {
        self.tokenizer.sha256()
    }

    /// The `count` tokens of a continuation that was scored, as the engine plans them: text is tokenized as one, and
    /// white space at the end of the context belongs to the continuation.
    pub fn scored(&mut self, context: &str, continuation: &str, count: usize) -> Option<Vec<usize>> {
        let (context, space) = split_trailing_white_space(context);
        let context = last_word(context);
        let whole = self.tokenizer.encode(&format!("{context}{space}{continuation}")).ok()?;
        let read = if context.is_empty() { 0 } else { self.tokenizer.encode(context).ok()?.len() };
        if read + count != whole.len() {
            return None;
        }
        self.places(whole.get(read..)?)
    }

    /// The tokens of a text that the model wrote; `text` is without what ended it.
    pub fn written(&mut self, tokens: &[u32], text: &str, count: usize) -> Option<Vec<usize>> {
        if tokens.len() != count {
            return None;
        }
        let places = self.places(tokens)?;
        let bytes: Vec<u8> = places
            .iter()
            .filter_map(|&place| self.known.get(place))
            .flat_map(|piece| piece.0.clone())
            .collect();
        String::from_utf8_lossy(&bytes).starts_with(text.trim_end_matches('\u{fffd}')).then_some(places)
    }

    fn places(&mut self, tokens: &[u32]) -> Option<Vec<usize>> {
        tokens
            .iter()
            .map(|&token| {
                if let Some(&place) = self.places.get(&token) {
                    return Some(place);
                }
                let place = self.known.len();
                self.known.push(Piece(self.tokenizer.token_bytes(token)?));
                self.places.insert(token, place);
                Some(place)
            })
            .collect()
    }
}

/// The end of a text from its last space on that stands alone between other characters, where a token begins whatever
/// stands before: what is scored behind a long story need not be tokenized with it.
fn last_word(text: &str) -> &str {
    let mut after: Option<char> = None;
    for (start, character) in text.char_indices().rev() {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let is_word = |neighbour: Option<char>| neighbour.is_some_and(|other| !other.is_whitespace());
        if character == ' ' && is_word(before) && is_word(after) {
            return text.get(start..).unwrap_or(text);
        }
        after = Some(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pieces: &Pieces, places: &[usize]) -> Vec<String> {
        places.iter().map(|&place| String::from_utf8_lossy(&pieces.known[place].0).into_owned()).collect()
    }

    #[test]
    fn tokens_of_a_scored_text() {
        let mut pieces = Pieces::new().unwrap();
        let found = pieces.scored("The cat sat on the empty ", "towpath.", 3).unwrap();
        assert_eq!(texts(&pieces, &found), [" tow", "path", "."]);
        assert_eq!(pieces.scored("The cat sat on the empty ", "towpath.", 4), None, "another tokenizer's");
        let found = pieces.scored("", "a b", 2).unwrap();
        assert_eq!(texts(&pieces, &found), ["a", " b"]);
        let found = pieces.scored("\n", "a", 2).unwrap();
        assert_eq!(texts(&pieces, &found), ["\n", "a"]);
        // The engine, too, counts the context's tokens by themselves.
        let found = pieces.scored("what is", "n't", 1).unwrap();
        assert_eq!(texts(&pieces, &found), ["'t"]);
    }

    #[test]
    fn halves_of_characters_are_numbers() {
        let mut pieces = Pieces::new().unwrap();
        let ids = pieces.tokenizer.encode("👋").unwrap();
        let found = pieces.written(&ids, "👋", ids.len()).unwrap();
        assert_eq!(found.len(), ids.len());
        let json = serde_json::to_string(&pieces).unwrap();
        assert!(json.starts_with("[[240,159"), "{json}");
        assert!(pieces.written(&ids[..1], "\u{fffd}", 1).is_some());
        assert_eq!(pieces.written(&ids, "something else", ids.len()), None);
        assert_eq!(pieces.written(&ids, "👋", 9), None);
        assert_eq!(pieces.written(&[4_000_000], "", 1), None);
    }

    #[test]
    fn a_word_is_enough_of_a_context() {
        assert_eq!(last_word("Once  upon a time"), " time");
        assert_eq!(last_word("Once  upon"), "Once  upon", "two spaces are split between tokens");
        assert_eq!(last_word("Once"), "Once");
        let mut pieces = Pieces::new().unwrap();
        for text in ["It's a 3.5 m  wall,\n\n \"he\u{a0}said\" x", "naïve … ️ 1 000 €", " a  b\tc d"] {
            let tail = last_word(text);
            let whole = pieces.tokenizer.encode(text).unwrap();
            let end = pieces.tokenizer.encode(tail).unwrap();
            assert!(whole.ends_with(&end), "{text:?}");
            assert!(pieces.scored(text, " more", 1).is_some());
        }
    }
}
