//! Continuing a prompt token by token with a key/value cache.

use burn::tensor::Tensor;

use super::EngineError;
use super::plan::Continuation;
use super::reduce::logit_rows;
use super::sample::{Chooser, NextToken};
use super::writing::Writing;
use crate::model::{ComputeDevice, Gpt2, KeyValueCache};
use crate::request::Generated;
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
    let mut writing = Writing::new(continuation, truncated_tokens);
    let mut logits = read_tokens(model, device, &continuation.prompt, &mut cache)?;
    loop {
        let NextToken { token, log_prob } = chooser.next(&logits);
        if writing.push(token, log_prob, tokenizer)? {
            return Ok(writing.finish());
        }
        logits = read_tokens(model, device, &[token], &mut cache)?;
    }
}

/// Reads `tokens` after those in the cache; the logits of the one behind them.
fn read_tokens(
    model: &Gpt2,
    device: &ComputeDevice,
    tokens: &[u32],
    cache: &mut KeyValueCache,
) -> Result<Vec<f32>, EngineError> {
    let hidden = model.forward(tokens, 1, Some(cache));
    let last: Tensor<2> = hidden.narrow(1, tokens.len() - 1, 1).reshape([1, model.width()]);
    let predicted = logit_rows(model.logits(&last), 1)?;
    predicted.into_iter().next().ok_or_else(|| EngineError::Device {
        device: device.to_string(),
        reason: "no prediction came back".to_owned(),
    })
}
