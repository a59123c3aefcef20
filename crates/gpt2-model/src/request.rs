//! The only words that tasks and the engine share: what to ask a model, and what it said.
//!
//! A leaf: this module depends on nothing else in the crate but the helpers of [`crate::text`].

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One question to a model, in text. Tasks write it; the engine turns it into tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// log P(continuation | context), token by token.
    LogLikelihood {
        /// What the model has read. Empty stands for `<|endoftext|>`; trailing white space is moved to the
        /// continuation before tokenization.
        context: String,
        /// What is scored.
        continuation: String,
        /// Words that a second, filtered reading of the same distribution must not predict: every `w` whose
        /// `" " + w` is a single token is removed. Empty: no second reading.
        #[serde(skip_serializing_if = "is_empty")]
        excluded_words: Arc<[String]>,
        /// What to do when both together are longer than the window.
        overflow: Overflow,
    },
    /// A part of a document in overlapping windows. Over the parts of a document, every token is scored exactly once.
    Rolling {
        /// The whole document, shared by the requests for its parts.
        document: Document,
        /// Bytes of the document: the request is for the windows whose first scored token begins here.
        part: Range<usize>,
        /// How the document is cut.
        window: Window,
    },
    /// Text that the model writes after a prompt.
    Generate {
        /// What the model has read.
        prompt: String,
        /// What is dropped of a prompt that is too long for the context.
        trim: Trim,
        /// The first occurrence of any of these ends the text and is not part of it.
        stop: Vec<String>,
        /// Most tokens to write.
        max_new_tokens: usize,
        /// How the next token is chosen.
        decoding: Decoding,
    },
}

// Serde hands over a reference to the field.
fn is_empty(words: &Arc<[String]>) -> bool {
    words.is_empty()
}

/// A long text that many requests share. It is written down as its sha256, so that each of them stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    text: Arc<str>,
    sha256: Arc<str>,
}

impl Document {
    /// A document of this text.
    pub fn new(text: &str) -> Self {
        let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
        Self { text: text.into(), sha256: sha256.into() }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// sha256 of its text, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl Serialize for Document {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.sha256)
    }
}

/// How a long document is cut: each window sees at most `context` tokens, and each later one starts `stride`
/// tokens further and scores only what no earlier window scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Tokens a window holds, at most; at least 1.
    pub context: usize,
    /// Tokens between the starts of two windows; from 1 to `context`.
    pub stride: usize,
}

/// What to do with a context and continuation that are longer than the model's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It is an error: the score would not be the one the protocol names.
    Refuse,
    /// Drop tokens on the left and count them.
    TruncateLeft,
}

/// Which tokens of a prompt are dropped until it fits: those of `bytes`, from one side; when none of these is left,
/// further ones from the left of the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trim {
    /// Bytes of the prompt.
    pub bytes: Range<usize>,
    /// The end of `bytes` that goes first.
    pub side: Side,
}

/// An end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Its beginning.
    Left,
    /// Its end.
    Right,
}

impl Trim {
    /// Anything, from the left.
    pub fn left() -> Self {
        Self { bytes: 0..usize::MAX, side: Side::Left }
    }
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Decoding {
    /// The most probable token; the lowest id on a tie.
    Greedy,
    /// A token drawn from the filtered distribution.
    Sample(Sampling),
}

/// A distribution to draw from, and the seed of the draws. The filters apply in this order, as in transformers:
/// temperature, top-k, top-p.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sampling {
    /// What logits are divided by; above 0.
    pub temperature: f64,
    /// Only the k most probable tokens, at least 1; all without it.
    pub top_k: Option<usize>,
    /// Only the most probable tokens that together have this probability, above 0 and at most 1, and the one that
    /// reaches it (nucleus sampling, Holtzman et al. 2020); all without it.
    pub top_p: Option<f64>,
    /// Seed of this text alone: what is drawn for it depends on nothing else.
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

/// What the model said to one [`Request`]. Log-probabilities are in nats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Response {
    /// Answer to [`Request::LogLikelihood`].
    LogLikelihood(LogLikelihood),
    /// Answer to [`Request::Rolling`].
    Rolling(RollingLogLikelihood),
    /// Answer to [`Request::Generate`].
    Generate(Completion),
}

/// The score of a continuation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LogLikelihood {
    /// Σ log P over the continuation's tokens, nats, summed in f64 from the first token to the last.
    pub log_likelihood: f64,
    /// Whether every token of the continuation is the most probable one at its place.
    pub greedy: bool,
    /// Ids of the continuation's tokens.
    pub tokens: Vec<u32>,
    /// log P of each token of the continuation, nats.
    pub token_log_probs: Vec<f32>,
    /// The same score after the excluded words are removed, where the request names any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered: Option<Filtered>,
    /// Tokens the model read before the continuation.
    pub context_tokens: usize,
    /// Tokens dropped on the left because context and continuation are longer than the window.
    pub truncated_tokens: usize,
}

/// A score under the distribution without the excluded words.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Filtered {
    /// Σ log P, nats, renormalised over the tokens that are left; the target's own token always counts as
    /// left, so that this is finite.
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
    /// Tokens scored.
    pub tokens: usize,
    /// Bytes of the document that those tokens are.
    pub bytes: usize,
    /// Windows they were scored in.
    pub windows: usize,
}

/// A text the model wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Completion {
    /// The text, without the stop string.
    pub text: String,
    /// The tokens that were written, the stop string's included.
    pub tokens: Vec<u32>,
    /// log P of each of those tokens, nats, under the model's own distribution, whatever filter it was drawn from.
    pub token_log_probs: Vec<f32>,
    /// Why the text ends.
    pub finish: FinishReason,
    /// Tokens of the prompt that the model read.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that were dropped.
    pub truncated_tokens: usize,
}

/// Why a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// A stop string came; it is in the last token, and perhaps in some before it.
    StopString,
    /// The last token is `<|endoftext|>`.
    EndOfText,
    /// All tokens that were allowed are written.
    TokenLimit,
}

impl Completion {
    /// The product of the probabilities of the answer's tokens: all that were written, but for the one that ended the
    /// text. 0 where there is no answer: to say nothing is not to be sure.
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

    /// Tokens that the model read without being scored on them.
    pub fn context_tokens(&self) -> usize {
        match self {
            Self::LogLikelihood(score) => score.context_tokens,
            Self::Rolling(_) => 0,
            Self::Generate(generated) => generated.prompt_tokens,
        }
    }

    /// Tokens that were scored or written.
    pub fn target_tokens(&self) -> usize {
        match self {
            Self::LogLikelihood(score) => score.token_log_probs.len(),
            Self::Rolling(score) => score.tokens,
            Self::Generate(generated) => generated.tokens.len(),
        }
    }

    /// Whether every log-probability is a number above −∞, which overflowing weights or activations can prevent.
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

    /// Σ log P of what was scored, nats; nothing where the model wrote.
    pub fn log_likelihood(&self) -> Option<f64> {
        match self {
            Self::LogLikelihood(score) => Some(score.log_likelihood),
            Self::Rolling(score) => Some(score.log_likelihood),
            Self::Generate(_) => None,
        }
    }

    /// What the model wrote; nothing where it was scored.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Generate(generated) => Some(&generated.text),
            Self::LogLikelihood(_) | Self::Rolling(_) => None,
        }
    }

    /// The word of [`Response`] that a task did not ask for, for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LogLikelihood(_) => "log_likelihood",
            Self::Rolling(_) => "rolling",
            Self::Generate(_) => "generate",
        }
    }
}
