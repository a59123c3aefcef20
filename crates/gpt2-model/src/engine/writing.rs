//! A text as it grows, and when it ends.

use super::plan::Continuation;
use crate::request::{Completion, FinishReason};
use crate::tokenizer::{Gpt2Tokenizer, TokenizerError};

/// What is written after a prompt so far.
pub(super) struct Writing<'a> {
    stop: &'a [String],
    max_new_tokens: usize,
    generated: Completion,
}

impl<'a> Writing<'a> {
    /// Nothing yet.
    pub fn new(continuation: &'a Continuation, truncated_tokens: usize) -> Self {
        Self {
            stop: &continuation.stop,
            max_new_tokens: continuation.max_new_tokens,
            generated: Completion {
                text: String::new(),
                tokens: Vec::new(),
                token_log_probs: Vec::new(),
                finish: FinishReason::TokenLimit,
                prompt_tokens: continuation.prompt.len(),
                truncated_tokens,
            },
        }
    }

    /// Writes a token; true if the text ends with it: at `<|endoftext|>`, a stop string, or the limit.
    pub fn push(
        &mut self,
        token: u32,
        log_prob: f64,
        tokenizer: &Gpt2Tokenizer,
    ) -> Result<bool, TokenizerError> {
        let generated = &mut self.generated;
        generated.tokens.push(token);
        generated.token_log_probs.push(log_prob as f32);
        if token == tokenizer.end_of_text() {
            generated.finish = FinishReason::EndOfText;
            return Ok(true);
        }
        generated.text = tokenizer.decode(&generated.tokens)?;
        if let Some(end) = self.stop.iter().filter_map(|stop| generated.text.find(stop)).min() {
            generated.text.truncate(end);
            generated.finish = FinishReason::StopString;
            return Ok(true);
        }
        Ok(generated.tokens.len() == self.max_new_tokens)
    }

    /// What there is of the text; its last character may be the first bytes of one.
    pub fn text(&self) -> &str {
        &self.generated.text
    }

    /// The text.
    pub fn finish(self) -> Completion {
        self.generated
    }
}
