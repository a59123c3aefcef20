//! Scoring target positions: ragged batches of groups that share a prefix.

use super::prefixes::{Group, groups};
use crate::engine::Usage;
use crate::engine::plan::ScoredSequence;
use crate::engine::score::TokenScore;
use crate::{NewTokens, PackedGpt2, Stretch};

/// Most tokens of a forward pass: beyond it the buffers leave the processor's caches and nothing gets faster.
const MAX_TOKENS: usize = 2048;

/// A part of a group that runs at one time.
struct Share<'a> {
    prefix: &'a [u32],
    members: Vec<usize>,
}

/// Scores all sequences; `done` gets, batch by batch, the index of each with its scores.
///
/// A score does not depend on the other sequences, bit for bit: the kernels add in an order that is the position's own.
pub fn score<E>(
    model: &PackedGpt2,
    sequences: &[&ScoredSequence],
    batch_tokens: usize,
    usage: &mut Usage,
    mut done: impl FnMut(Vec<(usize, Vec<TokenScore>)>) -> Result<(), E>,
) -> Result<(), E> {
    let inputs: Vec<&[u32]> = sequences.iter().map(|sequence| sequence.input.as_slice()).collect();
    let limits: Vec<usize> =
        sequences.iter().map(|sequence| sequence.input.len() - sequence.targets.len()).collect();
    for batch in batches(&inputs, groups(&inputs, &limits), batch_tokens.min(MAX_TOKENS)) {
        let read = batch.iter().map(|share| {
            let own = share.members.iter().map(|&member| inputs[member].len() - share.prefix.len());
            share.prefix.len() + own.sum::<usize>()
        });
        usage.read_tokens += read.sum::<usize>() as u64;
        done(score_batch(model, sequences, &batch))?;
    }
    Ok(())
}

/// Cuts groups into batches of at most `most` tokens; a sequence that alone has more is a batch of its own.
fn batches<'a>(inputs: &[&'a [u32]], mut groups: Vec<Group>, most: usize) -> Vec<Vec<Share<'a>>> {
    let longest = |group: &Group| group.members.iter().map(|&member| inputs[member].len()).max().unwrap_or(0);
    // Longest first: if memory is short, that shows at once.
    groups.sort_by_cached_key(|group| (std::cmp::Reverse(longest(group)), group.members[0]));
    let mut batches: Vec<Vec<Share<'a>>> = Vec::new();
    let mut tokens = 0;
    for group in groups {
        let mut is_new = true;
        for member in group.members {
            let own = inputs[member].len() - group.shared;
            let needed = if is_new { group.shared + own } else { own };
            if batches.is_empty() || tokens + needed > most {
                batches.push(Vec::new());
                tokens = 0;
                is_new = true;
            }
            let Some(batch) = batches.last_mut() else { continue };
            tokens += if is_new { group.shared + own } else { own };
            match batch.last_mut().filter(|_| !is_new) {
                Some(share) => share.members.push(member),
                None => batch.push(Share { prefix: &inputs[member][..group.shared], members: vec![member] }),
            }
            is_new = false;
        }
    }
    batches
}

fn score_batch(
    model: &PackedGpt2,
    sequences: &[&ScoredSequence],
    batch: &[Share<'_>],
) -> Vec<(usize, Vec<TokenScore>)> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut new: Vec<NewTokens<'_>> = Vec::new();
    let mut members: Vec<usize> = Vec::new();
    for share in batch {
        let mut parent = None;
        if !share.prefix.is_empty() {
            parent = Some(stretches.len());
            new.push(NewTokens { stretch: stretches.len(), tokens: share.prefix, asked: 0 });
            stretches.push(model.stretch(None, 0, false));
        }
        for &member in &share.members {
            let sequence = sequences[member];
            let tokens = &sequence.input[share.prefix.len()..];
            new.push(NewTokens { stretch: stretches.len(), tokens, asked: sequence.targets.len() });
            stretches.push(model.stretch(parent, share.prefix.len(), false));
            members.push(member);
        }
    }
    let targets: Vec<u32> = members.iter().flat_map(|&member| &sequences[member].targets).copied().collect();
    let mut excluded: Vec<&[u32]> = Vec::new();
    if members.iter().any(|&member| !sequences[member].excluded.is_empty()) {
        for &member in &members {
            let tokens = sequences[member].excluded.as_slice();
            excluded.extend(std::iter::repeat_n(tokens, sequences[member].targets.len()));
        }
    }
    let hidden = model.forward(&mut stretches, &new);
    let scores = model.score(&hidden, &targets, &excluded);
    let mut scores = scores.into_iter().zip(targets).map(|(score, target)| TokenScore {
        log_prob: score.log_prob,
        is_argmax: score.argmax == target,
        filtered: score.filtered.map(|filtered| (filtered.log_prob, filtered.argmax == target)),
    });
    members
        .into_iter()
        .map(|member| (member, scores.by_ref().take(sequences[member].targets.len()).collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sequence_runs_once_within_the_budget(
            sequences in prop::collection::vec(prop::collection::vec(0u32..2, 1..60), 0..40),
            most in 1usize..200,
        ) {
            let inputs: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let limits: Vec<usize> = sequences.iter().map(|sequence| sequence.len() - 1).collect();
            let batches = batches(&inputs, groups(&inputs, &limits), most);
            let mut seen = Vec::new();
            for batch in &batches {
                let mut tokens = 0;
                for share in batch {
                    tokens += share.prefix.len();
                    for &member in &share.members {
                        prop_assert!(inputs[member].starts_with(share.prefix));
                        tokens += inputs[member].len() - share.prefix.len();
                        seen.push(member);
                    }
                }
                prop_assert!(tokens <= most || batch.iter().map(|share| share.members.len()).sum::<usize>() == 1);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..inputs.len()).collect::<Vec<_>>());
        }
    }
}
