//! The schema of Every Eval Ever (`EvalEval` Coalition, <https://github.com/evaleval/every_eval_ever>), version 0.3.0:
//! for each model one document with its scores, and beside it one line for every sample and metric.
//!
//! The files lie as its data store wants them: `data/gpt2-eval/<developer>/<model>/<uuid>.json`, and
//! `<uuid>_samples.jsonl` with the samples. Names and times come from the manifest alone: the same run gives the same
//! bytes.

mod log;
mod metric;
mod samples;

use std::collections::BTreeMap;

use anyhow::anyhow;
use sha2::{Digest, Sha256};

use super::Screen;
use super::exporter::{Export, ExportedFile, ExportedRun, Exporter};
use crate::record::{Manifest, ModelIdentity, Score};
use crate::run::FinishedTask;
use crate::text::command_line;
use log::{
    ConfidenceInterval, DetailedEvaluationResults, EvalLibrary, EvaluationLog, EvaluationResult,
    GenerationArguments, GenerationConfig, InferenceEngine, ModelInfo, ScoreDetails, SourceData,
    SourceMetadata, StandardError, Uncertainty,
};
use metric::metric_config;
use text_metrics::RESAMPLES;

/// Version of the schema that is written.
const SCHEMA_VERSION: &str = "0.3.0";
/// Name of the collection in the data store.
const COLLECTION: &str = "gpt2-eval";

/// Key-value pairs, in the order of the keys.
type Details = BTreeMap<String, String>;

pub(super) struct EveryEvalEver;

impl Exporter for EveryEvalEver {
    fn name(&self) -> &'static str {
        "eee"
    }

    fn description(&self) -> &'static str {
        "The schema of Every Eval Ever, with every sample (docs/results.md)"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        let mut files = Vec::new();
        for run in &export.runs {
            for model in model_exports(run)? {
                files.extend(model.files()?);
            }
        }
        Ok(files)
    }

    /// One line per model, without the samples: those need a file name.
    fn document(&self, export: &Export<'_>, _: Screen) -> anyhow::Result<Vec<u8>> {
        let mut lines = Vec::new();
        for run in &export.runs {
            for model in model_exports(run)? {
                serde_json::to_writer(&mut lines, &model.log)?;
                lines.push(b'\n');
            }
        }
        Ok(lines)
    }
}

struct ModelExport {
    directory: String,
    uuid: String,
    /// The scores, without a reference to the samples.
    log: EvaluationLog,
    samples: Vec<u8>,
}

impl ModelExport {
    /// The scores and, if there are any, the samples.
    fn files(self) -> Result<Vec<ExportedFile>, serde_json::Error> {
        let Self { directory, uuid, mut log, samples } = self;
        let mut files = Vec::new();
        if !samples.is_empty() {
            let path = format!("{directory}/{uuid}_samples.jsonl");
            log.detailed_evaluation_results = Some(DetailedEvaluationResults {
                format: "jsonl",
                file_path: path.clone(),
                hash_algorithm: "sha256",
                checksum: hex::encode(Sha256::digest(&samples)),
                total_rows: samples.iter().filter(|&&byte| byte == b'\n').count(),
            });
            files.push(ExportedFile { path, content: samples });
        }
        let mut content = serde_json::to_vec_pretty(&log)?;
        content.push(b'\n');
        files.insert(0, ExportedFile { path: format!("{directory}/{uuid}.json"), content });
        Ok(files)
    }
}

/// Each model of the run that has a score. Heuristic baselines are left out.
fn model_exports(run: &ExportedRun<'_>) -> anyhow::Result<Vec<ModelExport>> {
    let mut exports = Vec::new();
    for (number, model) in run.manifest.identity.models.iter().enumerate() {
        let mut results = Vec::new();
        for task in run.tasks {
            let scores = scores_of(run, model, task);
            results.extend(scores.filter_map(|score| evaluation_result(run.manifest, task, score)));
        }
        if results.is_empty() {
            continue;
        }
        let manifest = run.manifest;
        let retrieved = match &manifest.ended {
            Some(ended) => epoch("ended", ended)?,
            None => epoch("started", &manifest.started)?,
        };
        let model_id = model_id(manifest, &model.label);
        let log = EvaluationLog {
            schema_version: SCHEMA_VERSION,
            evaluation_id: format!("{COLLECTION}/{model_id}/{retrieved}"),
            evaluation_timestamp: epoch("started", &manifest.started)?,
            retrieved_timestamp: retrieved,
            source_metadata: source_metadata(run, &model.label),
            eval_library: eval_library(manifest),
            model_info: model_info(manifest, model, &model_id),
            evaluation_results: results,
            detailed_evaluation_results: None,
        };
        let mut samples = Vec::new();
        for task in run.tasks {
            if scores_of(run, model, task).next().is_some()
                && let Some(records) = task.records.get(number)
            {
                samples::write(&mut samples, &log.evaluation_id, &model_id, task, records)?;
            }
        }
        let uuid = uuid(manifest, &model.label)?;
        exports.push(ModelExport { directory: format!("data/{COLLECTION}/{model_id}"), uuid, log, samples });
    }
    Ok(exports)
}

