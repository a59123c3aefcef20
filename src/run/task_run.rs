//! The samples of one task on one model that are not in the journal yet.

use std::collections::BTreeMap;

use super::executor::{Observer, RunOptions};
use super::preflight::{ReadyTask, TaskWork};
use super::{Journal, RunError};
use crate::record::SampleResult;
use gpt2_model::engine::{Engine, Event, Usage, Work};
use gpt2_model::request::Response;

/// What is to be run.
pub(super) struct TaskRun<'a> {
    /// The task.
    pub task: &'a ReadyTask,
    /// The key of each sample's record, by id.
    pub keys: &'a BTreeMap<String, String>,
    /// What the model is asked about each selected sample.
    pub work: &'a TaskWork,
    /// The samples that are missing, by their place in the selection.
    pub pending: &'a [usize],
    /// How to run.
    pub options: &'a RunOptions<'a>,
}

impl TaskRun<'_> {
    /// Runs the pending samples; each is scored and journalled when its last answer is there.
    pub fn run(
        &self,
        engine: &Engine<'_>,
        journal: &mut Journal,
        records: &mut BTreeMap<String, SampleResult>,
        observer: &mut dyn Observer,
    ) -> Result<Usage, RunError> {
        // All of the task's work is planned, whatever is missing of it: where neighbours in a batch count, the batches
        // are those of a run that was never cut off.
        let mut flat: Vec<&Work> = Vec::new();
        let mut place: Vec<(usize, usize)> = Vec::new();
        let mut answers: Vec<Option<Vec<Option<Response>>>> = vec![None; self.work.len()];
        for (sample, of_sample) in self.work.iter().enumerate() {
            for (column, work) in of_sample.iter().flatten().enumerate() {
                flat.push(work);
                place.push((sample, column));
            }
        }
        for &sample in self.pending {
            match &self.work[sample] {
                Ok(of_sample) => answers[sample] = Some(vec![None; of_sample.len()]),
                Err(reason) => {
                    let record = self.failed(sample, reason.clone());
                    journal.append(&record)?;
                    records.insert(record.id.clone(), record);
                }
            }
        }
        let is_pending: Vec<bool> = answers.iter().map(Option::is_some).collect();
        if (self.options.stop_wanted)() {
            journal.flush()?;
            return Err(RunError::Stopped);
        }
        let is_wanted = |index: usize| is_pending[place[index].0];
        let outcome = engine.run_wanted(&flat, is_wanted, |event| match event {
            Event::Progress { tokens } => {
                observer.progress(tokens);
                journal.flush()?;
                if (self.options.stop_wanted)() { Err(RunError::Stopped) } else { Ok(()) }
            }
            Event::Warning(text) => {
                observer.note(&format!("warning: {text}"));
                Ok(())
            }
            Event::Response { index, response } => {
                let (sample, column) = place[index];
                let Some(of_sample) = &mut answers[sample] else { return Ok(()) };
                of_sample[column] = Some(response);
                if of_sample.iter().all(Option::is_some) {
                    let responses = answers[sample].take().into_iter().flatten().flatten().collect();
                    let record = self.record(sample, responses)?;
                    journal.append(&record)?;
                    records.insert(record.id.clone(), record);
                }
                Ok(())
            }
        });
        journal.flush()?;
        outcome
    }

    /// The record of a sample that was answered; one with an error if the answers cannot be scored.
    fn record(&self, sample: usize, responses: Vec<Response>) -> Result<SampleResult, RunError> {
        let index = self.task.selected[sample];
        if !responses.iter().all(Response::is_finite) {
            let reason = "a log-probability is no number: the weights hold or make values that are none, or the device computes \
                          wrongly";
            return self.give_up(sample, reason.to_owned());
        }
        let values = match self.task.loaded.score(index, &responses) {
            Ok(values) => values,
            Err(source) if self.options.fail_fast => {
                return Err(RunError::Task {
                    task: self.task.planned.task.clone(),
                    id: self.task.loaded.id(index).to_owned(),
                    source,
                });
            }
            Err(source) => return Ok(self.failed(sample, source.to_string())),
        };
        if let Some((name, value)) = values.iter().find(|(_, value)| !value.is_finite()) {
            return self.give_up(sample, format!("the statistic `{name}` is {value}, no number"));
        }
        Ok(SampleResult {
            context_tokens: responses.iter().map(Response::context_tokens).sum(),
            target_tokens: responses.iter().map(Response::target_tokens).sum(),
            truncated_tokens: responses.iter().map(Response::truncated_tokens).sum(),
            responses,
            candidate_sets: self.task.loaded.candidate_sets(index),
            values,
            error: None,
            ..self.failed(sample, String::new())
        })
    }

    /// A failed record, or the end of the run where the first failure is to end it.
    fn give_up(&self, sample: usize, reason: String) -> Result<SampleResult, RunError> {
        if !self.options.fail_fast {
            return Ok(self.failed(sample, reason));
        }
        let index = self.task.selected[sample];
        Err(RunError::FailedSample {
            location: self.task.loaded.location(index),
            task: self.task.planned.task.clone(),
            id: self.task.loaded.id(index).to_owned(),
            reason,
        })
    }

    /// The record of a sample that has no answers.
    fn failed(&self, sample: usize, reason: String) -> SampleResult {
        let index = self.task.selected[sample];
        let id = self.task.loaded.id(index);
        SampleResult {
            id: id.to_owned(),
            cluster: self.task.loaded.cluster(index).map(str::to_owned),
            key: self.keys.get(id).cloned().unwrap_or_default(),
            prompt_sha256: self.task.prompt_sha256[sample].clone(),
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
