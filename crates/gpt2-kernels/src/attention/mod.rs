//! Causal attention of a ragged batch.

mod head;
mod mix;
mod storage;

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use crate::rectangles::{Rectangle, even_ranges, rectangles};
use crate::scratch::with_kept;
use crate::vector::SimdLevel;
use head::{Queries, Scratch};
pub use storage::KeyValues;

/// Queries of one head that are a task of their own.
const MAX_QUERIES: usize = 56;
/// Products of a query and a key, summed over heads, below which one thread is faster than several.
const FEW: usize = 4 * 1024;

/// One sequence of the batch.
#[derive(Debug, Clone)]
pub struct Sequence<'a> {
    /// Rows of the batch with its new tokens, which are the last tokens of the sequence.
    pub rows: Range<usize>,
    /// All its tokens, the new ones among them: the first segment starts at position 0, each of the others where the
    /// one before it ends. A segment may be shared by any number of sequences.
    pub segments: Vec<&'a KeyValues>,
}

impl Sequence<'_> {
    fn length(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.end())
    }
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Attention of each new token to itself and to all tokens before it, on all threads of the current Rayon pool.
///
/// The result for a token depends on its own sequence alone, and not on how that is cut into segments or which of its
/// tokens are new. (Values must be finite: a later token of the call is weighted 0, which an infinity survives.)
///
/// # Shapes
/// - `query_key_value`: `[rows, 3 · heads · head width]`, in each row the query, the key and the value; only the
///   queries are read, keys and values having been [appended](KeyValues::append)
/// - sequences: in ascending order of their rows
/// - output: `[rows, heads · head width]`; rows of no sequence are left alone
///
/// # Panics
/// If the shapes or the segments of a sequence do not fit each other.
pub fn attention(
    simd_level: SimdLevel,
    query_key_value: &[f32],
    sequences: &[Sequence<'_>],
    scale: f32,
    output: &mut [f32],
) {
    let Some(shape) = sequences.iter().find_map(|sequence| sequence.segments.first()) else { return };
    let (heads, head_width) = (shape.heads(), shape.head_width());
    let width = heads * head_width;
    assert_eq!(query_key_value.len(), 3 * output.len(), "a query, a key and a value for each output");
    let mut end = 0;
    for sequence in sequences {
        let rows = &sequence.rows;
        assert!(end <= rows.start && rows.end * width <= output.len(), "rows overlap or are none: {rows:?}");
        end = rows.end;
        assert!(rows.len() <= sequence.length(), "{} tokens of {}", rows.len(), sequence.length());
        let mut position = 0;
        for segment in &sequence.segments {
            assert_eq!((segment.heads(), segment.head_width()), (heads, head_width), "one shape of heads");
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
    let columns: Vec<_> = (0..heads).map(|head| head * head_width..(head + 1) * head_width).collect();
    let attend = |(owner, output): (usize, Rectangle<'_>)| {
        let sequence = &sequences[owner];
        let queries = Queries {
            query_key_value,
            width,
            head: output.columns.start / head_width,
            segments: &sequence.segments,
            position: sequence.length() - (sequence.rows.end - output.rows.start),
            scale,
            output,
        };
        with_kept(&SCRATCH, |scratch| simd_level.run(queries.with(scratch)));
    };
    let rectangles = rectangles(output, width, &row_ranges, &columns);
    let mut tasks: Vec<_> = owners.iter().copied().cycle().zip(rectangles).collect();
    // Neighbours read the same keys and values, or those beside them.
    tasks.sort_by_key(|(owner, output)| (*owner, output.columns.start));
    let products: usize = sequences.iter().map(|sequence| sequence.rows.len() * sequence.length()).sum();
    if products * heads < FEW {
        tasks.into_iter().for_each(attend);
    } else {
        tasks.into_par_iter().for_each(attend);
    }
}
