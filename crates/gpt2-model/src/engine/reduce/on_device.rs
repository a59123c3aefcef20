//! Reduction on the device, so that a batch costs one small transfer: per part of the vocabulary the largest logit,
//! where it is, Σ exp, and the target's logit; the parts are put together on the processor in f64.

use burn::tensor::{Int, Tensor};

use crate::ComputeDevice;
use crate::engine::EngineError;
use crate::engine::plan::TokenSet;
use crate::engine::score::{Targets, TokenScore};

/// Numbers per position and part: largest, its place, Σ exp, target's logit; with excluded tokens the first three
/// again without them.
const PLAIN: usize = 4;
const FILTERED: usize = 7;

/// Numbers that are added one after the other.
const SUM_BLOCK: usize = 256;

/// Far below any logit, yet finite: a part whose tokens are all excluded must not become 0 · ∞.
const EXCLUDED_LOGIT: f32 = -1e30;

/// What [`reduce`] leaves on the device for one group of targets.
pub struct Reduced {
    /// `[targets × parts × (4 or 7)]`.
    numbers: Tensor<1>,
    /// Tokens of each part of the vocabulary.
    part_widths: Vec<usize>,
}

/// Reduces the logits of `targets`; nothing is transferred.
///
/// # Shapes
/// - parts: `[targets, part of the vocabulary]` each
pub fn reduce(parts: Vec<Tensor<2>>, targets: &Targets<'_>, device: &ComputeDevice) -> Reduced {
    let part_widths: Vec<usize> = parts.iter().map(|part| part.dims()[1]).collect();
    let mut start = 0;
    let mut columns = Vec::new();
    for part in parts {
        let [rows, width] = part.dims();
        let is_here = |token: u32| (start..start + width).contains(&(token as usize));
        let local: Vec<i32> = targets
            .tokens
            .iter()
            .map(|&token| if is_here(token) { token as i32 - start as i32 } else { 0 })
            .collect();
        let indices = Tensor::<1, Int>::from_data(local.as_slice(), device.burn()).reshape([rows, 1]);
        columns.extend(largest_and_sum(part.clone()));
        columns.push(part.clone().gather(1, indices));
        if !targets.excluded.is_empty() {
            let mut bias = vec![0f32; width];
            for &token in targets.excluded.as_slice().iter().filter(|&&token| is_here(token)) {
                bias[token as usize - start] = EXCLUDED_LOGIT;
            }
            let bias = Tensor::<1>::from_data(bias.as_slice(), device.burn()).reshape([1, width]);
            columns.extend(largest_and_sum(part + bias));
        }
        start += width;
    }
    let columns: Tensor<2> = Tensor::cat(columns, 1);
    let [rows, width] = columns.dims();
    Reduced { numbers: columns.reshape([rows * width]), part_widths }
}

/// The largest logit of each row, its place, and Σ exp(logit − largest).
///
/// # Shapes
/// - logits: `[rows, part of the vocabulary]`
/// - output: `[rows, 1]` each
pub(super) fn largest_and_sum(logits: Tensor<2>) -> [Tensor<2>; 3] {
    let largest = logits.clone().max_dim(1);
    let place = logits.clone().argmax(1).float();
    let sum = sum_of_columns((logits - largest.clone()).exp());
    [largest, place, sum]
}

/// Sums `[rows, columns]` to `[rows, 1]` in two levels: devices add f32 one after the other, and over the whole
/// vocabulary that loses 1e-4 of the sum.
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

/// Reads what [`reduce`] left for each group and finishes the scores. This is the only transfer from the device to the
/// host in scoring a batch, however many groups there are.
pub fn read(reduced: Vec<Reduced>, groups: &[Targets<'_>]) -> Result<Vec<TokenScore>, EngineError> {
    let (tensors, widths): (Vec<_>, Vec<_>) =
        reduced.into_iter().map(|group| (group.numbers, group.part_widths)).unzip();
    if tensors.is_empty() {
        return Ok(Vec::new());
    }
    let data = Tensor::cat(tensors, 0).try_into_data().map_err(|error| EngineError::device(&error))?;
    let mut rest = data.as_slice::<f32>().map_err(|error| EngineError::device(&error))?;
    let mut scores = Vec::new();
    for (targets, part_widths) in groups.iter().zip(&widths) {
        let numbers = if targets.excluded.is_empty() { PLAIN } else { FILTERED };
        let row_length = part_widths.len() * numbers;
        for &token in &targets.tokens {
            let (row, tail) = rest.split_at_checked(row_length).ok_or_else(|| {
                EngineError::device(&format!("{} numbers came back, expected more", data.num_elements()))
            })?;
            rest = tail;
            let parts: Vec<&[f32]> = row.chunks_exact(numbers).collect();
            scores.push(finish(&parts, part_widths, token, targets.excluded));
        }
    }
    Ok(scores)
}

/// Puts the parts of one position together.
fn finish(parts: &[&[f32]], part_widths: &[usize], token: u32, excluded: &TokenSet) -> TokenScore {
    let mut local = token as usize;
    let mut target = f32::NEG_INFINITY;
    for (part, &width) in parts.iter().zip(part_widths) {
        if local < width {
            target = part[3];
            break;
        }
        local -= width;
    }
    let (largest, argmax, sum) = combine(parts.iter().map(|part| &part[..3]), part_widths);
    let log_prob = f64::from(target) - f64::from(largest) - sum.ln();
    let filtered = (!excluded.is_empty()).then(|| {
        let (largest, argmax, mut sum) = combine(parts.iter().map(|part| &part[PLAIN..]), part_widths);
        let above = f64::from(target) - f64::from(largest);
        if excluded.contains(token) {
            sum += above.exp();
        }
        (above - sum.ln(), argmax == token)
    });
    TokenScore { log_prob, is_argmax: argmax == token, filtered }
}

/// Largest logit, the first token that has it, and Σ exp(logit − largest), over parts of
/// `[largest, its place, Σ exp]`.
pub(super) fn combine<'a>(
    parts: impl Iterator<Item = &'a [f32]> + Clone,
    part_widths: &[usize],
) -> (f32, u32, f64) {
    let mut best = (f32::NEG_INFINITY, 0);
    let mut start = 0;
    for (part, width) in parts.clone().zip(part_widths) {
        if part[0] > best.0 {
            best = (part[0], start + part[1] as u32);
        }
        start += *width as u32;
    }
    let sum = parts.map(|part| f64::from(part[2]) * (f64::from(part[0]) - f64::from(best.0)).exp()).sum();
    (best.0, best.1, sum)
}
