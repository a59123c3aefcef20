//! Turns requests into forward passes: planning, batching, scoring, decoding.
//!
//! ```text
//! Request ─▶ Planner ─▶ Work ─▶ length-sorted batches ─▶ Gpt2::forward ─▶ logits at targets ─▶ reduce ─▶ Response
//! ```

mod answers;
mod batch;
mod generate;
mod memory;
mod packed;
mod plan;
mod planner;
mod reduce;
mod sample;
mod score;
mod self_check;
mod windows;
mod writing;

use std::collections::HashMap;

pub use batch::length_sorted_batches;
pub use memory::default_batch_tokens;
pub use plan::{Continuation, PlanError, ScoredSequence, TokenSet, Work};
pub use planner::Planner;
pub use sample::filtered_distribution;
pub use score::TokenScore;
pub use self_check::{SelfCheckError, check_device};
pub use windows::{DocumentWindow, document_windows};

use answers::Answers;
use packed::Prompt;

use crate::model::{ComputeDevice, LanguageModel};
use crate::request::{Generated, Response};
use crate::tokenizer::{Gpt2Tokenizer, TokenizerError};

/// Version of the arithmetic. Raised whenever a score may change in any bit, so that a journal of an older engine is
/// never continued.
pub const ENGINE_VERSION: u32 = 2;

/// What can go wrong while the model runs.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device failed.
    #[error("{device}: {reason}")]
    Device {
        /// Which.
        device: String,
        /// In its own words.
        reason: String,
    },
    /// What the model wrote cannot be turned into text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl EngineError {
    fn device(reason: &impl ToString) -> Self {
        Self::Device { device: "the device failed".to_owned(), reason: reason.to_string() }
    }
}

/// What the engine tells while it runs.
pub enum Event {
    /// The answer to the work at this index.
    Response {
        /// Index into what [`Engine::run`] was given.
        index: usize,
        /// The answer.
        response: Response,
    },
    /// A forward pass is done.
    Progress {
        /// Tokens that it read, padding not counted.
        tokens: usize,
    },
}

/// What answering cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Tokens that the model read, those of shared prefixes once.
    pub read_tokens: u64,
    /// Tokens of padding that it read besides.
    pub padding_tokens: u64,
    /// Most bytes of keys and values that were kept at a time.
    pub key_value_bytes: u64,
}

/// A model on a device, ready to answer.
pub struct Engine<'a> {
    model: &'a LanguageModel,
    tokenizer: &'a Gpt2Tokenizer,
    device: &'a ComputeDevice,
    batch_tokens: usize,
}

impl<'a> Engine<'a> {
    /// An engine whose batches have at most `batch_tokens` tokens, padding included.
    pub fn new(
        model: &'a LanguageModel,
        tokenizer: &'a Gpt2Tokenizer,
        device: &'a ComputeDevice,
        batch_tokens: usize,
    ) -> Self {
        Self { model, tokenizer, device, batch_tokens: batch_tokens.max(1) }
    }

    /// Does all of `work`, identical work once, and hands over each answer as soon as it is there. An error of `sink`
    /// ends the run and comes back.
    pub fn run<E: From<EngineError>>(
        &self,
        work: &[&Work],
        mut sink: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<Effort, E> {
        let same = identical_work(work);
        let mut answers = Answers::new(work, &same);
        answers.answer_empty(&mut sink)?;
        let sequences = answers.sequences();
        let continued =
            |index: &usize| matches!(work[*index], Work::Continue { .. }) && !same[*index].is_empty();
        let continued: Vec<usize> = (0..work.len()).filter(continued).collect();
        let prompts: Vec<Prompt<'_>> = continued
            .iter()
            .filter_map(|&index| match work[index] {
                Work::Continue { continuation, truncated_tokens } => Some((continuation, *truncated_tokens)),
                Work::Score { .. } => None,
            })
            .collect();
        let written = |sink: &mut dyn FnMut(Event) -> Result<(), E>, place: usize, generated: Generated| {
            let same = &same[continued[place]];
            for &index in same {
                sink(Event::Response { index, response: Response::Generate(generated.clone()) })?;
            }
            sink(Event::Progress { tokens: work[continued[place]].tokens() * same.len() })
        };
        let mut effort = Effort::default();
        match self.model {
            LanguageModel::Tensors(model) => {
                let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.input.len()).collect();
                for batch in length_sorted_batches(&lengths, self.batch_tokens) {
                    let inputs: Vec<&ScoredSequence> = batch.iter().map(|&place| sequences[place]).collect();
                    let scores = self.guard(|| score::score_batch(model, self.device, &inputs))?;
                    let widest = inputs.iter().map(|sequence| sequence.input.len()).max().unwrap_or(0);
                    let read: usize = inputs.iter().map(|sequence| sequence.input.len()).sum();
                    effort.read_tokens += read as u64;
                    effort.padding_tokens += (widest * inputs.len() - read) as u64;
                    answers.take(batch.into_iter().zip(scores), &mut sink)?;
                }
                for (place, (continuation, truncated_tokens)) in prompts.into_iter().enumerate() {
                    let generated = self.guard(|| {
                        generate::generate(model, self.device, self.tokenizer, continuation, truncated_tokens)
                    })?;
                    effort.read_tokens += (generated.prompt_tokens + generated.tokens.len() - 1) as u64;
                    written(&mut sink, place, generated)?;
                }
            }
            LanguageModel::Packed(model) => {
                let batch_tokens = self.batch_tokens;
                packed::score(model, &sequences, batch_tokens, &mut effort, |batch| {
                    answers.take(batch, &mut sink)
                })?;
                packed::decode(
                    model,
                    self.tokenizer,
                    &prompts,
                    batch_tokens,
                    &mut effort,
                    |place, generated| written(&mut sink, place, generated),
                )?;
            }
        }
        Ok(effort)
    }

    /// Runs device work. A GPU library may panic where it should return an error (a lost device, no memory): that
    /// must not take finished work with it.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        if self.device.is_host() {
            return work();
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(EngineError::device(&text.unwrap_or("it stopped without saying why")))
        });
        outcome.map_err(|error| match error {
            // A GPU that is out of memory says so in many ways, most of which do not mention memory.
            EngineError::Device { reason, .. } => EngineError::Device {
                device: self.device.to_string(),
                reason: format!("{reason}; if its memory is full, try a smaller --batch-tokens"),
            },
            tokenizer @ EngineError::Tokenizer(_) => tokenizer,
        })
    }
}

/// For each piece of work, the indices that it answers: itself and later equals for the first of its kind, none for
/// the others.
fn identical_work(work: &[&Work]) -> Vec<Vec<usize>> {
    let mut first: HashMap<&Work, usize> = HashMap::new();
    let mut same: Vec<Vec<usize>> = vec![Vec::new(); work.len()];
    for (index, &item) in work.iter().enumerate() {
        let of = *first.entry(item).or_insert(index);
        same[of].push(index);
    }
    same
}
