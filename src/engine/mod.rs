//! Turns requests into forward passes: planning, batching, scoring, decoding.
//!
//! ```text
//! Request ─▶ Planner ─▶ Work ─▶ length-sorted batches ─▶ Gpt2::forward ─▶ logits at targets ─▶ reduce ─▶ Response
//! ```

mod batch;
mod generate;
mod memory;
mod plan;
mod planner;
mod reduce;
mod sample;
mod score;
mod self_check;
mod windows;

use std::collections::HashMap;

pub use batch::length_sorted_batches;
pub use memory::default_batch_tokens;
pub use plan::{Continuation, PlanError, ScoredSequence, TokenSet, Work};
pub use planner::Planner;
pub use sample::filtered_distribution;
pub use score::TokenScore;
pub use self_check::{SelfCheckError, check_device};
pub use windows::{DocumentWindow, document_windows};

use crate::model::{ComputeDevice, Gpt2};
use crate::request::{Filtered, LogLikelihood, Response, RollingLogLikelihood};
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

/// A model on a device, ready to answer.
pub struct Engine<'a> {
    model: &'a Gpt2,
    tokenizer: &'a Gpt2Tokenizer,
    device: &'a ComputeDevice,
    batch_tokens: usize,
}

impl<'a> Engine<'a> {
    /// An engine whose batches have at most `batch_tokens` tokens, padding included.
    pub fn new(
        model: &'a Gpt2,
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
    ) -> Result<(), E> {
        let same = identical_work(work);
        self.run_scores(work, &same, &mut sink)?;
        for (index, item) in work.iter().enumerate() {
            let Work::Continue { continuation, truncated_tokens } = item else { continue };
            if same[index].is_empty() {
                continue;
            }
            let generated = self.guard(|| {
                generate::generate(self.model, self.device, self.tokenizer, continuation, *truncated_tokens)
            })?;
            for &index in &same[index] {
                sink(Event::Response { index, response: Response::Generate(generated.clone()) })?;
            }
            sink(Event::Progress { tokens: item.tokens() * same[index].len() })?;
        }
        Ok(())
    }

    fn run_scores<E: From<EngineError>>(
        &self,
        work: &[&Work],
        same: &[Vec<usize>],
        sink: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut sequences: Vec<(usize, usize, &ScoredSequence)> = Vec::new();
        let mut pending: Vec<Pending> = Vec::new();
        for (index, item) in work.iter().enumerate() {
            let mut of_item = Pending::default();
            if let Work::Score { sequences: of_work, .. } = item
                && !same[index].is_empty()
            {
                of_item = Pending { missing: of_work.len(), scores: vec![Vec::new(); of_work.len()] };
                sequences.extend(of_work.iter().enumerate().map(|(part, sequence)| (index, part, sequence)));
                if of_work.is_empty() {
                    self.finish(work, index, &mut of_item, same, sink)?;
                }
            }
            pending.push(of_item);
        }
        let lengths: Vec<usize> = sequences.iter().map(|(_, _, sequence)| sequence.input.len()).collect();
        for batch in length_sorted_batches(&lengths, self.batch_tokens) {
            let inputs: Vec<&ScoredSequence> = batch.iter().map(|&place| sequences[place].2).collect();
            let scores = self.guard(|| score::score_batch(self.model, self.device, &inputs))?;
            let mut tokens = 0;
            for (&place, of_sequence) in batch.iter().zip(scores) {
                let (index, part, sequence) = sequences[place];
                tokens += sequence.input.len() * same[index].len();
                pending[index].scores[part] = of_sequence;
                pending[index].missing -= 1;
                if pending[index].missing == 0 {
                    let mut done = std::mem::take(&mut pending[index]);
                    self.finish(work, index, &mut done, same, sink)?;
                }
            }
            sink(Event::Progress { tokens })?;
        }
        Ok(())
    }

    fn finish<E: From<EngineError>>(
        &self,
        work: &[&Work],
        index: usize,
        done: &mut Pending,
        same: &[Vec<usize>],
        sink: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let Work::Score { sequences, rolling_bytes, truncated_tokens } = work[index] else { return Ok(()) };
        let scores: Vec<TokenScore> = std::mem::take(&mut done.scores).concat();
        if let Some(score) = scores.iter().find(|score| !score.log_prob.is_finite()) {
            return Err(E::from(EngineError::Device {
                device: self.device.to_string(),
                reason: format!(
                    "a log-probability is {}; the weights hold values that are no numbers, or the device \
                     computes wrongly",
                    score.log_prob
                ),
            }));
        }
        let response = if let Some(bytes) = *rolling_bytes {
            Response::Rolling(RollingLogLikelihood {
                log_likelihood: scores.iter().map(|score| score.log_prob).sum(),
                tokens: scores.len(),
                bytes,
                windows: sequences.len(),
            })
        } else {
            let context_tokens: usize =
                sequences.iter().map(|sequence| sequence.input.len() + 1 - sequence.targets.len()).sum();
            Response::LogLikelihood(log_likelihood(&scores, context_tokens, *truncated_tokens))
        };
        for &index in &same[index] {
            sink(Event::Response { index, response: response.clone() })?;
        }
        Ok(())
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

#[derive(Debug, Default)]
struct Pending {
    missing: usize,
    scores: Vec<Vec<TokenScore>>,
}

fn log_likelihood(scores: &[TokenScore], context_tokens: usize, truncated_tokens: usize) -> LogLikelihood {
    LogLikelihood {
        log_likelihood: scores.iter().map(|score| score.log_prob).sum(),
        greedy: scores.iter().all(|score| score.is_argmax),
        token_log_probs: scores.iter().map(|score| score.log_prob as f32).collect(),
        filtered: scores.iter().map(|score| score.filtered).collect::<Option<Vec<_>>>().map(|filtered| {
            Filtered {
                log_likelihood: filtered.iter().map(|(log_prob, _)| log_prob).sum(),
                greedy: filtered.iter().all(|(_, greedy)| *greedy),
            }
        }),
        context_tokens,
        truncated_tokens,
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
