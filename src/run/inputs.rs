//! Files that a run writes before it computes: prompts, heuristic baselines, and which samples a shard has.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::preflight::Preflight;
use super::{RunError, write_atomically};
use crate::record::Shard;
use untrusted_input::{clipped, read_bounded};

/// Maximum size of a `shard.json`; the indices of a million samples take about ten million bytes.
const MAX_INDICES_BYTES: u64 = 1_000_000_000;

/// `shard.json`: which samples of the whole run a shard has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShardSamples {
    /// The shard.
    pub shard: Shard,
    /// By journal name: for each sample of the shard its index among the samples of the whole run, ascending, from 0.
    pub indices: BTreeMap<String, Vec<usize>>,
}

impl ShardSamples {
    /// Reads `shard.json` of the run directory at `directory`.
    pub(super) fn read(directory: &Path) -> Result<Self, RunError> {
        let file = directory.join("shard.json");
        let bytes = read_bounded(&file, MAX_INDICES_BYTES)
            .map_err(|error| RunError::read(&file, error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| RunError::read(&file, clipped(&error.to_string())))
    }
}

impl Preflight {
    /// Writes `prompts/`, `baselines/` and, in a shard, `shard.json` into the run directory at `directory`. Then drops the
    /// requests: models read them as tokens.
    pub(crate) fn write_inputs(&mut self, directory: &Path) -> Result<(), RunError> {
        for task in &mut self.tasks {
            let name = task.journal_name();
            write_lines(&directory.join("prompts"), &name, &task.prompts())?;
            task.samples.iter_mut().for_each(|sample| sample.requests = Vec::new());
            let baselines = task.heuristic_results();
            if !baselines.is_empty() {
                write_lines(&directory.join("baselines"), &name, &baselines)?;
            }
        }
        let Some(shard) = self.identity.shard else { return Ok(()) };
        let indices = self.tasks.iter().map(|task| {
            (task.journal_name(), task.samples.iter().map(|sample| sample.index_in_run).collect())
        });
        let path = directory.join("shard.json");
        let mut json = serde_json::to_vec(&ShardSamples { shard, indices: indices.collect() })
            .map_err(|error| RunError::write(&path, &error.into()))?;
        json.push(b'\n');
        write_atomically(&path, &json)
    }
}

/// Writes values as JSON lines to `directory/name`.
pub(super) fn write_lines<T: Serialize>(directory: &Path, name: &str, lines: &[T]) -> Result<(), RunError> {
    std::fs::create_dir_all(directory).map_err(|error| RunError::write(directory, &error))?;
    let path = directory.join(name);
    let mut content = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut content, line).map_err(|error| RunError::write(&path, &error.into()))?;
        content.push(b'\n');
    }
    write_atomically(&path, &content)
}
