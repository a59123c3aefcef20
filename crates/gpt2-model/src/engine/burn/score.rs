//! Scores target positions: one forward pass a batch, vocabulary projection only at the targets, one transfer back.

use burn::tensor::{Int, Tensor};

use super::reduce::{self, Targets};
use crate::engine::backend::TokenScore;
use crate::engine::work::ScoredSequence;
use crate::engine::{EngineError, Usage};
use crate::{ComputeDevice, Gpt2};

/// Bytes of logits that exist at one time. Small enough that the allocator reuses them instead of asking the system for
/// fresh pages.
const LOGITS_BYTES: usize = 16 << 20;

/// Scores all targets of a batch, sequence after sequence.
///
/// Sequences do not influence each other: rows of a batch never mix, and padding is to the right of what a causal model
/// reads. Only rounding may depend on the batch.
pub(super) fn score_batch(
    model: &Gpt2,
    device: &ComputeDevice,
    sequences: &[&ScoredSequence],
) -> Result<(Vec<Vec<TokenScore>>, Usage), EngineError> {
    let length = sequences.iter().map(|sequence| sequence.input.len()).max().unwrap_or(0);
    let mut tokens = Vec::with_capacity(length * sequences.len());
    for sequence in sequences {
        tokens.extend(&sequence.input);
        tokens.resize(tokens.len() + length - sequence.input.len(), 0);
    }
    let hidden = model.forward(&tokens, sequences.len(), None);
    let hidden: Tensor<2> = hidden.reshape([sequences.len() * length, model.n_embd()]);

    let rows_at_once = (LOGITS_BYTES / (model.vocab_size() * size_of::<f32>())).max(1);
    let groups = group_targets(sequences, length, rows_at_once);
    let reduced = groups.iter().map(|targets| {
        let indices = Tensor::<1, Int>::from_data(targets.positions.as_slice(), device.burn());
        reduce::reduce(model.logits(&hidden.clone().select(0, indices)), targets, device)
    });
    let mut scores = reduce::read(reduced.collect(), &groups)?.into_iter();
    let scores =
        sequences.iter().map(|sequence| scores.by_ref().take(sequence.targets.len()).collect()).collect();
    let read: usize = sequences.iter().map(|sequence| sequence.input.len()).sum();
    let usage =
        Usage { read_tokens: read as u64, padding_tokens: (tokens.len() - read) as u64, kv_cache_bytes: 0 };
    Ok((scores, usage))
}

/// Target positions in order, in groups with one set of excluded tokens and at most `rows_at_once` rows.
fn group_targets<'a>(
    sequences: &[&'a ScoredSequence],
    length: usize,
    rows_at_once: usize,
) -> Vec<Targets<'a>> {
    let mut groups: Vec<Targets<'a>> = Vec::new();
    for (row, sequence) in sequences.iter().enumerate() {
        let first = sequence.input.len() - sequence.targets.len();
        for (offset, &token) in sequence.targets.iter().enumerate() {
            let position = (row * length + first + offset) as i32;
            match groups.last_mut() {
                Some(group)
                    if group.positions.len() < rows_at_once && *group.excluded == sequence.excluded =>
                {
                    group.positions.push(position);
                    group.tokens.push(token);
                }
                _ => groups.push(Targets {
                    positions: vec![position],
                    tokens: vec![token],
                    excluded: &sequence.excluded,
                }),
            }
        }
    }
    groups
}