/// The scores of a model on a task, in the order of the metrics.
fn scores_of<'a>(
    run: &'a ExportedRun<'_>,
    model: &'a ModelIdentity,
    task: &'a FinishedTask,
) -> impl Iterator<Item = &'a Score> {
    let label = task.measured.label.to_string();
    run.results.scores().iter().filter(move |score| {
        score.parameters.is_some()
            && score.model == model.label
            && score.task == task.measured.task
            && score.protocol == label
    })
}

/// `lambada:paper,data=sample`.
fn evaluation_name(task: &FinishedTask) -> String {
    format!("{}:{}", task.measured.task, task.measured.label)
}

/// `lambada:paper,data=sample#perplexity`.
fn result_id(task: &FinishedTask, metric: &str) -> String {
    format!("{}#{metric}", evaluation_name(task))
}

fn evaluation_result(manifest: &Manifest, task: &FinishedTask, score: &Score) -> Option<EvaluationResult> {
    let metric = task.metrics.iter().find(|metric| metric.name == score.metric)?;
    let (metric_config, methods) = metric_config(metric, task.description());
    let interval = score.ci95_low.zip(score.ci95_high);
    let is_bootstrap = methods.is_some_and(|methods| methods.is_bootstrap);
    let uncertainty = Uncertainty {
        standard_error: score
            .stderr
            .zip(methods)
            .map(|(value, methods)| StandardError { value, method: methods.standard_error }),
        confidence_interval: interval.zip(methods).map(|((lower, upper), methods)| ConfidenceInterval {
            lower,
            upper,
            confidence_level: 0.95,
            method: methods.interval,
        }),
        num_samples: score.n,
        num_bootstrap_samples: (is_bootstrap && score.stderr.is_some()).then_some(RESAMPLES),
    };
    let mut details = details([("failed_samples", score.failed.to_string())]);
    if let Some(paper) = score.paper {
        details.insert("gpt2_paper".to_owned(), paper.to_string());
    }
    Some(EvaluationResult {
        evaluation_result_id: result_id(task, metric.name),
        evaluation_name: evaluation_name(task),
        source_data: source_data(manifest, task),
        metric_config,
        score_details: ScoreDetails { score: score.value, details, uncertainty },
        generation_config: generation_config(manifest, task),
    })
}

/// The published data set only where the file is known to be it.
fn source_data(manifest: &Manifest, task: &FinishedTask) -> SourceData {
    let measured = &task.measured;
    let data = manifest.identity.data.iter().find(|data| data.task == measured.task);
    let provenance = data.map_or("unverified", |data| data.provenance.as_str());
    let mut additional_details = details([
        ("provenance", provenance.to_owned()),
        ("records", measured.records.to_string()),
        ("samples", measured.samples.to_string()),
        ("split", task.split().to_owned()),
    ]);
    if let Some(data) = data {
        additional_details.insert("sha256".to_owned(), data.sha256.clone());
    }
    let dataset_name = task.config.title.clone();
    match task.config.data.hub.as_ref().filter(|_| provenance == "complete") {
        Some(hub) => SourceData::HfDataset {
            dataset_name,
            hf_repo: hub.clone(),
            hf_split: if task.split() == "validation" { "val".to_owned() } else { task.split().to_owned() },
            samples_number: measured.records,
            additional_details,
        },
        None => SourceData::Other { dataset_name, additional_details },
    }
}

