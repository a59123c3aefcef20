//! GPT-2's byte-level BPE, by the `tokenizers` crate.
//!
//! `<|endoftext|>` in a text is thirteen characters, not the special token (as in tiktoken's `encode_ordinary`), so that no
//! data file can end a document.

mod files;

use std::path::Path;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{Tokenizer, TokenizerImpl};

use crate::error::CheckpointError;
use crate::weights::placeholder;
use files::{Vocabulary, malformed};
use untrusted_input::read_bounded;

/// The special token that separates GPT-2's training documents.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// OpenAI's `vocab.bpe` (`models/make_bpe_table.sh`).
const BUNDLED_MERGES: &str = include_str!("../../../models/gpt2-bpe/vocab.bpe");

/// Origin of the bundled tokenizer in manifests.
const BUNDLED_ORIGIN: &str = "bundled GPT-2 BPE";

/// Largest file of a tokenizer; GPT-2's have 0.5 to 3 MB.
const MAX_FILE_BYTES: u64 = 200_000_000;

/// Longest run of white space. At a million bytes the regular expression that finds words fails silently, and the rest of
/// the text would become one word.
const MAX_WHITE_SPACE_BYTES: usize = 100_000;

/// A text that cannot be tokenized, or tokens that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer failed: {0}")]
pub struct TokenizerError(pub(crate) String);

/// GPT-2's tokenizer: text to token ids and back.
pub struct Gpt2Tokenizer {
    inner: Tokenizer,
    end_of_text: u32,
    largest_id: u32,
    /// Bytes without a token.
    missing_bytes: Vec<u8>,
    sha256: String,
    origin: String,
}

impl Gpt2Tokenizer {
    /// The tokenizer compiled into the program: OpenAI's GPT-2 vocabulary of 50,257 tokens.
    ///
    /// # Errors
    /// None in practice: the compiled-in table is valid.
    pub fn bundled() -> Result<Self, CheckpointError> {
        let path = Path::new("models/gpt2-bpe/vocab.bpe");
        let merges = files::parse_merges(path, BUNDLED_MERGES)?;
        let merges = merges.into_iter().map(|(_, merge)| merge).collect();
        let vocabulary = Vocabulary::new(path, vocab_of(&merges), merges);
        Self::build(vocabulary, digest([BUNDLED_MERGES.as_bytes()]), BUNDLED_ORIGIN)
    }

    /// The tokenizer of a model directory: `tokenizer.json`, else `vocab.json` with `merges.txt` (also under their
    /// original names `encoder.json` and `vocab.bpe`). `None` if the directory has neither.
    ///
    /// # Errors
    /// If a file cannot be read, is malformed, or its companion is missing.
    pub fn from_directory(directory: &Path) -> Result<Option<Self>, CheckpointError> {
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
                    let reason = format!("its companion {missing} is missing from the same directory");
                    return Err(CheckpointError::new(&found, reason));
                }
            }
        }
        Ok(None)
    }

    /// The tokenizer of a `tokenizer.json`; `path` is its name in messages.
    ///
    /// # Errors
    /// For anything but byte-level BPE without a normalizer, which would change the text.
    pub fn from_tokenizer_json(path: &Path, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let vocabulary = files::tokenizer_json(path, bytes)?;
        Self::build(vocabulary, digest([bytes]), &path.display().to_string())
    }

    /// The tokenizer of a `vocab.json` and a `merges.txt`, each with its name in messages.
    ///
    /// # Errors
    /// If a file is malformed, or a merge needs a token that the vocabulary lacks.
    pub fn from_vocabulary_files(
        (vocab_path, vocab): (&Path, &[u8]),
        (merges_path, merges): (&Path, &[u8]),
    ) -> Result<Self, CheckpointError> {
        let vocabulary = files::vocabulary_files((vocab_path, vocab), (merges_path, merges))?;
        Self::build(vocabulary, digest([vocab, merges]), &vocab_path.display().to_string())
    }

    fn build(vocabulary: Vocabulary, sha256: String, origin: &str) -> Result<Self, CheckpointError> {
        let Vocabulary { path, tokens, merges, added, ignore_merges, add_prefix_space, use_regex } =
            vocabulary;
        let end_of_text = tokens
            .get(END_OF_TEXT)
            .copied()
            .or_else(|| added.iter().find(|(_, token)| token.content == END_OF_TEXT).map(|(id, _)| *id))
            .ok_or_else(|| {
                let reason = format!("the vocabulary has no `{END_OF_TEXT}`, which GPT-2's tokenizer has");
                malformed(&path, None, &reason)
            })?;
        let largest_id = tokens.values().chain(added.iter().map(|(id, _)| id)).copied().max().unwrap_or(0);
        let missing_bytes = (0..=u8::MAX)
            .filter(|&byte| !tokens.contains_key(byte_to_char(byte).encode_utf8(&mut [0; 4])))
            .collect();
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
        Ok(Self { inner, end_of_text, largest_id, missing_bytes, sha256, origin: origin.to_owned() })
    }

    /// Token ids of `text`; no token is added before or after.
    ///
    /// # Errors
    /// For a run of white space of more than 100,000 bytes, and for a byte without a token.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
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
        self.inner
            .encode_fast(text, false)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|error| TokenizerError(error.to_string()))
    }

    /// The text of `ids`. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// If the tokenizers crate fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, false).map_err(|error| TokenizerError(error.to_string()))
    }

    /// The bytes of one token, or `None` if the vocabulary has no such id.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
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

    /// The id of `<|endoftext|>`.
    pub fn end_of_text(&self) -> u32 {
        self.end_of_text
    }

    /// The largest token id.
    pub fn largest_id(&self) -> u32 {
        self.largest_id
    }

    /// Number of tokens, `<|endoftext|>` included: 50,257 for GPT-2.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// sha256 of the concatenated tokenizer files, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
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

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(|error| CheckpointError::read(path, &error))?;
    match placeholder(&bytes) {
        Some(reason) => Err(CheckpointError::new(path, reason)),
        None => Ok(bytes),
    }
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

/// GPT-2's ids: the 256 bytes in the order of [`byte_order`], a token for each merge, then `<|endoftext|>`.
fn vocab_of(merges: &Merges) -> Vocab {
    let bytes = byte_order().map(|byte| byte_to_char(byte).to_string());
    let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
    bytes.chain(merged).chain([END_OF_TEXT.to_owned()]).zip(0..).collect()
}

/// Whether GPT-2's vocabulary shows this byte as itself.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// Printable bytes first, then the others, each in ascending order.
fn byte_order() -> impl Iterator<Item = u8> {
    (0..=255).filter(|&byte| is_printable(byte)).chain((0..=255).filter(|&byte| !is_printable(byte)))
}

/// The character that GPT-2's vocabulary shows for a byte: itself if printable, else one from U+0100 on, in ascending order.
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
        assert_eq!(tokenizer.vocab_size(), 50_257);
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
