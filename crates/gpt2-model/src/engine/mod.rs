//! Turns requests into forward passes: planning, batching, scoring, decoding.
//!
//! ```text
//! Request ─▶ Planner ─▶ Work ─▶ length-sorted batches ─▶ Gpt2::forward ─▶ logits at targets ─▶ reduce ─▶ Response
//! ```

mod answers;
mod batch;
mod generate;
mod halving;
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

pub use memory::default_batch_tokens;
pub use plan::{Continuation, PlanError, ScoredSequence, TokenSet, Work};
pub use planner::Planner;
pub use sample::filtered_distribution;
pub use score::TokenScore;
pub use self_check::{SelfCheckError, check_device};
pub use windows::{DocumentWindow, document_windows};

use answers::Answers;
use batch::{Limits, Size, tokens_of};
use generate::Prompt;
use halving::{Report, in_batches};

use crate::request::{Completion, Response};
use crate::tokenizer::{Gpt2Tokenizer, TokenizerError};
use crate::{ComputeDevice, Gpt2, LanguageModel};

/// Version of the arithmetic. Raised whenever a score may change in any bit, so that a journal of an older engine is
/// never continued.
pub const ENGINE_VERSION: u32 = 2;

/// Texts that are written at the same time on a GPU, at most.
const MAX_TEXTS: usize = 256;
/// Bytes of keys and values that are kept on a GPU, at most, unless one text alone needs more.
const KEY_VALUE_BYTES: usize = 4 << 30;

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
    /// What the user should know: a sentence.
    Note(String),
    /// A forward pass is done.
    Progress {
        /// Tokens that it read, padding not counted.
        tokens: usize,
    },
}

/// What answering cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that the model read, those of shared prefixes once.
    pub read_tokens: u64,
    /// Tokens of padding that it read besides.
    pub padding_tokens: u64,
    /// Most bytes of keys and values that were kept at a time.
    pub key_value_bytes: u64,
}

impl Usage {
    /// A forward pass of so many `tokens`, of which `read` are no padding.
    fn add_pass(&mut self, read: usize, tokens: usize, key_value_bytes: usize) {
        self.read_tokens += read as u64;
        self.padding_tokens += (tokens - read) as u64;
        self.key_value_bytes = self.key_value_bytes.max(key_value_bytes as u64);
    }

    /// What other work cost besides.
    fn add(&mut self, other: Self) {
        self.read_tokens += other.read_tokens;
        self.padding_tokens += other.padding_tokens;
        self.key_value_bytes = self.key_value_bytes.max(other.key_value_bytes);
    }
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
        sink: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<Usage, E> {
        self.run_wanted(work, |_| true, sink)
    }

    /// Continues one prompt, of which `truncated_tokens` were dropped, and hands over what there is of the text after each
    /// of its tokens. The text is that of [`Engine::run`].
    pub fn write(
        &self,
        continuation: &Continuation,
        truncated_tokens: usize,
        mut grown: impl FnMut(&str),
    ) -> Result<Completion, EngineError> {
        let prompts = [(continuation, truncated_tokens)];
        let mut grown = |_: usize, text: &str| grown(text);
        let mut texts = match self.model {
            LanguageModel::Tensors(model) => {
                self.guard(|| generate::generate(model, self.device, self.tokenizer, &prompts, &mut grown))?.0
            }
            LanguageModel::Packed(model) => {
                let (mut texts, mut usage) = (Vec::new(), Usage::default());
                let done = |_: usize, text: Completion| {
                    texts.push(text);
                    Ok::<(), EngineError>(())
                };
                packed::decode(
                    model,
                    self.tokenizer,
                    &prompts,
                    self.batch_tokens,
                    &mut usage,
                    &mut grown,
                    done,
                )?;
                texts
            }
        };
        texts.pop().ok_or_else(|| EngineError::device(&"it wrote no text"))
    }

