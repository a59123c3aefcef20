//! The engine's two primitives in tokens: score these positions, and continue this prompt.

use std::sync::Arc;

use crate::request::Decoding;
use crate::tokenizer::TokenizerError;

/// Why a request cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Longer than the context, and the protocol does not allow truncation.
    #[error(
        "the passage has {tokens} tokens, but the model's context has only {n_positions}; the protocol does not truncate passages"
    )]
    TooLong {
        /// Tokens of context and continuation without the last one, which the model does not read.
        tokens: usize,
        /// Positions of the context.
        n_positions: usize,
    },
    /// Nothing to score or to generate.
    #[error("{0}")]
    Empty(&'static str),
    /// A continuation longer than the context, or a limit of new tokens that leaves no room for a prompt.
    #[error("{what} has {tokens} tokens, but the model's context has only {n_positions}")]
    NoRoom {
        /// The continuation, or the completion with the shortest prompt.
        what: &'static str,
        /// Number of tokens.
        tokens: usize,
        /// Positions of the context.
        n_positions: usize,
    },
    /// The text cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A set of tokens that is cheap to share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TokenSet(Arc<[u32]>);

impl TokenSet {
    /// The set of these tokens.
    pub fn new(mut tokens: Vec<u32>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self(tokens.into())
    }

    /// Whether `token` is in the set.
    pub fn contains(&self, token: u32) -> bool {
        self.0.binary_search(&token).is_ok()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The tokens, ascending.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

/// Tokens whose last positions are scored: position `input.len() - targets.len() + i` predicts `targets[i]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScoredSequence {
    /// Tokens that the model reads.
    pub input: Vec<u32>,
    /// Tokens that its last positions predict.
    pub targets: Vec<u32>,
    /// Tokens left out of a second, filtered score; empty for none.
    pub excluded: TokenSet,
}

/// A prompt and how to continue it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prompt {
    /// Tokens that the model reads; at least one.
    pub tokens: Vec<u32>,
    /// Strings that end the completion.
    pub stop: Vec<String>,
    /// Largest number of tokens to generate; at least 1.
    pub max_new_tokens: usize,
    /// How the next token is chosen.
    pub decoding: Decoding,
    /// Tokens that were dropped to make the prompt fit.
    pub truncated_tokens: usize,
}

/// Tokenized work of one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Work {
    /// Score the targets of these sequences; several for a long document.
    Score {
        /// In document order.
        sequences: Vec<ScoredSequence>,
        /// Bytes that the targets cover, for a part of a document.
        rolling_bytes: Option<usize>,
        /// Tokens dropped on the left.
        truncated_tokens: usize,
    },
    /// Continue a prompt.
    Generate(Prompt),
}

impl Work {
    /// Whether it scores or generates a token. A part of a document in which no window begins has none.
    pub fn has_targets(&self) -> bool {
        match self {
            Self::Score { sequences, .. } => !sequences.is_empty(),
            Self::Generate(_) => true,
        }
    }

    /// Tokens that the model reads or generates at most, the measure of progress.
    pub fn tokens(&self) -> usize {
        match self {
            Self::Score { sequences, .. } => sequences.iter().map(|sequence| sequence.input.len()).sum(),
            Self::Generate(prompt) => prompt.tokens.len() + prompt.max_new_tokens,
        }
    }
}
