//! Fills the schema's document of a model's scores.

use anyhow::anyhow;

use super::ids::{COLLECTION, evaluation_name, is_bundled, model_id, published_model, result_id};
use super::metric::metric_config;
use super::schema::{
    ConfidenceInterval, EvalLibrary, EvaluationLog, EvaluationResult, GenerationArguments, GenerationConfig,
    InferenceEngine, ModelInfo, SCHEMA_VERSION, ScoreDetails, SourceData, SourceMetadata, StandardError,
    Uncertainty, details,
};
use crate::record::{Manifest, ModelIdentity, Score};
use crate::report::exporter::ExportedRun;
use crate::run::FinishedTask;
use crate::text::command_line;

/// The scores of a model, without a reference to samples; `None` if it has no scores.
pub(super) fn evaluation_log(
    run: &ExportedRun<'_>,
    model: &ModelIdentity,
) -> anyhow::Result<Option<EvaluationLog>> {
    let manifest = run.manifest;
    let mut evaluation_results = Vec::new();
    for task in run.tasks {
        let scores = scores_of(run, model, task);
        evaluation_results.extend(scores.filter_map(|score| evaluation_result(manifest, model, task, score)));
    }
    if evaluation_results.is_empty() {
        return Ok(None);
    }
    let retrieved_timestamp = match &manifest.ended {
        Some(ended) => epoch("ended", ended)?,
        None => epoch("started", &manifest.started)?,
    };
    let model_id = model_id(manifest, &model.label);
    Ok(Some(EvaluationLog {
        schema_version: SCHEMA_VERSION,
        evaluation_id: format!("{COLLECTION}/{model_id}/{retrieved_timestamp}"),
        evaluation_timestamp: epoch("started", &manifest.started)?,
        retrieved_timestamp,
        source_metadata: source_metadata(run, &model.label),
        eval_library: eval_library(manifest),
        model_info: model_info(manifest, model, model_id),
        evaluation_results,
        detailed_evaluation_results: None,
    }))
}

/// The scores of a model on a task, in the order of the metrics.
pub(super) fn scores_of<'a>(
    run: &'a ExportedRun<'_>,
    model: &'a ModelIdentity,
    task: &'a FinishedTask,
) -> impl Iterator<Item = &'a Score> {
    let label = task.label_of(model).to_string();
    run.results.scores().iter().filter(move |score| {
        score.parameters.is_some()
            && score.model == model.label
            && score.task == task.measured.task
            && score.protocol == label
    })
}

fn evaluation_result(
    manifest: &Manifest,
    model: &ModelIdentity,
    task: &FinishedTask,
    score: &Score,
) -> Option<EvaluationResult> {
    let metric = task.metrics.iter().find(|metric| metric.name == score.metric)?;
    let (metric_config, methods) = metric_config(metric, task.description());
    let interval = score.ci95_low.zip(score.ci95_high);
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
    };
    let mut details = details([("failed_samples", score.failed.to_string())]);
    if let Some(paper) = score.paper {
        details.insert("gpt2_paper".to_owned(), paper.to_string());
    }
    if let Some(published) = score.published {
        details.insert("published".to_owned(), published.to_string());
    }
    Some(EvaluationResult {
        evaluation_result_id: result_id(task, model, metric.name),
        evaluation_name: evaluation_name(task, model),
        source_data: source_data(manifest, task),
        metric_config,
        score_details: ScoreDetails { score: score.value, details, uncertainty },
        generation_config: generation_config(manifest, model, task),
    })
}

/// Names the published data set only if the file's checksum is that of the published file.
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

fn generation_config(manifest: &Manifest, model: &ModelIdentity, task: &FinishedTask) -> GenerationConfig {
    let measured = &task.measured;
    let mut additional_details = details([
        ("protocol", measured.protocol.name.clone()),
        ("protocol_description", task.description().to_owned()),
        ("seed", manifest.identity.seed.to_string()),
    ]);
    for (name, value) in task.label_of(model).options {
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
        // The developer of any other checkpoint is unknown.
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

fn model_info(manifest: &Manifest, model: &ModelIdentity, id: String) -> ModelInfo {
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
        id,
        developer: published_model(&model.label).map(|_| "OpenAI"),
        inference_engine: InferenceEngine { name: "burn", version: version.to_owned() },
        additional_details,
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
