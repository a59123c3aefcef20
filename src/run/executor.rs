//! Runs a plan that has passed preflight: model after model, task after task, from the journal where it has answers.

use std::collections::BTreeMap;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::preflight::{Preflight, ReadyModel, ReadyTask, tokens_of};
use super::{Journal, RunDirectory, RunError};
use crate::engine::{Effort, Engine, Event, Work};
use crate::kernels::Precision;
use crate::model::{CheckpointError, ComputeDevice, LanguageModel};
use crate::record::{Identity, ModelIdentity, SampleRecord, TaskEffort};
use crate::request::Response;
use crate::text::hexadecimal;

/// How a plan is run; none of it changes a result.
pub struct RunOptions<'a> {
    /// What the models run on.
    pub device: &'a ComputeDevice,
    /// Most tokens of a forward pass, padding included.
    pub batch_tokens: usize,
}

/// Who watches a run and writes its reports.
pub trait Observer {
    /// A task begins on a model; `tokens` of the run need not be computed, since the journal has them.
    fn begin(&mut self, model: &str, task: &str, resumed_tokens: u64);
    /// So many tokens have been read.
    fn progress(&mut self, tokens: usize);
    /// A task is finished on a model; `records` are in the order of the data.
    fn finished(
        &mut self,
        model: &ModelIdentity,
        task: &ReadyTask,
        records: &[SampleRecord],
    ) -> Result<(), RunError>;
}

/// Runs everything; the journal grows as the run goes.
pub fn execute(
    preflight: &Preflight,
    options: &RunOptions<'_>,
    directory: &mut RunDirectory,
    observer: &mut dyn Observer,
) -> Result<(), RunError> {
    for model in &preflight.models {
        // Loaded when the first sample needs it: a finished run is shown again at once.
        let mut loaded: Option<LanguageModel> = None;
        for (task, work) in preflight.tasks.iter().zip(model.work.iter()) {
            let keys = sample_keys(&preflight.identity, &model.identity, task);
            let path = directory.journal(&model.planned.label, &task.journal_name())?;
            let (mut journal, mut records) =
                Journal::open(&path, |id| keys.get(id).map(|(_, key)| key.as_str()))?;
            let pending: Vec<usize> = (0..task.selected.len())
                .filter(|&sample| !records.contains_key(task.loaded.id(task.selected[sample])))
                .collect();
            let total = tokens_of(work.iter().flatten());
            let missing = tokens_of(pending.iter().flat_map(|&sample| &work[sample]));
            observer.begin(&model.planned.label, &task.planned.task, total - missing);
            if !pending.is_empty() {
                let gpt2 = match &mut loaded {
                    Some(gpt2) => gpt2,
                    None => loaded.insert(load(model, options.device, preflight.precision)?),
                };
                let engine =
                    Engine::new(gpt2, &model.checkpoint.tokenizer, options.device, options.batch_tokens);
                let run = TaskRun { task, keys: &keys, work, pending: &pending };
                let start = Instant::now();
                let effort = run.run(&engine, &mut journal, &mut records, observer)?;
                directory.add_effort(TaskEffort {
                    model: model.planned.label.clone(),
                    task: task.planned.task.clone(),
                    protocol: task.label.to_string(),
                    kernels: gpt2.kernels(),
                    seconds: start.elapsed().as_secs_f64(),
                    requested_tokens: missing,
                    read_tokens: effort.read_tokens,
                    padding_tokens: effort.padding_tokens,
                    key_value_bytes: effort.key_value_bytes,
                });
            }
            let ordered: Vec<SampleRecord> =
                task.selected.iter().filter_map(|&index| records.remove(task.loaded.id(index))).collect();
            journal.finish(ordered.iter())?;
            observer.finished(&model.identity, task, &ordered)?;
        }
    }
    Ok(())
}

fn load(model: &ReadyModel, device: &ComputeDevice, precision: Precision) -> Result<LanguageModel, RunError> {
    model.checkpoint.load_for(device, precision).map_err(|source| RunError::Checkpoint {
        label: model.planned.label.clone(),
        source: CheckpointError::Weights(source),
    })
}

/// For each sample id its place in the selection and the key of its record: a hash of everything that decides the
/// answer, so that another model's answer is never served.
fn sample_keys(
    identity: &Identity,
    model: &ModelIdentity,
    task: &ReadyTask,
) -> BTreeMap<String, (usize, String)> {
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
        .enumerate()
        .map(|(sample, &index)| {
            let mut hasher = common.clone();
            hasher.update(task.prompt_sha256[sample].as_bytes());
            (task.loaded.id(index).to_owned(), (sample, hexadecimal(&hasher.finalize())))
        })
        .collect()
}

struct TaskRun<'a> {
    task: &'a ReadyTask,
    keys: &'a BTreeMap<String, (usize, String)>,
    work: &'a [Vec<Work>],
    pending: &'a [usize],
}

impl TaskRun<'_> {
    /// Runs the pending samples; each is scored and journalled when its last answer is there.
    fn run(
        &self,
        engine: &Engine<'_>,
        journal: &mut Journal,
        records: &mut BTreeMap<String, SampleRecord>,
        observer: &mut dyn Observer,
    ) -> Result<Effort, RunError> {
        let mut flat: Vec<&Work> = Vec::new();
        let mut place: Vec<(usize, usize)> = Vec::new();
        let mut answers: Vec<Vec<Option<Response>>> = Vec::new();
        for (row, &sample) in self.pending.iter().enumerate() {
            answers.push(vec![None; self.work[sample].len()]);
            for (column, work) in self.work[sample].iter().enumerate() {
                flat.push(work);
                place.push((row, column));
            }
        }
        let outcome = engine.run(&flat, |event| match event {
            Event::Progress { tokens } => {
                observer.progress(tokens);
                journal.flush()
            }
            Event::Response { index, response } => {
                let (row, column) = place[index];
                answers[row][column] = Some(response);
                if answers[row].iter().all(Option::is_some) {
                    let responses: Vec<Response> =
                        std::mem::take(&mut answers[row]).into_iter().flatten().collect();
                    let record = self.record(self.pending[row], responses)?;
                    journal.append(&record)?;
                    records.insert(record.id.clone(), record);
                }
                Ok(())
            }
        });
        journal.flush()?;
        outcome
    }

    fn record(&self, sample: usize, responses: Vec<Response>) -> Result<SampleRecord, RunError> {
        let index = self.task.selected[sample];
        let id = self.task.loaded.id(index);
        let statistics = self.task.loaded.score(index, &responses).map_err(|source| RunError::Task {
            task: self.task.planned.task.clone(),
            id: id.to_owned(),
            source,
        })?;
        Ok(SampleRecord {
            id: id.to_owned(),
            cluster: self.task.loaded.cluster(index).map(str::to_owned),
            key: self.keys.get(id).map(|(_, key)| key.clone()).unwrap_or_default(),
            prompt_sha256: self.task.prompt_sha256[sample].clone(),
            context_tokens: responses.iter().map(Response::context_tokens).sum(),
            target_tokens: responses.iter().map(Response::target_tokens).sum(),
            truncated_tokens: responses.iter().map(Response::truncated_tokens).sum(),
            responses,
            statistics,
            error: None,
        })
    }
}
