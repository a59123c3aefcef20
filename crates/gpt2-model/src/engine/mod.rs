//! Runs requests: planning, batching, scoring and generating.
//!
//! ```text
//! Request ─▶ Planner ─▶ Work ─▶ Engine ─▶ Backend (cpu or burn) ─▶ scores, completions ─▶ Response
//! ```
//!
//! The [`Planner`] tokenizes a request into work. The [`Engine`] runs identical work once and puts responses together. A
//! [`Backend`] cuts batches and computes.

mod backend;
mod burn;
#[cfg(feature = "flex")]
mod cpu;
mod generation;
mod memory;
mod planner;
mod responses;
mod sampler;
mod self_check;
mod softmax;
mod windows;
mod work;

use std::collections::HashMap;

use gpt2_kernels::Precision;

pub use backend::{Backend, Batching, Halt, Interrupted, Progress, Report, TokenScore};
pub use memory::default_batch_tokens;
pub use planner::Planner;
pub use sampler::filtered_distribution;
pub use self_check::{SelfCheckError, check_device};
pub use windows::{DocumentWindow, document_windows};
pub use work::{PlanError, Prompt, ScoredSequence, TokenSet, Work};

use burn::BurnBackend;
use responses::Responses;

use crate::request::{Completion, Response};
use crate::tokenizer::{Gpt2Tokenizer, TokenizerError};
use crate::{Checkpoint, CheckpointError, ComputeDevice};

/// Version of the arithmetic. Raise it whenever a score may change in any bit: a journal of an older engine is never
/// continued.
pub const ENGINE_VERSION: u32 = 4;

/// Why the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device failed.
    #[error("{device}: {reason}")]
    Device {
        /// Name of the device.
        device: String,
        /// Message of the device.
        reason: String,
    },
    /// A text cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// Observes a running engine.
pub enum Event {
    /// A response is complete.
    Response {
        /// Index of its work in the slice given to [`Engine::run`].
        index: usize,
        /// The response.
        response: Response,
    },
    /// A sentence for the user.
    Warning(String),
    /// A forward pass is done.
    Progress {
        /// Tokens of the work that it completed, padding not counted.
        tokens: usize,
    },
}

/// Usage of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that the model read; shared prefixes count once.
    pub read_tokens: u64,
    /// Padding tokens that it read in addition.
    pub padding_tokens: u64,
    /// Largest KV cache, bytes.
    pub kv_cache_bytes: u64,
}

impl Usage {
    fn add(&mut self, other: Self) {
        self.read_tokens += other.read_tokens;
        self.padding_tokens += other.padding_tokens;
        self.kv_cache_bytes = self.kv_cache_bytes.max(other.kv_cache_bytes);
    }
}

/// Loads a checkpoint in the form that is fastest on `device`: packed for the CPU kernels on flex, as Burn modules
/// elsewhere. Only the CPU kernels know other precisions than f32.
pub fn load(
    checkpoint: &Checkpoint,
    device: &ComputeDevice,
    precision: Precision,
) -> Result<Box<dyn Backend>, CheckpointError> {
    #[cfg(feature = "flex")]
    if device.backend() == "flex" {
        return Ok(Box::new(checkpoint.load_packed(device, precision)?));
    }
    let _ = precision;
    Ok(Box::new(BurnBackend::load(checkpoint, device)?))
}

/// A loaded model that answers requests.
pub struct Engine<'a> {
    backend: &'a dyn Backend,
    tokenizer: &'a Gpt2Tokenizer,
    batch_tokens: usize,
}

impl<'a> Engine<'a> {
    /// An engine whose batches have at most `batch_tokens` tokens, padding included.
    pub fn new(backend: &'a dyn Backend, tokenizer: &'a Gpt2Tokenizer, batch_tokens: usize) -> Self {
        Self { backend, tokenizer, batch_tokens: batch_tokens.max(1) }
    }

