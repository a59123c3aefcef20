//! Builds a tokenizer from its files, and fits it to a model.

use std::path::Path;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer, TokenizerImpl};

use super::bounds::{Bounds, DeclaredBounds};
use super::bytes::{byte_order, byte_to_char};
use super::files::{self, Vocabulary, malformed};
use super::side_files::SideFiles;
use super::{BUNDLED_ORIGIN, END_OF_TEXT, Gpt2Tokenizer, json};
use crate::error::CheckpointError;
use crate::weights::placeholder;
use untrusted_input::{read_bounded, thousands};

/// OpenAI's `vocab.bpe` (`models/make_bpe_table.sh`).
const BUNDLED_MERGES: &str = include_str!("../../../../models/gpt2-bpe/vocab.bpe");

/// Largest file of a tokenizer; GPT-2's have 0.5 to 3 MB.
const MAX_FILE_BYTES: u64 = 200_000_000;

/// Maximum number of tokens that a note names.
const MAX_NAMED: usize = 5;

/// Files of tokenizers that are no byte-level BPE.
const OTHER_TOKENIZERS: [(&str, &str); 4] = [
    ("tokenizer.model", "a SentencePiece tokenizer"),
    ("spiece.model", "a SentencePiece tokenizer"),
    ("sentencepiece.bpe.model", "a SentencePiece tokenizer"),
    ("vocab.txt", "a WordPiece tokenizer (BERT's)"),
];

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
