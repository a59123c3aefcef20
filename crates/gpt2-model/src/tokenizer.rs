//! GPT-2's byte-level BPE, by the `tokenizers` crate.
//!
//! Text is always read as plain text: `<|endoftext|>` inside a document is thirteen characters, not the special
//! token (tiktoken's `encode_ordinary`), so that no data file can end a document by accident.

mod files;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Tokenizer, TokenizerImpl};

use files::Vocabulary;
use untrusted_input::clipped;
use untrusted_input::read_bounded;

/// The special token that separates GPT-2's training documents.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// OpenAI's `vocab.bpe`, see `models/make_bpe_table.sh`.
const BUNDLED_MERGES: &str = include_str!("../../../models/gpt2-bpe/vocab.bpe");

/// Where that one is from, in manifests.
const BUNDLED_ORIGIN: &str = "bundled GPT-2 BPE";

/// Most bytes of a tokenizer's file; GPT-2's have one to three million.
const MAX_BYTES: u64 = 200_000_000;

/// The longest run of white space that is tokenized: the expression that finds words gives up, without a word, at a
/// million, and what follows would become one long word.
const MAX_WHITE_SPACE: usize = 100_000;

/// What can be wrong with a tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A file that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not what its name says.
    #[error("{path}{}: {reason}", line.map(|n| format!(":{n}")).unwrap_or_default())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1, where there is one.
        line: Option<usize>,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// Text that the tokenizer refuses.
    #[error("the tokenizer failed: {0}")]
    Encode(String),
}

/// GPT-2's tokenizer: text to token ids and back.
pub struct Gpt2Tokenizer {
    inner: Tokenizer,
    end_of_text: u32,
    largest_id: u32,
    /// Bytes that no token stands for.
    lacking: Vec<u8>,
    sha256: String,
    origin: String,
}

impl Gpt2Tokenizer {
    /// The tokenizer compiled into the program: OpenAI's GPT-2 vocabulary of 50,257 tokens.
    pub fn bundled() -> Result<Self, TokenizerError> {
        let path = Path::new("models/gpt2-bpe/vocab.bpe");
        let merges = files::parse_merges(path, BUNDLED_MERGES)?;
        let merges = merges.into_iter().map(|(_, merge)| merge).collect();
        let vocabulary = Vocabulary::new(path, vocabulary_of(&merges), merges);
        Self::build(vocabulary, digest([BUNDLED_MERGES.as_bytes()]), BUNDLED_ORIGIN)
    }

    /// The tokenizer of a Hugging Face model directory: `tokenizer.json`, else `vocab.json` with `merges.txt`
    /// (also under their original names `encoder.json` and `vocab.bpe`). `None` if the directory has neither.
    pub fn from_directory(directory: &Path) -> Result<Option<Self>, TokenizerError> {
        let json = directory.join("tokenizer.json");
        if json.is_file() {
            return Self::from_tokenizer_json(&json, &read(&json)?).map(Some);
        }
        for (vocab_name, merges_name) in [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")] {
            let (vocab_path, merges_path) = (directory.join(vocab_name), directory.join(merges_name));
            match (vocab_path.is_file(), merges_path.is_file()) {
                (true, true) => {
                    let (vocab, merges) = (read(&vocab_path)?, read(&merges_path)?);
                    return Self::from_vocabulary_files((&vocab_path, &vocab), (&merges_path, &merges))
                        .map(Some);
                }
                (false, false) => {}
                (has_vocab, _) => {
                    let (found, missing) =
                        if has_vocab { (vocab_path, merges_name) } else { (merges_path, vocab_name) };
                    return Err(TokenizerError::Malformed {
                        path: found,
                        line: None,
                        reason: format!("its companion {missing} is missing from the same directory"),
                    });
                }
            }
        }
        Ok(None)
    }

    /// The tokenizer that a `tokenizer.json` describes; `path` is its name in messages.
    ///
    /// `Err` for anything but byte-level BPE: text that is rewritten before the model reads it is another text.
    pub fn from_tokenizer_json(path: &Path, bytes: &[u8]) -> Result<Self, TokenizerError> {
        let vocabulary = files::tokenizer_json(path, bytes)?;
        Self::build(vocabulary, digest([bytes]), &path.display().to_string())
    }

