//! What a run writes down before it computes: the text of every prompt, the baselines, and a shard's places.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::preflight::{Preflight, ReadyTask};
use super::{RunError, write_atomically};
use crate::record::{HeuristicResult, PromptRecord, RequestText, Shard};
use gpt2_model::request::Request;

/// `shard.json`: where the samples of a shard belong among those of the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShardPlaces {
    /// Which shard.
    pub shard: Shard,
    /// By journal name: the place of each of its samples in the order of the data, ascending, from 0.
    pub places: BTreeMap<String, Vec<usize>>,
}

/// Writes `prompts/`, `baselines/` and, in a shard, `shard.json` into the run directory at `directory`.
pub fn write_inputs(directory: &Path, preflight: &Preflight) -> Result<(), RunError> {
    for task in &preflight.tasks {
        let name = task.journal_name();
        write_lines(&directory.join("prompts"), &name, &prompts(task))?;
        let baselines = baselines(task);
        if !baselines.is_empty() {
            write_lines(&directory.join("baselines"), &name, &baselines)?;
        }
    }
    if let Some(shard) = preflight.identity.shard {
        let places = preflight.tasks.iter().map(|task| (task.journal_name(), task.places.clone())).collect();
        let path = directory.join("shard.json");
        let mut json = serde_json::to_vec(&ShardPlaces { shard, places })
            .map_err(|error| RunError::Write { path: path.clone(), source: error.into() })?;
        json.push(b'\n');
        write_atomically(&path, &json)?;
    }
    Ok(())
}

/// Writes values as JSON lines to `directory/name`.
pub(super) fn write_lines<T: Serialize>(directory: &Path, name: &str, lines: &[T]) -> Result<(), RunError> {
    let write_error = |path: &Path, source| RunError::Write { path: path.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(|source| write_error(directory, source))?;
    let path = directory.join(name);
    let mut content = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut content, line).map_err(|error| write_error(&path, error.into()))?;
        content.push(b'\n');
    }
    write_atomically(&path, &content)
}

fn prompts(task: &ReadyTask) -> Vec<PromptRecord> {
    let text_of = |index: usize| PromptRecord {
        id: task.loaded.id(index).to_owned(),
        location: task.loaded.location(index),
        requests: texts(&task.loaded.requests(index)),
        expected: task.loaded.expected(index),
    };
    task.selected.iter().map(|&index| text_of(index)).collect()
}

/// The words of requests; a context that is that of the request before is left out.
fn texts(requests: &[Request]) -> Vec<RequestText> {
    let mut before: Option<&str> = None;
    requests
        .iter()
        .map(|request| {
            let (context, target) = match request {
                Request::LogLikelihood { context, continuation, .. } => {
                    (Some(context.as_str()), Some(continuation.clone()))
                }
                Request::Rolling { document, part, .. } => {
                    (None, Some(document.text().get(part.clone()).unwrap_or_default().to_owned()))
                }
                Request::Generate { prompt, .. } => (Some(prompt.as_str()), None),
            };
            let is_known = context.is_some() && context == before;
            before = context;
            RequestText { context: context.filter(|_| !is_known).map(str::to_owned), target }
        })
        .collect()
}

fn baselines(task: &ReadyTask) -> Vec<HeuristicResult> {
    let mut records = Vec::new();
    for baseline in &task.baselines {
        for (&index, values) in task.selected.iter().zip(&baseline.values) {
            let (method, id) = (baseline.name.clone(), task.loaded.id(index).to_owned());
            records.push(HeuristicResult { method, id, values: values.clone() });
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt2_model::request::Overflow;

    #[test]
    fn a_context_stands_once() {
        let request = |context: &str, continuation: &str| Request::LogLikelihood {
            context: context.to_owned(),
            continuation: continuation.to_owned(),
            excluded_words: [].into(),
            overflow: Overflow::Refuse,
        };
        let texts = texts(&[request("a", "b"), request("a", "c"), request("d", "c")]);
        let contexts: Vec<Option<&str>> = texts.iter().map(|text| text.context.as_deref()).collect();
        assert_eq!(contexts, [Some("a"), None, Some("d")]);
        assert_eq!(texts[1].target.as_deref(), Some("c"));
    }
}
