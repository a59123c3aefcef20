//! GPT-2's byte-level BPE, by the `tokenizers` crate.
//!
//! The tokens that begin and end a text are plain characters where a text has them: `<|endoftext|>` is thirteen characters (as
//! in tiktoken's `encode_ordinary`), so that no data file can end a document. Other added tokens are found in a text.

mod added;
mod bounds;
mod build;
mod bytes;
mod files;
mod json;
mod side_files;

use tokenizers::{AddedToken, Tokenizer};

use bounds::Bounds;
use bytes::char_to_byte;
use untrusted_input::thousands;

pub(crate) use bounds::DeclaredBounds;

/// The special token that separates GPT-2's training documents. It begins and ends a text where a checkpoint says nothing else.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// Origin of the bundled tokenizer in manifests.
const BUNDLED_ORIGIN: &str = "bundled GPT-2 BPE";

/// Longest run of white space. At a million bytes the regular expression that finds words fails silently, and the rest of
/// the text would become one word.
const MAX_WHITE_SPACE_BYTES: usize = 100_000;

/// A text that cannot be tokenized.
#[derive(Debug, thiserror::Error)]
#[error("the text cannot be tokenized: {0}")]
pub struct TokenizerError(pub(crate) String);

/// GPT-2's tokenizer: text to token ids and back.
pub struct Gpt2Tokenizer {
    inner: Tokenizer,
    /// Tokens that are not added ones, and their largest id.
    base_tokens: usize,
    largest_base_id: u32,
    largest_id: u32,
    /// Tokens that begin and end a text.
    bounds: Bounds,
    /// Rows of the embedding, if known.
    rows: Option<usize>,
    /// Bytes without a token.
    missing_bytes: Vec<u8>,
    sha256: String,
    /// What the side files change, for `sha256`; empty for nothing.
    changes: String,
    origin: String,
    notes: Vec<String>,
}

impl Gpt2Tokenizer {
    fn added(&self, id: u32) -> Option<&AddedToken> {
        self.inner.get_added_vocabulary().get_added_tokens_decoder().get(&id)
    }

    /// Token ids of `text`; no token is added before or after.
    ///
    /// # Errors
    /// For a run of white space of more than 100,000 bytes, for a byte without a token, and for a token without a row in
    /// the embedding.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.check_text(text)?;
        let encoding =
            self.inner.encode_fast(text, false).map_err(|error| TokenizerError(error.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        self.check_rows(&ids)?;
        Ok(ids)
    }

    /// The same with the byte of `text` at which each token starts.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn encode_with_starts(&self, text: &str) -> Result<(Vec<u32>, Vec<usize>), TokenizerError> {
        let ids = self.encode(text)?;
        let mut starts = Vec::with_capacity(ids.len());
        let mut rest = text.as_bytes();
        for &id in &ids {
            starts.push(text.len() - rest.len());
            let bytes = self.token_bytes(id).unwrap_or_default();
            match rest.strip_prefix(bytes.as_slice()) {
                Some(after) => rest = after,
                // A space was put before the text, or an added token takes the white space around it.
                None => return self.aligned(text, ids),
            }
        }
        if rest.is_empty() { Ok((ids, starts)) } else { self.aligned(text, ids) }
    }

    /// The starts of tokens whose bytes are not those of the text.
    fn aligned(&self, text: &str, ids: Vec<u32>) -> Result<(Vec<u32>, Vec<usize>), TokenizerError> {
        let encoding = self.inner.encode(text, false).map_err(|error| TokenizerError(error.to_string()))?;
        let starts = encoding.get_offsets().iter().map(|(start, _)| *start).collect();
        Ok((ids, starts))
    }

    fn check_text(&self, text: &str) -> Result<(), TokenizerError> {
        if let Some(byte) = text.bytes().find(|byte| self.missing_bytes.contains(byte)) {
            let reason = format!("the vocabulary of {} has no token for byte {byte:#04x}", self.origin);
            return Err(TokenizerError(reason));
        }
        if text.len() > MAX_WHITE_SPACE_BYTES {
            let longest = text.split(|character: char| !character.is_whitespace()).map(str::len).max();
            if longest > Some(MAX_WHITE_SPACE_BYTES) {
                let reason = format!(
                    "the text has more than {MAX_WHITE_SPACE_BYTES} bytes of white space in a row; shorten it"
                );
                return Err(TokenizerError(reason));
            }
        }
        Ok(())
    }

