//! A run as a gate needs it: what decides it, its metrics, and the few numbers of every sample that they come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Column, GateError};
use crate::plan::CustomTaskFile;
use crate::record::{DataIdentity, ModelIdentity, Protocol, SampleResult};
use crate::run::{FinishedRun, FinishedTask};
use text_metrics::{Columns, Metric};
use untrusted_input::clipped;
use untrusted_input::read_bounded;

/// Version of the baseline files that this program writes; raised when a field changes its meaning.
pub const BASELINE_VERSION: u32 = 1;

/// Most bytes of a baseline; one of a million samples has about a hundred million.
const MAX_BYTES: u64 = 1_000_000_000;

/// What a gate needs of a run, small enough for a repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionBaseline {
    /// [`BASELINE_VERSION`].
    pub baseline_version: u32,
    /// Version of the program that measured.
    pub program_version: String,
    /// Version of the engine's arithmetic.
    pub engine_version: u32,
    /// Backend: `flex`, `ndarray`, `wgpu`, `cuda`.
    pub backend: String,
    /// Type of the arithmetic.
    pub dtype: String,
    /// Seed of everything that was drawn.
    pub seed: u64,
    /// In the run's order.
    pub models: Vec<ModelIdentity>,
    /// The cards of the user's own tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_tasks: Vec<CustomTaskFile>,
    /// In the run's order.
    pub tasks: Vec<BaselineTask>,
}

/// A task of a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineTask {
    /// Name of the task.
    pub task: String,
    /// The protocol with `data=`, `limit=`… where not all of the published test set was used.
    pub protocol: Protocol,
    /// What was measured.
    pub data: DataIdentity,
    /// The samples, in the order of the data.
    pub samples: SampleIds,
    /// One a sample, where samples are not independent: the number of its story or article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<usize>>,
    /// In the run's order.
    pub models: Vec<BaselineModel>,
}

/// What samples are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SampleIds {
    /// `00000`, `00001`… up to this number of them.
    Numbered(usize),
    /// By name.
    Named(Vec<String>),
}

/// What a model scored on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineModel {
    /// Label of the model.
    pub model: String,
    /// Headline first.
    pub metrics: Vec<BaselineMetric>,
    /// Places of the samples that failed or are not there, ascending, from 0; the columns leave them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<usize>,
    /// The statistics that metrics are computed from.
    pub values: BTreeMap<String, Column>,
    /// sha256 of the model's records, as lines of the journal.
    pub records_sha256: String,
}

/// A metric and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineMetric {
    /// Name.
    pub metric: String,
    /// Its value; accuracies in percent.
    pub value: f64,
}

impl SampleIds {
    fn of(ids: Vec<String>) -> Self {
        let is_numbered = ids.iter().enumerate().all(|(number, id)| *id == format!("{number:05}"));
        if is_numbered { Self::Numbered(ids.len()) } else { Self::Named(ids) }
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbered(count) => *count,
            Self::Named(ids) => ids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names in their order.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Numbered(count) => (0..*count).map(|number| format!("{number:05}")).collect(),
            Self::Named(ids) => ids.clone(),
        }
    }
}

impl RegressionBaseline {
    /// What a gate needs of a run.
    pub fn of_run(run: &FinishedRun) -> Result<Self, GateError> {
        let identity = &run.manifest.identity;
        let mut tasks = Vec::new();
        for (task, data) in run.tasks.iter().zip(&identity.data) {
            tasks.push(BaselineTask::of(task, data.clone(), &identity.models)?);
        }
        Ok(Self {
            baseline_version: BASELINE_VERSION,
            program_version: run.manifest.environment.program_version.clone(),
            engine_version: identity.engine_version,
            backend: identity.backend.clone(),
            dtype: identity.dtype.clone(),
            seed: identity.seed,
            models: identity.models.clone(),
            custom_tasks: run.manifest.plan.custom_tasks.clone(),
            tasks,
        })
    }

    /// Reads a baseline.
    ///
    /// `Err` if it is none, of another version, or its columns do not fit together.
    pub fn read(path: &Path) -> Result<Self, GateError> {
        let error = |reason: String| GateError::Baseline { path: path.to_owned(), reason: clipped(&reason) };
        let bytes = read_bounded(path, MAX_BYTES).map_err(|cause| error(cause.to_string()))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|cause| {
            error(format!("{cause}; name a run directory or a file of `gpt2-eval baseline`"))
        })?;
        let version = value.get("baseline_version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(BASELINE_VERSION)) {
            let found = version.map_or_else(|| "none".to_owned(), |version| version.to_string());
            return Err(error(format!(
                "its baseline_version is {found}, this program reads {BASELINE_VERSION}: make it again with `gpt2-eval \
                 baseline`"
            )));
        }
        let file: Self = serde_json::from_value(value).map_err(|cause| error(cause.to_string()))?;
        for task in &file.tasks {
            task.check().map_err(|reason| {
                error(format!("{}: {reason}; make it again with `gpt2-eval baseline`", task.task))
            })?;
        }
        Ok(file)
    }

    /// As JSON, one line a task and model, so that version control shows what changed.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let empty = Self { tasks: Vec::new(), ..self.clone() };
        let head = serde_json::to_string(&empty)?;
        let tasks: Vec<String> = self
            .tasks
            .iter()
            .map(|task| {
                let head = serde_json::to_string(&BaselineTask { models: Vec::new(), ..task.clone() })?;
                Ok(with_lines(
                    &head,
                    &task.models.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?,
                ))
            })
            .collect::<Result<_, serde_json::Error>>()?;
        Ok(with_lines(&head, &tasks) + "\n")
    }
}

