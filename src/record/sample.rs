//! Records of samples: results, baselines, prompts.

use serde::{Deserialize, Serialize};

use gpt2_model::request::Response;
use text_metrics::SampleValues;

/// One line of a journal: a finished sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SampleResult {
    /// Stable id of the sample within its data.
    pub id: String,
    /// Story or article of the sample, where samples are not independent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Hash of weights, tokenizer, dtype, backend, engine version and requests.
    pub key: String,
    /// sha256 of the requests.
    pub prompt_sha256: String,
    /// Tokens that the model read without scoring them, over all requests.
    pub context_tokens: usize,
    /// Tokens that were scored or generated, over all requests.
    pub target_tokens: usize,
    /// Tokens that were dropped because the input was longer than the context.
    pub truncated_tokens: usize,
    /// Responses to the requests, in their order.
    pub responses: Vec<Response>,
    /// Responses that compete with each other, where the task is a choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidate_sets: Vec<CandidateSet>,
    /// Values that the metrics are computed from.
    pub values: SampleValues,
    /// Why the sample has no values, if it failed.
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

/// One line of `baselines/<journal>`: a heuristic baseline on a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeuristicResult {
    /// Name of the baseline in tables.
    pub method: String,
    /// Id of the sample.
    pub id: String,
    /// The story, article or pair that the sample belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Values that the metrics are computed from.
    pub values: SampleValues,
}

/// One line of `prompts/<journal>`: the requests of a sample, the same for every model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PromptRecord {
    /// Id of the sample.
    pub id: String,
    /// File and line of the sample's record in the data.
    pub location: String,
    /// The requests, in the order of the sample's responses.
    pub requests: Vec<RequestText>,
    /// References, or the correct candidate; empty where a request has the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<String>,
}

/// The text of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RequestText {
    /// The context or prompt; absent where it is that of the previous request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The text that is scored after it, or a part of a document; absent where the model generates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}
