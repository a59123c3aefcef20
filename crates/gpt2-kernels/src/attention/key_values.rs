//! A segment of the KV cache, in the order in which attention reads it.

use std::ops::Range;

use rayon::prelude::*;

use crate::layout::{LANES, Line};

/// Fewer numbers are appended by one thread, which is then faster.
const MIN_PARALLEL: usize = 64 * 1024;

/// A KV-cache segment: the keys and values of consecutive tokens in one transformer block.
///
/// Tokens are grouped by position: group `g` has positions `16·g..16·g + 16` of the sequence, wherever the segment starts.
/// So what attention computes does not depend on how a sequence is cut into segments. In a group, each head has its keys
/// transposed (one line of sixteen positions for each component) and its values position by position (in whole lines,
/// filled up with zeros).
#[derive(Debug, Clone)]
pub struct KeyValues {
    n_head: usize,
    head_dim: usize,
    start: usize,
    length: usize,
    /// `[groups][n_head][head_dim]`.
    keys: Vec<Line>,
    /// `[groups][n_head][16 positions][lines of a value]`.
    values: Vec<Line>,
}

impl KeyValues {
    /// An empty segment whose first token will have position `start`.
    ///
    /// # Panics
    /// If `n_head` or `head_dim` is 0.
    pub fn new(n_head: usize, head_dim: usize, start: usize) -> Self {
        assert!(n_head > 0 && head_dim > 0, "{n_head} heads of {head_dim}");
        Self { n_head, head_dim, start, length: 0, keys: Vec::new(), values: Vec::new() }
    }

    /// Appends the keys and values of the next tokens, on all threads of the current Rayon pool.
    ///
    /// # Shapes
    /// - `query_key_value`: `[tokens, 3 · n_head · head_dim]`, each row being query, key and value, each of them head by
    ///   head
    ///
    /// # Panics
    /// If the length is not a whole number of rows.
    pub fn append(&mut self, query_key_value: &[f32]) {
        let width = self.n_head * self.head_dim;
        if query_key_value.is_empty() {
            return;
        }
        assert!(query_key_value.len().is_multiple_of(3 * width), "rows of 3 × {width} numbers");
        let new = self.end()..self.end() + query_key_value.len() / (3 * width);
        self.length += new.len();
        let groups = self.groups().len();
        let (key_lines, value_lines) = (self.key_lines(), self.value_lines());
        self.keys.resize(groups * key_lines, Line::ZERO);
        self.values.resize(groups * value_lines, Line::ZERO);

        let first = self.start / LANES;
        let skipped = new.start / LANES - first;
        let (n_head, head_dim) = (self.n_head, self.head_dim);
        let fill = |(group, (keys, values)): (usize, (&mut [Line], &mut [Line]))| {
            let position = (first + skipped + group) * LANES;
            // Head by head, so that the lines over which the keys of a head are scattered stay in the first-level cache.
            let keys = keys.chunks_exact_mut(head_dim);
            let values = values.chunks_exact_mut(value_lines / n_head);
            for (head, (keys, values)) in keys.zip(values).enumerate() {
                for lane in lanes(&new, position) {
                    let row = &query_key_value[(position + lane - new.start) * 3 * width..][..3 * width];
                    let key = &row[width + head * head_dim..][..head_dim];
                    for (line, component) in keys.iter_mut().zip(key) {
                        line.0[lane] = *component;
                    }
                    let value = &row[2 * width + head * head_dim..][..head_dim];
                    let lines = values.len() / LANES;
                    for (line, components) in values[lane * lines..].iter_mut().zip(value.chunks(LANES)) {
                        line.0[..components.len()].copy_from_slice(components);
                    }
                }
            }
        };
        let keys = &mut self.keys[skipped * key_lines..];
        let values = &mut self.values[skipped * value_lines..];
        if query_key_value.len() < MIN_PARALLEL {
            keys.chunks_mut(key_lines).zip(values.chunks_mut(value_lines)).enumerate().for_each(fill);
        } else {
            keys.par_chunks_mut(key_lines)
                .zip(values.par_chunks_mut(value_lines))
                .enumerate()
                .with_min_len(4)
                .for_each(fill);
        }
    }

    /// Reserves memory for `tokens` tokens in all, so that appending them does not move the segment.
    pub fn reserve(&mut self, tokens: usize) {
        let groups = (self.start + tokens).div_ceil(LANES) - self.start / LANES;
        self.keys.reserve_exact((groups * self.key_lines()).saturating_sub(self.keys.len()));
        self.values.reserve_exact((groups * self.value_lines()).saturating_sub(self.values.len()));
    }

    /// Copies of the keys and the values: `[tokens, n_head · head_dim]` each.
    pub fn rows(&self) -> (Vec<f32>, Vec<f32>) {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for group in self.groups() {
            for lane in self.lanes(group, usize::MAX) {
                for head in 0..self.n_head {
                    keys.extend(self.keys(group, head).iter().map(|line| line.0[lane]));
                    let lines = self.values(group, head);
                    let value = &lines[lane * (lines.len() / LANES)..];
                    values.extend((0..self.head_dim).map(|index| value[index / LANES].0[index % LANES]));
                }
            }
        }
        (keys, values)
    }

    /// Removes all but the first `length` tokens. The memory stays reserved.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        let groups = self.groups().len();
        self.keys.truncate(groups * self.key_lines());
        self.values.truncate(groups * self.value_lines());
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the segment has no tokens.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Position of the first token.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Position after the last token.
    pub fn end(&self) -> usize {
        self.start + self.length
    }

    /// Bytes of memory that the tokens take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.keys.as_slice()) + size_of_val(self.values.as_slice())
    }

    pub(super) fn n_head(&self) -> usize {
        self.n_head
    }

    pub(super) fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Groups that have tokens.
    pub(super) fn groups(&self) -> Range<usize> {
        if self.length == 0 {
            return 0..0;
        }
        self.start / LANES..self.end().div_ceil(LANES)
    }

    /// Lanes of a group that have tokens before position `limit`.
    #[inline(always)]
    pub(super) fn lanes(&self, group: usize, limit: usize) -> Range<usize> {
        lanes(&(self.start..self.end().min(limit)), group * LANES)
    }

    /// Keys of a head in a group: one line for each component.
    #[inline(always)]
    pub(super) fn keys(&self, group: usize, head: usize) -> &[Line] {
        let first = (group - self.start / LANES) * self.key_lines() + head * self.head_dim;
        &self.keys[first..first + self.head_dim]
    }

    /// Values of a head in a group: the lines of a value, sixteen times.
    #[inline(always)]
    pub(super) fn values(&self, group: usize, head: usize) -> &[Line] {
        let lines = LANES * self.head_dim.div_ceil(LANES);
        let first = (group - self.start / LANES) * self.value_lines() + head * lines;
        &self.values[first..first + lines]
    }

    /// Lines of keys in a group.
    pub(super) fn key_lines(&self) -> usize {
        self.n_head * self.head_dim
    }

    /// Lines of values in a group.
    pub(super) fn value_lines(&self) -> usize {
        self.n_head * LANES * self.head_dim.div_ceil(LANES)
    }
}

/// Lanes of the group at `position` that fall on `positions`.
#[inline(always)]
fn lanes(positions: &Range<usize>, position: usize) -> Range<usize> {
    positions.start.saturating_sub(position).min(LANES)..positions.end.saturating_sub(position).min(LANES)
}