/// `head`, which ends in an empty list and a brace, with `lines` in the list.
fn with_lines(head: &str, lines: &[String]) -> String {
    let head = head.strip_suffix("[]}").unwrap_or(head);
    format!("{head}[\n{}\n]}}", lines.join(",\n"))
}

impl BaselineTask {
    fn of(task: &FinishedTask, data: DataIdentity, models: &[ModelIdentity]) -> Result<Self, GateError> {
        // In the order of the data as far as it is known: that of the first model, then what others have beyond it.
        let mut place_of: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ids: Vec<&SampleResult> = Vec::new();
        for record in task.records.iter().flatten() {
            if !place_of.contains_key(record.id.as_str()) {
                place_of.insert(&record.id, ids.len());
                ids.push(record);
            }
        }
        let mut number_of: BTreeMap<&str, usize> = BTreeMap::new();
        let clusters: Vec<Option<usize>> = ids
            .iter()
            .map(|record| {
                let next = number_of.len();
                record.cluster.as_deref().map(|cluster| *number_of.entry(cluster).or_insert(next))
            })
            .collect();
        // A sample without a cluster among others with one is a cluster by itself.
        let mut next = number_of.len();
        let clusters = clusters.iter().any(Option::is_some).then(|| {
            let own = |cluster: Option<usize>| {
                cluster.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                })
            };
            clusters.into_iter().map(own).collect()
        });
        let models = models
            .iter()
            .zip(&task.records)
            .map(|(model, records)| BaselineModel::of(&model.label, records, &place_of, &task.metrics))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            task: task.measured.task.clone(),
            protocol: task.measured.label.clone(),
            data,
            samples: SampleIds::of(ids.iter().map(|record| record.id.clone()).collect()),
            clusters,
            models,
        })
    }

    /// What does not fit together.
    fn check(&self) -> Result<(), String> {
        let count = self.samples.len();
        let protocol = self.protocol.to_string();
        let metrics = self.models.iter().flat_map(|model| &model.metrics).map(|metric| &metric.metric);
        let models = self.models.iter().map(|model| &model.model);
        // They stand in tables, which a terminal shows.
        let names = metrics.chain(models).chain([&self.task, &protocol]);
        if let Some(name) = names.into_iter().find(|name| name.chars().any(char::is_control)) {
            return Err(format!("`{name}` is no name"));
        }
        if self.clusters.as_ref().is_some_and(|clusters| clusters.len() != count) {
            return Err(format!("`clusters` has not the {count} samples"));
        }
        for model in &self.models {
            if !model.without.is_sorted_by(|a, b| a < b) || model.without.iter().any(|&place| place >= count)
            {
                return Err(format!("{}: `without` names samples that are not there", model.model));
            }
            let rest = count - model.without.len();
            // A number of samples that nothing else in the file bears out could be any.
            if rest > 0 && model.values.is_empty() {
                return Err(format!("{}: no statistics of its {rest} samples", model.model));
            }
            for (name, column) in &model.values {
                if column.0.len() != rest {
                    let found = column.0.len();
                    return Err(format!("{}: `{name}` has {found} numbers, not {rest}", model.model));
                }
            }
        }
        Ok(())
    }
}

impl BaselineModel {
    fn of(
        label: &str,
        records: &[SampleResult],
        place_of: &BTreeMap<&str, usize>,
        metrics: &[Metric],
    ) -> Result<Self, GateError> {
        let good: BTreeMap<usize, &SampleResult> = records
            .iter()
            .filter(|record| record.error.is_none())
            .filter_map(|record| Some((*place_of.get(record.id.as_str())?, record)))
            .collect();
        let mut needed = BTreeSet::new();
        if let Some(first) = good.values().next() {
            needed.extend(metrics.iter().flat_map(|metric| metric.values(&first.values)));
        }
        let mut columns = Columns::new();
        for name in needed {
            let column: Option<Vec<f64>> =
                good.values().map(|record| record.values.get(&name).copied()).collect();
            // A statistic that a sample lacks cannot be added up, and its metrics are not computed.
            columns.extend(column.map(|column| (name, column)));
        }
        let value = |metric: &Metric| {
            let value = metric.value(&columns, good.len())?;
            Some(BaselineMetric { metric: metric.name.to_owned(), value })
        };
        let metrics = metrics.iter().filter_map(value).collect();
        let mut hash = Sha256::new();
        for record in records {
            hash.update(serde_json::to_vec(record)?);
            hash.update(b"\n");
        }
        Ok(Self {
            model: label.to_owned(),
            metrics,
            without: (0..place_of.len()).filter(|place| !good.contains_key(place)).collect(),
            values: columns.into_iter().map(|(name, column)| (name, Column(column))).collect(),
            records_sha256: hex::encode(hash.finalize()),
        })
    }
}
