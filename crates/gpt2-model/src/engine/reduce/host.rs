//! Reduction on the processor, where a CPU backend's logits already are: every sum in f64, in the order of the
//! vocabulary, one row independent of the next.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::exponential::{largest, sum_of_exponentials};
use crate::engine::EngineError;
use crate::engine::plan::TokenSet;
use crate::engine::score::{Targets, TokenScore};

/// Scores the targets from their rows of logits.
///
/// # Shapes
/// - parts: `[targets, part of the vocabulary]` each
pub fn on_host(parts: Vec<Tensor<2>>, targets: &Targets<'_>) -> Result<Vec<TokenScore>, EngineError> {
    let parts = Parts::read(parts)?;
    Ok((0..targets.tokens.len())
        .into_par_iter()
        .map(|row| parts.row(row).score(targets.tokens[row], targets.excluded))
        .collect())
}

/// The logits of each position, in order of the vocabulary, in one transfer.
pub fn logit_rows(parts: Vec<Tensor<2>>, rows: usize) -> Result<Vec<Vec<f32>>, EngineError> {
    let parts = if parts.len() > 1 { vec![Tensor::cat(parts, 1)] } else { parts };
    let parts = Parts::read(parts)?;
    Ok((0..rows).map(|row| parts.row(row).parts.concat()).collect())
}

/// The first of the largest logits, and ln Σ exp of all of them.
pub fn largest_and_log_sum(logits: &[f32]) -> (u32, f64) {
    let row = Row { parts: vec![logits] };
    let (token, largest) = row.argmax(&TokenSet::default());
    (token, f64::from(largest) + row.exponentials(largest, &TokenSet::default()).ln())
}

struct Parts {
    data: Vec<(TensorData, usize)>,
}

impl Parts {
    fn read(parts: Vec<Tensor<2>>) -> Result<Self, EngineError> {
        let data = parts
            .into_iter()
            .map(|part| {
                let width = part.dims()[1];
                let data = part.try_into_data().map_err(|error| EngineError::device(&error))?;
                // Rows are read without a check below.
                data.as_slice::<f32>().map_err(|error| EngineError::device(&error))?;
                Ok((data, width))
            })
            .collect::<Result<_, EngineError>>()?;
        Ok(Self { data })
    }

    fn row(&self, row: usize) -> Row<'_> {
        let parts = self
            .data
            .iter()
            .map(|(data, width)| {
                let all = data.as_slice::<f32>().unwrap_or_default();
                all.get(row * width..(row + 1) * width).unwrap_or_default()
            })
            .collect();
        Row { parts }
    }
}

/// Logits of one position, in order of the vocabulary.
struct Row<'a> {
    parts: Vec<&'a [f32]>,
}

impl Row<'_> {
    fn logit(&self, token: u32) -> f32 {
        let mut index = token as usize;
        for part in &self.parts {
            match part.get(index) {
                Some(&logit) => return logit,
                None => index -= part.len(),
            }
        }
        f32::NEG_INFINITY
    }

    /// The stretches of logits between the tokens of `excluded`, each with its first token.
    fn stretches(&self, excluded: &TokenSet) -> Vec<(u32, &[f32])> {
        let mut stretches = Vec::with_capacity(self.parts.len() + excluded.len());
        let mut excluded = excluded.as_slice().iter().map(|&token| token as usize).peekable();
        let mut start = 0;
        for part in &self.parts {
            let end = start + part.len();
            let mut from = start;
            while let Some(token) = excluded.next_if(|&token| token < end) {
                stretches.push((from as u32, &part[from - start..token - start]));
                from = token + 1;
            }
            stretches.push((from as u32, &part[from - start..]));
            start = end;
        }
        stretches
    }

    /// The largest logit among the tokens not in `excluded`, and the first token that has it.
    fn argmax(&self, excluded: &TokenSet) -> (u32, f32) {
        let mut best = (0, f32::NEG_INFINITY);
        for (first, logits) in self.stretches(excluded) {
            let (place, logit) = largest(logits);
            if logit > best.1 {
                best = (first + place as u32, logit);
            }
        }
        best
    }

    /// Σ exp(logit − shift) over the tokens not in `excluded`.
    fn exponentials(&self, shift: f32, excluded: &TokenSet) -> f64 {
        self.stretches(excluded).into_iter().map(|(_, logits)| sum_of_exponentials(logits, shift)).sum()
    }

    fn score(&self, target: u32, excluded: &TokenSet) -> TokenScore {
        let (argmax, largest) = self.argmax(&TokenSet::default());
        let sum = self.exponentials(largest, &TokenSet::default());
        let above = f64::from(self.logit(target)) - f64::from(largest);
        let log_prob = above - sum.ln();
        let filtered = (!excluded.is_empty()).then(|| {
            let (filtered_argmax, filtered_largest) =
                if excluded.contains(argmax) { self.argmax(excluded) } else { (argmax, largest) };
            // Summed again over what is left, not subtracted: nothing cancels where a stop word has all the mass.
            let mut left = self.exponentials(filtered_largest, excluded);
            let target_above = f64::from(self.logit(target)) - f64::from(filtered_largest);
            if excluded.contains(target) {
                left += target_above.exp();
            }
            (target_above - left.ln(), filtered_argmax == target)
        });
        TokenScore { log_prob, is_argmax: argmax == target, filtered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(row: &Row<'_>, target: u32, excluded: &[u32]) -> TokenScore {
        row.score(target, &TokenSet::new(excluded.to_vec()))
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn log_softmax_by_hand() {
        let row = Row { parts: vec![&[1.0, 3.0], &[3.0, 0.0]] };
        let sum = 1f64.exp() + 2.0 * 3f64.exp() + 1.0;
        let second = score(&row, 2, &[]);
        assert!(close(second.log_prob, 3.0 - sum.ln()));
        assert!(!second.is_argmax, "the first of equals wins");
        assert_eq!(second.filtered, None);
        assert!(score(&row, 1, &[]).is_argmax);
    }

    #[test]
    fn excluded_tokens_are_left_out() {
        let row = Row { parts: vec![&[1.0, 3.0, 3.0, 0.0]] };
        let left = 1f64.exp() + 3f64.exp() + 1.0;
        let (log_prob, greedy) = score(&row, 2, &[1]).filtered.unwrap();
        assert!(close(log_prob, 3.0 - left.ln()) && greedy);
        // An excluded target is never right, but keeps a probability.
        let (log_prob, greedy) = score(&row, 1, &[1]).filtered.unwrap();
        assert!(close(log_prob, 3.0 - (left + 3f64.exp()).ln()) && !greedy);
        // Nothing but the target is left.
        let (log_prob, greedy) = score(&row, 0, &[1, 2, 3]).filtered.unwrap();
        assert!(close(log_prob, 0.0) && greedy);
    }
}
