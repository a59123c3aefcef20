//! Log-probabilities over the vocabulary, without ever holding the logits of more than a few hundred tokens.

use std::ops::Range;

use rayon::prelude::*;

use crate::format::Format;
use crate::gemm::{Block, Epilogue, MAX_ROWS, PackedInput, SUMS, gemm};
use crate::layout::{LANES, Line};
use crate::packed_matrix::{AnyPanels, PackedMatrix, with_panels};
use crate::panels::Panels;
use crate::parallel::{even_ranges, with_scratch};
use crate::simd::{Kernel, SimdLevel, Vector};
use crate::softmax::PartialSoftmax;

/// Panels of the vocabulary that one task reduces. Sums are taken part by part, so this decides their bits and must not
/// depend on the number of threads.
const PART_PANELS: usize = 16;

/// The score of a target token at one position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetScore {
    /// ln P(target), in nats.
    pub log_prob: f64,
    /// The most probable token; the lowest id on a tie.
    pub argmax: u32,
    /// The score with the excluded tokens left out; `None` where none are excluded.
    pub filtered: Option<FilteredScore>,
}

/// The score of a target token with the excluded tokens left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilteredScore {
    /// ln P(target), in nats, renormalized without the excluded tokens. An excluded target keeps its own share.
    pub log_prob: f64,
    /// The most probable token that is not excluded; the lowest id on a tie.
    pub argmax: u32,
}

/// A token chosen by its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NextToken {
    /// Token id.
    pub token: u32,
    /// ln P(token) under the model's own distribution, in nats.
    pub log_prob: f64,
}

/// Scores one target token for each row of `hidden`, on all threads of the current Rayon pool.
///
/// exp is computed in f32. Sums are f64, over parts of the vocabulary in a fixed order.
///
/// # Shapes
/// - `hidden`: `[rows, n_embd]`
/// - `embedding`: `[n_embd, vocab_size]` (inputs, outputs)
/// - `targets`: `[rows]`
/// - `excluded`: `[rows]`, for each row token ids in ascending order; or empty
///
/// # Panics
/// If shapes do not match, or a target is not below `vocab_size`.
pub fn score_targets(
    simd_level: SimdLevel,
    hidden: &[f32],
    embedding: &PackedMatrix,
    targets: &[u32],
    excluded: &[&[u32]],
) -> Vec<TargetScore> {
    let vocab_size = embedding.outputs();
    assert!(targets.iter().all(|&target| (target as usize) < vocab_size), "targets below {vocab_size}");
    let reduced = reduce(simd_level, hidden, targets.len(), embedding, targets, excluded);
    reduced
        .iter()
        .zip(targets)
        .enumerate()
        .map(|(row, (reduced, target))| TargetScore {
            log_prob: reduced.all.log_prob(reduced.target_logit),
            argmax: reduced.all.argmax,
            filtered: excluded.get(row).filter(|excluded| !excluded.is_empty()).map(|excluded| {
                let is_excluded = excluded.binary_search(target).is_ok();
                FilteredScore {
                    log_prob: reduced.filtered.filtered_log_prob(reduced.target_logit, is_excluded),
                    argmax: reduced.filtered.argmax,
                }
            }),
        })
        .collect()
}

/// The most probable token for each row of `hidden`, on all threads of the current Rayon pool; the lowest id on a tie.
///
/// # Shapes
/// As for [`score_targets`].
///
/// # Panics
/// If the length of `hidden` is not a whole number of rows.
pub fn greedy_tokens(simd_level: SimdLevel, hidden: &[f32], embedding: &PackedMatrix) -> Vec<NextToken> {
    let rows = hidden.len() / embedding.inputs().max(1);
    reduce(simd_level, hidden, rows, embedding, &[], &[])
        .into_iter()
        .map(|reduced| NextToken { token: reduced.all.argmax, log_prob: reduced.all.argmax_log_prob() })
        .collect()
}

/// Writes all logits to `output`, on all threads of the current Rayon pool.
///
/// # Shapes
/// - `hidden`: `[rows, n_embd]`
/// - `embedding`: `[n_embd, vocab_size]` (inputs, outputs)
/// - `output`: `[rows, vocab_size]`
///
/// # Panics
/// If shapes do not match.
pub fn logits(simd_level: SimdLevel, hidden: &[f32], embedding: &PackedMatrix, output: &mut [f32]) {
    let rows = hidden.len() / embedding.inputs().max(1);
    gemm(simd_level, hidden, rows, embedding, None, Epilogue::Plain, output);
}

/// The logits of one row, reduced over a part of the vocabulary or all of it.
#[derive(Clone, Copy, Default)]
struct ReducedRow {
    all: PartialSoftmax,
    /// Without the excluded tokens.
    filtered: PartialSoftmax,
    /// The logit of the target; 0 if the target is not in this part, or there is none.
    target_logit: f32,
}

