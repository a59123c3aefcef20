//! Log-probabilities over the vocabulary, without ever holding the logits of more than a few hundred tokens.

use std::ops::Range;

use rayon::prelude::*;

use crate::format::Format;
use crate::gemm::SUMS;
use crate::gemm::input::PackedInput;
use crate::gemm::product::{MAX_ROWS, Product};
use crate::pack::{AnyPanels, with_panels};
use crate::panels::Panels;
use crate::rectangles::even_ranges;
use crate::scratch::with_kept;
use crate::softmax::PartialSoftmax;
use crate::vector::{LANES, Line, SimdLevel, Task, Vector};
use crate::{Epilogue, PackedMatrix, gemm};

/// Panels of the vocabulary that are one task. The order of every sum depends on it, so it is the same always.
const PANELS: usize = 16;

/// What is known of a target after one position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetScore {
    /// ln P(target), nats.
    pub log_prob: f64,
    /// The most probable token; the lowest id on a tie.
    pub argmax: u32,
    /// The same without the excluded tokens; `None` where none are excluded.
    pub filtered: Option<FilteredScore>,
}

/// What is known of a target among the tokens that are not excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilteredScore {
    /// ln P(target), nats, renormalised over what is left; an excluded target keeps its own share.
    pub log_prob: f64,
    /// The most probable token that is left.
    pub argmax: u32,
}

/// A token that the model generates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NextToken {
    /// Its id.
    pub token: u32,
    /// ln P(token) under the model's own distribution, in nats.
    pub log_prob: f64,
}

/// Scores a target for each row of `hidden`, on all threads of the current Rayon pool.
///
/// exp is taken in f32; sums are in f64, over parts of the vocabulary in a fixed order.
///
/// # Shapes
/// - hidden: `[rows, width]`
/// - embedding: `width` inputs, one output for each token of the vocabulary
/// - targets: `[rows]`
/// - excluded: `[rows]`, tokens in ascending order; or empty
///
/// # Panics
/// If the shapes do not fit each other or a target is not in the vocabulary.
pub fn score_targets(
    simd_level: SimdLevel,
    hidden: &[f32],
    embedding: &PackedMatrix,
    targets: &[u32],
    excluded: &[&[u32]],
) -> Vec<TargetScore> {
    let vocabulary = embedding.outputs();
    assert!(targets.iter().all(|&target| (target as usize) < vocabulary), "targets below {vocabulary}");
    let sums = reduce(simd_level, hidden, targets.len(), embedding, targets, excluded);
    sums.iter()
        .zip(targets)
        .enumerate()
        .map(|(row, (sums, &target))| TargetScore {
            log_prob: sums.all.log_prob(sums.target),
            argmax: sums.all.argmax,
            filtered: excluded.get(row).filter(|excluded| !excluded.is_empty()).map(|excluded| {
                FilteredScore {
                    log_prob: sums
                        .filtered
                        .filtered_log_prob(sums.target, excluded.binary_search(&target).is_ok()),
                    argmax: sums.filtered.argmax,
                }
            }),
        })
        .collect()
}

/// The most probable token after each row of `hidden`; the lowest id on a tie.
///
/// # Shapes
/// As for [`score_targets`].
///
/// # Panics
/// If `hidden` is no whole number of rows.
pub fn greedy_tokens(simd_level: SimdLevel, hidden: &[f32], embedding: &PackedMatrix) -> Vec<NextToken> {
    let rows = hidden.len() / embedding.inputs().max(1);
    reduce(simd_level, hidden, rows, embedding, &[], &[])
        .into_iter()
        .map(|sums| NextToken { token: sums.all.argmax, log_prob: sums.all.argmax_log_prob() })
        .collect()
}

/// All logits.
///
/// # Shapes
/// - hidden: `[rows, width]`
/// - embedding: `width` inputs, one output for each token of the vocabulary
/// - output: `[rows, vocabulary]`
///
/// # Panics
/// If the shapes do not fit each other.
pub fn logits(simd_level: SimdLevel, hidden: &[f32], embedding: &PackedMatrix, output: &mut [f32]) {
    let rows = hidden.len() / embedding.inputs().max(1);
    gemm(simd_level, hidden, rows, embedding, None, Epilogue::Plain, output);
}

