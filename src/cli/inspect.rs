//! `gpt2-eval inspect PATH`: describes a checkpoint.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::text::visible_white_space;
use gpt2_model::tokenizer::Gpt2Tokenizer;
use gpt2_model::{Checkpoint, Gpt2Config};
use untrusted_input::thousands;

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// Directory of a model, weight file, or name of a bundled model
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Output format
    #[arg(long, default_value = "table")]
    format: InspectFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InspectFormat {
    Table,
    Json,
}

#[derive(Serialize)]
struct Inspected {
    path: String,
    format: &'static str,
    files: Vec<InspectedFile>,
    /// Of all weight files together, as in manifests.
    weights_sha256: String,
    types: String,
    tensors: usize,
    /// Text before the names of the tensors in the file.
    prefix: String,
    parameters: u64,
    config: Gpt2Config,
    tokenizer: InspectedTokenizer,
    /// What users may not expect of this checkpoint.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct InspectedFile {
    path: String,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize)]
struct InspectedTokenizer {
    origin: String,
    tokens: usize,
    sha256: String,
    /// `None` if the vocabulary has no such token.
    begin_of_text: Option<InspectedToken>,
    /// They end a completion.
    ends_of_text: Vec<InspectedToken>,
}

#[derive(Serialize)]
struct InspectedToken {
    id: u32,
    /// `None` for a row of the embedding without a token.
    token: Option<String>,
}

impl InspectedToken {
    fn new(id: u32, tokenizer: &Gpt2Tokenizer) -> Self {
        let bytes = tokenizer.token_bytes(id);
        Self { id, token: bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) }
    }
}

impl fmt::Display for InspectedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_deref().map_or_else(|| "no token".to_owned(), visible_white_space);
        write!(formatter, "{token} ({})", self.id)
    }
}

/// Opens and checks a checkpoint without loading its weights, and describes it.
pub(super) fn inspect(arguments: &InspectArguments) -> anyhow::Result<String> {
    let path = &arguments.path;
    let bundled = path.to_str().filter(|_| !path.exists()).and_then(Checkpoint::bundled);
    let checkpoint = bundled.unwrap_or_else(|| Checkpoint::open(path))?;
    let weights = &checkpoint.weights;
    let files: Vec<InspectedFile> = weights
        .parts()
        .into_iter()
        .map(|part| InspectedFile {
            path: part.path.display().to_string(),
            bytes: part.bytes,
            sha256: part.sha256,
        })
        .collect();
    let weights_sha256 = match files.as_slice() {
        [only] => only.sha256.clone(),
        _ => weights.sha256(),
    };
    let (begin, ends) = (checkpoint.tokenizer.begin_of_text().ok(), checkpoint.tokenizer.ends_of_text());
    let inspected = Inspected {
        path: path.display().to_string(),
        format: weights.format(),
        files,
        weights_sha256,
        types: weights.stored_types(),
        tensors: weights.tensors(),
        prefix: weights.prefix().to_owned(),
        parameters: checkpoint.config.parameters(),
        tokenizer: InspectedTokenizer {
            origin: checkpoint.tokenizer.origin().to_owned(),
            tokens: checkpoint.tokenizer.vocab_size(),
            sha256: checkpoint.tokenizer.sha256().to_owned(),
            begin_of_text: begin.map(|id| InspectedToken::new(id, &checkpoint.tokenizer)),
            ends_of_text: ends.iter().map(|&id| InspectedToken::new(id, &checkpoint.tokenizer)).collect(),
        },
        config: checkpoint.config,
        notes: checkpoint.notes,
    };
    match arguments.format {
        InspectFormat::Table => Ok(table(&inspected)),
        InspectFormat::Json => {
            let json = serde_json::to_string_pretty(&inspected).context("cannot format as JSON")?;
            Ok(format!("{json}\n"))
        }
    }
}

fn table(inspected: &Inspected) -> String {
    let config = &inspected.config;
    let number = |number: usize| thousands(number as u64);
    let mut rows = vec![
        ("path", inspected.path.clone()),
        ("format", inspected.format.to_owned()),
        ("n_layer", number(config.n_layer)),
        ("n_embd", number(config.n_embd)),
        ("n_head", number(config.n_head)),
        ("n_positions", number(config.n_positions)),
        ("vocab_size", number(config.vocab_size)),
        ("n_inner", number(config.n_inner)),
        ("activation", format!("{:?}", config.activation)),
        ("layer_norm_epsilon", format!("{:e}", config.layer_norm_epsilon)),
        (
            "output",
            (if config.tied_output { "tied to the token embedding" } else { "separate weights" }).to_owned(),
        ),
        ("parameters", thousands(inspected.parameters)),
        ("tensors", format!("{} of {}", number(inspected.tensors), inspected.types)),
        ("sha256", inspected.weights_sha256.clone()),
    ];
    if !inspected.prefix.is_empty() {
        rows.push(("prefix", inspected.prefix.clone()));
    }
    for file in &inspected.files {
        rows.push((
            "file",
            format!("{}, {} bytes, sha256 {}", file.path, thousands(file.bytes), file.sha256),
        ));
    }
    let tokenizer = &inspected.tokenizer;
    rows.push((
        "tokenizer",
        format!("{}, {} tokens, sha256 {}", tokenizer.origin, number(tokenizer.tokens), tokenizer.sha256),
    ));
    let begin = tokenizer.begin_of_text.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    rows.push(("begin of text", begin));
    let ends: Vec<String> = tokenizer.ends_of_text.iter().map(ToString::to_string).collect();
    rows.push(("end of text", if ends.is_empty() { "none".to_owned() } else { ends.join(", ") }));
    rows.extend(inspected.notes.iter().map(|note| ("note", note.clone())));
    rows.into_iter().map(|(name, value)| format!("{name:<18} {value}\n")).collect()
}
