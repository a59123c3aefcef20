//! The backend on the CPU kernels: ragged batches without padding, shared prefixes computed once, continuous batching.
//!
//! A result never depends on the rest of its batch, bit for bit.

mod generate;
mod prefixes;
mod score;

use super::backend::{Backend, Batching, Halt, Report, TokenScore};
use super::work::{Prompt, ScoredSequence};
use crate::PackedGpt2;
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;

impl Backend for PackedGpt2 {
    fn description(&self) -> String {
        format!("packed {:?}, {:?}", self.precision(), self.simd_level())
    }

    fn depends_on_batch(&self) -> bool {
        false
    }

    fn score(
        &self,
        sequences: &[&ScoredSequence],
        batching: &Batching<'_>,
        report: &mut Report<'_, Vec<TokenScore>>,
    ) -> Result<(), Halt> {
        score::score(self, sequences, batching.tokens, report)
    }

    fn generate(
        &self,
        prompts: &[&Prompt],
        tokenizer: &Gpt2Tokenizer,
        batching: &Batching<'_>,
        grown: &mut dyn FnMut(usize, &str),
        report: &mut Report<'_, Completion>,
    ) -> Result<(), Halt> {
        generate::generate(self, tokenizer, prompts, batching.tokens, grown, report)
    }
}
