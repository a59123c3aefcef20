//! One completion as it grows, whichever backend computes it.

use super::sampler::Sampler;
use super::work::Prompt;
use crate::request::{Completion, FinishReason};
use crate::tokenizer::Gpt2Tokenizer;
use gpt2_kernels::NextToken;

/// A completion that is being generated.
pub(super) struct Generation<'a> {
    /// Index of its prompt.
    pub index: usize,
    pub sampler: Sampler,
    stop: &'a [String],
    max_new_tokens: usize,
    completion: Completion,
}

impl<'a> Generation<'a> {
    /// Starts without tokens.
    pub fn new(index: usize, prompt: &'a Prompt) -> Self {
        Self {
            index,
            sampler: Sampler::new(prompt.decoding),
            stop: &prompt.stop,
            max_new_tokens: prompt.max_new_tokens,
            completion: Completion {
                text: String::new(),
                tokens: Vec::new(),
                token_log_probs: Vec::new(),
                finish: FinishReason::TokenLimit,
                prompt_tokens: prompt.tokens.len(),
                truncated_tokens: prompt.truncated_tokens,
            },
        }
    }

    /// Appends a token. True if it ends the completion: it is an end of text, completes a stop string, or is the last
    /// one allowed. A token without a finite log-probability ends it and adds nothing to the
    /// text, because its choice means nothing.
    pub fn push(&mut self, next: NextToken, tokenizer: &Gpt2Tokenizer) -> bool {
        let completion = &mut self.completion;
        completion.tokens.push(next.token);
        completion.token_log_probs.push(next.log_prob as f32);
        if !next.log_prob.is_finite() {
            return true;
        }
        if tokenizer.ends_of_text().contains(&next.token) {
            completion.finish = FinishReason::EndOfText;
            return true;
        }
        completion.text = tokenizer.decode(&completion.tokens);
        if let Some(end) = self.stop.iter().filter_map(|stop| completion.text.find(stop)).min() {
            completion.text.truncate(end);
            completion.finish = FinishReason::StopString;
            return true;
        }
        completion.tokens.len() == self.max_new_tokens
    }

    /// The text so far. Its last character may be incomplete.
    pub fn text(&self) -> &str {
        &self.completion.text
    }

    /// The finished completion.
    pub fn finish(self) -> Completion {
        self.completion
    }
}
