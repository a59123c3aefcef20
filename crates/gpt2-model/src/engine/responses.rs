//! Puts the scores of sequences, in whatever order they come, together to responses.

use super::Event;
use super::backend::TokenScore;
use super::work::{ScoredSequence, Work};
use crate::request::{Filtered, LogLikelihood, Response, RollingLogLikelihood};

/// Scoring work and the scores that are there.
pub(super) struct Responses<'a> {
    work: &'a [&'a Work],
    /// For each piece of work, the indices that its response answers.
    same: &'a [Vec<usize>],
    /// Index of the work, index of the sequence in it, the sequence.
    sequences: Vec<(usize, usize, &'a ScoredSequence)>,
    pending: Vec<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    missing: usize,
    scores: Vec<Vec<TokenScore>>,
}

impl<'a> Responses<'a> {
    /// No score is there yet.
    pub fn new(work: &'a [&'a Work], same: &'a [Vec<usize>]) -> Self {
        let mut sequences = Vec::new();
        let mut pending = Vec::new();
        for (index, item) in work.iter().enumerate() {
            let mut of_item = Pending::default();
            if let Work::Score { sequences: of_work, .. } = item
                && !same[index].is_empty()
            {
                of_item = Pending { missing: of_work.len(), scores: vec![Vec::new(); of_work.len()] };
                sequences.extend(of_work.iter().enumerate().map(|(part, sequence)| (index, part, sequence)));
            }
            pending.push(of_item);
        }
        Self { work, same, sequences, pending }
    }

    /// The sequences to score.
    pub fn sequences(&self) -> Vec<&'a ScoredSequence> {
        self.sequences.iter().map(|(_, _, sequence)| *sequence).collect()
    }

    /// For each sequence, the index of its work.
    pub fn work_indices(&self) -> Vec<usize> {
        self.sequences.iter().map(|(index, _, _)| *index).collect()
    }

    /// Reports the responses of work without sequences.
    pub fn finish_empty<E>(&mut self, sink: &mut dyn FnMut(Event) -> Result<(), E>) -> Result<(), E> {
        for (index, item) in self.work.iter().enumerate() {
            if matches!(item, Work::Score { sequences, .. } if sequences.is_empty()) {
                self.finish(index, sink)?;
            }
        }
        Ok(())
    }

    /// Takes the scores of a batch, by sequence index. Reports the responses that are complete, then the progress.
    pub fn take<E>(
        &mut self,
        batch: Vec<(usize, Vec<TokenScore>)>,
        sink: &mut dyn FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut tokens = 0;
        for (index, scores) in batch {
            let (index, part, sequence) = self.sequences[index];
            tokens += sequence.input.len() * self.same[index].len();
            let pending = &mut self.pending[index];
            pending.scores[part] = scores;
            pending.missing -= 1;
            if pending.missing == 0 {
                self.finish(index, sink)?;
            }
        }
        sink(Event::Progress { tokens })
    }

    fn finish<E>(&mut self, index: usize, sink: &mut dyn FnMut(Event) -> Result<(), E>) -> Result<(), E> {
        let Work::Score { sequences, rolling_bytes, truncated_tokens } = self.work[index] else {
            return Ok(());
        };
        let scores: Vec<TokenScore> = std::mem::take(&mut self.pending[index].scores).concat();
        let response = match *rolling_bytes {
            Some(bytes) => Response::Rolling(RollingLogLikelihood {
                log_likelihood: scores.iter().map(|score| score.log_prob).sum(),
                tokens: scores.len(),
                bytes,
                windows: sequences.len(),
            }),
            None => Response::LogLikelihood(log_likelihood(sequences, &scores, *truncated_tokens)),
        };
        for &index in &self.same[index] {
            sink(Event::Response { index, response: response.clone() })?;
        }
        Ok(())
    }
}

fn log_likelihood(
    sequences: &[ScoredSequence],
    scores: &[TokenScore],
    truncated_tokens: usize,
) -> LogLikelihood {
    let filtered = scores.iter().map(|score| score.filtered).collect::<Option<Vec<_>>>();
    LogLikelihood {
        log_likelihood: scores.iter().map(|score| score.log_prob).sum(),
        greedy: scores.iter().all(|score| score.is_argmax),
        tokens: sequences.iter().flat_map(|sequence| &sequence.targets).copied().collect(),
        token_log_probs: scores.iter().map(|score| score.log_prob as f32).collect(),
        filtered: filtered.map(|filtered| Filtered {
            log_likelihood: filtered.iter().map(|(log_prob, _)| log_prob).sum(),
            greedy: filtered.iter().all(|(_, greedy)| *greedy),
        }),
        context_tokens: sequences
            .iter()
            .map(|sequence| sequence.input.len() + 1 - sequence.targets.len())
            .sum(),
        truncated_tokens,
    }
}
