//! Causal attention over a ragged batch.

mod head;
mod key_values;
mod weighted_values;

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use crate::parallel::{MatrixTile, even_ranges, matrix_tiles, with_scratch};
use crate::simd::SimdLevel;
use head::{HeadScratch, HeadTask, Queries};
pub use key_values::KeyValues;

/// Queries of one head that one task computes.
const MAX_QUERIES: usize = 56;
/// Batches with fewer pairs of a query and a key, over all heads, are computed by one thread, which is then faster.
const MIN_PARALLEL: usize = 4 * 1024;

/// One sequence of the batch.
#[derive(Debug, Clone)]
pub struct Sequence<'a> {
    /// Rows of the batch that hold the new tokens. The new tokens are the last tokens of the sequence.
    pub rows: Range<usize>,
    /// KV-cache segments with all tokens of the sequence, including the new ones. The first segment starts at position 0,
    /// each other one where the one before it ends. Any number of sequences may share a segment.
    pub segments: Vec<&'a KeyValues>,
}

impl Sequence<'_> {
    fn length(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.end())
    }
}

thread_local! {
    static SCRATCH: Cell<HeadScratch> = Cell::default();
}

/// Causal attention of each new token to itself and all tokens before it, on all threads of the current Rayon pool.
///
/// The result for a token depends on its own sequence alone. It does not depend on how the sequence is cut into segments,
/// or on which of its tokens are new. Values must be finite: later tokens of the call get weight 0, and 0 · ∞ is NaN.
///
/// # Shapes
/// - `query_key_value`: `[rows, 3 · n_head · head_dim]`, each row being query, key and value. Only queries are read: keys
///   and values were [appended](KeyValues::append) to the segments
/// - `sequences`: in ascending order of their rows
/// - `scale`: factor of the dot products, 1 / √`head_dim` in GPT-2
/// - `output`: `[rows, n_head · head_dim]`. Rows that belong to no sequence keep their values
///
/// # Panics
/// If shapes do not match, rows overlap, or the segments of a sequence have gaps.
pub fn attention(
    simd_level: SimdLevel,
    query_key_value: &[f32],
    sequences: &[Sequence<'_>],
    scale: f32,
    output: &mut [f32],
) {
    let Some(shape) = sequences.iter().find_map(|sequence| sequence.segments.first()) else { return };
    let (n_head, head_dim) = (shape.n_head(), shape.head_dim());
    let width = n_head * head_dim;
    assert_eq!(query_key_value.len(), 3 * output.len(), "length of query_key_value and output");
    let mut end = 0;
    for sequence in sequences {
        let rows = &sequence.rows;
        assert!(
            end <= rows.start && rows.end * width <= output.len(),
            "rows out of order or range: {rows:?}"
        );
        end = rows.end;
        assert!(rows.len() <= sequence.length(), "{} new tokens of {}", rows.len(), sequence.length());
        let mut position = 0;
        for segment in &sequence.segments {
            assert_eq!((segment.n_head(), segment.head_dim()), (n_head, head_dim), "shape of the heads");
            assert_eq!(segment.start(), position, "a segment starts where the one before it ends");
            position = segment.end();
        }
    }

    let (mut row_ranges, mut owners) = (Vec::new(), Vec::new());
    for (index, sequence) in sequences.iter().enumerate() {
        let rows = &sequence.rows;
        for range in even_ranges(rows.len(), rows.len().div_ceil(MAX_QUERIES)) {
            row_ranges.push(rows.start + range.start..rows.start + range.end);
            owners.push(index);
        }
    }
    let columns: Vec<_> = (0..n_head).map(|head| head * head_dim..(head + 1) * head_dim).collect();
    let attend = |(owner, output): (usize, MatrixTile<'_>)| {
        let sequence = &sequences[owner];
        let queries = Queries {
            query_key_value,
            width,
            head: output.columns.start / head_dim,
            segments: &sequence.segments,
            position: sequence.length() - (sequence.rows.end - output.rows.start),
            scale,
            output,
        };
        with_scratch(&SCRATCH, |scratch| simd_level.run(HeadTask { queries, scratch }));
    };
    let tiles = matrix_tiles(output, width, &row_ranges, &columns);
    let mut tasks: Vec<_> = owners.iter().copied().cycle().zip(tiles).collect();
    // Neighbouring tasks read the same keys and values, or adjacent ones.
    tasks.sort_by_key(|(owner, output)| (*owner, output.columns.start));
    let pairs: usize = sequences.iter().map(|sequence| sequence.rows.len() * sequence.length()).sum();
    if pairs * n_head < MIN_PARALLEL {
        tasks.into_iter().for_each(attend);
    } else {
        tasks.into_par_iter().for_each(attend);
    }
}
