//! One task on one model: runs the samples that its journal does not have yet.

use std::collections::BTreeMap;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::loaded::LoadedTask;
use super::preflight::{Preflight, ReadyModel, TaskWork, tokens_of};
use super::selection::LoadedSample;
use super::{Journal, Observer, RunDirectory, RunError, RunOptions};
use crate::record::{Identity, ModelIdentity, SampleResult, TaskUsage};
use gpt2_model::engine::{self, Backend, Engine, Event, Usage, Work};
use gpt2_model::request::Response;

/// A task on a model with its open journal.
pub(super) struct TaskRun<'a> {
    preflight: &'a Preflight,
    options: &'a RunOptions<'a>,
    model: &'a ReadyModel,
    /// Index of the task in the plan.
    number: usize,
    task: &'a LoadedTask,
    work: &'a TaskWork,
    /// Journal key of each sample.
    keys: Vec<String>,
    journal: Journal,
    /// Results that are in the journal, by sample id.
    records: BTreeMap<String, SampleResult>,
}

impl<'a> TaskRun<'a> {
    /// Opens the journal and checks its content.
    pub fn open(
        preflight: &'a Preflight,
        options: &'a RunOptions<'a>,
        model: &'a ReadyModel,
        number: usize,
        directory: &RunDirectory,
    ) -> Result<Self, RunError> {
        let (task, work) = (&preflight.tasks[number], &model.work[number]);
        let keys = sample_keys(&preflight.identity, &model.identity, task);
        let ids = task.samples.iter().map(|sample| task.id(sample));
        let key_of: BTreeMap<&str, &str> = ids.zip(keys.iter().map(String::as_str)).collect();
        let path = directory.journal(&model.planned.label, &task.journal_name())?;
        let (journal, mut records) = Journal::open(&path, |id| key_of.get(id).copied())?;
        // Failed samples are retried.
        records.retain(|_, record| record.error.is_none());
        Ok(Self { preflight, options, model, number, task, work, keys, journal, records })
    }

