//! Continuing a batch of prompts token by token with a key/value cache.

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use super::plan::Continuation;
use super::reduce::{logit_rows, most_probable};
use super::sample::{NextToken, Sampler};
use super::writing::Writing;
use super::{EngineError, Usage};
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;
use crate::{ComputeDevice, Gpt2};

/// A prompt and the tokens that were dropped to make it fit.
pub(super) type Prompt<'a> = (&'a Continuation, usize);

/// A text that is being written.
struct Text<'a> {
    /// Place of its prompt.
    index: usize,
    sampler: Sampler,
    writing: Writing<'a>,
}

/// Writes each text until a stop string, `<|endoftext|>` or its limit; the texts are in the order of the prompts.
///
/// The prompts are read in one pass, padded on the right, and then one token of every text a pass. A finished text's row
/// is read on with the others until half of the rows are finished; then those that go on are moved together. What comes
/// back from the device in each pass is one transfer: three numbers a row and part of the vocabulary where all texts
/// are greedy, else the logits. `grown` gets the index of each text with what there is of it, after each of its tokens.
pub(super) fn generate(
    model: &Gpt2,
    device: &ComputeDevice,
    tokenizer: &Gpt2Tokenizer,
    prompts: &[Prompt<'_>],
    grown: &mut dyn FnMut(usize, &str),
) -> Result<(Vec<Completion>, Usage), EngineError> {
    let lengths: Vec<usize> = prompts.iter().map(|(continuation, _)| continuation.prompt.len()).collect();
    let width = lengths.iter().copied().max().unwrap_or(0);
    let most_new = prompts.iter().map(|(continuation, _)| continuation.max_new_tokens).max().unwrap_or(0);
    let mut tokens = Vec::with_capacity(width * prompts.len());
    for (continuation, _) in prompts {
        tokens.extend(&continuation.prompt);
        tokens.resize(tokens.len() + width - continuation.prompt.len(), 0);
    }
    // The last token that is written is not read.
    let mut cache = model.new_cache(width + most_new.saturating_sub(1));
    let read = model.forward(&tokens, prompts.len(), Some(&mut cache));
    cache.leave_out_padding(&lengths, device.burn());
    let mut usage = Usage::default();
    usage.add_pass(lengths.iter().sum(), tokens.len(), cache.bytes());
    let last: Vec<i32> =
        lengths.iter().enumerate().map(|(row, length)| (row * width + length - 1) as i32).collect();
    let last = Tensor::<1, Int>::from_data(last.as_slice(), device.burn());
    let mut hidden: Tensor<2> = read.reshape([tokens.len(), model.width()]).select(0, last);

    let mut rows: Vec<Option<Text<'_>>> = prompts
        .iter()
        .enumerate()
        .map(|(index, &(continuation, truncated_tokens))| {
            let sampler = Sampler::new(continuation.decoding);
            Some(Text { index, sampler, writing: Writing::new(continuation, truncated_tokens) })
        })
        .collect();
    let mut written: Vec<(usize, Completion)> = Vec::with_capacity(prompts.len());
    loop {
        let next = next_tokens(model, device, &hidden, &mut rows)?;
        let mut tokens = vec![0; rows.len()];
        for (row, (slot, next)) in rows.iter_mut().zip(next).enumerate() {
            let (Some(mut text), Some(next)) = (slot.take(), next) else { continue };
            let is_over = text.writing.push(next.token, next.log_prob, tokenizer)?;
            grown(text.index, text.writing.text());
            if is_over {
                written.push((text.index, text.writing.finish()));
                cache.finish(row);
            } else {
                tokens[row] = next.token;
                *slot = Some(text);
            }
        }
        let going_on: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].is_some()).collect();
        if going_on.is_empty() {
            break;
        }
        if 2 * going_on.len() <= rows.len() {
            cache.keep(&going_on, device.burn());
            tokens = going_on.iter().map(|&row| tokens[row]).collect();
            rows.retain(Option::is_some);
        }
        let read = model.forward(&tokens, rows.len(), Some(&mut cache));
        usage.add_pass(going_on.len(), rows.len(), cache.bytes());
        hidden = read.reshape([rows.len(), model.width()]);
    }
    written.sort_by_key(|(index, _)| *index);
    Ok((written.into_iter().map(|(_, generated)| generated).collect(), usage))
}

/// The next token of every text that goes on, by its hidden state.
fn next_tokens(
    model: &Gpt2,
    device: &ComputeDevice,
    hidden: &Tensor<2>,
    rows: &mut [Option<Text<'_>>],
) -> Result<Vec<Option<NextToken>>, EngineError> {
    let parts = model.logits(hidden);
    if !device.is_host() && rows.iter().flatten().all(|text| text.sampler.is_greedy()) {
        return Ok(most_probable(parts)?.into_iter().map(Some).collect());
    }
    let logits = logit_rows(parts, rows.len())?;
    let choose = |(slot, logits): (&mut Option<Text<'_>>, Vec<f32>)| {
        slot.as_mut().map(|text| text.sampler.next(&logits))
    };
    Ok(rows.par_iter_mut().zip(logits).map(choose).collect())
}
