//! Opens a checkpoint: configuration, weights and tokenizer from a directory, a file, or the program itself.

use std::path::Path;

use crate::Gpt2Config;
use crate::error::CheckpointError;
use crate::tokenizer::{DeclaredBounds, Gpt2Tokenizer};
use crate::weights::{WeightFile, locate, placeholder};
use untrusted_input::{read_bounded, thousands};

/// The models compiled into the program: label, `config.json`, `model.safetensors`.
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

/// Settings of transformers' `generate`.
const GENERATION_CONFIG: &str = "generation_config.json";

/// Largest `config.json`; they have about 1 kB.
const MAX_CONFIG_BYTES: u64 = 1_000_000;

/// A model whose files are open and checked. Weights are mapped, not loaded.
pub struct Checkpoint {
    /// The shape of the model.
    pub config: Gpt2Config,
    /// Mapped, checked against `config`.
    pub weights: WeightFile,
    /// The bundled tokenizer if the directory has none.
    pub tokenizer: Gpt2Tokenizer,
    /// What users may not expect of this checkpoint, one sentence each.
    pub notes: Vec<String>,
}

impl Checkpoint {
    /// Opens a GPT-2: its directory, or its weight file. The content decides on the format (see [`WeightFile::format`]).
    ///
    /// The configuration is `config.json` in the same directory, OpenAI's `hparams.json`, or part of the files of
    /// nanoGPT, other trainers and llm.c. A `config.json` overrides one in a `torch.save` file. The tokenizer is
    /// `tokenizer.json`, `vocab.json` with `merges.txt`, or `encoder.json` with `vocab.bpe`, else the bundled one. The tokens
    /// that begin and end a text come from its files, `config.json` and `generation_config.json`.
    ///
    /// # Errors
    /// Names the file and the tensor, what was expected and what was found.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let not_found = |reason: String| CheckpointError::not_found(path, &reason);
        let weights_path = locate(path).map_err(not_found)?;
        let directory = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let weights = WeightFile::open(&weights_path)?;
        let config_names = weights.config_names();
        let config_path = config_names.iter().map(|name| directory.join(name)).find(|path| path.is_file());
        let mut bounds = DeclaredBounds::default();
        let config = match (config_path, weights.config()) {
            (Some(path), _) => {
                let json = read_bounded(&path, MAX_CONFIG_BYTES)
                    .map_err(|error| CheckpointError::read(&path, &error))?;
                if let Some(reason) = placeholder(&json) {
                    return Err(CheckpointError::new(&path, reason));
                }
                let config = read_config(&path, &json)?;
                bounds = read_bounds(&path, &json)?;
                config
            }
            (None, Some(config)) => config.clone(),
            (None, None) => {
                let name = config_names.first().copied().unwrap_or_default();
                return Err(not_found(format!("{name} is missing")));
            }
        };
        let generation_path = directory.join(GENERATION_CONFIG);
        if generation_path.is_file() {
            let json = read_bounded(&generation_path, MAX_CONFIG_BYTES)
                .map_err(|error| CheckpointError::read(&generation_path, &error))?;
            bounds = bounds.with_generation(read_bounds(&generation_path, &json)?);
        }
        let tokenizer = Gpt2Tokenizer::from_directory(directory)?;
        Self::assemble(path, config, weights, tokenizer, &bounds)
    }

    /// Opens one of [`BUNDLED_MODELS`]; `None` for another label.
    pub fn bundled(label: &str) -> Option<Result<Self, CheckpointError>> {
        let (_, json, weights) = BUNDLED_MODELS.into_iter().find(|(name, _, _)| *name == label)?;
        let directory = Path::new("models").join(label);
        let assemble = || {
            let weights = WeightFile::in_memory(&directory.join("model.safetensors"), weights)?;
            let config = read_config(&directory.join("config.json"), json)?;
            let bounds = DeclaredBounds::default();
            Self::assemble(&directory, config, weights, Gpt2Tokenizer::bundled()?, &bounds)
        };
        Some(assemble())
    }

    fn assemble(
        path: &Path,
        mut config: Gpt2Config,
        mut weights: WeightFile,
        tokenizer: Gpt2Tokenizer,
        bounds: &DeclaredBounds,
    ) -> Result<Self, CheckpointError> {
        let mut notes = weights.resolve_output(&mut config)?;
        weights.check(&config)?;
        let tokenizer = tokenizer
            .of_model(config.vocab_size, bounds)
            .map_err(|reason| CheckpointError::new(path, reason))?;
        notes.extend(weights.notes());
        notes.extend_from_slice(tokenizer.notes());
        let (tokens, rows) = (tokenizer.vocab_size(), config.vocab_size);
        if rows > tokens {
            notes.push(format!(
                "the embedding has {} rows for {} tokens: the others are padding, which stays in the softmax as in \
                 transformers",
                thousands(rows as u64),
                thousands(tokens as u64)
            ));
        }
        Ok(Self { config, weights, tokenizer, notes })
    }
}

fn read_bounds(path: &Path, json: &[u8]) -> Result<DeclaredBounds, CheckpointError> {
    DeclaredBounds::parse(json).map_err(|reason| CheckpointError::new(path, reason))
}

fn read_config(path: &Path, json: &[u8]) -> Result<Gpt2Config, CheckpointError> {
    Gpt2Config::from_hugging_face(json).map_err(|reason| CheckpointError::new(path, reason))
}
