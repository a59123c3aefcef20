//! `eval.schema.json` 0.3.0: the fields that this program fills. The names are the schema's.

#![allow(clippy::struct_field_names)]

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) const SCHEMA_VERSION: &str = "0.3.0";

/// Key-value pairs, sorted by key.
pub(super) type Details = BTreeMap<String, String>;

pub(super) fn details<const N: usize>(pairs: [(&str, String); N]) -> Details {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The scores of a model in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationLog {
    pub schema_version: &'static str,
    /// `gpt2-eval/<model>/<time>`.
    pub evaluation_id: String,
    /// When the run began, seconds since 1970.
    pub evaluation_timestamp: String,
    /// When it ended, seconds since 1970.
    pub retrieved_timestamp: String,
    pub source_metadata: SourceMetadata,
    pub eval_library: EvalLibrary,
    pub model_info: ModelInfo,
    /// One per task, protocol and metric.
    pub evaluation_results: Vec<EvaluationResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detailed_evaluation_results: Option<DetailedEvaluationResults>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceMetadata {
    /// `gpt2-eval`.
    pub source_name: &'static str,
    /// `evaluation_run`: every sample was measured.
    pub source_type: &'static str,
    /// Who made the run.
    pub source_organization_name: String,
    /// `third_party` or `other`.
    pub evaluator_relationship: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalLibrary {
    pub name: &'static str,
    pub version: String,
    pub additional_details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    pub name: String,
    /// `<developer>/<model>`.
    pub id: String,
    /// `OpenAI` if the label is one of its sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer: Option<&'static str>,
    pub inference_engine: InferenceEngine,
    /// Fingerprints, precision and device.
    pub additional_details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InferenceEngine {
    pub name: &'static str,
    pub version: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationResult {
    /// `<task>:<protocol>#<metric>`.
    pub evaluation_result_id: String,
    /// `<task>:<protocol>`.
    pub evaluation_name: String,
    pub source_data: SourceData,
    pub metric_config: MetricConfig,
    pub score_details: ScoreDetails,
    pub generation_config: GenerationConfig,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "source_type", rename_all = "snake_case")]
pub enum SourceData {
    /// The published data set, byte for byte.
    HfDataset {
        /// Name of the task's data.
        dataset_name: String,
        /// Repository on the Hugging Face hub.
        hf_repo: String,
        /// `test`, `val` or `train`.
        hf_split: String,
        samples_number: usize,
        /// sha256, provenance.
        additional_details: Details,
    },
    /// Any other file.
    Other {
        /// Name of the task's data.
        dataset_name: String,
        /// sha256, provenance.
        additional_details: Details,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricConfig {
    /// Description of the protocol.
    pub evaluation_description: String,
    /// The schema's name for the metric, or else `gpt2_eval.<name>`.
    pub metric_id: String,
    /// As in other outputs.
    pub metric_name: &'static str,
    pub metric_kind: &'static str,
    pub metric_unit: &'static str,
    pub lower_is_better: bool,
    /// `continuous`.
    pub score_type: &'static str,
    pub min_score: Bound,
    pub max_score: Bound,
}

/// A bound of a metric: a number, or the schema's word for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bound {
    Number(f64),
    /// `Infinity`: JSON has no such number.
    Word(&'static str),
}

impl Bound {
    pub const INFINITE: Self = Self::Word("Infinity");
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreDetails {
    pub score: f64,
    /// The paper's value, that of others, and the number of failed samples.
    pub details: Details,
    pub uncertainty: Uncertainty,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uncertainty {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<StandardError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_interval: Option<ConfidenceInterval>,
    pub num_samples: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StandardError {
    /// In the metric's unit.
    pub value: f64,
    /// `analytic` or `jackknife`.
    pub method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfidenceInterval {
    pub lower: f64,
    pub upper: f64,
    pub confidence_level: f64,
    pub method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationConfig {
    pub generation_args: GenerationArguments,
    /// Protocol, options and seed.
    pub additional_details: Details,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationArguments {
    /// As typed.
    pub execution_command: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetailedEvaluationResults {
    /// `jsonl`.
    pub format: &'static str,
    /// Path from the root of the data store.
    pub file_path: String,
    /// `sha256`.
    pub hash_algorithm: &'static str,
    /// sha256 of the file.
    pub checksum: String,
    /// Number of lines.
    pub total_rows: usize,
}
