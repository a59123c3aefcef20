//! Identifiers and names in the schema.

use sha2::{Digest, Sha256};

use crate::record::{Manifest, ModelIdentity};
use crate::run::FinishedTask;

/// Name of the collection in the data store.
pub(super) const COLLECTION: &str = "gpt2-eval";

/// `lambada:paper,data=sample`.
pub(super) fn evaluation_name(task: &FinishedTask, model: &ModelIdentity) -> String {
    format!("{}:{}", task.measured.task, task.label_of(model))
}

/// `lambada:paper,data=sample#perplexity`.
pub(super) fn result_id(task: &FinishedTask, model: &ModelIdentity, metric: &str) -> String {
    format!("{}#{metric}", evaluation_name(task, model))
}

/// OpenAI's models on the Hugging Face hub by their sizes in the paper.
pub(super) fn published_model(label: &str) -> Option<&'static str> {
    match label {
        "117M" => Some("openai-community/gpt2"),
        "345M" => Some("openai-community/gpt2-medium"),
        "762M" => Some("openai-community/gpt2-large"),
        "1542M" => Some("openai-community/gpt2-xl"),
        _ => None,
    }
}

pub(super) fn is_bundled(manifest: &Manifest, label: &str) -> bool {
    manifest.plan.models.iter().any(|model| model.label == label && model.source.is_bundled())
}

/// `<developer>/<model>`, both valid names of directories.
pub(super) fn model_id(manifest: &Manifest, label: &str) -> String {
    match published_model(label) {
        Some(id) => id.to_owned(),
        None if is_bundled(manifest, label) => format!("gpt2-eval/{label}"),
        None => format!("local/{label}"),
    }
}

/// A UUID from a hash of the run's identity, its times and the model. Its form is version 4, as the schema requires.
pub(super) fn uuid(manifest: &Manifest, label: &str) -> Result<String, serde_json::Error> {
    let seed = serde_json::to_vec(&(&manifest.identity, &manifest.started, &manifest.ended, label))?;
    let mut bytes: Vec<u8> = Sha256::digest(seed).iter().copied().take(16).collect();
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let text = hex::encode(bytes);
    Ok([&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"))
}