fn reduce(
    simd_level: SimdLevel,
    hidden: &[f32],
    rows: usize,
    embedding: &PackedMatrix,
    targets: &[u32],
    excluded: &[&[u32]],
) -> Vec<ReducedRow> {
    assert_eq!(hidden.len(), rows * embedding.inputs(), "hidden: {rows} × {}", embedding.inputs());
    assert!(excluded.is_empty() || excluded.len() == rows, "excluded tokens for {rows} rows");
    with_panels!(embedding.panels(), panels => reduce_panels(simd_level, hidden, rows, panels, targets, excluded))
}

fn reduce_panels<F: Format>(
    simd_level: SimdLevel,
    hidden: &[f32],
    rows: usize,
    embedding: &Panels<F>,
    targets: &[u32],
    excluded: &[&[u32]],
) -> Vec<ReducedRow> {
    let row_ranges: Vec<_> = even_ranges(rows, rows.div_ceil(MAX_ROWS)).collect();
    let part_count = embedding.count().div_ceil(PART_PANELS);
    let amx = F::amx(simd_level);
    let parts: Vec<Vec<ReducedRow>> = with_scratch(F::scratch(), |memory| {
        let input = PackedInput::<F>::new(simd_level, hidden, rows, embedding.inputs(), memory);
        let tasks = (0..part_count * row_ranges.len()).into_par_iter().map(|task| {
            let (part, rows) = (task / row_ranges.len(), row_ranges[task % row_ranges.len()].clone());
            let targets = targets.get(rows.clone()).unwrap_or_default();
            let excluded = excluded.get(rows.clone()).unwrap_or_default();
            with_scratch(&SUMS, |sums| {
                simd_level.run(PartTask { input, rows, embedding, part, targets, excluded, sums, amx })
            })
        });
        tasks.collect()
    });
    let mut reduced = Vec::with_capacity(rows);
    for (range, rows) in row_ranges.iter().enumerate() {
        for row in 0..rows.len() {
            let parts = || parts.iter().skip(range).step_by(row_ranges.len()).map(|part| part[row]);
            reduced.push(ReducedRow {
                all: PartialSoftmax::merge(parts().map(|row| row.all)),
                filtered: PartialSoftmax::merge(parts().map(|row| row.filtered)),
                target_logit: parts().map(|row| row.target_logit).sum(),
            });
        }
    }
    reduced
}

/// Reduces some rows over one part of the vocabulary.
struct PartTask<'a, F: Format> {
    input: PackedInput<'a, F>,
    rows: Range<usize>,
    embedding: &'a Panels<F>,
    part: usize,
    targets: &'a [u32],
    excluded: &'a [&'a [u32]],
    sums: &'a mut Vec<Line>,
    amx: Option<F::Amx>,
}

impl<F: Format> Kernel for PartTask<'_, F> {
    type Output = Vec<ReducedRow>;

    #[inline(always)]
    fn run<V: Vector>(self) -> Vec<ReducedRow> {
        let Self { input, rows, embedding, part, targets, excluded, sums, amx } = self;
        let panels = part * PART_PANELS..embedding.count().min((part + 1) * PART_PANELS);
        let tokens = panels.start * LANES..embedding.outputs().min(panels.end * LANES);
        let logits = Block { input, rows: rows.clone(), matrix: embedding, panels, amx }.multiply::<V>(sums);
        let rows = rows.len();
        for row in 0..rows {
            for beyond in tokens.len()..tokens.len().next_multiple_of(LANES) {
                logits[beyond / LANES * rows + row].0[beyond % LANES] = f32::NEG_INFINITY;
            }
        }
        // The first line of the panel that holds a token's logits, and the token's lane.
        let location = |token: u32| {
            let index = token as usize - tokens.start;
            (index / LANES * rows, index % LANES)
        };
        // A loop, because a closure with vectors in it would be compiled for the base instructions.
        let mut reduced = Vec::with_capacity(rows);
        for row in 0..rows {
            let target = targets.get(row).filter(|&&target| tokens.contains(&(target as usize)));
            let target_logit = target.map_or(0.0, |&target| {
                let (panel, lane) = location(target);
                logits[panel + row].0[lane]
            });
            let all = PartialSoftmax::of_row::<V>(&logits[row..], rows, tokens.start);
            let excluded = excluded.get(row).copied().unwrap_or_default();
            let from = excluded.partition_point(|&token| (token as usize) < tokens.start);
            let to = excluded.partition_point(|&token| (token as usize) < tokens.end);
            let mut filtered = all;
            if from < to {
                for &token in &excluded[from..to] {
                    let (panel, lane) = location(token);
                    logits[panel + row].0[lane] = f32::NEG_INFINITY;
                }
                filtered = PartialSoftmax::of_row::<V>(&logits[row..], rows, tokens.start);
            }
            reduced.push(ReducedRow { all, filtered, target_logit });
        }
        reduced
    }
}
