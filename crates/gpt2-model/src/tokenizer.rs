//! GPT-2's byte-level BPE, by the `tokenizers` crate.
//!
//! The tokens that begin and end a text are plain characters where a text has them: `<|endoftext|>` is thirteen characters (as
//! in tiktoken's `encode_ordinary`), so that no data file can end a document. Other added tokens are found in a text.

mod added;
mod bounds;
mod bytes;
mod files;
mod json;
mod side_files;

use std::path::Path;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer, TokenizerImpl};

use crate::error::CheckpointError;
use crate::weights::placeholder;
use bounds::Bounds;
use bytes::{byte_order, byte_to_char, char_to_byte};
use files::{Vocabulary, malformed};
use side_files::SideFiles;
use untrusted_input::{read_bounded, thousands};

pub(crate) use bounds::DeclaredBounds;

/// The special token that separates GPT-2's training documents. It begins and ends a text where a checkpoint says nothing else.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// OpenAI's `vocab.bpe` (`models/make_bpe_table.sh`).
const BUNDLED_MERGES: &str = include_str!("../../../models/gpt2-bpe/vocab.bpe");

/// Origin of the bundled tokenizer in manifests.
const BUNDLED_ORIGIN: &str = "bundled GPT-2 BPE";

/// Largest file of a tokenizer; GPT-2's have 0.5 to 3 MB.
const MAX_FILE_BYTES: u64 = 200_000_000;

/// Maximum number of tokens that a note names.
const MAX_NAMED: usize = 5;

/// Longest run of white space. At a million bytes the regular expression that finds words fails silently, and the rest of
/// the text would become one word.
const MAX_WHITE_SPACE_BYTES: usize = 100_000;

