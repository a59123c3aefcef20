//! The schema of Every Eval Ever (`EvalEval` Coalition, <https://github.com/evaleval/every_eval_ever>), version 0.3.0:
//! one document per model with its scores, and one JSON line per sample and metric.
//!
//! The paths are those of its data store: `data/gpt2-eval/<developer>/<model>/<uuid>.json` and `<uuid>_samples.jsonl`.
//! Names and times come from the manifest alone, so that the same run gives the same bytes.

mod ids;
mod log;
mod metric;
mod samples;
mod schema;

use sha2::{Digest, Sha256};

use super::Screen;
use super::exporter::{Export, ExportedFile, ExportedRun, Exporter};
use ids::{COLLECTION, model_id, uuid};
use log::{evaluation_log, scores_of};
use schema::{DetailedEvaluationResults, EvaluationLog};

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

/// The models of the run that have a score.
fn model_exports(run: &ExportedRun<'_>) -> anyhow::Result<Vec<ModelExport>> {
    let mut exports = Vec::new();
    for (index, model) in run.manifest.identity.models.iter().enumerate() {
        let Some(log) = evaluation_log(run, model)? else { continue };
        let mut samples = Vec::new();
        for task in run.tasks {
            if scores_of(run, model, task).next().is_some()
                && let Some(records) = task.records.get(index)
            {
                samples::write(&mut samples, &log, model, task, records)?;
            }
        }
        let directory = format!("data/{COLLECTION}/{}", model_id(run.manifest, &model.label));
        exports.push(ModelExport { directory, uuid: uuid(run.manifest, &model.label)?, log, samples });
    }
    Ok(exports)
}