    /// Runs the samples without a result, completes the journal and returns how many samples failed.
    pub fn run(
        mut self,
        loaded: &mut Option<Box<dyn Backend>>,
        directory: &mut RunDirectory,
        observer: &mut dyn Observer,
    ) -> Result<usize, RunError> {
        let Self { preflight, options, model, number, task, work, .. } = self;
        let label = &model.planned.label;
        let is_pending = |sample: &LoadedSample| !self.records.contains_key(task.id(sample));
        let pending: Vec<bool> = task.samples.iter().map(is_pending).collect();
        let total = tokens_of(work.iter().flatten().flatten());
        let missing = work.iter().zip(&pending).filter(|(_, is_pending)| **is_pending);
        let missing = tokens_of(missing.flat_map(|(work, _)| work.iter().flatten()));
        observer.begin(label, &task.planned.task, total - missing);
        if pending.contains(&true) {
            let backend = match loaded {
                Some(backend) => backend,
                None => {
                    let opened = engine::load(&model.checkpoint, options.device, preflight.precision);
                    loaded.insert(
                        opened.map_err(|source| RunError::Checkpoint { label: label.clone(), source })?,
                    )
                }
            };
            let tokenizer = &model.checkpoint.tokenizer;
            let engine = Engine::new(&**backend, tokenizer, options.batch_tokens);
            let start = Instant::now();
            let usage = self.compute(&engine, &pending, observer)?;
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
            task.samples.iter().filter_map(|sample| self.records.remove(task.id(sample))).collect();
        self.journal.finish(ordered.iter())?;
        observer.finished(&model.identity, number, &ordered)?;
        Ok(ordered.iter().filter(|record| record.error.is_some()).count())
    }

    /// Runs the pending samples; each is scored and written to the journal when its last response arrives.
    fn compute(
        &mut self,
        engine: &Engine<'_>,
        pending: &[bool],
        observer: &mut dyn Observer,
    ) -> Result<Usage, RunError> {
        // All of the task's work goes to the engine, also that of samples with a result: where a batch changes bits, the
        // batches are those of a run that was never interrupted.
        let mut flat: Vec<&Work> = Vec::new();
        // Sample and request of each piece of work.
        let mut origins: Vec<(usize, usize)> = Vec::new();
        let mut responses: Vec<Option<Vec<Option<Response>>>> = vec![None; self.work.len()];
        for (sample, (work, &is_pending)) in self.work.iter().zip(pending).enumerate() {
            for (request, work) in work.iter().flatten().enumerate() {
                flat.push(work);
                origins.push((sample, request));
            }
            match work {
                _ if !is_pending => {}
                Ok(work) => responses[sample] = Some(vec![None; work.len()]),
                Err(reason) => self.add(self.failed(sample, reason.clone()))?,
            }
        }
        if (self.options.stop_wanted)() {
            self.journal.flush()?;
            return Err(RunError::Stopped);
        }
        let is_wanted = |index: usize| pending[origins[index].0];
        let usage = engine.run_wanted(&flat, is_wanted, |event| match event {
            Event::Progress { tokens } => {
                observer.progress(tokens);
                self.journal.flush()?;
                if (self.options.stop_wanted)() { Err(RunError::Stopped) } else { Ok(()) }
            }
            Event::Warning(text) => {
                observer.note(&format!("warning: {text}"));
                Ok(())
            }
            Event::Response { index, response } => {
                let (sample, request) = origins[index];
                let Some(of_sample) = &mut responses[sample] else { return Ok(()) };
                of_sample[request] = Some(response);
                if of_sample.iter().all(Option::is_some) {
                    let of_sample = responses[sample].take().into_iter().flatten().flatten().collect();
                    self.add(self.scored(sample, of_sample)?)?;
                }
                Ok(())
            }
        });
        self.journal.flush()?;
        usage
    }

    fn add(&mut self, record: SampleResult) -> Result<(), RunError> {
        self.journal.append(&record)?;
        self.records.insert(record.id.clone(), record);
        Ok(())
    }

    /// The result of a sample with responses; a failed one if they cannot be scored.
    fn scored(&self, sample: usize, responses: Vec<Response>) -> Result<SampleResult, RunError> {
        let index = self.task.samples[sample].index;
        if !responses.iter().all(Response::is_finite) {
            let why = self.model.checkpoint.explain_not_finite();
            return self.give_up(sample, format!("log-probability is NaN or infinite: {why}"));
        }
        let values = match self.task.all.score(index, &responses) {
            Ok(values) => values,
            Err(error) => return self.give_up(sample, error.to_string()),
        };
        if let Some((name, value)) = values.iter().find(|(_, value)| !value.is_finite()) {
            return self.give_up(sample, format!("the value `{name}` is {value}"));
        }
        Ok(SampleResult {
            context_tokens: responses.iter().map(Response::context_tokens).sum(),
            target_tokens: responses.iter().map(Response::target_tokens).sum(),
            truncated_tokens: responses.iter().map(Response::truncated_tokens).sum(),
            responses,
            candidate_sets: self.task.all.candidate_sets(index),
            values,
            error: None,
            ..self.failed(sample, String::new())
        })
    }

    /// A failed result, or with `fail_fast` the end of the run.
    fn give_up(&self, sample: usize, reason: String) -> Result<SampleResult, RunError> {
        if !self.options.fail_fast {
            return Ok(self.failed(sample, reason));
        }
        let (task, sample) = (self.task, &self.task.samples[sample]);
        let (location, id, task) = (task.location(sample), task.id(sample), &task.planned.task);
        Err(RunError::Other(format!("{location}: sample {id} of {task} failed: {reason}")))
    }

    /// The result of a sample without responses.
    fn failed(&self, number: usize, reason: String) -> SampleResult {
        let sample = &self.task.samples[number];
        SampleResult {
            id: self.task.id(sample).to_owned(),
            cluster: self.task.all.cluster(sample.index).map(str::to_owned),
            key: self.keys[number].clone(),
            prompt_sha256: sample.prompt_sha256.clone(),
            context_tokens: 0,
            target_tokens: 0,
            truncated_tokens: 0,
            responses: Vec::new(),
            candidate_sets: Vec::new(),
            values: BTreeMap::new(),
            error: Some(reason),
        }
    }
}

/// The journal key of each sample: a hash of everything that decides its responses, so that a journal never serves the
/// responses of another model.
fn sample_keys(identity: &Identity, model: &ModelIdentity, task: &LoadedTask) -> Vec<String> {
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
    let key = |sample: &LoadedSample| {
        hex::encode(common.clone().chain_update(sample.prompt_sha256.as_bytes()).finalize())
    };
    task.samples.iter().map(key).collect()
}
