//! Keys and values of tokens that the model has read, in the order in which attention reads them.

use std::ops::Range;

use rayon::prelude::*;

use crate::vector::{LANES, Line};

/// Numbers below which one thread is faster than several.
const FEW: usize = 64 * 1024;

/// Keys and values of consecutive tokens in one block of the model.
///
/// Stored by positions: block `b` has positions `16·b..16·b + 16` of the sequence, wherever the tokens begin. In a
/// block, each head has its keys transposed (one line of sixteen positions for each component) and its values
/// position by position (in whole lines, zeros behind the head's width). What attention computes for a position thus
/// does not depend on how a sequence is cut into segments.
#[derive(Debug, Clone)]
pub struct KeyValues {
    heads: usize,
    head_width: usize,
    start: usize,
    length: usize,
    /// `[blocks][heads][head width]`.
    keys: Vec<Line>,
    /// `[blocks][heads][16 positions][lines of a value]`.
    values: Vec<Line>,
}

impl KeyValues {
    /// Nothing yet; the first token will be that of position `start`.
    ///
    /// # Panics
    /// If there are no heads, or they have no width.
    pub fn new(heads: usize, head_width: usize, start: usize) -> Self {
        assert!(heads > 0 && head_width > 0, "{heads} heads of {head_width}");
        Self { heads, head_width, start, length: 0, keys: Vec::new(), values: Vec::new() }
    }

    /// Appends the keys and values of the tokens that follow.
    ///
    /// # Shapes
    /// - `query_key_value`: `[tokens, 3 · heads · head width]`, in each row the query, the key and the value, each of
    ///   them head by head
    ///
    /// # Panics
    /// If that is no whole number of rows.
    pub fn append(&mut self, query_key_value: &[f32]) {
        let width = self.heads * self.head_width;
        if query_key_value.is_empty() {
            return;
        }
        assert!(query_key_value.len().is_multiple_of(3 * width), "no whole number of rows of 3 × {width}");
        let new = self.end()..self.end() + query_key_value.len() / (3 * width);
        self.length += new.len();
        let blocks = self.blocks().len();
        let (key_lines, value_lines) = (self.key_lines(), self.value_lines());
        self.keys.resize(blocks * key_lines, Line::ZERO);
        self.values.resize(blocks * value_lines, Line::ZERO);

        let first = self.start / LANES;
        let skipped = new.start / LANES - first;
        let (heads, head_width) = (self.heads, self.head_width);
        let fill = |(block, (keys, values)): (usize, (&mut [Line], &mut [Line]))| {
            let position = (first + skipped + block) * LANES;
            // Head by head: the lines that the keys of a head are scattered over stay in the first-level cache.
            let keys = keys.chunks_exact_mut(head_width);
            let values = values.chunks_exact_mut(value_lines / heads);
            for (head, (keys, values)) in keys.zip(values).enumerate() {
                for lane in lanes(&new, position) {
                    let row = &query_key_value[(position + lane - new.start) * 3 * width..][..3 * width];
                    let key = &row[width + head * head_width..][..head_width];
                    for (line, component) in keys.iter_mut().zip(key) {
                        line.0[lane] = *component;
                    }
                    let value = &row[2 * width + head * head_width..][..head_width];
                    let lines = values.len() / LANES;
                    for (line, components) in values[lane * lines..].iter_mut().zip(value.chunks(LANES)) {
                        line.0[..components.len()].copy_from_slice(components);
                    }
                }
            }
        };
        let keys = &mut self.keys[skipped * key_lines..];
        let values = &mut self.values[skipped * value_lines..];
        if query_key_value.len() < FEW {
            keys.chunks_mut(key_lines).zip(values.chunks_mut(value_lines)).enumerate().for_each(fill);
        } else {
            keys.par_chunks_mut(key_lines)
                .zip(values.par_chunks_mut(value_lines))
                .enumerate()
                .with_min_len(4)
                .for_each(fill);
        }
    }

    /// Reserves memory for `tokens` tokens in all, so that appending them moves nothing.
    pub fn reserve(&mut self, tokens: usize) {
        let blocks = (self.start + tokens).div_ceil(LANES) - self.start / LANES;
        self.keys.reserve_exact((blocks * self.key_lines()).saturating_sub(self.keys.len()));
        self.values.reserve_exact((blocks * self.value_lines()).saturating_sub(self.values.len()));
    }

    /// The keys and the values, position by position: `[tokens, heads · head width]` each.
    pub fn rows(&self) -> (Vec<f32>, Vec<f32>) {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for block in self.blocks() {
            for lane in self.lanes(block, usize::MAX) {
                for head in 0..self.heads {
                    keys.extend(self.keys(block, head).iter().map(|line| line.0[lane]));
                    let lines = self.values(block, head);
                    let value = &lines[lane * (lines.len() / LANES)..];
                    values.extend((0..self.head_width).map(|place| value[place / LANES].0[place % LANES]));
                }
            }
        }
        (keys, values)
    }

    /// Forgets all but the first `length` tokens; does nothing if there are fewer. The memory stays reserved.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        let blocks = self.blocks().len();
        self.keys.truncate(blocks * self.key_lines());
        self.values.truncate(blocks * self.value_lines());
    }

    /// Tokens.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The position of the first token.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The position after the last token.
    pub fn end(&self) -> usize {
        self.start + self.length
    }

    /// Memory that the tokens take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.keys.as_slice()) + size_of_val(self.values.as_slice())
    }

    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    pub(super) fn head_width(&self) -> usize {
        self.head_width
    }

    /// Numbers of the blocks that have tokens.
    pub(super) fn blocks(&self) -> Range<usize> {
        if self.length == 0 {
            return 0..0;
        }
        self.start / LANES..self.end().div_ceil(LANES)
    }

    /// Lanes of a block that have tokens before position `limit`.
    #[inline(always)]
    pub(super) fn lanes(&self, block: usize, limit: usize) -> Range<usize> {
        lanes(&(self.start..self.end().min(limit)), block * LANES)
    }

    /// The keys of a head in a block: one line for each component.
    #[inline(always)]
    pub(super) fn keys(&self, block: usize, head: usize) -> &[Line] {
        let first = (block - self.start / LANES) * self.key_lines() + head * self.head_width;
        &self.keys[first..first + self.head_width]
    }

    /// The values of a head in a block: sixteen times the lines of a value.
    #[inline(always)]
    pub(super) fn values(&self, block: usize, head: usize) -> &[Line] {
        let lines = LANES * self.head_width.div_ceil(LANES);
        let first = (block - self.start / LANES) * self.value_lines() + head * lines;
        &self.values[first..first + lines]
    }

    /// Lines of keys in a block.
    pub(super) fn key_lines(&self) -> usize {
        self.heads * self.head_width
    }

    /// Lines of values in a block.
    pub(super) fn value_lines(&self) -> usize {
        self.heads * LANES * self.head_width.div_ceil(LANES)
    }
}

/// Lanes of the block at `position` that fall on `positions`.
#[inline(always)]
fn lanes(positions: &Range<usize>, position: usize) -> Range<usize> {
    positions.start.saturating_sub(position).min(LANES)..positions.end.saturating_sub(position).min(LANES)
}
