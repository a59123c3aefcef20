//! Runs a plan that has passed preflight: model after model, task after task, from the journal where it has answers.

use std::collections::BTreeMap;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::preflight::{Preflight, ReadyModel, ReadyTask, tokens_of};
use super::task_run::TaskRun;
use super::{Journal, RunDirectory, RunError};
use crate::record::{Identity, ModelIdentity, SampleResult, TaskUsage};
use gpt2_kernels::Precision;
use gpt2_model::engine::{self, Backend, Engine};
use gpt2_model::{CheckpointError, ComputeDevice};

/// How a plan is run; none of it changes a result.
pub struct RunOptions<'a> {
    /// What the models run on.
    pub device: &'a ComputeDevice,
    /// Most tokens of a forward pass, padding included.
    pub batch_tokens: usize,
    /// Whether the first sample or task that fails ends the run.
    pub fail_fast: bool,
    /// Asked after every batch: whether the user wants the run to stop.
    pub stop_wanted: &'a dyn Fn() -> bool,
}

/// Who watches a run and writes its reports.
pub trait Observer {
    /// A task begins on a model; `tokens` of the run need not be computed, since the journal has them.
    fn begin(&mut self, model: &str, task: &str, resumed_tokens: u64);
    /// So many tokens have been read.
    fn progress(&mut self, tokens: usize);
    /// Something that the user should know, a sentence.
    fn note(&mut self, text: &str);
    /// A task is finished on a model; `records` are in the order of the data.
    fn finished(
        &mut self,
        model: &ModelIdentity,
        task: usize,
        records: &[SampleResult],
    ) -> Result<(), RunError>;
    /// A task has failed on a model, and the run goes on with the next.
    fn task_failed(&mut self, model: &str, task: usize, error: &RunError) -> Result<(), RunError>;
}

/// What did not go well in a run that came to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// Samples that have an error instead of statistics.
    pub failed_samples: usize,
    /// `task on model: reason` for each task that has no scores.
    pub failed_tasks: Vec<String>,
}

/// Runs everything; the journal grows as the run goes.
///
/// `Err` if nothing more can be done: the user stopped it, a file cannot be written, or the first failure with
/// [`RunOptions::fail_fast`]. Every journal is read before the first forward pass, so that a damaged one is known then.
pub fn execute(
    preflight: &Preflight,
    options: &RunOptions<'_>,
    directory: &mut RunDirectory,
    observer: &mut dyn Observer,
) -> Result<Failures, RunError> {
    for model in &preflight.models {
        for task in &preflight.tasks {
            let keys = sample_keys(&preflight.identity, &model.identity, task);
            let path = directory.journal(&model.planned.label, &task.journal_name())?;
            Journal::open(&path, |id| keys.get(id).map(String::as_str))?;
        }
    }
    let mut failures = Failures::default();
    for model in &preflight.models {
        // Loaded when the first sample needs it: a finished run is shown again at once.
        let mut loaded: Option<Box<dyn Backend>> = None;
        for (number, task) in preflight.tasks.iter().enumerate() {
            let part = Part { preflight, options, model, task, number };
            match part.run(&mut loaded, directory, observer) {
                Ok(failed) => failures.failed_samples += failed,
                Err(error) if error.affects_only_this_task() && !options.fail_fast => {
                    observer.task_failed(&model.planned.label, number, &error)?;
                    failures
                        .failed_tasks
                        .push(format!("{} on {}: {error}", task.planned.task, model.planned.label));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(failures)
}

/// One task on one model.
struct Part<'a> {
    preflight: &'a Preflight,
    options: &'a RunOptions<'a>,
    model: &'a ReadyModel,
    task: &'a ReadyTask,
    /// The task's place in the plan.
    number: usize,
}

impl Part<'_> {
    /// Measures it; returns how many of its samples failed.
    fn run(
        &self,
        loaded: &mut Option<Box<dyn Backend>>,
        directory: &mut RunDirectory,
        observer: &mut dyn Observer,
    ) -> Result<usize, RunError> {
        let Self { preflight, options, model, task, number } = *self;
        let label = &model.planned.label;
        let work = &model.work[number];
        let keys = sample_keys(&preflight.identity, &model.identity, task);
        let path = directory.journal(label, &task.journal_name())?;
        let (mut journal, mut records) = Journal::open(&path, |id| keys.get(id).map(String::as_str))?;
        // What failed is tried again.
        records.retain(|_, record| record.error.is_none());
        let pending: Vec<usize> = (0..task.selected.len())
            .filter(|&sample| !records.contains_key(task.loaded.id(task.selected[sample])))
            .collect();
        let total = tokens_of(work.iter().flatten().flatten());
        let missing = tokens_of(pending.iter().filter_map(|&sample| work[sample].as_ref().ok()).flatten());
        observer.begin(label, &task.planned.task, total - missing);
        if !pending.is_empty() {
            let backend = match loaded {
                Some(backend) => backend,
                None => loaded.insert(load(model, options.device, preflight.precision)?),
            };
            let tokenizer = &model.checkpoint.tokenizer;
            let engine = Engine::new(&**backend, tokenizer, options.batch_tokens);
            let run = TaskRun { task, keys: &keys, work, pending: &pending, options };
            let start = Instant::now();
            let usage = run.run(&engine, &mut journal, &mut records, observer)?;
            directory.add_usage(TaskUsage {
                model: label.clone(),
                task: task.planned.task.clone(),
                protocol: task.label.to_string(),
                kernels: backend.description(),
                seconds: start.elapsed().as_secs_f64(),
                requested_tokens: missing,
                read_tokens: usage.read_tokens,
                padding_tokens: usage.padding_tokens,
                kv_cache_bytes: usage.kv_cache_bytes,
            });
        }
        let ordered: Vec<SampleResult> =
            task.selected.iter().filter_map(|&index| records.remove(task.loaded.id(index))).collect();
        journal.finish(ordered.iter())?;
        observer.finished(&model.identity, number, &ordered)?;
        Ok(ordered.iter().filter(|record| record.error.is_some()).count())
    }
}

fn load(
    model: &ReadyModel,
    device: &ComputeDevice,
    precision: Precision,
) -> Result<Box<dyn Backend>, RunError> {
    engine::load(&model.checkpoint, device, precision).map_err(|source| RunError::Checkpoint {
        label: model.planned.label.clone(),
        source: CheckpointError::Weights(source),
    })
}

/// For each sample id the key of its record: a hash of everything that decides the answer, so that another model's
/// answer is never served.
fn sample_keys(identity: &Identity, model: &ModelIdentity, task: &ReadyTask) -> BTreeMap<String, String> {
    let mut common = Sha256::new();
    for part in [
        &model.config_sha256,
        &model.weights_sha256,
        &model.tokenizer_sha256,
        &identity.dtype,
        &identity.backend,
        &identity.engine_version.to_string(),
    ] {
        common.update(part.as_bytes());
        common.update([0]);
    }
    task.selected
        .iter()
        .zip(&task.prompt_sha256)
        .map(|(&index, prompt_sha256)| {
            let mut hasher = common.clone();
            hasher.update(prompt_sha256.as_bytes());
            (task.loaded.id(index).to_owned(), hex::encode(hasher.finalize()))
        })
        .collect()
}