/// Files of tokenizers that are no byte-level BPE.
const OTHER_TOKENIZERS: [(&str, &str); 4] = [
    ("tokenizer.model", "a SentencePiece tokenizer"),
    ("spiece.model", "a SentencePiece tokenizer"),
    ("sentencepiece.bpe.model", "a SentencePiece tokenizer"),
    ("vocab.txt", "a WordPiece tokenizer (BERT's)"),
];

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
    /// The tokenizer compiled into the program: OpenAI's GPT-2 vocabulary of 50,257 tokens.
    ///
    /// # Errors
    /// None in practice: the compiled-in table is valid.
    pub fn bundled() -> Result<Self, CheckpointError> {
        Self::bundled_with(&SideFiles::default())
    }

    fn bundled_with(side: &SideFiles) -> Result<Self, CheckpointError> {
        let path = Path::new("models/gpt2-bpe/vocab.bpe");
        let merges = files::parse_merges(path, BUNDLED_MERGES)?;
        let merges = merges.into_iter().map(|(_, merge)| merge).collect();
        let vocabulary = Vocabulary::new(path, vocab_of(&merges), merges);
        Self::build(vocabulary, side, digest([BUNDLED_MERGES.as_bytes()]), BUNDLED_ORIGIN)
    }

    /// The tokenizer of a model directory: `tokenizer.json`, else `vocab.json` with `merges.txt` (also under their
    /// original names `encoder.json` and `vocab.bpe`), each with its side files: `tokenizer_config.json`,
    /// `special_tokens_map.json` and `added_tokens.json`. The bundled one if the directory has none of these.
    ///
    /// # Errors
    /// If a file cannot be read, is malformed or contradicts another one, or its companion is missing; and if the directory
    /// has only the files of another kind of tokenizer.
    pub fn from_directory(directory: &Path) -> Result<Self, CheckpointError> {
        let side = SideFiles::read(directory, read)?;
        let json = directory.join("tokenizer.json");
        if json.is_file() {
            return Self::tokenizer_json(&json, &read(&json)?, &side);
        }
        for (vocab_name, merges_name) in [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")] {
            let (vocab_path, merges_path) = (directory.join(vocab_name), directory.join(merges_name));
            match (vocab_path.is_file(), merges_path.is_file()) {
                (true, true) => {
                    let (vocab, merges) = (read(&vocab_path)?, read(&merges_path)?);
                    return Self::vocabulary_files((&vocab_path, &vocab), (&merges_path, &merges), &side);
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
        if let Some((name, kind)) = OTHER_TOKENIZERS.iter().find(|(name, _)| directory.join(name).is_file()) {
            let reason = format!("{kind}; expected GPT-2's byte-level BPE, in tokenizer.json or vocab.json");
            return Err(CheckpointError::new(&directory.join(name), reason));
        }
        Self::bundled_with(&side)
    }

    /// The tokenizer of a `tokenizer.json` alone; `path` is its name in messages.
    ///
    /// # Errors
    /// For anything but byte-level BPE without a normalizer, which would change the text.
    pub fn from_tokenizer_json(path: &Path, bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::tokenizer_json(path, bytes, &SideFiles::default())
    }

    fn tokenizer_json(path: &Path, bytes: &[u8], side: &SideFiles) -> Result<Self, CheckpointError> {
        let vocabulary = json::tokenizer_json(path, bytes)?;
        Self::build(vocabulary, side, digest([bytes]), &path.display().to_string())
    }

    /// The tokenizer of a `vocab.json` and a `merges.txt` alone, each with its name in messages.
    ///
    /// # Errors
    /// If a file is malformed, or a merge needs a token that the vocabulary lacks.
    pub fn from_vocabulary_files(
        vocab: (&Path, &[u8]),
        merges: (&Path, &[u8]),
    ) -> Result<Self, CheckpointError> {
        Self::vocabulary_files(vocab, merges, &SideFiles::default())
    }

    fn vocabulary_files(
        (vocab_path, vocab): (&Path, &[u8]),
        (merges_path, merges): (&Path, &[u8]),
        side: &SideFiles,
    ) -> Result<Self, CheckpointError> {
        let vocabulary = files::vocabulary_files((vocab_path, vocab), (merges_path, merges))?;
        Self::build(vocabulary, side, digest([vocab, merges]), &vocab_path.display().to_string())
    }

    fn build(
        mut vocabulary: Vocabulary,
        side: &SideFiles,
        sha256: String,
        origin: &str,
    ) -> Result<Self, CheckpointError> {
        let before = vocabulary.description(|token| token.special);
        let notes = vocabulary.apply(side)?;
        // The content of tokens that are plain characters where a text has them.
        let bounding = [side.name("bos_token"), side.name("eos_token"), Some(END_OF_TEXT)];
        let is_plain = |token: &AddedToken| {
            bounding.contains(&Some(token.content.as_str())) || (side.split_special_tokens && token.special)
        };
        let after = vocabulary.description(is_plain);
        let changes = if before == after { String::new() } else { after };
        let bounds = Bounds::new(&vocabulary, side);
        let Vocabulary { path, tokens, merges, added, ignore_merges, add_prefix_space, use_regex, .. } =
            vocabulary;
        let largest_base_id = tokens.values().copied().max().unwrap_or(0);
        let largest_id = added.iter().map(|(id, _)| *id).fold(largest_base_id, u32::max);
        let base_tokens = tokens.len();
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
        let mut inner = Tokenizer::from(inner);
        for (id, token) in &added {
            let known = inner.token_to_id(&token.content).filter(|known| known != id);
            if let Some(known) = known {
                let reason = format!(
                    "the added token {:?} has the id {id}, but the vocabulary has it as {known}",
                    token.content
                );
                return Err(malformed(&path, None, &reason));
            }
        }
        let ids: Vec<(u32, String)> = added.iter().map(|(id, token)| (*id, token.content.clone())).collect();
        let added = added.into_iter().map(|(_, token)| {
            let is_plain = is_plain(&token);
            token.special(is_plain)
        });
        inner.add_tokens(added).map_err(refused)?;
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
        Ok(Self {
            inner,
            base_tokens,
            largest_base_id,
            largest_id,
            bounds,
            rows: None,
            missing_bytes,
            sha256,
            changes,
            origin: origin.to_owned(),
            notes,
        })
    }

    /// The tokenizer of a model whose embedding has `rows` rows and whose configuration declares `bounds`.
    ///
    /// # Errors
    /// If the vocabulary, without added tokens, has more tokens than the embedding has rows.
    pub(crate) fn of_model(mut self, rows: usize, declared: &DeclaredBounds) -> Result<Self, String> {
        let (tokens, origin) = (self.base_tokens, &self.origin);
        if tokens > rows {
            return Err(format!(
                "the vocabulary does not match: {origin} has {tokens} tokens, but tensor `wte.weight` has {rows} rows \
                 (vocab_size); expected at least as many rows as tokens"
            ));
        }
        let id = self.largest_base_id;
        if id as usize >= rows {
            return Err(format!(
                "{origin} has the token id {id}, but tensor `wte.weight` has {rows} rows (vocab_size); expected ids \
                 below {rows}"
            ));
        }
        self.rows = Some(rows);
        self.bounds.declare(rows, declared);
        // A text must not begin a document either.
        let begin = self.bounds.begin().and_then(|id| self.added(id).cloned());
        if let Some(token) = begin.filter(|token| !token.special) {
            self.inner.add_tokens([token.special(true)]).map_err(|error| error.to_string())?;
        }
        let missing = (rows..=self.largest_id as usize).filter_map(|id| {
            let id = u32::try_from(id).ok()?;
            self.added(id).map(|token| format!("{:?} ({id})", token.content))
        });
        let missing: Vec<String> = missing.take(MAX_NAMED).collect();
        if !missing.is_empty() {
            self.notes.push(format!(
                "the embedding has {} rows and none for the added tokens {}: a text that has one is an error",
                thousands(rows as u64),
                missing.join(", ")
            ));
        }
        let bounds = self.bounds.description();
        if !self.changes.is_empty() || !bounds.is_empty() {
            self.sha256 = digest([self.sha256.as_bytes(), self.changes.as_bytes(), bounds.as_bytes()]);
        }
        Ok(self)
    }

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
