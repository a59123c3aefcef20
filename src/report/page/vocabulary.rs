//! Texts of token ids, from GPT-2's vocabulary.

use std::collections::HashMap;

use gpt2_model::CheckpointError;
use gpt2_model::tokenizer::Gpt2Tokenizer;
use serde::{Serialize, Serializer};

/// The tokens of a page, each once.
pub(super) struct Vocabulary {
    tokenizer: Gpt2Tokenizer,
    indices: HashMap<u32, usize>,
    tokens: Vec<Vec<u8>>,
}

/// A token is a string, or a list of bytes if they are not UTF-8.
impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Token<'a> {
            Text(&'a str),
            Bytes(&'a [u8]),
        }
        serializer.collect_seq(
            self.tokens
                .iter()
                .map(|token| std::str::from_utf8(token).map_or(Token::Bytes(token), Token::Text)),
        )
    }
}

impl Vocabulary {
    /// GPT-2's vocabulary, with no token used yet.
    pub fn new() -> Result<Self, CheckpointError> {
        Ok(Self { tokenizer: Gpt2Tokenizer::bundled()?, indices: HashMap::new(), tokens: Vec::new() })
    }

    /// sha256 of the bundled tokenizer.
    pub fn tokenizer_sha256(&self) -> &str {
        self.tokenizer.sha256()
    }

    /// Indices of the tokens `ids` of a model whose vocabulary is GPT-2's.
    pub fn indices(&mut self, ids: &[u32]) -> Option<Vec<usize>> {
        ids.iter()
            .map(|&id| {
                if let Some(&index) = self.indices.get(&id) {
                    return Some(index);
                }
                let index = self.tokens.len();
                self.tokens.push(self.tokenizer.token_bytes(id)?);
                self.indices.insert(id, index);
                Some(index)
            })
            .collect()
    }

    /// The same for a model with another vocabulary: `None` unless GPT-2's gives these tokens a text that
    /// `is_expected`.
    pub fn indices_if(&mut self, ids: &[u32], is_expected: impl Fn(&str) -> bool) -> Option<Vec<usize>> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend(self.tokenizer.token_bytes(id)?);
        }
        if is_expected(&String::from_utf8_lossy(&bytes)) { self.indices(ids) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_not_utf_8_are_bytes() {
        let mut vocabulary = Vocabulary::new().unwrap();
        let ids = vocabulary.tokenizer.encode("👋 hi").unwrap();
        let indices = vocabulary.indices(&ids).unwrap();
        assert_eq!(indices, (0..ids.len()).collect::<Vec<_>>());
        assert_eq!(vocabulary.indices(&ids[1..]).unwrap(), indices[1..]);
        let json = serde_json::to_string(&vocabulary).unwrap();
        assert!(json.starts_with("[[240,159") && json.ends_with("\" hi\"]"), "{json}");
        assert_eq!(vocabulary.indices(&[4_000_000]), None);
        assert_eq!(vocabulary.indices_if(&ids, |text| text.starts_with("👋")), Some(indices));
        assert_eq!(vocabulary.indices_if(&ids, |text| text == "something else"), None);
    }
}
