//! Reduction of logits on the device, so that a batch costs one small transfer: for each part of the vocabulary the
//! largest logit, its index, Σ exp and the target's logit. The CPU merges the parts in f64.

use burn::tensor::{Int, Tensor};
use gpt2_kernels::{NextToken, PartialSoftmax};

use super::device_error;
use crate::ComputeDevice;
use crate::engine::EngineError;
use crate::engine::backend::TokenScore;
use crate::engine::work::TokenSet;

/// Numbers per row and part: largest logit, its index, Σ exp.
const SOFTMAX: usize = 3;
/// Numbers per target and part: softmax and the target's logit; with excluded tokens the softmax without them as well.
const PLAIN: usize = SOFTMAX + 1;
const FILTERED: usize = PLAIN + SOFTMAX;

/// Values that are added one after the other in f32.
const SUM_BLOCK: usize = 256;

/// Added to the logits of excluded tokens. Far below any logit, yet finite: a part whose tokens are all excluded must
/// not become 0 · ∞.
const EXCLUDED_LOGIT: f32 = -1e30;

/// Target positions that share a set of excluded tokens, in order.
pub(super) struct Targets<'a> {
    /// Rows of the batch's hidden states: `sequence × length + position`.
    pub positions: Vec<i32>,
    /// Target of each position.
    pub tokens: Vec<u32>,
    /// Tokens left out of the filtered score.
    pub excluded: &'a TokenSet,
}

/// Reduced logits of one group of targets, on the device.
pub(super) struct Reduced {
    /// `[targets × parts × (PLAIN or FILTERED)]`.
    numbers: Tensor<1>,
    /// Tokens of each part of the vocabulary.
    part_sizes: Vec<usize>,
}

/// Reduces the logits of `targets` on the device. Nothing is transferred.
///
/// # Shapes
/// - parts: `[targets, part of the vocabulary]` each
pub(super) fn reduce(parts: Vec<Tensor<2>>, targets: &Targets<'_>, device: &ComputeDevice) -> Reduced {
    let part_sizes: Vec<usize> = parts.iter().map(|part| part.dims()[1]).collect();
    let mut start = 0;
    let mut columns = Vec::new();
    for part in parts {
        let [rows, size] = part.dims();
        let is_here = |token: u32| (start..start + size).contains(&(token as usize));
        let local: Vec<i32> = targets
            .tokens
            .iter()
            .map(|&token| if is_here(token) { token as i32 - start as i32 } else { 0 })
            .collect();
        let indices = Tensor::<1, Int>::from_data(local.as_slice(), device.burn()).reshape([rows, 1]);
        columns.extend(softmax_columns(part.clone()));
        columns.push(part.clone().gather(1, indices));
        if !targets.excluded.is_empty() {
            let mut bias = vec![0f32; size];
            for &token in targets.excluded.as_slice().iter().filter(|&&token| is_here(token)) {
                bias[token as usize - start] = EXCLUDED_LOGIT;
            }
            let bias = Tensor::<1>::from_data(bias.as_slice(), device.burn()).reshape([1, size]);
            columns.extend(softmax_columns(part + bias));
        }
        start += size;
    }
    let columns: Tensor<2> = Tensor::cat(columns, 1);
    let [rows, width] = columns.dims();
    Reduced { numbers: columns.reshape([rows * width]), part_sizes }
}

/// The largest logit of each row, its index, and Σ exp(logit − largest).
///
/// # Shapes
/// - logits: `[rows, part of the vocabulary]`
/// - output: `[rows, 1]` each
fn softmax_columns(logits: Tensor<2>) -> [Tensor<2>; SOFTMAX] {
    let largest = logits.clone().max_dim(1);
    let index = logits.clone().argmax(1).float();
    let sum = sum_of_columns((logits - largest.clone()).exp());
    [largest, index, sum]
}