    /// Runs all of `work`, identical work once, and reports each response as soon as it is complete. An error of `sink`
    /// stops the run and is returned.
    pub fn run<E: From<EngineError>>(
        &self,
        work: &[&Work],
        sink: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<Usage, E> {
        self.run_wanted(work, |_| true, sink)
    }

    /// Continues one prompt. After each token `grown` gets the text so far. The completion is that of [`Engine::run`].
    pub fn generate(&self, prompt: &Prompt, mut grown: impl FnMut(&str)) -> Result<Completion, EngineError> {
        let mut completion = None;
        let batching = Batching { tokens: self.batch_tokens, is_wanted: &|_| true };
        let outcome = self.backend.generate(
            &[prompt],
            self.tokenizer,
            &batching,
            &mut |_, text| grown(text),
            &mut |progress| {
                if let Progress::Done(completions, _) = progress {
                    completion = completions.into_iter().next().map(|(_, found)| found).or(completion.take());
                }
                Ok(())
            },
        );
        match (outcome, completion) {
            (Err(Halt::Failed(error)), _) => Err(error),
            (_, Some(completion)) => Ok(completion),
            _ => Err(EngineError::Device {
                device: self.backend.description(),
                reason: "generated nothing".to_owned(),
            }),
        }
    }

    /// Runs the wanted part of `work`, with the same bits as [`Engine::run`] of all of it. If results depend on their
    /// batch, whole batches run again and other responses may be reported too.
    pub fn run_wanted<E: From<EngineError>>(
        &self,
        work: &[&Work],
        is_wanted: impl Fn(usize) -> bool,
        mut sink: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<Usage, E> {
        let depends_on_batch = self.backend.depends_on_batch();
        let same = identical_work(work, |index| depends_on_batch || is_wanted(index));
        let wanted = |index: usize| same[index].iter().any(|&index| is_wanted(index));
        let mut usage = Usage::default();
        self.score(work, &same, &wanted, &mut usage, &mut sink)?;
        self.generate_all(work, &same, &wanted, &mut usage, &mut sink)?;
        Ok(usage)
    }

    fn score<E: From<EngineError>>(
        &self,
        work: &[&Work],
        same: &[Vec<usize>],
        wanted: &dyn Fn(usize) -> bool,
        usage: &mut Usage,
        sink: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut responses = Responses::new(work, same);
        responses.finish_empty(sink)?;
        let sequences = responses.sequences();
        let work_of = responses.work_indices();
        let batching = Batching { tokens: self.batch_tokens, is_wanted: &|index| wanted(work_of[index]) };
        let mut failure = None;
        let mut take = |progress: Progress<Vec<TokenScore>>| match progress {
            Progress::Warning(text) => sink(Event::Warning(text)),
            Progress::Done(scores, cost) => {
                usage.add(cost);
                responses.take(scores, sink)
            }
        };
        let outcome = self
            .backend
            .score(&sequences, &batching, &mut |progress| interrupt(take(progress), &mut failure));
        finish(outcome, failure)
    }

    fn generate_all<E: From<EngineError>>(
        &self,
        work: &[&Work],
        same: &[Vec<usize>],
        wanted: &dyn Fn(usize) -> bool,
        usage: &mut Usage,
        sink: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let (indices, prompts): (Vec<usize>, Vec<&Prompt>) = work
            .iter()
            .enumerate()
            .filter_map(|(index, work)| match work {
                Work::Generate(prompt) if !same[index].is_empty() => Some((index, prompt)),
                _ => None,
            })
            .unzip();
        let batching = Batching { tokens: self.batch_tokens, is_wanted: &|index| wanted(indices[index]) };
        let mut failure = None;
        let mut take = |progress: Progress<Completion>| match progress {
            Progress::Warning(text) => sink(Event::Warning(text)),
            Progress::Done(completions, cost) => {
                usage.add(cost);
                for (index, completion) in completions {
                    let index = indices[index];
                    for &index in &same[index] {
                        sink(Event::Response { index, response: Response::Generate(completion.clone()) })?;
                    }
                    sink(Event::Progress { tokens: work[index].tokens() * same[index].len() })?;
                }
                Ok(())
            }
        };
        let outcome =
            self.backend.generate(&prompts, self.tokenizer, &batching, &mut |_, _| {}, &mut |progress| {
                interrupt(take(progress), &mut failure)
            });
        finish(outcome, failure)
    }
}

/// Interrupts the backend if its receiver failed, and keeps the receiver's error for [`finish`].
fn interrupt<E>(received: Result<(), E>, failure: &mut Option<E>) -> Result<(), Interrupted> {
    received.map_err(|error| {
        *failure = Some(error);
        Interrupted
    })
}

/// The outcome of a backend whose receiver may have failed.
fn finish<E: From<EngineError>>(outcome: Result<(), Halt>, failure: Option<E>) -> Result<(), E> {
    match outcome {
        Err(Halt::Failed(error)) => Err(E::from(error)),
        Ok(()) | Err(Halt::Interrupted) => failure.map_or(Ok(()), Err),
    }
}

/// For each piece of work the indices of equal work, its own included, at the first of them. Empty for the others and for
/// work that does not run.
fn identical_work(work: &[&Work], runs: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut first: HashMap<&Work, usize> = HashMap::new();
    let mut same: Vec<Vec<usize>> = vec![Vec::new(); work.len()];
    for (index, &item) in work.iter().enumerate().filter(|(index, _)| runs(*index)) {
        let of = *first.entry(item).or_insert(index);
        same[of].push(index);
    }
    same
}
