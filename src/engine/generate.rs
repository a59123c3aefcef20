//! Continuing a prompt token by token with a key/value cache.

use burn::tensor::Tensor;

use super::EngineError;
use super::plan::Continuation;
use super::reduce::{LogitRow, logit_rows};
use super::sample::Chooser;
use crate::model::{ComputeDevice, Gpt2, KeyValueCache};
use crate::request::{Finish, Generated};
use crate::tokenizer::Gpt2Tokenizer;

/// Writes until a stop string, `<|endoftext|>` or the limit. One sequence at a time: what it writes cannot depend
/// on its neighbours.
pub(super) fn generate(
    model: &Gpt2,
    device: &ComputeDevice,
    tokenizer: &Gpt2Tokenizer,
    continuation: &Continuation,
    truncated_tokens: usize,
) -> Result<Generated, EngineError> {
    let mut chooser = Chooser::new(continuation.decoding);
    let mut cache = model.new_cache();
    let mut next = read_tokens(model, device, &continuation.prompt, &mut cache)?;
    let mut generated = Generated {
        text: String::new(),
        tokens: Vec::new(),
        token_log_probs: Vec::new(),
        finish: Finish::TokenLimit,
        prompt_tokens: continuation.prompt.len(),
        truncated_tokens,
    };
    loop {
        let token = chooser.choose(&next.logits, next.most_probable);
        generated.tokens.push(token);
        generated.token_log_probs.push(next.log_prob(token) as f32);
        if token == tokenizer.end_of_text() {
            generated.finish = Finish::EndOfText;
            return Ok(generated);
        }
        generated.text = tokenizer.decode(&generated.tokens)?;
        if let Some(end) = continuation.stop.iter().filter_map(|stop| generated.text.find(stop)).min() {
            generated.text.truncate(end);
            generated.finish = Finish::StopString;
            return Ok(generated);
        }
        if generated.tokens.len() == continuation.max_new_tokens {
            return Ok(generated);
        }
        next = read_tokens(model, device, &[token], &mut cache)?;
    }
}

/// Reads `tokens` after those in the cache and predicts the one behind them.
fn read_tokens(
    model: &Gpt2,
    device: &ComputeDevice,
    tokens: &[u32],
    cache: &mut KeyValueCache,
) -> Result<LogitRow, EngineError> {
    let hidden = model.forward(tokens, 1, Some(cache));
    let last: Tensor<2> = hidden.narrow(1, tokens.len() - 1, 1).reshape([1, model.width()]);
    let predicted = logit_rows(model.logits(&last), 1)?;
    predicted.into_iter().next().ok_or_else(|| EngineError::Device {
        device: device.to_string(),
        reason: "no prediction came back".to_owned(),
    })
}