/// What one row comes to, over a part of the vocabulary or all of it.
#[derive(Clone, Copy, Default)]
struct Row {
    all: PartialSoftmax,
    filtered: PartialSoftmax,
    /// The logit of the target; 0 where it is not in this part, or there is none.
    target: f32,
}

fn reduce(
    simd_level: SimdLevel,
    hidden: &[f32],
    rows: usize,
    embedding: &PackedMatrix,
    targets: &[u32],
    excluded: &[&[u32]],
) -> Vec<Row> {
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
) -> Vec<Row> {
    let row_ranges: Vec<_> = even_ranges(rows, rows.div_ceil(MAX_ROWS)).collect();
    let chunks = embedding.count().div_ceil(PANELS);
    let tiles = F::tiles(simd_level);
    let parts: Vec<Vec<Row>> = with_kept(F::memory(), |memory| {
        let input = PackedInput::<F>::new(simd_level, hidden, rows, embedding.inputs(), memory);
        let tasks = (0..chunks * row_ranges.len()).into_par_iter().map(|task| {
            let (chunk, rows) = (task / row_ranges.len(), row_ranges[task % row_ranges.len()].clone());
            let targets = targets.get(rows.clone()).unwrap_or_default();
            let excluded = excluded.get(rows.clone()).unwrap_or_default();
            with_kept(&SUMS, |sums| {
                simd_level.run(Logits { input, rows, embedding, chunk, targets, excluded, sums, tiles })
            })
        });
        tasks.collect()
    });
    let mut reduced = Vec::with_capacity(rows);
    for (range, rows) in row_ranges.iter().enumerate() {
        for row in 0..rows.len() {
            let parts = || parts.iter().skip(range).step_by(row_ranges.len()).map(|part| part[row]);
            reduced.push(Row {
                all: PartialSoftmax::merge(parts().map(|row| row.all)),
                filtered: PartialSoftmax::merge(parts().map(|row| row.filtered)),
                target: parts().map(|row| row.target).sum(),
            });
        }
    }
    reduced
}

/// Some rows and one part of the vocabulary.
struct Logits<'a, F: Format> {
    input: PackedInput<'a, F>,
    rows: Range<usize>,
    embedding: &'a Panels<F>,
    chunk: usize,
    targets: &'a [u32],
    excluded: &'a [&'a [u32]],
    sums: &'a mut Vec<Line>,
    tiles: Option<F::Tiles>,
}

impl<F: Format> Task for Logits<'_, F> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn run<V: Vector>(self) -> Vec<Row> {
        let Self { input, rows, embedding, chunk, targets, excluded, sums, tiles } = self;
        let panels = chunk * PANELS..embedding.count().min((chunk + 1) * PANELS);
        let tokens = panels.start * LANES..embedding.outputs().min(panels.end * LANES);
        let logits =
            Product { input, rows: rows.clone(), matrix: embedding, panels, tiles }.compute::<V>(sums);
        let rows = rows.len();
        for row in 0..rows {
            for beyond in tokens.len()..tokens.len().next_multiple_of(LANES) {
                logits[beyond / LANES * rows + row].0[beyond % LANES] = f32::NEG_INFINITY;
            }
        }
        let place = |token: u32| {
            let index = token as usize - tokens.start;
            (index / LANES * rows, index % LANES)
        };
        // A loop, not a closure: a closure with vectors in it would be compiled for the base instructions.
        let mut reduced = Vec::with_capacity(rows);
        for row in 0..rows {
            let target = targets.get(row).filter(|&&target| tokens.contains(&(target as usize)));
            let target = target.map_or(0.0, |&target| {
                let (panel, lane) = place(target);
                logits[panel + row].0[lane]
            });
            let all = PartialSoftmax::of_row::<V>(&logits[row..], rows, tokens.start);
            let excluded = excluded.get(row).copied().unwrap_or_default();
            let from = excluded.partition_point(|&token| (token as usize) < tokens.start);
            let to = excluded.partition_point(|&token| (token as usize) < tokens.end);
            let mut filtered = all;
            if from < to {
                for &token in &excluded[from..to] {
                    let (panel, lane) = place(token);
                    logits[panel + row].0[lane] = f32::NEG_INFINITY;
                }
                filtered = PartialSoftmax::of_row::<V>(&logits[row..], rows, tokens.start);
            }
            reduced.push(Row { all, filtered, target });
        }
        reduced
    }
}
