//! Requests that tasks make to a model, and its responses. Tasks and the engine share nothing else.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One request to a model, as text. Tasks build requests; the engine tokenizes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// log P(continuation | context), token by token.
    LogLikelihood {
        /// Text before the continuation. An empty context is the checkpoint's begin of text. Trailing white space moves to the
        /// continuation before tokenization.
        context: String,
        /// Text that is scored.
        continuation: String,
        /// Stop words of a second, filtered score: every `w` for which `" " + w` is a single token is removed from the
        /// distribution. Empty: no filtered score.
        #[serde(skip_serializing_if = "is_empty")]
        excluded_words: Arc<[String]>,
        /// Treatment of a context and continuation that together are longer than the model's context.
        overflow: Overflow,
        /// How both become tokens, and which of these are scored.
        #[serde(skip_serializing_if = "Span::is_default")]
        span: Span,
    },
    /// A part of a document in overlapping windows. Over the parts of a document, every token is scored exactly once.
    Rolling {
        /// The whole document, shared by the requests for its parts.
        document: Document,
        /// Byte range of the document. The request is for the windows whose first scored token begins in it.
        part: Range<usize>,
        /// Size and stride of the windows.
        window: Window,
    },
    /// A completion of a prompt.
    Generate {
        /// Text before the completion.
        prompt: String,
        /// Tokens that are dropped from a prompt that is too long for the context.
        trim: Trim,
        /// The first occurrence of any of these ends the completion and is not part of it.
        stop: Vec<String>,
        /// Maximum number of generated tokens.
        max_new_tokens: usize,
        /// Method of choosing the next token.
        decoding: Decoding,
    },
}

// Serde passes a reference to the field.
fn is_empty(words: &Arc<[String]>) -> bool {
    words.is_empty()
}

/// A long text that many requests share. It is serialized as its sha256, so that each request stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    text: Arc<str>,
    sha256: Arc<str>,
}

impl Document {
    /// A document with this text.
    pub fn new(text: &str) -> Self {
        let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
        Self { text: text.into(), sha256: sha256.into() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// sha256 of the text, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.sha256)
    }
}

/// Windows over a long document. Each window sees at most `context` tokens. Each later one starts `stride` tokens further and
/// scores only tokens that no earlier window scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Maximum tokens of a window, at least 1; never more than the model has positions. `None`: as many as it has.
    pub context: Option<usize>,
    /// Tokens between the starts of two windows, at least 1; never more than a window has. `None`: as many as a window
    /// has, so that windows do not overlap.
    pub stride: Option<usize>,
}

impl Window {
    /// Tokens of a window of a model with `n_positions` positions.
    pub fn tokens(self, n_positions: usize) -> usize {
        self.context.map_or(n_positions, |context| context.min(n_positions)).max(1)
    }

    /// Tokens between the starts of two windows of such a model.
    pub fn step(self, n_positions: usize) -> usize {
        let tokens = self.tokens(n_positions);
        self.stride.map_or(tokens, |stride| stride.clamp(1, tokens))
    }
}

/// How the text of a context and continuation becomes tokens, and which tokens are scored.
///
/// A row, in nanochat's words, is begin-of-text and the tokens of context + continuation, tokenized in one piece. White space
/// does not move in it. A row that is longer than the model's context loses tokens on its left, begin-of-text too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Span {
    /// The tokens after those of the context alone, as in lm-evaluation-harness.
    #[default]
    Continuation,
    /// Context and continuation are tokenized separately; all tokens of the continuation (karpathy/llm.c).
    Separate,
    /// A row from the first token in which it differs from the rows with the other continuations; nothing if there is no
    /// such token (nanochat, `multiple_choice`).
    AfterCommonPrefix {
        /// The continuations of all rows.
        continuations: Arc<[String]>,
    },
    /// The tokens at the end of a row that it has in common with the rows after the other contexts (nanochat, `schema`).
    CommonSuffix {
        /// The contexts of all rows.
        contexts: Arc<[String]>,
    },
    /// A row after the tokens of the context without white space at its ends, of which the row must be a continuation
    /// (nanochat, `language_modeling`).
    AfterTrimmedContext,
}

impl Span {
    // Serde passes a reference to the field.
    fn is_default(&self) -> bool {
        *self == Self::Continuation
    }
}

/// Treatment of a context and continuation that are longer than the model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// An error: the score would not be the one that the protocol defines.
    Refuse,
    /// Drop tokens on the left and count them.
    TruncateLeft,
}

/// Tokens of a prompt that are dropped until it fits: first those of `bytes`, from one side, then others from the left of the
/// prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trim {
    /// Byte range of the prompt.
    pub bytes: Range<usize>,
    /// The end of `bytes` from which tokens are dropped.
    pub side: Side,
}

/// An end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The beginning.
    Left,
    /// The end.
    Right,
}

impl Trim {
    /// Any tokens of the prompt, from the left.
    pub fn left() -> Self {
        Self { bytes: 0..usize::MAX, side: Side::Left }
    }
}

/// Method of choosing the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Decoding {
    /// The most probable token; the lowest id on a tie.
    Greedy,
    /// A token sampled from the filtered distribution.
    Sample(Sampling),
}

/// Parameters of sampling. The filters apply in this order, as in transformers: temperature, top-k, top-p.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sampling {
    /// Divisor of the logits; above 0.
    pub temperature: f64,
    /// Keeps only the k most probable tokens; at least 1. `None` keeps all.
    pub top_k: Option<usize>,
    /// Keeps only the most probable tokens whose probabilities add up to this value, including the one that reaches it
    /// (nucleus sampling, Holtzman et al. 2020); above 0 and at most 1. `None` keeps all.
    pub top_p: Option<f64>,
    /// Seed of this completion. Its random numbers depend on nothing else.
    pub seed: u64,
}

