//! A run directory that is read back, without data and model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::inputs::ShardPlaces;
use super::manifest::MAX_MANIFEST_BYTES;
use super::{JournalError, RunError};
use crate::record::{HeuristicResult, Manifest, MeasuredTask, PromptRecord, SCHEMA_VERSION, SampleResult};
use crate::tasks::{HeuristicBaseline, Registry, TaskConfig};
use text_metrics::{Breakdown, Metric};
use untrusted_input::clipped;
use untrusted_input::{is_plain_name, read_bounded};

/// Most bytes of a `shard.json`; the places of a million samples have about ten million.
const MAX_PLACES_BYTES: u64 = 1_000_000_000;

/// A run as its files have it. It need not be complete.
#[derive(Debug)]
pub struct FinishedRun {
    /// Where it is.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// In the plan's order.
    pub tasks: Vec<FinishedTask>,
}

/// A task of a run with its results: what every table, figure and export reads.
#[derive(Debug)]
pub struct FinishedTask {
    /// The manifest's entry.
    pub measured: MeasuredTask,
    /// Title, data and protocols.
    pub config: &'static TaskConfig,
    /// Metrics over all samples.
    pub metrics: Vec<Metric>,
    /// Metrics over groups of samples.
    pub breakdowns: Vec<Breakdown>,
    /// What every model was asked, in the order of the data; empty where the run directory has no prompts.
    pub prompts: Vec<PromptRecord>,
    /// The results of each model, in the order of the run's models and of the data.
    pub records: Vec<Vec<SampleResult>>,
    /// Heuristic baselines on the same samples.
    pub baselines: Vec<HeuristicBaseline>,
}

impl FinishedTask {
    /// A task without results yet.
    ///
    /// `Err` if it is not in `registry`.
    pub fn new(measured: MeasuredTask, registry: &Registry) -> Result<Self, RunError> {
        let task =
            registry.find(&measured.task).ok_or_else(|| RunError::UnknownTask(measured.task.clone()))?;
        Ok(Self {
            config: task.config(),
            metrics: task.metrics(&measured.protocol),
            breakdowns: task.breakdowns(&measured.protocol),
            measured,
            prompts: Vec::new(),
            records: Vec::new(),
            baselines: Vec::new(),
        })
    }

    /// One sentence on what the protocol does.
    pub fn description(&self) -> &str {
        let protocol = self.config.protocol(&self.measured.protocol.name);
        protocol.map_or("", |protocol| protocol.description.as_str())
    }

    /// The split that was measured: `test`, `validation` or `train`.
    pub fn split(&self) -> &str {
        let option = self.measured.protocol.options.get("split");
        option.map_or(self.config.data.split.as_str(), String::as_str)
    }
}

impl FinishedRun {
    /// Reads the run directory at `path`: manifest, prompts, journals and heuristic baselines.
    ///
    /// `Err` names the file and the line if there is no run, if it is of another version of the files, or damaged.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let manifest = read_manifest(path)?;
        let registry = Registry::new(&manifest.plan.custom_tasks)?;
        let mut tasks = Vec::new();
        for measured in &manifest.tasks {
            let mut task = FinishedTask::new(measured.clone(), &registry)?;
            task.prompts = read_lines(&path.join("prompts").join(&measured.journal))?;
            let prompts = task.prompts.iter().enumerate();
            let order: BTreeMap<&str, usize> =
                prompts.map(|(index, prompt)| (prompt.id.as_str(), index)).collect();
            for model in &manifest.identity.models {
                let file = path.join("samples").join(&model.label).join(&measured.journal);
                task.records.push(in_order(read_lines(&file)?, &order));
            }
            task.baselines = by_method(read_lines(&path.join("baselines").join(&measured.journal))?);
            tasks.push(task);
        }
        Ok(Self { path: path.to_owned(), manifest, tasks })
    }

    /// Samples that the run should have and has not, over all tasks and models.
    pub fn missing(&self) -> usize {
        let missing = |task: &FinishedTask, records: &Vec<SampleResult>| {
            task.measured.samples.saturating_sub(records.len())
        };
        self.tasks
            .iter()
            .flat_map(|task| task.records.iter().map(move |records| missing(task, records)))
            .sum()
    }

    /// Samples that have an error instead of statistics, over all tasks and models.
    pub fn failed(&self) -> usize {
        let records = self.tasks.iter().flat_map(|task| task.records.iter().flatten());
        records.filter(|record| record.error.is_some()).count()
    }
}