fn generation_config(manifest: &Manifest, task: &FinishedTask) -> GenerationConfig {
    let measured = &task.measured;
    let mut additional_details = details([
        ("protocol", measured.protocol.name.clone()),
        ("protocol_description", task.description().to_owned()),
        ("seed", manifest.identity.seed.to_string()),
    ]);
    for (name, value) in &measured.label.options {
        additional_details.insert(format!("option.{name}"), value.clone());
    }
    let execution_command = command_line(&manifest.environment.command);
    GenerationConfig { generation_args: GenerationArguments { execution_command }, additional_details }
}

fn source_metadata(run: &ExportedRun<'_>, label: &str) -> SourceMetadata {
    SourceMetadata {
        source_name: COLLECTION,
        source_type: "evaluation_run",
        source_organization_name: run.organization.to_owned(),
        // Of any other checkpoint the run does not know whose it is.
        evaluator_relationship: if published_model(label).is_some() { "third_party" } else { "other" },
    }
}

fn eval_library(manifest: &Manifest) -> EvalLibrary {
    let environment = &manifest.environment;
    let mut additional_details = details([("engine_version", manifest.identity.engine_version.to_string())]);
    if let Some(revision) = &environment.git_revision {
        additional_details.insert("git_revision".to_owned(), revision.clone());
    }
    EvalLibrary { name: "gpt2-eval", version: environment.program_version.clone(), additional_details }
}

fn model_info(manifest: &Manifest, model: &ModelIdentity, id: &str) -> ModelInfo {
    let environment = &manifest.environment;
    let is_public = published_model(&model.label).is_some() || is_bundled(manifest, &model.label);
    let additional_details = details([
        ("deployment_type", "self_deployed".to_owned()),
        ("model_availability", if is_public { "open_weights" } else { "unknown" }.to_owned()),
        ("parameters", model.parameters.to_string()),
        ("config_sha256", model.config_sha256.clone()),
        ("weights_sha256", model.weights_sha256.clone()),
        ("tokenizer_sha256", model.tokenizer_sha256.clone()),
        ("dtype", manifest.identity.dtype.clone()),
        ("backend", manifest.identity.backend.clone()),
        ("device", environment.device.clone()),
    ]);
    let version = environment.dependencies.get("burn").map_or("unknown", String::as_str);
    ModelInfo {
        name: model.label.clone(),
        id: id.to_owned(),
        developer: published_model(&model.label).map(|_| "OpenAI"),
        inference_engine: InferenceEngine { name: "burn", version: version.to_owned() },
        additional_details,
    }
}

/// OpenAI's models on the Hugging Face hub, by the size that the paper calls them.
fn published_model(label: &str) -> Option<&'static str> {
    match label {
        "117M" => Some("openai-community/gpt2"),
        "345M" => Some("openai-community/gpt2-medium"),
        "762M" => Some("openai-community/gpt2-large"),
        "1542M" => Some("openai-community/gpt2-xl"),
        _ => None,
    }
}

fn is_bundled(manifest: &Manifest, label: &str) -> bool {
    manifest.plan.models.iter().any(|model| model.label == label && model.source.is_bundled())
}

/// `<developer>/<model>`, both usable as names of directories.
fn model_id(manifest: &Manifest, label: &str) -> String {
    match published_model(label) {
        Some(id) => id.to_owned(),
        None if is_bundled(manifest, label) => format!("gpt2-eval/{label}"),
        None => format!("local/{label}"),
    }
}

/// Seconds since 1970.
fn epoch(field: &str, value: &str) -> anyhow::Result<String> {
    let time: jiff::Timestamp = value.parse().map_err(|_| {
        anyhow!(
            "manifest.json: `{field}` is `{value}`, expected a time such as 2026-01-31T12:00:00Z: run it again"
        )
    })?;
    Ok(time.as_second().to_string())
}

/// A UUID in the form of version 4, which the schema wants, drawn from what decides the run, when it was made, and the
/// model.
fn uuid(manifest: &Manifest, label: &str) -> Result<String, serde_json::Error> {
    let seed = serde_json::to_vec(&(&manifest.identity, &manifest.started, &manifest.ended, label))?;
    let mut bytes: Vec<u8> = Sha256::digest(seed).iter().copied().take(16).collect();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let text = hex::encode(bytes);
    Ok([&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"))
}

fn details<const N: usize>(pairs: [(&str, String); N]) -> Details {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
