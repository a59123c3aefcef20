//! One of the two things that are compared: a run directory, summarized as a regression baseline, or a baseline file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};

use super::baseline::{
    BASELINE_VERSION, BaselineMetric, BaselineModel, BaselineTask, Column, RegressionBaseline, SampleIds,
};
use crate::record::{DataIdentity, ModelIdentity, SampleResult};
use crate::run::{FinishedRun, FinishedTask};
use text_metrics::{Columns, Metric};

/// A run directory or a baseline file that has been read.
#[derive(Debug)]
pub(crate) struct Side {
    /// Its path as the user typed it.
    pub name: String,
    /// Its metrics and values.
    pub measured: RegressionBaseline,
    /// The run, for a run directory.
    pub run: Option<FinishedRun>,
}

impl Side {
    /// Reads a run directory.
    pub fn of_run(path: &Path) -> anyhow::Result<Self> {
        let run = FinishedRun::open(path)?;
        let measured = RegressionBaseline::of_run(&run)?;
        Ok(Self { name: path.display().to_string(), measured, run: Some(run) })
    }

    /// Reads a run directory or a baseline file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if path.is_file() {
            let measured = RegressionBaseline::read(path)?;
            return Ok(Self { name: path.display().to_string(), measured, run: None });
        }
        Self::of_run(path)
    }

    /// Name and content.
    pub fn named(&self) -> (&str, &RegressionBaseline) {
        (&self.name, &self.measured)
    }

    /// The task in the run directory; `None` for a baseline file.
    pub(super) fn task(&self, task: &BaselineTask) -> Option<&FinishedTask> {
        let is_it = |finished: &&FinishedTask| {
            finished.measured.task == task.task && finished.measured.label == task.protocol
        };
        self.run.as_ref()?.tasks.iter().find(is_it)
    }

    /// A model's sample results of a task; `None` for a baseline file.
    pub(super) fn records(&self, task: &BaselineTask, label: &str) -> Option<&[SampleResult]> {
        let index = self.measured.models.iter().position(|model| model.label == label)?;
        self.task(task)?.records.get(index).map(Vec::as_slice)
    }
}

impl RegressionBaseline {
    /// Summarizes a run.
    ///
    /// `Err` names a model, task or sample with values that no run writes.
    pub(crate) fn of_run(run: &FinishedRun) -> anyhow::Result<Self> {
        let summary = Self::summary(run)?;
        summary.check().map_err(|reason| {
            anyhow!("{}: {reason}; its files were changed: run it again with --fresh", run.path.display())
        })?;
        Ok(summary)
    }

    fn summary(run: &FinishedRun) -> anyhow::Result<Self> {
        let identity = &run.manifest.identity;
        let tasks = run.tasks.iter().zip(&identity.data);
        let tasks = tasks.map(|(task, data)| {
            BaselineTask::of(task, data.clone(), &identity.models)
                .with_context(|| format!("{}: {}", run.path.display(), task.measured.task))
        });
        Ok(Self {
            baseline_version: BASELINE_VERSION,
            program_version: run.manifest.environment.program_version.clone(),
            engine_version: identity.engine_version,
            backend: identity.backend.clone(),
            dtype: identity.dtype.clone(),
            seed: identity.seed,
            models: identity.models.clone(),
            custom_tasks: run.manifest.plan.custom_tasks.clone(),
            tasks: tasks.collect::<anyhow::Result<_>>()?,
        })
    }
}

impl BaselineTask {
    fn of(task: &FinishedTask, data: DataIdentity, models: &[ModelIdentity]) -> anyhow::Result<Self> {
        // The first model's order, then the samples that only other models have.
        let mut index_of: BTreeMap<&str, usize> = BTreeMap::new();
        let mut samples: Vec<&SampleResult> = Vec::new();
        for record in task.records.iter().flatten() {
            if !index_of.contains_key(record.id.as_str()) {
                index_of.insert(&record.id, samples.len());
                samples.push(record);
            }
        }
        let models = models
            .iter()
            .zip(&task.records)
            .map(|(model, records)| BaselineModel::of(&model.label, records, &index_of, &task.metrics))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            task: task.measured.task.clone(),
            protocol: task.measured.label.clone(),
            data,
            clusters: cluster_numbers(&samples),
            samples: SampleIds::new(samples.iter().map(|record| record.id.clone()).collect()),
            models,
        })
    }
}

/// Numbers the clusters in order of appearance; `None` if no sample has one.
fn cluster_numbers(samples: &[&SampleResult]) -> Option<Vec<usize>> {
    let mut number_of: BTreeMap<&str, usize> = BTreeMap::new();
    let clusters: Vec<Option<usize>> = samples
        .iter()
        .map(|record| {
            let next = number_of.len();
            record.cluster.as_deref().map(|cluster| *number_of.entry(cluster).or_insert(next))
        })
        .collect();
    // A sample without a cluster, where others have one, is a cluster of its own.
    let mut unused = number_of.len()..;
    let is_clustered = clusters.iter().any(Option::is_some);
    is_clustered.then(|| clusters.into_iter().filter_map(|number| number.or_else(|| unused.next())).collect())
}

impl BaselineModel {
    fn of(
        label: &str,
        records: &[SampleResult],
        index_of: &BTreeMap<&str, usize>,
        metrics: &[Metric],
    ) -> anyhow::Result<Self> {
        let good: BTreeMap<usize, &SampleResult> = records
            .iter()
            .filter(|record| record.error.is_none())
            .filter_map(|record| Some((*index_of.get(record.id.as_str())?, record)))
            .collect();
        let mut needed = BTreeSet::new();
        if let Some(first) = good.values().next() {
            needed.extend(metrics.iter().flat_map(|metric| metric.values(&first.values)));
        }
        let mut columns = Columns::new();
        for name in needed {
            let column: Vec<f64> =
                good.values().filter_map(|record| record.values.get(&name).copied()).collect();
            if column.len() == good.len() {
                columns.insert(name, column);
            } else if let Some(without) =
                good.values().find(|record| !column.is_empty() && !record.values.contains_key(&name))
            {
                bail!("sample {} of {label} has no value `{name}`, which the others have", without.id);
            }
        }
        let value = |metric: &Metric| {
            let value = metric.value(&columns, good.len())?;
            Some(BaselineMetric { metric: metric.name.to_owned(), value })
        };
        let tested = metrics.iter().filter(|metric| !metric.follows_from_accuracy());
        let metrics = tested.filter_map(value).collect();
        let mut hash = Sha256::new();
        for record in records {
            hash.update(serde_json::to_vec(record)?);
            hash.update(b"\n");
        }
        Ok(Self {
            model: label.to_owned(),
            metrics,
            without: (0..index_of.len()).filter(|index| !good.contains_key(index)).collect(),
            values: columns.into_iter().map(|(name, column)| (name, Column(column))).collect(),
            records_sha256: hex::encode(hash.finalize()),
        })
    }
}