    /// The tokenizer of a `vocab.json` and a `merges.txt`, each with its name in messages.
    pub fn from_vocabulary_files(
        (vocab_path, vocab): (&Path, &[u8]),
        (merges_path, merges): (&Path, &[u8]),
    ) -> Result<Self, TokenizerError> {
        let vocabulary = files::vocabulary_files((vocab_path, vocab), (merges_path, merges))?;
        Self::build(vocabulary, digest([vocab, merges]), &vocab_path.display().to_string())
    }

    fn build(vocabulary: Vocabulary, sha256: String, origin: &str) -> Result<Self, TokenizerError> {
        let Vocabulary { path, tokens, merges, added, ignore_merges, add_prefix_space, use_regex } =
            vocabulary;
        let end_of_text = tokens
            .get(END_OF_TEXT)
            .copied()
            .or_else(|| added.iter().find(|(_, token)| token.content == END_OF_TEXT).map(|(id, _)| *id))
            .ok_or_else(|| {
                let reason = format!("the vocabulary has no `{END_OF_TEXT}`: this is not GPT-2's tokenizer");
                malformed(&path, None, &reason)
            })?;
        let largest_id = tokens.values().chain(added.iter().map(|(id, _)| id)).copied().max().unwrap_or(0);
        let lacking =
            (0..=u8::MAX).filter(|&byte| !tokens.contains_key(byte_to_char(byte).encode_utf8(&mut [0; 4])));
        let lacking = lacking.collect();
        let refused = |error: tokenizers::Error| malformed(&path, None, &error.to_string());
        let model = BPE::builder()
            .vocab_and_merges(tokens, merges)
            .ignore_merges(ignore_merges)
            .build()
            .map_err(refused)?;
        let mut inner = TokenizerImpl::<
            BPE,
            tokenizers::NormalizerWrapper,
            ByteLevel,
            tokenizers::PostProcessorWrapper,
            ByteLevel,
        >::new(model);
        inner.with_pre_tokenizer(Some(ByteLevel::new(add_prefix_space, false, use_regex)));
        inner.with_decoder(Some(ByteLevel::new(false, false, true)));
        let mut inner = Tokenizer::from(inner);
        let ids: Vec<(u32, String)> = added.iter().map(|(id, token)| (*id, token.content.clone())).collect();
        inner.add_tokens(added.into_iter().map(|(_, token)| token)).map_err(refused)?;
        for (id, content) in ids {
            if inner.token_to_id(&content) != Some(id) {
                let reason = format!(
                    "the added token {content:?} has the id {id}, expected the ids of added tokens to follow the \
                     vocabulary's"
                );
                return Err(malformed(&path, None, &reason));
            }
        }
        inner.set_encode_special_tokens(true);
        Ok(Self { inner, end_of_text, largest_id, lacking, sha256, origin: origin.to_owned() })
    }

    /// Token ids of `text`; nothing is added before or after.
    ///
    /// `Err` for a run of white space of more than 100,000 bytes, and for a byte that the vocabulary lacks.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        if let Some(byte) = text.bytes().find(|byte| self.lacking.contains(byte)) {
            let reason = format!("the vocabulary of {} has no token for the byte {byte:#04x}", self.origin);
            return Err(TokenizerError::Encode(reason));
        }
        if text.len() > MAX_WHITE_SPACE {
            let longest = text.split(|character: char| !character.is_whitespace()).map(str::len).max();
            if longest > Some(MAX_WHITE_SPACE) {
                let reason =
                    format!("the text has more than {MAX_WHITE_SPACE} bytes of white space in a row");
                return Err(TokenizerError::Encode(reason));
            }
        }
        self.inner
            .encode_fast(text, false)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|error| TokenizerError::Encode(error.to_string()))
    }

    /// The text of `ids`. Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, false).map_err(|error| TokenizerError::Encode(error.to_string()))
    }

    /// The bytes of one token, or `None` if the vocabulary has no such id.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let token = self.inner.id_to_token(id)?;
        let bytes: Option<Vec<u8>> = token.chars().map(char_to_byte).collect();
        Some(bytes.unwrap_or_else(|| token.into_bytes()))
    }

    /// The id of `text` if all of it is a single token.
    pub fn single_token(&self, text: &str) -> Result<Option<u32>, TokenizerError> {
        Ok(match self.encode(text)?.as_slice() {
            [id] => Some(*id),
            _ => None,
        })
    }

    /// The id of `<|endoftext|>`.
    pub fn end_of_text(&self) -> u32 {
        self.end_of_text
    }

    /// The largest id of a token.
    pub fn largest_id(&self) -> u32 {
        self.largest_id
    }

    /// Entries of the vocabulary, `<|endoftext|>` included: 50,257 for GPT-2.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// sha256 of the tokenizer's files, one after the other, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Where the tokenizer came from: a path, or "bundled GPT-2 BPE".
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is the one compiled into the program.
    pub fn is_bundled(&self) -> bool {
        self.origin == BUNDLED_ORIGIN
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    read_bounded(path, MAX_BYTES).map_err(|source| TokenizerError::Read { path: path.to_owned(), source })
}

