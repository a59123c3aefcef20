//! Continues a batch of prompts token by token with a KV cache.

use burn::tensor::{Int, Tensor};
use gpt2_kernels::NextToken;
use rayon::prelude::*;

use super::reduce::{greedy_tokens, logit_rows};
use crate::engine::generation::Generation;
use crate::engine::work::Prompt;
use crate::engine::{EngineError, Usage};
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;
use crate::{ComputeDevice, Gpt2};

/// Continues all prompts. The completions are in the order of the prompts.
///
/// The first pass reads the prompts, padded on the right; each later pass reads one token a row. A finished row stays until
/// half of the rows are finished; then the others move together. Each pass transfers once: three numbers for each row and
/// part of the vocabulary if all completions are greedy, else the logits. After each token `grown` gets the index of the
/// prompt and the text so far.
pub(super) fn generate_batch(
    model: &Gpt2,
    device: &ComputeDevice,
    tokenizer: &Gpt2Tokenizer,
    prompts: &[&Prompt],
    grown: &mut dyn FnMut(usize, &str),
) -> Result<(Vec<Completion>, Usage), EngineError> {
    let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.tokens.len()).collect();
    let length = lengths.iter().copied().max().unwrap_or(0);
    let max_new_tokens = prompts.iter().map(|prompt| prompt.max_new_tokens).max().unwrap_or(0);
    let mut tokens = Vec::with_capacity(length * prompts.len());
    for prompt in prompts {
        tokens.extend(&prompt.tokens);
        tokens.resize(tokens.len() + length - prompt.tokens.len(), 0);
    }
    // The last generated token is never read.
    let mut cache = model.new_cache(length + max_new_tokens.saturating_sub(1));
    let states = model.forward(&tokens, prompts.len(), Some(&mut cache));
    cache.mask_padding(&lengths, device.burn());
    let read: usize = lengths.iter().sum();
    let mut usage = Usage {
        read_tokens: read as u64,
        padding_tokens: (tokens.len() - read) as u64,
        kv_cache_bytes: cache.bytes() as u64,
    };
    let last: Vec<i32> =
        lengths.iter().enumerate().map(|(row, own)| (row * length + own - 1) as i32).collect();
    let last = Tensor::<1, Int>::from_data(last.as_slice(), device.burn());
    let mut hidden: Tensor<2> = states.reshape([tokens.len(), model.n_embd()]).select(0, last);

    let mut rows: Vec<Option<Generation<'_>>> =
        prompts.iter().enumerate().map(|(index, prompt)| Some(Generation::new(index, prompt))).collect();
    let mut finished: Vec<(usize, Completion)> = Vec::with_capacity(prompts.len());
    loop {
        let next = next_tokens(model, &hidden, &mut rows)?;
        let mut tokens = vec![0; rows.len()];
        for (row, (slot, next)) in rows.iter_mut().zip(next).enumerate() {
            let (Some(mut generation), Some(next)) = (slot.take(), next) else { continue };
            let is_finished = generation.push(next, tokenizer);
            grown(generation.index, generation.text());
            if is_finished {
                finished.push((generation.index, generation.finish()));
                cache.finish(row);
            } else {
                tokens[row] = next.token;
                *slot = Some(generation);
            }
        }
        let continuing: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].is_some()).collect();
        if continuing.is_empty() {
            break;
        }
        if 2 * continuing.len() <= rows.len() {
            cache.keep(&continuing, device.burn());
            tokens = continuing.iter().map(|&row| tokens[row]).collect();
            rows.retain(Option::is_some);
        }
        let states = model.forward(&tokens, rows.len(), Some(&mut cache));
        usage.add(Usage {
            read_tokens: continuing.len() as u64,
            padding_tokens: (rows.len() - continuing.len()) as u64,
            kv_cache_bytes: cache.bytes() as u64,
        });
        hidden = states.reshape([rows.len(), model.n_embd()]);
    }
    finished.sort_by_key(|(index, _)| *index);
    Ok((finished.into_iter().map(|(_, completion)| completion).collect(), usage))
}

/// The next token of every row that is not finished.
///
/// # Shapes
/// - hidden: `[rows, n_embd]`
fn next_tokens(
    model: &Gpt2,
    hidden: &Tensor<2>,
    rows: &mut [Option<Generation<'_>>],
) -> Result<Vec<Option<NextToken>>, EngineError> {
    let parts = model.logits(hidden);
    if rows.iter().flatten().all(|generation| generation.sampler.is_greedy()) {
        return Ok(greedy_tokens(parts)?.into_iter().map(Some).collect());
    }
    let logits = logit_rows(parts)?;
    let choose = |(slot, logits): (&mut Option<Generation<'_>>, Vec<f32>)| {
        slot.as_mut().map(|generation| generation.sampler.next(&logits))
    };
    Ok(rows.par_iter_mut().zip(logits).map(choose).collect())
}
