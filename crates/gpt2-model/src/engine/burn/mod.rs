//! The backend on Burn modules, for any device: padded batches of similar lengths, reduction on the device.

mod batch;
mod generate;
mod reduce;
mod score;

use untrusted_input::catch_panic;

use super::EngineError;
use super::backend::{Backend, Batching, Halt, Progress, Report, TokenScore};
use super::work::{Prompt, ScoredSequence};
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;
use crate::{Checkpoint, CheckpointError, ComputeDevice, Gpt2};
use batch::{Limits, Outcome, Size, run_batches};

/// Largest number of completions that are generated at the same time.
const MAX_COMPLETIONS: usize = 256;
/// Largest KV cache in bytes, unless one completion alone needs more.
const MAX_KV_CACHE_BYTES: usize = 4 << 30;

/// A model as Burn modules on a device.
pub(super) struct BurnBackend {
    model: Gpt2,
    device: ComputeDevice,
}

impl BurnBackend {
    pub fn load(checkpoint: &Checkpoint, device: &ComputeDevice) -> Result<Self, CheckpointError> {
        Ok(Self { model: checkpoint.load(device)?, device: device.clone() })
    }

    /// Limits of a generation batch: its tokens, the memory set aside for the KV cache, and one tensor of the device.
    fn generation_limits(&self, batch_tokens: usize) -> Limits {
        let in_memory = MAX_KV_CACHE_BYTES / self.model.kv_cache_bytes_per_token().max(1);
        let row_bytes = (self.model.n_embd() * size_of::<f32>()) as u64;
        let in_tensor = self.device.largest_buffer_bytes().map_or(u64::MAX, |bytes| bytes / row_bytes.max(1));
        // On flex, Burn's own matmul may round differently in another batch.
        let sequences = if self.device.backend() == "flex" { 1 } else { MAX_COMPLETIONS };
        Limits { tokens: batch_tokens.min(in_memory).min(in_tensor as usize), sequences }
    }

    /// Runs device work. A GPU library may panic where it should return an error, on a lost device or without memory.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        let outcome = catch_panic(work).unwrap_or_else(|panic| Err(device_error(&panic)));
        outcome.map_err(|error| match error {
            EngineError::Device { reason, .. } => {
                EngineError::Device { device: self.device.to_string(), reason }
            }
            tokenizer @ EngineError::Tokenizer(_) => tokenizer,
        })
    }
}

/// An error of the device, which [`BurnBackend::guard`] names.
fn device_error(reason: &impl ToString) -> EngineError {
    EngineError::Device { device: String::new(), reason: reason.to_string() }
}

impl Backend for BurnBackend {
    fn description(&self) -> String {
        "burn".to_owned()
    }

    fn depends_on_batch(&self) -> bool {
        true
    }

    fn score(
        &self,
        sequences: &[&ScoredSequence],
        batching: &Batching<'_>,
        report: &mut Report<'_, Vec<TokenScore>>,
    ) -> Result<(), Halt> {
        let sizes: Vec<Size> =
            sequences.iter().map(|sequence| Size { read: sequence.input.len(), generated: 0 }).collect();
        let limits = Limits { tokens: batching.tokens, sequences: usize::MAX };
        let score = |batch: &[usize]| {
            let inputs: Vec<&ScoredSequence> = batch.iter().map(|&index| sequences[index]).collect();
            self.guard(|| score::score_batch(&self.model, &self.device, &inputs))
        };
        run_batches(&sizes, limits, batching.is_wanted, score, |outcome| match outcome {
            Outcome::Done(batch, (scores, usage)) => {
                report(Progress::Done(batch.iter().copied().zip(scores).collect(), usage))
            }
            Outcome::BackedOff(warning) => report(Progress::Warning(warning)),
        })
    }

    fn generate(
        &self,
        prompts: &[&Prompt],
        tokenizer: &Gpt2Tokenizer,
        batching: &Batching<'_>,
        grown: &mut dyn FnMut(usize, &str),
        report: &mut Report<'_, Completion>,
    ) -> Result<(), Halt> {
        let sizes: Vec<Size> = prompts
            .iter()
            .map(|prompt| Size { read: prompt.tokens.len(), generated: prompt.max_new_tokens })
            .collect();
        let generate = |batch: &[usize]| {
            let chosen: Vec<&Prompt> = batch.iter().map(|&index| prompts[index]).collect();
            let mut grown = |row: usize, text: &str| grown(batch[row], text);
            self.guard(|| generate::generate_batch(&self.model, &self.device, tokenizer, &chosen, &mut grown))
        };
        let limits = self.generation_limits(batching.tokens);
        run_batches(&sizes, limits, batching.is_wanted, generate, |outcome| match outcome {
            Outcome::Done(batch, (completions, usage)) => {
                report(Progress::Done(batch.iter().copied().zip(completions).collect(), usage))
            }
            Outcome::BackedOff(warning) => report(Progress::Warning(warning)),
        })
    }
}