/// The places of a shard's samples.
pub(super) fn read_places(path: &Path) -> Result<ShardPlaces, RunError> {
    let file = path.join("shard.json");
    let read_error = |reason: String| RunError::Read { path: file.clone(), reason };
    let bytes = read_bounded(&file, MAX_PLACES_BYTES).map_err(|error| read_error(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| read_error(clipped(&error.to_string())))
}

/// The manifest of the run at `path`, with names in it that stay inside.
pub(super) fn read_manifest(path: &Path) -> Result<Manifest, RunError> {
    let file = path.join("manifest.json");
    let read_error = |reason: String| RunError::Read { path: file.clone(), reason };
    let bytes = match read_bounded(&file, MAX_MANIFEST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reason =
                "no run is here: there is no manifest.json; name the directory of a run, such as one below \
                          results/"
                    .to_owned();
            return Err(RunError::NotARun { directory: path.to_owned(), reason });
        }
        Err(error) => return Err(read_error(error.to_string())),
    };
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| read_error(clipped(&error.to_string())))?;
    let version = value.get("schema_version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(SCHEMA_VERSION)) {
        let found = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
        return Err(read_error(format!(
            "its schema_version is {found}, this program reads {SCHEMA_VERSION}: read it with the version that wrote it, or run it again"
        )));
    }
    let manifest: Manifest =
        serde_json::from_value(value).map_err(|error| read_error(clipped(&error.to_string())))?;
    if manifest.tasks.len() != manifest.identity.tasks.len() {
        return Err(read_error("`tasks` and `identity.tasks` have not the same length".to_owned()));
    }
    let labels = manifest.identity.models.iter().map(|model| &model.label);
    let journals = manifest.tasks.iter().map(|task| &task.journal);
    for name in labels.chain(journals) {
        if !is_plain_name(name) {
            return Err(read_error(format!("`{}` is no name of a file", clipped(name))));
        }
    }
    Ok(manifest)
}

/// The values of a file of JSON lines; none if the file is not there. A last line without its end is left out.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunError::Read { path: path.to_owned(), reason: error.to_string() }),
    };
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes[..whole].split(|&byte| byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|error| {
                JournalError::Damaged {
                    path: path.to_owned(),
                    line: index + 1,
                    reason: clipped(&error.to_string()),
                }
                .into()
            })
        })
        .collect()
}

/// Records in the order of the data, each sample once. The journal of an unfinished task has them in the order in which
/// they were computed, and has a sample that was retried twice: its last record counts.
fn in_order(records: Vec<SampleResult>, order: &BTreeMap<&str, usize>) -> Vec<SampleResult> {
    let mut last: BTreeMap<(usize, String), SampleResult> = BTreeMap::new();
    for record in records {
        let index = order.get(record.id.as_str()).copied().unwrap_or(usize::MAX);
        last.insert((index, record.id.clone()), record);
    }
    last.into_values().collect()
}

/// Methods in the order of their first line, with their values in the order of the file.
fn by_method(records: Vec<HeuristicResult>) -> Vec<HeuristicBaseline> {
    let mut baselines: Vec<HeuristicBaseline> = Vec::new();
    for HeuristicResult { method, values, .. } in records {
        match baselines.iter_mut().find(|baseline| baseline.name == method) {
            Some(baseline) => baseline.values.push(values),
            None => baselines.push(HeuristicBaseline { name: method, values: vec![values] }),
        }
    }
    baselines
}