impl Sampling {
    /// The fields as bits, so that equal settings are equal keys.
    fn bits(&self) -> (u64, Option<usize>, Option<u64>, u64) {
        (self.temperature.to_bits(), self.top_k, self.top_p.map(f64::to_bits), self.seed)
    }
}

impl PartialEq for Sampling {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Sampling {}

impl std::hash::Hash for Sampling {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
}

/// The response to one [`Request`]. Log-probabilities are in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Response {
    /// Response to [`Request::LogLikelihood`].
    LogLikelihood(LogLikelihood),
    /// Response to [`Request::Rolling`].
    Rolling(RollingLogLikelihood),
    /// Response to [`Request::Generate`].
    Generate(Completion),
}

/// The score of a continuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LogLikelihood {
    /// Σ log P over the continuation's tokens, nats, summed in f64 from the first token to the last.
    pub log_likelihood: f64,
    /// Whether every token of the continuation is the most probable one at its position.
    pub greedy: bool,
    /// Ids of the continuation's tokens.
    pub tokens: Vec<u32>,
    /// log P of each token of the continuation, nats.
    pub token_log_probs: Vec<f32>,
    /// The score without the excluded words, if the request has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered: Option<Filtered>,
    /// Tokens that the model read before the continuation.
    pub context_tokens: usize,
    /// Tokens dropped on the left because context and continuation are longer than the model's context.
    pub truncated_tokens: usize,
}

/// A score under the distribution without the excluded words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Filtered {
    /// Σ log P, nats, renormalised over the remaining tokens. The target's own token always remains, so that this is
    /// finite.
    pub log_likelihood: f64,
    /// Whether every token of the continuation is the most probable one that is not excluded. False if the
    /// continuation has an excluded token.
    pub greedy: bool,
}

/// The score of a part of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollingLogLikelihood {
    /// Σ log P over the tokens of the part, nats, summed in f64 in document order.
    pub log_likelihood: f64,
    /// Number of scored tokens.
    pub tokens: usize,
    /// Bytes of these tokens in the document.
    pub bytes: usize,
    /// Number of windows.
    pub windows: usize,
}

/// A completion and its tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Completion {
    /// The text, without the stop string.
    pub text: String,
    /// Ids of the generated tokens, including those of the stop string.
    pub tokens: Vec<u32>,
    /// log P of each of these tokens, nats, under the model's own distribution without temperature and filters.
    pub token_log_probs: Vec<f32>,
    /// Reason for the end of the completion.
    pub finish: FinishReason,
    /// Tokens of the prompt that the model read.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that were dropped.
    pub truncated_tokens: usize,
}

/// Reason for the end of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// A stop string was generated. It ends in the last token and may begin in an earlier one.
    StopString,
    /// The last token is an end of text.
    EndOfText,
    /// The maximum number of tokens was generated.
    TokenLimit,
}

impl Completion {
    /// The product of the probabilities of the generated tokens, without the one that ended the completion. 0 if there is no
    /// other token, because an empty answer is not a confident one.
    pub fn confidence(&self) -> f64 {
        let tokens = match self.finish {
            FinishReason::StopString | FinishReason::EndOfText => {
                self.token_log_probs.len().saturating_sub(1)
            }
            FinishReason::TokenLimit => self.token_log_probs.len(),
        };
        if tokens == 0 {
            return 0.0;
        }
        self.token_log_probs[..tokens].iter().map(|&log_prob| f64::from(log_prob)).sum::<f64>().exp()
    }
}

impl Response {
    /// Tokens of the input that were dropped because it is longer than the model's context.
    pub fn truncated_tokens(&self) -> usize {
        match self {
            Self::LogLikelihood(score) => score.truncated_tokens,
            Self::Rolling(_) => 0,
            Self::Generate(generated) => generated.truncated_tokens,
        }
    }

    /// Tokens that the model read and that were not scored.
    pub fn context_tokens(&self) -> usize {
        match self {
            Self::LogLikelihood(score) => score.context_tokens,
            Self::Rolling(_) => 0,
            Self::Generate(generated) => generated.prompt_tokens,
        }
    }

    /// Tokens that were scored or generated.
    pub fn target_tokens(&self) -> usize {
        match self {
            Self::LogLikelihood(score) => score.token_log_probs.len(),
            Self::Rolling(score) => score.tokens,
            Self::Generate(generated) => generated.tokens.len(),
        }
    }

    /// Whether every log-probability is finite. Overflowing weights or activations give NaN or −∞.
    pub fn is_finite(&self) -> bool {
        match self {
            Self::LogLikelihood(score) => {
                score.log_likelihood.is_finite()
                    && score.token_log_probs.iter().all(|log_prob| log_prob.is_finite())
                    && score.filtered.is_none_or(|filtered| filtered.log_likelihood.is_finite())
            }
            Self::Rolling(score) => score.log_likelihood.is_finite(),
            Self::Generate(generated) => {
                generated.token_log_probs.iter().all(|log_prob| log_prob.is_finite())
            }
        }
    }

    /// Σ log P of the scored tokens, nats; `None` for a completion.
    pub fn log_likelihood(&self) -> Option<f64> {
        match self {
            Self::LogLikelihood(score) => Some(score.log_likelihood),
            Self::Rolling(score) => Some(score.log_likelihood),
            Self::Generate(_) => None,
        }
    }

    /// Text of a completion; `None` for a score.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Generate(generated) => Some(&generated.text),
            Self::LogLikelihood(_) | Self::Rolling(_) => None,
        }
    }

    /// Kind of the response, for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LogLikelihood(_) => "log_likelihood",
            Self::Rolling(_) => "rolling",
            Self::Generate(_) => "generate",
        }
    }
}
