//! Where a model's configuration, weights and tokenizer come from: a Hugging Face directory or the program itself.

use std::path::{Path, PathBuf};

use super::{Gpt2Config, WeightFile, WeightsError};
use crate::files::read_at_most;
use crate::tokenizer::{Gpt2Tokenizer, TokenizerError};

/// The models that are part of the program: label, `config.json`, `model.safetensors`.
pub const BUNDLED_MODELS: [(&str, &[u8], &[u8]); 2] = [
    (
        "tiny-3M",
        include_bytes!("../../models/tiny-3M/config.json"),
        include_bytes!("../../models/tiny-3M/model.safetensors"),
    ),
    (
        "tiny-8M",
        include_bytes!("../../models/tiny-8M/config.json"),
        include_bytes!("../../models/tiny-8M/model.safetensors"),
    ),
];

/// Most bytes of a `config.json`; they have about a thousand.
const MOST_CONFIG_BYTES: u64 = 1_000_000;

/// Vocabularies are often padded to a multiple of this, for speed in training.
const PADDING_MULTIPLE: usize = 128;

/// What can be wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is no such directory.
    #[error("no model at {path}: {reason}")]
    NotFound {
        /// The directory.
        path: PathBuf,
        /// What was looked for.
        reason: String,
    },
    /// A file of the checkpoint that cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A configuration that is no GPT-2's.
    #[error("{path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Which field, and what was expected.
        reason: String,
    },
    /// Tokenizer and model do not belong together.
    #[error(
        "{path}: the vocabulary does not match: {tokenizer} has {tokens} tokens, but tensor `wte.weight` of the \
         model has {rows} rows (`vocab_size` in config.json); expected equal numbers, or rows padded to a \
         multiple of {PADDING_MULTIPLE}"
    )]
    Vocabulary {
        /// The model's directory.
        path: PathBuf,
        /// The tokenizer's file.
        tokenizer: String,
        /// Its entries.
        tokens: usize,
        /// The embedding's rows.
        rows: usize,
    },
    /// A token that the model has no embedding of.
    #[error(
        "{path}: {tokenizer} gives a token the id {id}, but tensor `wte.weight` of the model has {rows} rows \
         (`vocab_size` in config.json); expected ids below that"
    )]
    TokenId {
        /// The model's directory.
        path: PathBuf,
        /// The tokenizer's file.
        tokenizer: String,
        /// The largest id.
        id: u32,
        /// The embedding's rows.
        rows: usize,
    },
    /// The weight file is wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The tokenizer's files are wrong.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A model that has been opened and checked, not loaded.
pub struct Checkpoint {
    /// The model's shape.
    pub config: Gpt2Config,
    /// Its weights, mapped.
    pub weights: WeightFile,
    /// Its tokenizer; the program's own where the directory has none.
    pub tokenizer: Gpt2Tokenizer,
}

impl Checkpoint {
    /// Opens a Hugging Face GPT-2 directory: `config.json`, `model.safetensors`, and `tokenizer.json` or
    /// `vocab.json` with `merges.txt`. Without tokenizer files it is GPT-2's own vocabulary.
    ///
    /// `Err` names the file and the tensor, what was expected and what was found.
    pub fn open(directory: &Path) -> Result<Self, CheckpointError> {
        if !directory.is_dir() {
            let reason = if directory.exists() { "it is no directory" } else { "no such directory" };
            return Err(CheckpointError::NotFound { path: directory.to_owned(), reason: reason.to_owned() });
        }
        let not_found = |reason: String| CheckpointError::NotFound { path: directory.to_owned(), reason };
        let config_path = directory.join("config.json");
        if !config_path.is_file() {
            return Err(not_found("config.json is missing".to_owned()));
        }
        let weights_path = directory.join("model.safetensors");
        if !weights_path.is_file() {
            return Err(not_found(missing_weights(directory)));
        }
        let json = read_at_most(&config_path, MOST_CONFIG_BYTES)
            .map_err(|source| CheckpointError::Read { path: config_path.clone(), source })?;
        let weights = WeightFile::open(&weights_path)?;
        let tokenizer = match Gpt2Tokenizer::from_directory(directory)? {
            Some(tokenizer) => tokenizer,
            None => Gpt2Tokenizer::bundled()?,
        };
        Self::assemble(directory, &config_path, &json, weights, tokenizer)
    }

    /// Opens one of [`BUNDLED_MODELS`]; `None` if there is none of that name.
    pub fn bundled(label: &str) -> Option<Result<Self, CheckpointError>> {
        let (_, json, weights) = BUNDLED_MODELS.into_iter().find(|(name, _, _)| *name == label)?;
        let directory = Path::new("models").join(label);
        let assemble = || {
            let weights = WeightFile::in_memory(&directory.join("model.safetensors"), weights)?;
            let config_path = directory.join("config.json");
            Self::assemble(&directory, &config_path, json, weights, Gpt2Tokenizer::bundled()?)
        };
        Some(assemble())
    }

    fn assemble(
        directory: &Path,
        config_path: &Path,
        json: &[u8],
        weights: WeightFile,
        tokenizer: Gpt2Tokenizer,
    ) -> Result<Self, CheckpointError> {
        let config = Gpt2Config::from_hugging_face(json)
            .map_err(|reason| CheckpointError::Config { path: config_path.to_owned(), reason })?;
        weights.check(&config)?;
        let (tokens, rows) = (tokenizer.vocabulary_size(), config.vocabulary);
        if tokens > rows || rows > tokens.next_multiple_of(PADDING_MULTIPLE) {
            return Err(CheckpointError::Vocabulary {
                path: directory.to_owned(),
                tokenizer: tokenizer.origin().to_owned(),
                tokens,
                rows,
            });
        }
        let largest = tokenizer.largest_id();
        if largest as usize >= rows {
            return Err(CheckpointError::TokenId {
                path: directory.to_owned(),
                tokenizer: tokenizer.origin().to_owned(),
                id: largest,
                rows,
            });
        }
        Ok(Self { config, weights, tokenizer })
    }
}

/// What to say of a directory without `model.safetensors`.
fn missing_weights(directory: &Path) -> String {
    let others = ["model.safetensors.index.json", "pytorch_model.bin", "ckpt.pt", "model.ckpt.index"];
    match others.into_iter().find(|name| directory.join(name).is_file()) {
        Some(other) => format!(
            "model.safetensors is missing; found {other}, a format that is not read yet: save the model with \
             transformers' `save_pretrained(…, max_shard_size=\"100GB\")`"
        ),
        None => "model.safetensors is missing: the directory has no weights".to_owned(),
    }
}
