//! What is kept of a sample.

use serde::{Deserialize, Serialize};

use gpt2_model::request::Response;
use text_metrics::SampleValues;

/// One line of a journal: a finished sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SampleResult {
    /// Stable name of the sample within its data.
    pub id: String,
    /// Story or article it belongs to, where samples are not independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Hash of weights, tokenizer, dtype, backend, engine version and requests.
    pub key: String,
    /// sha256 of the requests' text.
    pub prompt_sha256: String,
    /// Tokens the model read without being scored on them, over all requests.
    pub context_tokens: usize,
    /// Tokens that were scored or written, over all requests.
    pub target_tokens: usize,
    /// Tokens dropped because the input was longer than the window.
    pub truncated_tokens: usize,
    /// Answers to the requests, in their order.
    pub responses: Vec<Response>,
    /// Responses that compete with each other, where the task is a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidate_sets: Vec<CandidateSet>,
    /// What the metrics are computed from.
    pub values: SampleValues,
    /// Why the sample has no statistics, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Responses that score the candidates of one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CandidateSet {
    /// Their indices among the sample's responses, in the order of the candidates.
    pub responses: Vec<usize>,
    /// Index of the correct candidate's response.
    pub correct: usize,
}

impl CandidateSet {
    /// `count` candidates scored by consecutive responses from `first` on; `answer` is the index of the correct one.
    pub fn consecutive(first: usize, count: usize, answer: usize) -> Self {
        Self { responses: (first..first + count).collect(), correct: first + answer }
    }
}

/// One line of `baselines/<journal>`: what a method without a model scores on a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeuristicResult {
    /// The method's name in tables.
    pub method: String,
    /// The sample.
    pub id: String,
    /// What the metrics are computed from.
    pub values: SampleValues,
}

/// One line of `prompts/<journal>`: what every model is asked about a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PromptRecord {
    /// The sample.
    pub id: String,
    /// File and line of its record in the data.
    pub location: String,
    /// The requests, in the order of the sample's responses.
    pub requests: Vec<RequestText>,
    /// What would be right: references, or the right candidate; nothing where a request's target says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<String>,
}

/// The words of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestText {
    /// What the model has read; left out where it is that of the request before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// What is scored behind it, the whole text of a part of a document; nothing where the model writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
