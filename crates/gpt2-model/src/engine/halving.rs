//! Work in batches, and in smaller ones where the device fails.
//!
//! A device that is out of memory says so in many ways, most of which do not mention memory. So whatever fails is tried
//! again in batches of half the size; what fails for a single sequence too is no lack of room for a batch.

use super::EngineError;
use super::batch::{Limits, Size, first_batch, longest_first, tokens_of};
use untrusted_input::thousands;

/// What [`in_batches`] tells.
pub(super) enum Report<'a, R> {
    /// The sequences of a batch, and what the work gave.
    Done(&'a [usize], R),
    /// Batches are smaller from here on: a sentence that says why.
    Halved(String),
}

/// Does `work` on all sequences, batch after batch; the batch is given by indices into `sizes`.
///
/// A batch without a sequence that `is_wanted` is left out; the others are as if all were wanted.
///
/// Where the device fails at a batch of several sequences, that batch and all that follow have at most half its tokens.
/// An error of another kind, one at a single sequence, or one of `report` ends the work.
pub(super) fn in_batches<R, E: From<EngineError>>(
    sizes: &[Size],
    mut limits: Limits,
    is_wanted: impl Fn(usize) -> bool,
    mut work: impl FnMut(&[usize]) -> Result<R, EngineError>,
    mut report: impl FnMut(Report<'_, R>) -> Result<(), E>,
) -> Result<(), E> {
    let order = longest_first(sizes);
    let mut left = order.as_slice();
    while !left.is_empty() {
        let (batch, rest) = left.split_at(first_batch(left, sizes, limits));
        if !batch.iter().any(|&place| is_wanted(place)) {
            left = rest;
            continue;
        }
        match work(batch) {
            Ok(result) => {
                report(Report::Done(batch, result))?;
                left = rest;
            }
            Err(EngineError::Device { device, reason }) if batch.len() > 1 => {
                let tokens = tokens_of(batch, sizes);
                limits.tokens = tokens / 2;
                report(Report::Halved(format!(
                    "note: {device} failed at a batch of {} tokens and goes on with batches of at most {}: {}",
                    thousands(tokens as u64),
                    thousands(limits.tokens as u64),
                    first_cause(&reason),
                )))?;
            }
            Err(error) => return Err(E::from(error)),
        }
    }
    Ok(())
}

/// The line of an error that names its first cause: Burn's errors list their causes down to it, a line each, with
/// headings and backtraces between them.
fn first_cause(reason: &str) -> &str {
    let is_frame = |line: &&str| line.is_empty() || line.ends_with(':') || *line == "No backtrace available";
    reason.lines().map(str::trim).rfind(|line| !is_frame(line)).unwrap_or(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_of_what_burn_says() {
        let reason = "An error happened during execution\nCaused by:\n  Several failures at once\nCaused by:\n  \
                      can't allocate buffer of size: 335544320\nNo backtrace available\nAsked at:\nNo backtrace available\n";
        assert_eq!(first_cause(reason), "can't allocate buffer of size: 335544320");
        assert_eq!(first_cause("device lost"), "device lost");
        assert_eq!(first_cause(""), "");
    }

    /// Sequences of these lengths on a device with memory for `memory` tokens; the batches that were done, in order, and
    /// the notes.
    fn run(
        lengths: &[usize],
        tokens: usize,
        memory: usize,
    ) -> (Result<(), EngineError>, Vec<Vec<usize>>, Vec<String>) {
        let sizes: Vec<Size> = lengths.iter().map(|&read| Size { read, written: 0 }).collect();
        let (mut done, mut notes) = (Vec::new(), Vec::new());
        let outcome = in_batches(
            &sizes,
            Limits { tokens, sequences: usize::MAX },
            |_| true,
            |batch| {
                if tokens_of(batch, &sizes) > memory {
                    return Err(EngineError::Device { device: "gpu".to_owned(), reason: "no".to_owned() });
                }
                Ok(batch.to_vec())
            },
            |report| {
                match report {
                    Report::Done(batch, result) => {
                        assert_eq!(batch, result);
                        done.push(result);
                    }
                    Report::Halved(note) => notes.push(note),
                }
                Ok(())
            },
        );
        (outcome, done, notes)
    }

    #[test]
    fn a_failure_halves_this_batch_and_those_that_follow() {
        let (outcome, done, notes) = run(&[10; 16], 80, 25);
        outcome.unwrap();
        assert_eq!(done.concat(), (0..16).collect::<Vec<_>>());
        assert!(done.iter().all(|batch| batch.len() == 2), "{done:?}");
        assert_eq!(
            notes,
            [
                "note: gpu failed at a batch of 80 tokens and goes on with batches of at most 40: no",
                "note: gpu failed at a batch of 40 tokens and goes on with batches of at most 20: no",
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
        assert!(matches!(outcome, Err(EngineError::Device { .. })));
        assert!(done.is_empty());
        // 8, 4, 2, 1.
        assert_eq!(notes.len(), 3);
    }

    #[test]
    fn what_is_wanted_is_done_in_the_batches_of_all() {
        let sizes = [4, 4, 3, 3, 2, 2].map(|read| Size { read, written: 0 });
        let mut done = Vec::new();
        let outcome: Result<(), EngineError> = in_batches(
            &sizes,
            Limits { tokens: 8, sequences: 2 },
            |place| place == 3 || place == 5,
            |batch| Ok(batch.to_vec()),
            |report| {
                if let Report::Done(_, batch) = report {
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
        let sizes = [Size { read: 1, written: 0 }; 4];
        let mut calls = 0;
        let outcome: Result<(), EngineError> = in_batches(
            &sizes,
            Limits { tokens: 100, sequences: 4 },
            |_| true,
            |_| -> Result<(), EngineError> {
                calls += 1;
                Err(EngineError::Tokenizer(crate::tokenizer::TokenizerError::Encode("no".to_owned())))
            },
            |_| Ok(()),
        );
        assert!(matches!(outcome, Err(EngineError::Tokenizer(_))));
        assert_eq!(calls, 1);
    }
}
