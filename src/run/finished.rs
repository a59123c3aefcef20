//! Reads a run directory, without data and models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::RunError;
use super::directory::MAX_MANIFEST_BYTES;
use super::journal::{damaged, second_result, unknown_sample};
use crate::record::{
    HeuristicResult, Manifest, MeasuredTask, ModelIdentity, PromptRecord, Protocol, SCHEMA_VERSION,
    SampleResult,
};
use crate::tasks::{HeuristicBaseline, Registry, TaskConfig};
use gpt2_model::GPT2_POSITIONS;
use gpt2_model::request::Window;
use text_metrics::{Breakdown, Metric};
use untrusted_input::clipped;
use untrusted_input::{is_plain_name, read_bounded};

/// A run as its files have it; it can be incomplete.
#[derive(Debug)]
pub struct FinishedRun {
    /// The run directory.
    pub path: PathBuf,
    /// Content of `manifest.json`.
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
    /// How its requests read a text, for tasks with windows.
    pub window: Option<Window>,
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
        let task = registry.find(&measured.task).ok_or_else(|| RunError::unknown_task(&measured.task))?;
        Ok(Self {
            config: task.config(),
            window: task.window(&measured.protocol),
            metrics: task.metrics(&measured.protocol),
            breakdowns: task.breakdowns(&measured.protocol),
            measured,
            prompts: Vec::new(),
            records: Vec::new(),
            baselines: Vec::new(),
        })
    }

    /// The protocol in a model's tables: with the tokens of a window where the model's context is not that of GPT-2.
    pub fn label_of(&self, model: &ModelIdentity) -> Protocol {
        let mut label = self.measured.label.clone();
        if let Some(window) = self.window.filter(|_| model.n_positions != GPT2_POSITIONS) {
            label.options.insert("window".to_owned(), window.tokens(model.n_positions).to_string());
        }
        label
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
            task.prompts = values(read_lines(&path.join("prompts").join(&measured.journal))?);
            let prompts = task.prompts.iter().enumerate();
            let order: BTreeMap<&str, usize> =
                prompts.map(|(index, prompt)| (prompt.id.as_str(), index)).collect();
            for model in &manifest.identity.models {
                let file = path.join("samples").join(&model.label).join(&measured.journal);
                task.records.push(in_order(&file, read_lines(&file)?, &order)?);
            }
            task.baselines = by_method(values(read_lines(&path.join("baselines").join(&measured.journal))?));
            tasks.push(task);
        }
        Ok(Self { path: path.to_owned(), manifest, tasks })
    }

    /// Samples without a result, over all tasks and models.
    pub fn missing(&self) -> usize {
        let missing = |task: &FinishedTask, records: &Vec<SampleResult>| {
            task.measured.samples.saturating_sub(records.len())
        };
        self.tasks
            .iter()
            .flat_map(|task| task.records.iter().map(move |records| missing(task, records)))
            .sum()
    }

    /// Samples with an error instead of values, over all tasks and models.
    pub fn failed(&self) -> usize {
        let records = self.tasks.iter().flat_map(|task| task.records.iter().flatten());
        records.filter(|record| record.error.is_some()).count()
    }
}

/// Reads the manifest of the run at `path` and checks that its names are plain file names.
pub(super) fn read_manifest(path: &Path) -> Result<Manifest, RunError> {
    let file = path.join("manifest.json");
    let read_error = |reason: String| RunError::read(&file, reason);
    let bytes = match read_bounded(&file, MAX_MANIFEST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(RunError::Other(format!(
                "{}: not a run directory: it has no manifest.json; name the directory of a run, such as one in results/",
                path.display()
            )));
        }
        Err(error) => return Err(read_error(error.to_string())),
    };
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| read_error(clipped(&error.to_string())))?;
    let version = value.get("schema_version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(SCHEMA_VERSION)) {
        let found = version.map_or_else(|| "missing".to_owned(), |version| version.to_string());
        return Err(read_error(format!(
            "schema_version is {found}, but this version of gpt2-eval reads only {SCHEMA_VERSION}: read the directory with \
             the version that wrote it, or run it again"
        )));
    }
    let manifest: Manifest =
        serde_json::from_value(value).map_err(|error| read_error(clipped(&error.to_string())))?;
    if manifest.tasks.len() != manifest.identity.tasks.len() {
        return Err(read_error("`tasks` and `identity.tasks` have different lengths".to_owned()));
    }
    if manifest.tasks.len() != manifest.identity.data.len() {
        return Err(read_error("`tasks` and `identity.data` have different lengths".to_owned()));
    }
    let labels = manifest.identity.models.iter().map(|model| &model.label);
    let journals = manifest.tasks.iter().map(|task| &task.journal);
    for name in labels.chain(journals) {
        if !is_plain_name(name) {
            return Err(read_error(format!("`{}` is not a plain file name", clipped(name))));
        }
    }
    Ok(manifest)
}

/// The values of a file of JSON lines with their lines, from 1; none if there is no file. An unterminated last line is
/// dropped.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<(usize, T)>, RunError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunError::read(path, error)),
    };
    let terminated = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes[..terminated].split(|&byte| byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            let value = serde_json::from_slice(line);
            let value = value.map_err(|error| damaged(path, index + 1, &error.to_string()))?;
            Ok((index + 1, value))
        })
        .collect()
}

fn values<T>(lines: Vec<(usize, T)>) -> Vec<T> {
    lines.into_iter().map(|(_, value)| value).collect()
}

/// Records in the order of the data, each sample once. The journal of an unfinished task has them in the order in which
/// they were computed, and has a failed sample that was retried twice: its last record counts.
///
/// `Err` for any other sample that is there twice, and for one that is not in `order`, where the run has its prompts.
fn in_order(
    path: &Path,
    records: Vec<(usize, SampleResult)>,
    order: &BTreeMap<&str, usize>,
) -> Result<Vec<SampleResult>, RunError> {
    let mut last: BTreeMap<(usize, String), SampleResult> = BTreeMap::new();
    for (line, record) in records {
        let index = order.get(record.id.as_str()).copied();
        if index.is_none() && !order.is_empty() {
            return Err(unknown_sample(path, line, &record.id));
        }
        let key = (index.unwrap_or(usize::MAX), record.id.clone());
        if last.get(&key).is_some_and(|earlier| earlier.error.is_none()) {
            return Err(second_result(path, line, &record.id));
        }
        last.insert(key, record);
    }
    Ok(last.into_values().collect())
}

/// Methods in the order of their first line, with their values in the order of the file.
fn by_method(records: Vec<HeuristicResult>) -> Vec<HeuristicBaseline> {
    let mut baselines: Vec<HeuristicBaseline> = Vec::new();
    for HeuristicResult { method, cluster, values, .. } in records {
        match baselines.iter_mut().find(|baseline| baseline.name == method) {
            Some(baseline) => {
                baseline.values.push(values);
                baseline.clusters.push(cluster);
            }
            None => baselines.push(HeuristicBaseline {
                clusters: vec![cluster],
                ..HeuristicBaseline::new(&method, vec![values])
            }),
        }
    }
    baselines
}
