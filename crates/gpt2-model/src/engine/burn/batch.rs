//! Cuts sequences into padded batches of similar lengths, and backs off to smaller batches where the device fails.
//!
//! A device that is out of memory reports it in many ways, most of which do not mention memory. So every failed batch
//! of several sequences runs again in batches of half its tokens. A failure at a single sequence is final.

use untrusted_input::thousands;

use crate::engine::EngineError;
use crate::engine::backend::{Halt, Interrupted};

/// Tokens of a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Read in the first pass.
    pub read: usize,
    /// Generated after them, one a pass, at most.
    pub generated: usize,
}

/// Limits of a batch. One sequence alone may exceed them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Tokens, padding and generated ones included.
    pub tokens: usize,
    /// Sequences.
    pub sequences: usize,
}

/// Outcome of a batch.
pub(super) enum Outcome<'a, R> {
    /// Indices of the sequences of a batch, and its result.
    Done(&'a [usize], R),
    /// Why batches are smaller from here on.
    BackedOff(String),
}

/// Runs `work` on all sequences, batch after batch. A batch is a slice of indices into `sizes`.
///
/// A batch without a wanted sequence is skipped; the others are the same as if all were wanted. If the device fails at a
/// batch of several sequences, that batch and all later ones have at most half its tokens. Other errors stop the run.
pub(super) fn run_batches<R>(
    sizes: &[Size],
    mut limits: Limits,
    is_wanted: &dyn Fn(usize) -> bool,
    mut work: impl FnMut(&[usize]) -> Result<R, EngineError>,
    mut report: impl FnMut(Outcome<'_, R>) -> Result<(), Interrupted>,
) -> Result<(), Halt> {
    let order = longest_first(sizes);
    let mut left = order.as_slice();
    while !left.is_empty() {
        let (batch, rest) = left.split_at(first_batch(left, sizes, limits));
        if !batch.iter().any(|&index| is_wanted(index)) {
            left = rest;
            continue;
        }
        match work(batch) {
            Ok(result) => {
                report(Outcome::Done(batch, result))?;
                left = rest;
            }
            Err(EngineError::Device { device, reason }) if batch.len() > 1 => {
                let tokens = tokens_of(batch, sizes);
                limits.tokens = tokens / 2;
                report(Outcome::BackedOff(format!(
                    "{device} failed at a batch of {} tokens; continuing with batches of at most {}: {}",
                    thousands(tokens as u64),
                    thousands(limits.tokens as u64),
                    root_cause(&reason),
                )))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Indices of the sequences, longest first. A lack of memory shows at the first batch, and neighbours have similar
/// lengths, so that batches have little padding. The order depends on the sizes alone.
fn longest_first(sizes: &[Size]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(sizes[index].read), index));
    order
}

/// Tokens of a batch of these sequences, padding and generated ones included.
fn tokens_of(batch: &[usize], sizes: &[Size]) -> usize {
    let most = |of: fn(&Size) -> usize| batch.iter().map(|&index| of(&sizes[index])).max().unwrap_or(0);
    batch.len() * (most(|size| size.read) + most(|size| size.generated))
}

/// How many sequences at the start of `order` run together: as many as the limits allow, at least one.
fn first_batch(order: &[usize], sizes: &[Size], limits: Limits) -> usize {
    let (mut read, mut generated) = (0, 0);
    let fits = |&(count, &index): &(usize, &usize)| {
        read = sizes[index].read.max(read);
        generated = sizes[index].generated.max(generated);
        count == 0 || (count < limits.sequences && (count + 1) * (read + generated) <= limits.tokens)
    };
    order.iter().enumerate().take_while(fits).count()
}

/// The last line of an error with a cause: Burn's errors list their causes, a line each, with headings and backtraces
/// between them.
fn root_cause(reason: &str) -> &str {
    let is_frame = |line: &&str| line.is_empty() || line.ends_with(':') || *line == "No backtrace available";
    reason.lines().map(str::trim).rfind(|line| !is_frame(line)).unwrap_or(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batches(sizes: &[Size], limits: Limits) -> Vec<Vec<usize>> {
        let order = longest_first(sizes);
        let mut left = order.as_slice();
        let mut batches = Vec::new();
        while !left.is_empty() {
            let (batch, rest) = left.split_at(first_batch(left, sizes, limits));
            batches.push(batch.to_vec());
            left = rest;
        }
        batches
    }

    fn read(lengths: &[usize]) -> Vec<Size> {
        lengths.iter().map(|&read| Size { read, generated: 0 }).collect()
    }

    #[test]
    fn longest_first_within_the_limits() {
        let limits = Limits { tokens: 8, sequences: 9 };
        assert_eq!(batches(&read(&[3, 9, 4, 4, 1]), limits), [vec![1], vec![2, 3], vec![0, 4]]);
        assert!(batches(&[], limits).is_empty());
        let one = Limits { tokens: 100, sequences: 1 };
        assert_eq!(batches(&read(&[1, 2]), one), [[1], [0]]);
    }

    #[test]
    fn there_is_room_for_what_is_generated() {
        let sizes = [(4, 1), (3, 9), (3, 1)].map(|(read, generated)| Size { read, generated });
        let limits = |tokens| Limits { tokens, sequences: 9 };
        // Two rows of four tokens, each with room for nine more.
        assert_eq!(batches(&sizes, limits(26)), [vec![0, 1], vec![2]]);
        assert_eq!(batches(&sizes, limits(25)), [vec![0], vec![1, 2]]);
    }

    proptest! {
        #[test]
        fn every_sequence_runs_once(
            sizes in prop::collection::vec((1usize..50, 0usize..20), 0..80),
            tokens in 1usize..200,
            sequences in 1usize..9,
        ) {
            let sizes: Vec<Size> =
                sizes.into_iter().map(|(read, generated)| Size { read, generated }).collect();
            let batches = batches(&sizes, Limits { tokens, sequences });
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..sizes.len()).collect::<Vec<_>>());
            for batch in batches {
                prop_assert!(batch.len() <= sequences);
                prop_assert!(batch.len() == 1 || tokens_of(&batch, &sizes) <= tokens);
            }
        }
    }

    #[test]
    fn the_root_cause_of_a_burn_error() {
        let reason = "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  \
                      can't allocate buffer of size: 335544320\nNo backtrace available\nAsked at:\nNo backtrace available\n";
        assert_eq!(root_cause(reason), "can't allocate buffer of size: 335544320");
        assert_eq!(root_cause("device lost"), "device lost");
        assert_eq!(root_cause(""), "");
    }

    /// Sequences of these lengths on a device with memory for `memory` tokens; the batches that were done, in order, and
    /// the notes.
    fn run(
        lengths: &[usize],
        tokens: usize,
        memory: usize,
    ) -> (Result<(), Halt>, Vec<Vec<usize>>, Vec<String>) {
        let sizes: Vec<Size> = lengths.iter().map(|&read| Size { read, generated: 0 }).collect();
        let (mut done, mut notes) = (Vec::new(), Vec::new());
        let outcome = run_batches(
            &sizes,
            Limits { tokens, sequences: usize::MAX },
            &|_| true,
            |batch| {
                if tokens_of(batch, &sizes) > memory {
                    return Err(EngineError::Device { device: "gpu".to_owned(), reason: "no".to_owned() });
                }
                Ok(batch.to_vec())
            },
            |report| {
                match report {
                    Outcome::Done(batch, result) => {
                        assert_eq!(batch, result);
                        done.push(result);
                    }
                    Outcome::BackedOff(note) => notes.push(note),
                }
                Ok(())
            },
        );
        (outcome, done, notes)
    }

    #[test]
    fn a_failure_halves_this_batch_and_later_ones() {
        let (outcome, done, notes) = run(&[10; 16], 80, 25);
        outcome.unwrap();
        assert_eq!(done.concat(), (0..16).collect::<Vec<_>>());
        assert!(done.iter().all(|batch| batch.len() == 2), "{done:?}");
        assert_eq!(
            notes,
            [
                "gpu failed at a batch of 80 tokens; continuing with batches of at most 40: no",
                "gpu failed at a batch of 40 tokens; continuing with batches of at most 20: no",
            ]
        );
    }

    #[test]
    fn nothing_is_lost_or_done_twice_where_lengths_differ() {
        let lengths = [3, 17, 9, 1, 1, 30, 8, 9, 2, 16, 5];
        for memory in 30..200 {
            let (outcome, done, _) = run(&lengths, 128, memory);
            outcome.unwrap();
            let mut seen = done.concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>(), "memory for {memory} tokens");
        }
    }

    #[test]
    fn a_lost_device_fails_at_one_sequence_and_ends_the_run() {
        let (outcome, done, notes) = run(&[10; 16], 80, 0);
        assert!(matches!(outcome, Err(Halt::Failed(EngineError::Device { .. }))));
        assert!(done.is_empty());
        // 8, 4, 2, 1.
        assert_eq!(notes.len(), 3);
    }

    #[test]
    fn what_is_wanted_is_done_in_the_batches_of_all() {
        let sizes = [4, 4, 3, 3, 2, 2].map(|read| Size { read, generated: 0 });
        let mut done = Vec::new();
        let outcome: Result<(), Halt> = run_batches(
            &sizes,
            Limits { tokens: 8, sequences: 2 },
            &|index| index == 3 || index == 5,
            |batch| Ok(batch.to_vec()),
            |report| {
                if let Outcome::Done(_, batch) = report {
                    done.push(batch);
                }
                Ok(())
            },
        );
        outcome.unwrap();
        assert_eq!(done, [[2, 3], [4, 5]]);
    }

    #[test]
    fn other_errors_are_not_tried_again() {
        let sizes = [Size { read: 1, generated: 0 }; 4];
        let mut calls = 0;
        let outcome: Result<(), Halt> = run_batches(
            &sizes,
            Limits { tokens: 100, sequences: 4 },
            &|_| true,
            |_| -> Result<(), EngineError> {
                calls += 1;
                Err(EngineError::Tokenizer(crate::tokenizer::TokenizerError("no".to_owned())))
            },
            |_| Ok(()),
        );
        assert!(matches!(outcome, Err(Halt::Failed(EngineError::Tokenizer(_)))));
        assert_eq!(calls, 1);
    }
}
