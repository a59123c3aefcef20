//! Scores target positions in ragged batches of groups that share a prefix.

use super::prefixes::{Group, groups};
use crate::engine::Usage;
use crate::engine::backend::{Halt, Progress, Report, TokenScore};
use crate::engine::work::ScoredSequence;
use crate::{KvSegment, NewTokens, PackedGpt2};

/// Largest number of tokens of a forward pass: with more, the buffers leave the CPU's caches and nothing gets faster.
const MAX_TOKENS: usize = 2048;

/// The members of a group that run in one batch.
struct GroupPart<'a> {
    prefix: &'a [u32],
    members: Vec<usize>,
}

/// Scores all sequences and reports each batch.
pub fn score(
    model: &PackedGpt2,
    sequences: &[&ScoredSequence],
    batch_tokens: usize,
    report: &mut Report<'_, Vec<TokenScore>>,
) -> Result<(), Halt> {
    let inputs: Vec<&[u32]> = sequences.iter().map(|sequence| sequence.input.as_slice()).collect();
    let limits: Vec<usize> =
        sequences.iter().map(|sequence| sequence.input.len() - sequence.targets.len()).collect();
    for batch in batches(&inputs, groups(&inputs, &limits), batch_tokens.min(MAX_TOKENS)) {
        let read = batch.iter().map(|part| {
            let own = part.members.iter().map(|&member| inputs[member].len() - part.prefix.len());
            part.prefix.len() + own.sum::<usize>()
        });
        let usage = Usage { read_tokens: read.sum::<usize>() as u64, ..Usage::default() };
        report(Progress::Done(score_batch(model, sequences, &batch), usage))?;
    }
    Ok(())
}

/// Cuts groups into batches of at most `max_tokens`. A longer sequence is a batch of its own.
fn batches<'a>(inputs: &[&'a [u32]], mut groups: Vec<Group>, max_tokens: usize) -> Vec<Vec<GroupPart<'a>>> {
    let longest = |group: &Group| group.members.iter().map(|&member| inputs[member].len()).max().unwrap_or(0);
    // Longest first: a lack of memory shows at once.
    groups.sort_by_cached_key(|group| (std::cmp::Reverse(longest(group)), group.members[0]));
    let mut batches: Vec<Vec<GroupPart<'a>>> = Vec::new();
    let mut tokens = 0;
    for group in groups {
        let mut is_new = true;
        for member in group.members {
            let own = inputs[member].len() - group.shared;
            let needed = if is_new { group.shared + own } else { own };
            if batches.is_empty() || tokens + needed > max_tokens {
                batches.push(Vec::new());
                tokens = 0;
                is_new = true;
            }
            let Some(batch) = batches.last_mut() else { continue };
            tokens += if is_new { group.shared + own } else { own };
            match batch.last_mut().filter(|_| !is_new) {
                Some(part) => part.members.push(member),
                None => {
                    batch.push(GroupPart { prefix: &inputs[member][..group.shared], members: vec![member] });
                }
            }
            is_new = false;
        }
    }
    batches
}

fn score_batch(
    model: &PackedGpt2,
    sequences: &[&ScoredSequence],
    batch: &[GroupPart<'_>],
) -> Vec<(usize, Vec<TokenScore>)> {
    let mut segments: Vec<KvSegment> = Vec::new();
    let mut new: Vec<NewTokens<'_>> = Vec::new();
    let mut members: Vec<usize> = Vec::new();
    for part in batch {
        let mut parent = None;
        if !part.prefix.is_empty() {
            parent = Some(segments.len());
            new.push(NewTokens { segment: segments.len(), tokens: part.prefix, outputs: 0 });
            segments.push(model.segment(None, 0, false));
        }
        for &member in &part.members {
            let sequence = sequences[member];
            let tokens = &sequence.input[part.prefix.len()..];
            new.push(NewTokens { segment: segments.len(), tokens, outputs: sequence.targets.len() });
            segments.push(model.segment(parent, part.prefix.len(), false));
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
    let hidden = model.forward(&mut segments, &new);
    let scores = model.score_targets(&hidden, &targets, &excluded);
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
            max_tokens in 1usize..200,
        ) {
            let inputs: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let limits: Vec<usize> = sequences.iter().map(|sequence| sequence.len() - 1).collect();
            let batches = batches(&inputs, groups(&inputs, &limits), max_tokens);
            let mut seen = Vec::new();
            for batch in &batches {
                let mut tokens = 0;
                for part in batch {
                    tokens += part.prefix.len();
                    for &member in &part.members {
                        prop_assert!(inputs[member].starts_with(part.prefix));
                        tokens += inputs[member].len() - part.prefix.len();
                        seen.push(member);
                    }
                }
                prop_assert!(tokens <= max_tokens || batch.iter().map(|part| part.members.len()).sum::<usize>() == 1);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..inputs.len()).collect::<Vec<_>>());
        }
    }
}
