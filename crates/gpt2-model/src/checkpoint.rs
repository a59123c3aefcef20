//! Where a model's configuration, weights and tokenizer come from: a directory or file of any known format, or the
//! program itself.

use std::path::{Path, PathBuf};

use super::weights::locate;
use super::{Gpt2Config, WeightFile, WeightFormat, WeightsError};
use crate::tokenizer::{Gpt2Tokenizer, TokenizerError};
use untrusted_input::read_bounded;

/// The models that are part of the program: label, `config.json`, `model.safetensors`.
pub const BUNDLED_MODELS: [(&str, &[u8], &[u8]); 2] = [
    (
        "tiny-3M",
        include_bytes!("../../../models/tiny-3M/config.json"),
        include_bytes!("../../../models/tiny-3M/model.safetensors"),
    ),
    (
        "tiny-8M",
        include_bytes!("../../../models/tiny-8M/config.json"),
        include_bytes!("../../../models/tiny-8M/model.safetensors"),
    ),
];

/// Most bytes of a `config.json`; they have about a thousand.
const MAX_CONFIG_BYTES: u64 = 1_000_000;

/// Vocabularies are often padded to a multiple of this, for speed in training.
const PADDING_MULTIPLE: usize = 128;

/// What can be wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is no such model.
    #[error("no model at {path}: {reason}")]
    NotFound {
        /// The directory or file.
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
         model has {rows} rows (`vocab_size` of its configuration); expected equal numbers, or rows padded to a \
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
         (`vocab_size` of its configuration); expected ids below that"
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
    /// Opens a GPT-2 in any format of [`WeightFormat`]: its directory, or the file with its weights. The format is known
    /// by the content.
    ///
    /// The configuration is in nanoGPT's and llm.c's files; beside the others stands `config.json`, or `OpenAI`'s
    /// `hparams.json`. A `config.json` beside nanoGPT's file goes before what the file says, which is silent on the
    /// activation. The tokenizer is `tokenizer.json`, `vocab.json` with `merges.txt`, or `encoder.json` with `vocab.bpe`
    /// beside the weights; without such files it is GPT-2's own.
    ///
    /// `Err` names the file and the tensor, what was expected and what was found.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let not_found = |reason: String| CheckpointError::NotFound { path: path.to_owned(), reason };
        let weights_path = locate(path).map_err(not_found)?;
        let directory = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let beside = |name: &str| Some(directory.join(name)).filter(|path| path.is_file());
        let weights = WeightFile::open(&weights_path)?;
        let config_path = match weights.format() {
            WeightFormat::LlmC => None,
            WeightFormat::TensorFlow => beside("hparams.json").or_else(|| beside("config.json")),
            _ => beside("config.json"),
        };
        let config = match (config_path, weights.config()) {
            (Some(config_path), _) => {
                let json = read_bounded(&config_path, MAX_CONFIG_BYTES)
                    .map_err(|source| CheckpointError::Read { path: config_path.clone(), source })?;
                read_config(&config_path, &json)?
            }
            (None, Some(config)) => config.clone(),
            (None, None) => {
                let name =
                    if weights.format() == WeightFormat::TensorFlow { "hparams.json" } else { "config.json" };
                return Err(not_found(format!("{name} is missing")));
            }
        };
        let tokenizer = match Gpt2Tokenizer::from_directory(directory)? {
            Some(tokenizer) => tokenizer,
            None => Gpt2Tokenizer::bundled()?,
        };
        Self::assemble(path, config, weights, tokenizer)
    }

    /// Opens one of [`BUNDLED_MODELS`]; `None` if there is none of that name.
    pub fn bundled(label: &str) -> Option<Result<Self, CheckpointError>> {
        let (_, json, weights) = BUNDLED_MODELS.into_iter().find(|(name, _, _)| *name == label)?;
        let directory = Path::new("models").join(label);
        let assemble = || {
            let weights = WeightFile::in_memory(&directory.join("model.safetensors"), weights)?;
            let config = read_config(&directory.join("config.json"), json)?;
            Self::assemble(&directory, config, weights, Gpt2Tokenizer::bundled()?)
        };
        Some(assemble())
    }

    fn assemble(
        path: &Path,
        config: Gpt2Config,
        weights: WeightFile,
        tokenizer: Gpt2Tokenizer,
    ) -> Result<Self, CheckpointError> {
        weights.check(&config)?;
        let (tokens, rows) = (tokenizer.vocabulary_size(), config.vocab_size);
        if tokens > rows || rows > tokens.next_multiple_of(PADDING_MULTIPLE) {
            return Err(CheckpointError::Vocabulary {
                path: path.to_owned(),
                tokenizer: tokenizer.origin().to_owned(),
                tokens,
                rows,
            });
        }
        let largest = tokenizer.largest_id();
        if largest as usize >= rows {
            return Err(CheckpointError::TokenId {
                path: path.to_owned(),
                tokenizer: tokenizer.origin().to_owned(),
                id: largest,
                rows,
            });
        }
        Ok(Self { config, weights, tokenizer })
    }
}

fn read_config(path: &Path, json: &[u8]) -> Result<Gpt2Config, CheckpointError> {
    Gpt2Config::from_hugging_face(json)
        .map_err(|reason| CheckpointError::Config { path: path.to_owned(), reason })
}