fn malformed(path: &Path, line: Option<usize>, reason: &str) -> TokenizerError {
    TokenizerError::Malformed { path: path.to_owned(), line, reason: clipped(reason) }
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

/// GPT-2's ids: the 256 bytes in the order of [`byte_order`], a token for each merge, then `<|endoftext|>`.
fn vocabulary_of(merges: &Merges) -> Vocab {
    let bytes = byte_order().map(|byte| byte_to_char(byte).to_string());
    let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
    bytes.chain(merged).chain([END_OF_TEXT.to_owned()]).zip(0..).collect()
}

/// Whether a byte stands for itself in GPT-2's vocabulary.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// Printable bytes first, then the others, each in ascending order.
fn byte_order() -> impl Iterator<Item = u8> {
    (0..=255).filter(|&byte| is_printable(byte)).chain((0..=255).filter(|&byte| !is_printable(byte)))
}

/// The character that stands for a byte: itself if printable, else U+0100 and on in ascending order.
fn byte_to_char(byte: u8) -> char {
    if is_printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&other| !is_printable(other)).count() as u32;
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn char_to_byte(character: char) -> Option<u8> {
    match u8::try_from(u32::from(character)) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => {
            let rank = u32::from(character).checked_sub(0x100)? as usize;
            (0..=255).filter(|&byte| !is_printable(byte)).nth(rank)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bundled_vocabulary_is_gpt2s() {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        assert_eq!(tokenizer.vocabulary_size(), 50_257);
        assert_eq!(tokenizer.end_of_text(), 50_256);
        assert_eq!(tokenizer.encode("hello world").unwrap(), [31373, 995]);
        assert_eq!(tokenizer.encode("0000000000000000").unwrap(), [25645]);
        assert_eq!(tokenizer.encode("hello 👋 world 🌍").unwrap(), [31373, 50169, 233, 995, 12520, 234, 235]);
        assert_eq!(tokenizer.encode("").unwrap(), [] as [u32; 0]);
    }

    #[test]
    fn special_token_in_text_is_plain_text() {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        let ids = tokenizer.encode(END_OF_TEXT).unwrap();
        assert!(!ids.contains(&tokenizer.end_of_text()), "{ids:?}");
        assert_eq!(tokenizer.decode(&ids).unwrap(), END_OF_TEXT);
    }

    #[test]
    fn bytes_round_trip_through_the_byte_alphabet() {
        for byte in 0..=255 {
            assert_eq!(char_to_byte(byte_to_char(byte)), Some(byte));
        }
        assert_eq!(byte_to_char(b' '), 'Ġ');
        assert_eq!(byte_to_char(b'\n'), 'Ċ');
    }

    proptest! {
        #[test]
        fn text_round_trips(text in ".{0,80}") {
            let tokenizer = shared();
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text.clone());
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap()).collect();
            prop_assert_eq!(bytes, text.into_bytes());
        }
    }

    fn shared() -> &'static Gpt2Tokenizer {
        static TOKENIZER: std::sync::OnceLock<Gpt2Tokenizer> = std::sync::OnceLock::new();
        TOKENIZER.get_or_init(|| Gpt2Tokenizer::bundled().unwrap())
    }
}