    fn check_rows(&self, ids: &[u32]) -> Result<(), TokenizerError> {
        let Some(rows) = self.rows.filter(|rows| self.largest_id as usize >= *rows) else { return Ok(()) };
        let Some(&id) = ids.iter().find(|id| **id as usize >= rows) else { return Ok(()) };
        let token = self.inner.id_to_token(id).unwrap_or_default();
        Err(TokenizerError(format!(
            "the token {token:?} has the id {id}, but the embedding (`wte.weight`) has {} rows: it was added to the \
             tokenizer and not to the model (resize_token_embeddings)",
            thousands(rows as u64)
        )))
    }

    /// The text of `ids`. Bytes that are not UTF-8 become U+FFFD, and ids without a token nothing.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().filter_map(|&id| self.token_bytes(id)).flatten().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes of one token, or `None` if the vocabulary has no such id.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        if let Some(token) = self.added(id) {
            return Some(token.content.clone().into_bytes());
        }
        let token = self.inner.id_to_token(id)?;
        let bytes: Option<Vec<u8>> = token.chars().map(char_to_byte).collect();
        Some(bytes.unwrap_or_else(|| token.into_bytes()))
    }

    /// The id of `text` if it is a single token.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub fn single_token(&self, text: &str) -> Result<Option<u32>, TokenizerError> {
        Ok(match self.encode(text)?.as_slice() {
            [id] => Some(*id),
            _ => None,
        })
    }

    /// The token before a text without context: the one that the tokenizer's files name, else the configuration's, else
    /// `<|endoftext|>`.
    ///
    /// # Errors
    /// If no file names one that is in the vocabulary, or the embedding has no row for it.
    pub fn begin_of_text(&self) -> Result<u32, TokenizerError> {
        let begin = self.bounds.begin().ok_or_else(|| {
            TokenizerError(format!(
                "nothing says which token begins a text: the vocabulary of {} has no `{END_OF_TEXT}`; set bos_token in \
                 tokenizer_config.json or bos_token_id in config.json",
                self.origin
            ))
        })?;
        self.check_rows(&[begin])?;
        Ok(begin)
    }

    /// The tokens that end a completion, ascending.
    pub fn ends_of_text(&self) -> &[u32] {
        self.bounds.ends()
    }

    /// The largest token id.
    pub fn largest_id(&self) -> u32 {
        self.largest_id
    }

    /// Number of tokens, added ones included: 50,257 for GPT-2.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// sha256 of the concatenated tokenizer files, in hexadecimal. If side files change tokens, or the text begins or ends
    /// otherwise than with `<|endoftext|>`, it is of that as well.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What users may not expect of this tokenizer, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the tokenizer came from: a path, or "bundled GPT-2 BPE".
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether this is the tokenizer compiled into the program.
    pub fn is_bundled(&self) -> bool {
        self.origin == BUNDLED_ORIGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bundled_vocabulary_is_gpt2s() {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        assert_eq!(tokenizer.vocab_size(), 50_257);
        assert_eq!((tokenizer.begin_of_text().unwrap(), tokenizer.ends_of_text()), (50_256, &[50_256][..]));
        assert_eq!(tokenizer.encode("hello world").unwrap(), [31373, 995]);
        assert_eq!(tokenizer.encode("0000000000000000").unwrap(), [25645]);
        assert_eq!(tokenizer.encode("hello 👋 world 🌍").unwrap(), [31373, 50169, 233, 995, 12520, 234, 235]);
        assert_eq!(tokenizer.encode("").unwrap(), [] as [u32; 0]);
    }

    #[test]
    fn special_token_in_text_is_plain_text() {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        let ids = tokenizer.encode(END_OF_TEXT).unwrap();
        assert!(!ids.contains(&50_256), "{ids:?}");
        assert_eq!(tokenizer.decode(&ids), END_OF_TEXT);
    }

    proptest! {
        #[test]
        fn text_round_trips(text in ".{0,80}") {
            let tokenizer = shared();
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids), text.clone());
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap()).collect();
            prop_assert_eq!(bytes, text.into_bytes());
        }
    }

    fn shared() -> &'static Gpt2Tokenizer {
        static TOKENIZER: std::sync::OnceLock<Gpt2Tokenizer> = std::sync::OnceLock::new();
        TOKENIZER.get_or_init(|| Gpt2Tokenizer::bundled().unwrap())
    }
}