    /// Does the part of `work` whose indices are wanted, with the very bits that [`Engine::run`] of all of it has. Where
    /// an answer may depend on its batch, whole batches are done again, and other answers can come along.
    pub fn run_wanted<E: From<EngineError>>(
        &self,
        work: &[&Work],
        is_wanted: impl Fn(usize) -> bool,
        mut sink: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<Usage, E> {
        let depends_on_batch = matches!(self.model, LanguageModel::Tensors(_));
        let same = identical_work(work, |index| depends_on_batch || is_wanted(index));
        let wanted = |index: usize| same[index].iter().any(|&index| is_wanted(index));
        let mut answers = Answers::new(work, &same);
        answers.answer_empty(&mut sink)?;
        let sequences = answers.sequences();
        let answers_of = answers.indices();
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
        let written = |sink: &mut dyn FnMut(Event) -> Result<(), E>, place: usize, generated: Completion| {
            let same = &same[continued[place]];
            for &index in same {
                sink(Event::Response { index, response: Response::Generate(generated.clone()) })?;
            }
            sink(Event::Progress { tokens: work[continued[place]].tokens() * same.len() })
        };
        let mut usage = Usage::default();
        match self.model {
            LanguageModel::Tensors(model) => {
                let sizes: Vec<Size> = sequences
                    .iter()
                    .map(|sequence| Size { read: sequence.input.len(), written: 0 })
                    .collect();
                let limits = Limits { tokens: self.batch_tokens, sequences: usize::MAX };
                let score = |batch: &[usize]| {
                    let inputs: Vec<&ScoredSequence> = batch.iter().map(|&place| sequences[place]).collect();
                    self.guard(|| score::score_batch(model, self.device, &inputs))
                };
                let wanted_sequence = |place: usize| wanted(answers_of[place]);
                in_batches(&sizes, limits, wanted_sequence, score, |report| match report {
                    Report::Done(batch, scores) => {
                        let read = batch.iter().map(|&place| sizes[place].read).sum();
                        usage.add_pass(read, tokens_of(batch, &sizes), 0);
                        answers.take(batch.iter().copied().zip(scores), &mut sink)
                    }
                    Report::Halved(note) => sink(Event::Note(note)),
                })?;
                let sizes: Vec<Size> = prompts
                    .iter()
                    .map(|(continuation, _)| Size {
                        read: continuation.prompt.len(),
                        written: continuation.max_new_tokens,
                    })
                    .collect();
                let generate = |batch: &[usize]| {
                    let prompts: Vec<Prompt<'_>> = batch.iter().map(|&place| prompts[place]).collect();
                    self.guard(|| {
                        generate::generate(model, self.device, self.tokenizer, &prompts, &mut |_, _| {})
                    })
                };
                let wanted_text = |place: usize| wanted(continued[place]);
                in_batches(&sizes, self.text_limits(model), wanted_text, generate, |report| match report {
                    Report::Done(batch, (texts, cost)) => {
                        usage.add(cost);
                        batch.iter().zip(texts).try_for_each(|(&place, text)| written(&mut sink, place, text))
                    }
                    Report::Halved(note) => sink(Event::Note(note)),
                })?;
            }
            LanguageModel::Packed(model) => {
                let batch_tokens = self.batch_tokens;
                packed::score(model, &sequences, batch_tokens, &mut usage, |batch| {
                    answers.take(batch, &mut sink)
                })?;
                packed::decode(
                    model,
                    self.tokenizer,
                    &prompts,
                    batch_tokens,
                    &mut usage,
                    &mut |_, _| {},
                    |place, generated| written(&mut sink, place, generated),
                )?;
            }
        }
        Ok(usage)
    }

    /// What the texts may have that are written together: what they read and write are tokens of a batch, whose keys
    /// and values must fit the memory that is set aside for them, and those of a block one tensor of the device.
    fn text_limits(&self, model: &Gpt2) -> Limits {
        let in_memory = KEY_VALUE_BYTES / model.key_value_bytes().max(1);
        let row_bytes = (model.width() * size_of::<f32>()) as u64;
        let in_tensor = self.device.largest_buffer_bytes().map_or(u64::MAX, |bytes| bytes / row_bytes.max(1));
        // On flex, models that the kernels do not know: a text's bits may depend on its neighbours in Burn's products.
        let sequences = if self.device.backend() == "flex" { 1 } else { MAX_TEXTS };
        Limits { tokens: self.batch_tokens.min(in_memory).min(in_tensor as usize), sequences }
    }

    /// Runs device work. A GPU library may panic where it should return an error (a lost device, no memory): that
    /// must not take finished work with it.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        let outcome = if self.device.is_host() {
            work()
        } else {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(EngineError::device(&text.unwrap_or("it stopped without saying why")))
            })
        };
        outcome.map_err(|error| match error {
            EngineError::Device { reason, .. } => {
                EngineError::Device { device: self.device.to_string(), reason }
            }
            tokenizer @ EngineError::Tokenizer(_) => tokenizer,
        })
    }
}

/// For each piece of work, the indices that it answers: itself and later equals for the first of its kind, none for
/// the others and for what is not to be done.
fn identical_work(work: &[&Work], is_done: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    let mut first: HashMap<&Work, usize> = HashMap::new();
    let mut same: Vec<Vec<usize>> = vec![Vec::new(); work.len()];
    for (index, &item) in work.iter().enumerate().filter(|(index, _)| is_done(*index)) {
        let of = *first.entry(item).or_insert(index);
        same[of].push(index);
    }
    same
}
