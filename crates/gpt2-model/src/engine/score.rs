//! Scoring target positions: one forward pass a batch, the vocabulary projection only where a score is asked for.

use burn::tensor::{Int, Tensor};

use super::EngineError;
use super::plan::{ScoredSequence, TokenSet};
use super::reduce::{on_device, on_host};
use crate::{ComputeDevice, Gpt2};

/// Bytes of logits that exist at one time: small enough that the allocator keeps and reuses them, instead of asking the
/// system for fresh pages each time.
const LOGITS_BYTES: usize = 16 << 20;

/// What the model says of one target token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// log P(target), nats.
    pub log_prob: f64,
    /// Whether the target is the most probable token, the lowest id winning a tie.
    pub is_argmax: bool,
    /// The same without the excluded tokens, where there are any.
    pub filtered: Option<(f64, bool)>,
}

/// Target positions that share a set of excluded tokens, in order.
pub(super) struct Targets<'a> {
    /// Rows of the batch's hidden states, `sequence × width + position`.
    pub positions: Vec<i32>,
    /// What each is held against.
    pub tokens: Vec<u32>,
    /// Left out of the second reading.
    pub excluded: &'a TokenSet,
}

/// Scores all targets of a batch, sequence after sequence.
///
/// A sequence's scores do not depend on the others: rows of a batch never mix, and padding stands on the right of
/// what a causal model reads. What comes back from a device that is not the host is one transfer of a few numbers a
/// target (`on_device::read`).
pub(super) fn score_batch(
    model: &Gpt2,
    device: &ComputeDevice,
    sequences: &[&ScoredSequence],
) -> Result<Vec<Vec<TokenScore>>, EngineError> {
    let width = sequences.iter().map(|sequence| sequence.input.len()).max().unwrap_or(0);
    let mut tokens = Vec::with_capacity(width * sequences.len());
    for sequence in sequences {
        tokens.extend(&sequence.input);
        tokens.resize(tokens.len() + width - sequence.input.len(), 0);
    }
    let hidden = model.forward(&tokens, sequences.len(), None);
    let hidden: Tensor<2> = hidden.reshape([sequences.len() * width, model.width()]);

    let rows_at_once = (LOGITS_BYTES / (model.vocabulary() * size_of::<f32>())).max(1);
    let groups = group_targets(sequences, width, rows_at_once);
    let select = |targets: &Targets<'_>| {
        let indices = Tensor::<1, Int>::from_data(targets.positions.as_slice(), device.burn());
        model.logits(&hidden.clone().select(0, indices))
    };
    let scores: Vec<TokenScore> = if device.is_host() {
        let mut scores = Vec::new();
        for targets in &groups {
            scores.extend(on_host(select(targets), targets)?);
        }
        scores
    } else {
        let reduced = groups.iter().map(|targets| on_device::reduce(select(targets), targets, device));
        on_device::read(reduced.collect(), &groups)?
    };

    let mut scores = scores.into_iter();
    Ok(sequences.iter().map(|sequence| scores.by_ref().take(sequence.targets.len()).collect()).collect())
}

/// Target positions in order, cut where the excluded tokens change and after `rows_at_once`.
fn group_targets<'a>(
    sequences: &[&'a ScoredSequence],
    width: usize,
    rows_at_once: usize,
) -> Vec<Targets<'a>> {
    let mut groups: Vec<Targets<'a>> = Vec::new();
    for (row, sequence) in sequences.iter().enumerate() {
        let first = sequence.input.len() - sequence.targets.len();
        for (offset, &token) in sequence.targets.iter().enumerate() {
            let position = (row * width + first + offset) as i32;
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
