//! `eval.schema.json` 0.3.0: the fields that this program has something to say in. The words are the schema's.

// The names of the fields are the schema's.
#![allow(clippy::struct_field_names)]

use serde::Serialize;

use super::Details;

/// The scores of a model in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationLog {
    /// Of the schema.
    pub schema_version: &'static str,
    /// `gpt2-eval/<model>/<time>`.
    pub evaluation_id: String,
    /// When the run began, seconds since 1970.
    pub evaluation_timestamp: String,
    /// When it ended, seconds since 1970.
    pub retrieved_timestamp: String,
    /// Who measured.
    pub source_metadata: SourceMetadata,
    /// With what.
    pub eval_library: EvalLibrary,
    /// The model.
    pub model_info: ModelInfo,
    /// One a task, protocol and metric.
    pub evaluation_results: Vec<EvaluationResult>,
    /// Where the samples are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detailed_evaluation_results: Option<DetailedEvaluationResults>,
}

/// Who measured.
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

/// This program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalLibrary {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// What else is known of it.
    pub additional_details: Details,
}

/// The model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    /// Its label.
    pub name: String,
    /// `<developer>/<model>`.
    pub id: String,
    /// Who made it, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer: Option<&'static str>,
    /// What computed.
    pub inference_engine: InferenceEngine,
    /// Fingerprints, precision and device.
    pub additional_details: Details,
}

/// What computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InferenceEngine {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
}

/// A score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvaluationResult {
    /// `<task>:<protocol>#<metric>`.
    pub evaluation_result_id: String,
    /// `<task>:<protocol>`.
    pub evaluation_name: String,
    /// What was measured on.
    pub source_data: SourceData,
    /// The metric.
    pub metric_config: MetricConfig,
    /// Its value.
    pub score_details: ScoreDetails,
    /// How the model was asked.
    pub generation_config: GenerationConfig,
}

/// What was measured on.
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
        /// Records in it.
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

/// A metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricConfig {
    /// What the protocol does.
    pub evaluation_description: String,
    /// The common name where there is one, else `gpt2_eval.<name>`.
    pub metric_id: String,
    /// Its name in every output of this program.
    pub metric_name: &'static str,
    /// What it is one of.
    pub metric_kind: &'static str,
    /// Its unit.
    pub metric_unit: &'static str,
    /// Whether less is better.
    pub lower_is_better: bool,
    /// `continuous`.
    pub score_type: &'static str,
    /// The least that it can be.
    pub min_score: Bound,
    /// The most that it can be.
    pub max_score: Bound,
}

/// An end of what a metric can be: a number, or the schema's word for none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Bound {
    /// A number.
    Number(f64),
    /// `Infinity`, as text: JSON has no such number.
    Word(&'static str),
}

impl Bound {
    /// No end.
    pub const INFINITE: Self = Self::Word("Infinity");
}

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreDetails {
    /// The value.
    pub score: f64,
    /// What the paper has, and samples that failed.
    pub details: Details,
    /// How sure it is.
    pub uncertainty: Uncertainty,
}

/// How sure a value is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Uncertainty {
    /// Standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<StandardError>,
    /// Interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_interval: Option<ConfidenceInterval>,
    /// Samples.
    pub num_samples: usize,
    /// Resamples, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_bootstrap_samples: Option<usize>,
}

/// A standard error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StandardError {
    /// In the metric's unit.
    pub value: f64,
    /// `analytic` or `bootstrap`.
    pub method: &'static str,
}

/// An interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfidenceInterval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// 0.95.
    pub confidence_level: f64,
    /// Whose.
    pub method: &'static str,
}

/// How the model was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationConfig {
    /// The command.
    pub generation_args: GenerationArguments,
    /// Protocol, options and seed.
    pub additional_details: Details,
}

/// The command.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationArguments {
    /// As typed.
    pub execution_command: String,
}

/// Where the samples are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetailedEvaluationResults {
    /// `jsonl`.
    pub format: &'static str,
    /// Path from the root of the data store.
    pub file_path: String,
    /// `sha256`.
    pub hash_algorithm: &'static str,
    /// Of the file.
    pub checksum: String,
    /// Its lines.
    pub total_rows: usize,
}