/// Sums `[rows, columns]` to `[rows, 1]` in two levels. Devices add f32 one after the other, which over the whole
/// vocabulary would lose 1e-4 of the sum.
fn sum_of_columns(values: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = values.dims();
    let blocks = columns / SUM_BLOCK;
    let whole = blocks * SUM_BLOCK;
    let mut sums = Vec::new();
    if blocks > 0 {
        let head: Tensor<3> = values.clone().narrow(1, 0, whole).reshape([rows, blocks, SUM_BLOCK]);
        sums.push(head.sum_dim(2).reshape([rows, blocks]));
    }
    if whole < columns {
        sums.push(values.narrow(1, whole, columns - whole).sum_dim(1));
    }
    Tensor::cat(sums, 1).sum_dim(1)
}

/// Reads the reduced logits of all groups in one transfer and finishes the scores.
pub(super) fn read(reduced: Vec<Reduced>, groups: &[Targets<'_>]) -> Result<Vec<TokenScore>, EngineError> {
    let (tensors, sizes): (Vec<_>, Vec<_>) =
        reduced.into_iter().map(|group| (group.numbers, group.part_sizes)).unzip();
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = values(Tensor::cat(tensors, 0))?;
    let mut rest = numbers.as_slice();
    let mut scores = Vec::new();
    for (targets, part_sizes) in groups.iter().zip(&sizes) {
        let width = if targets.excluded.is_empty() { PLAIN } else { FILTERED };
        for &token in &targets.tokens {
            let (row, tail) = rest.split_at_checked(part_sizes.len() * width).ok_or_else(|| {
                device_error(&format!("it returned {} numbers, fewer than expected", numbers.len()))
            })?;
            rest = tail;
            scores.push(score(row, width, part_sizes, token, targets.excluded));
        }
    }
    Ok(scores)
}

/// The score of one target from the numbers of its parts.
fn score(row: &[f32], width: usize, part_sizes: &[usize], token: u32, excluded: &TokenSet) -> TokenScore {
    let mut local = token as usize;
    let mut logit = f32::NEG_INFINITY;
    for (part, &size) in row.chunks_exact(width).zip(part_sizes) {
        if local < size {
            logit = part[SOFTMAX];
            break;
        }
        local -= size;
    }
    let all = merged(row, width, 0, part_sizes);
    let filtered = (!excluded.is_empty()).then(|| {
        let left = merged(row, width, PLAIN, part_sizes);
        (left.filtered_log_prob(logit, excluded.contains(token)), left.argmax == token)
    });
    TokenScore { log_prob: all.log_prob(logit), is_argmax: all.argmax == token, filtered }
}

/// The softmax over all parts of a row, whose numbers begin at `offset` in each part.
fn merged(row: &[f32], width: usize, offset: usize, part_sizes: &[usize]) -> PartialSoftmax {
    let starts = part_sizes.iter().scan(0, |start, size| {
        let here = *start;
        *start += *size as u32;
        Some(here)
    });
    let parts = row.chunks_exact(width).zip(starts).map(|(part, start)| PartialSoftmax {
        max: part[offset],
        argmax: start + part[offset + 1] as u32,
        sum: f64::from(part[offset + 2]),
    });
    PartialSoftmax::merge(parts)
}

/// The most probable token of each row, the lowest id on a tie, in one transfer.
///
/// # Shapes
/// - parts: `[rows, part of the vocabulary]` each
pub(super) fn greedy_tokens(parts: Vec<Tensor<2>>) -> Result<Vec<NextToken>, EngineError> {
    let part_sizes: Vec<usize> = parts.iter().map(|part| part.dims()[1]).collect();
    let columns: Tensor<2> = Tensor::cat(parts.into_iter().flat_map(softmax_columns).collect(), 1);
    let [rows, width] = columns.dims();
    let numbers = values(columns.reshape([rows * width]))?;
    Ok(numbers
        .chunks_exact(width.max(1))
        .map(|row| {
            let all = merged(row, SOFTMAX, 0, &part_sizes);
            NextToken { token: all.argmax, log_prob: all.argmax_log_prob() }
        })
        .collect())
}

/// All logits of each row, in one transfer.
///
/// # Shapes
/// - parts: `[rows, part of the vocabulary]` each
pub(super) fn logit_rows(parts: Vec<Tensor<2>>) -> Result<Vec<Vec<f32>>, EngineError> {
    let all: Tensor<2> = Tensor::cat(parts, 1);
    let [rows, vocab_size] = all.dims();
    let logits = values(all.reshape([rows * vocab_size]))?;
    Ok(logits.chunks_exact(vocab_size.max(1)).map(<[f32]>::to_vec).collect())
}

/// Transfers a tensor to the CPU.
fn values(tensor: Tensor<1>) -> Result<Vec<f32>, EngineError> {
    let data = tensor.try_into_data().map_err(|error| device_error(&error))?;
    data.try_into_vec::<f32>().map_err(|error| device_error(&format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceRequest;
    use burn::tensor::TensorData;

    const WIDTH: usize = 700;

    /// Target, excluded tokens, log P, argmax, filtered log P, filtered argmax.
    type Case<'a> = (u32, &'a [u32], f64, bool, f64, bool);

    fn devices() -> impl Iterator<Item = (&'static str, ComputeDevice)> {
        ["flex", "ndarray", "wgpu"]
            .into_iter()
            .filter_map(|name| Some((name, name.parse::<DeviceRequest>().unwrap().open().ok()?)))
    }

    fn parts(logits: &[f32], rows: usize, device: &ComputeDevice) -> Vec<Tensor<2>> {
        let all = Tensor::<2>::from_data(TensorData::new(logits.to_vec(), [rows, WIDTH]), device.burn());
        vec![all.clone().narrow(1, 0, 400), all.narrow(1, 400, WIDTH - 400)]
    }

    #[test]
    fn greedy_tokens_are_the_lowest_ids_of_a_tie() {
        let mut logits: Vec<f32> =
            (0..3 * WIDTH).map(|index| ((index * 7919) % 1013) as f32 / 100.0).collect();
        // Ties within a part, across the cut, and in the second part.
        for (row, tokens) in [[30, 31], [100, 650], [500, 699]].into_iter().enumerate() {
            for token in tokens {
                logits[row * WIDTH + token] = 12.0;
            }
        }
        for (name, device) in devices() {
            let chosen = greedy_tokens(parts(&logits, 3, &device)).unwrap();
            assert_eq!(chosen.len(), 3);
            for ((next, row), token) in chosen.iter().zip(logits.chunks_exact(WIDTH)).zip([30, 100, 500]) {
                let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - 12.0).exp()).sum();
                assert_eq!(next.token, token, "{name}");
                assert!((next.log_prob + sum.ln()).abs() < 1e-5, "{name}: {}", next.log_prob);
            }
            assert_eq!(logit_rows(parts(&logits, 3, &device)).unwrap().concat(), logits);
        }
    }

    #[test]
    fn targets_are_scored_with_and_without_excluded_tokens() {
        let mut logits = vec![f32::MIN / 1e9; WIDTH];
        (logits[0], logits[1], logits[450], logits[699]) = (1.0, 3.0, 3.0, 0.0);
        let left = 1f64.exp() + 3f64.exp() + 1.0;
        let sum = left + 3f64.exp();
        let cases: [Case<'_>; 4] = [
            (450, &[1], 3.0 - sum.ln(), false, 3.0 - left.ln(), true),
            // An excluded target is never right but keeps its share.
            (1, &[1], 3.0 - sum.ln(), true, 3.0 - sum.ln(), false),
            (699, &[1, 450], -sum.ln(), false, -(1f64.exp() + 1.0).ln(), false),
            (0, &[1, 450], 1.0 - sum.ln(), false, 1.0 - (1f64.exp() + 1.0).ln(), true),
        ];
        for (name, device) in devices() {
            for (target, excluded, log_prob, is_argmax, filtered, filtered_argmax) in cases {
                let excluded = TokenSet::new(excluded.to_vec());
                let targets = Targets { positions: vec![0], tokens: vec![target], excluded: &excluded };
                let reduced = reduce(parts(&logits, 1, &device), &targets, &device);
                let found = read(vec![reduced], &[targets]).unwrap()[0];
                assert!((found.log_prob - log_prob).abs() < 1e-5, "{name} {target}: {found:?}");
                assert_eq!(found.is_argmax, is_argmax, "{name} {target}");
                let (found, found_argmax) = found.filtered.unwrap();
                assert!((found - filtered).abs() < 1e-5, "{name} {target}: {found}");
                assert_eq!(found_argmax, filtered_argmax, "{name} {target}");
            }
        }
    }
}
