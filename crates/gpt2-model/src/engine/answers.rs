//! From the scores of sequences, in whatever order they come, to the answers of requests.

use super::plan::{ScoredSequence, Work};
use super::score::TokenScore;
use super::{EngineError, Event};
use crate::request::{Filtered, LogLikelihood, Response, RollingLogLikelihood};

/// Work to be scored and what of it is there.
pub(super) struct Answers<'a> {
    work: &'a [&'a Work],
    /// For each piece of work, the indices that it answers.
    same: &'a [Vec<usize>],
    /// Piece of work, place within it, tokens.
    sequences: Vec<(usize, usize, &'a ScoredSequence)>,
    pending: Vec<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    missing: usize,
    scores: Vec<Vec<TokenScore>>,
}

impl<'a> Answers<'a> {
    /// Nothing is there yet.
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

    /// The sequences to be scored.
    pub fn sequences(&self) -> Vec<&'a ScoredSequence> {
        self.sequences.iter().map(|(_, _, sequence)| *sequence).collect()
    }

    /// The index of the work that each sequence is for.
    pub fn indices(&self) -> Vec<usize> {
        self.sequences.iter().map(|(index, _, _)| *index).collect()
    }

    /// Answers the work that has no sequences.
    pub fn answer_empty<E: From<EngineError>>(
        &mut self,
        sink: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, item) in self.work.iter().enumerate() {
            if matches!(item, Work::Score { sequences, .. } if sequences.is_empty()) {
                self.finish(index, sink)?;
            }
        }
        Ok(())
    }

    /// Takes the scores of a batch, by the places of their sequences, hands over the answers that are whole, and tells
    /// the progress.
    pub fn take<E: From<EngineError>>(
        &mut self,
        batch: impl IntoIterator<Item = (usize, Vec<TokenScore>)>,
        sink: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut tokens = 0;
        for (place, scores) in batch {
            let (index, part, sequence) = self.sequences[place];
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

    fn finish<E: From<EngineError>>(
        &mut self,
        index: usize,
        sink: &mut impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        let Work::Score { sequences, rolling_bytes, truncated_tokens } = self.work[index] else {
            return Ok(());
        };
        let scores: Vec<TokenScore> = std::mem::take(&mut self.pending[index].scores).concat();
        let response = if let Some(bytes) = *rolling_bytes {
            Response::Rolling(RollingLogLikelihood {
                log_likelihood: scores.iter().map(|score| score.log_prob).sum(),
                tokens: scores.len(),
                bytes,
                windows: sequences.len(),
            })
        } else {
            let context_tokens: usize =
                sequences.iter().map(|sequence| sequence.input.len() + 1 - sequence.targets.len()).sum();
            let tokens = sequences.iter().flat_map(|sequence| &sequence.targets).copied().collect();
            Response::LogLikelihood(log_likelihood(&scores, tokens, context_tokens, *truncated_tokens))
        };
        for &index in &self.same[index] {
            sink(Event::Response { index, response: response.clone() })?;
        }
        Ok(())
    }
}

fn log_likelihood(
    scores: &[TokenScore],
    tokens: Vec<u32>,
    context_tokens: usize,
    truncated_tokens: usize,
) -> LogLikelihood {
    LogLikelihood {
        log_likelihood: scores.iter().map(|score| score.log_prob).sum(),
        greedy: scores.iter().all(|score| score.is_argmax),
        tokens,
        token_log_probs: scores.iter().map(|score| score.log_prob as f32).collect(),
        filtered: scores.iter().map(|score| score.filtered).collect::<Option<Vec<_>>>().map(|filtered| {
            Filtered {
                log_likelihood: filtered.iter().map(|(log_prob, _)| log_prob).sum(),
                greedy: filtered.iter().all(|(_, greedy)| *greedy),
            }
        }),
        context_tokens,
        truncated_tokens,
    }
}
