//! The two primitives of a loaded model: scoring and generating.

use super::work::{Prompt, ScoredSequence};
use super::{EngineError, Usage};
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;

/// Scores of one target token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// log P(target), nats.
    pub log_prob: f64,
    /// Whether the target is the most probable token; the lowest id wins a tie.
    pub is_argmax: bool,
    /// log P in nats and argmax without the excluded tokens; `None` where none are excluded.
    pub filtered: Option<(f64, bool)>,
}

/// A GPT-2 on a device, in the form that is fastest there.
pub trait Backend: Sync {
    /// Name for the manifest: `burn`, or the CPU kernels with precision and SIMD level.
    fn description(&self) -> String;

    /// Whether the last bits of a result may depend on its batch. If so, the engine repeats whole batches when a run
    /// continues.
    fn depends_on_batch(&self) -> bool;

    /// Scores the targets of every sequence. Reports each batch, with indices into `sequences`.
    fn score(
        &self,
        sequences: &[&ScoredSequence],
        batching: &Batching<'_>,
        report: &mut Report<'_, Vec<TokenScore>>,
    ) -> Result<(), Halt>;

    /// Continues every prompt. Reports completions as they finish, with indices into `prompts`. After each token
    /// `grown` gets the index and the text so far.
    fn generate(
        &self,
        prompts: &[&Prompt],
        tokenizer: &Gpt2Tokenizer,
        batching: &Batching<'_>,
        grown: &mut dyn FnMut(usize, &str),
        report: &mut Report<'_, Completion>,
    ) -> Result<(), Halt>;
}

/// How a backend cuts its work.
pub struct Batching<'a> {
    /// Largest number of tokens of a forward pass, padding included.
    pub tokens: usize,
    /// Whether the result at this index is needed. A backend that [depends on batches](Backend::depends_on_batch) runs
    /// every batch with a needed result whole and skips the others.
    pub is_wanted: &'a dyn Fn(usize) -> bool,
}

/// Receives the progress of a backend. `Err` stops the backend.
pub type Report<'a, R> = dyn FnMut(Progress<R>) -> Result<(), Interrupted> + 'a;

/// Progress of a backend.
pub enum Progress<R> {
    /// Results of a forward pass, by index, and its usage.
    Done(Vec<(usize, R)>, Usage),
    /// A sentence for the user.
    Warning(String),
}

/// The receiver of a report wants no more results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

/// Why a backend stopped early.
#[derive(Debug)]
pub enum Halt {
    /// The receiver of its reports stopped it.
    Interrupted,
    /// It failed.
    Failed(EngineError),
}

impl From<Interrupted> for Halt {
    fn from(Interrupted: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<EngineError> for Halt {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}
