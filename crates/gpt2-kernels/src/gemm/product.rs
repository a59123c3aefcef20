//! The product of some rows and some panels, by one thread, in memory that stays in its cache.

use std::ops::Range;

use super::input::PackedInput;
use super::tile::{DEPTH, TileSums};
use crate::format::Format;
use crate::panels::Panels;
use crate::rectangles::even_ranges;
use crate::vector::{Line, MATRIX_ROWS, Vector};

/// Rows that are multiplied together at most, so that [`DEPTH`] factors of each stay in the second-level cache.
pub const MAX_ROWS: usize = 140;
/// Panels that are multiplied together at most, so that the sums stay there too.
const MAX_PANELS: usize = 16;
/// Factors of the input that are few enough to stay in the second-level cache beside the weights.
const FEW: usize = 64 * 1024;
/// Lines of a panel between that which is read and that which is asked for; further, it comes too early for the
/// first-level cache.
const AHEAD: usize = 64;
/// Tasks for each thread, so that one which is held up has others to take over.
const TASKS_PER_THREAD: usize = 4;

/// Rows times panels.
pub struct Product<'a, F: Format> {
    /// All rows.
    pub input: PackedInput<'a, F>,
    /// Which of them.
    pub rows: Range<usize>,
    /// The weights.
    pub matrix: &'a Panels<F>,
    /// Which panels of them.
    pub panels: Range<usize>,
    /// SIMD level for matrices, to be used instead of those for vectors.
    pub tiles: Option<F::Tiles>,
}

impl<F: Format> Product<'_, F> {
    /// The product: that of the `r`-th of the rows and the `p`-th of the panels is at `p · rows + r`.
    ///
    /// Every element is one chain of [`Format::multiply_add`] over the inputs in order, or of products by instructions for
    /// matrices, each over the same inputs always: neither the number of rows nor the cut into blocks changes a bit.
    #[inline(always)]
    pub fn compute<V: Vector>(self, memory: &mut Vec<Line>) -> &mut [Line] {
        let Self { input, rows, panels, .. } = &self;
        let length = rows.len() * panels.len();
        if memory.len() < length {
            memory.resize(length, Line::ZERO);
        }
        let sums = &mut memory[..length];
        if input.factors() == 0 {
            sums.fill(Line::ZERO);
        }
        let starts = || (0..input.factors()).step_by(DEPTH);
        if rows.len() * input.factors() <= FEW {
            // Each panel is read from its first line to its last, as memory likes it; all of the input is at hand.
            for pair in pairs::<V>(panels) {
                starts().for_each(|start| self.add::<V>(start, pair.clone(), sums));
            }
        } else {
            // Each block of a panel meets all rows while it is at hand.
            for start in starts() {
                pairs::<V>(panels).for_each(|pair| self.add::<V>(start, pair, sums));
            }
        }
        sums
    }

    /// Adds the products of [`DEPTH`] factors from `start` on and of one or two panels.
    #[inline(always)]
    fn add<V: Vector>(&self, start: usize, pair: Range<usize>, sums: &mut [Line]) {
        let end = self.input.factors().min(start + DEPTH);
        let (columns, tile_rows) = match self.tiles {
            Some(_) => (start..end.next_multiple_of(F::GROUP), MATRIX_ROWS),
            None => (start..end, V::TILE_ROWS),
        };
        let input = self.input.block(start / DEPTH, &self.rows);
        let mut lines: [&[F::Line]; 2] = [&[]; 2];
        for (lines, panel) in lines.iter_mut().zip(pair.clone()) {
            *lines = &self.matrix.panel(panel)[columns.clone()];
        }
        let rows = self.rows.len();
        let first = (pair.start - self.panels.start) * rows;
        for tile in even_ranges(rows, rows.div_ceil(tile_rows)) {
            let sums = TileSums::<F> {
                input: &input[tile.clone()],
                panels: &lines[..pair.len()],
                ahead: AHEAD,
                sums: &mut sums[first + tile.start..],
                stride: rows,
                begin: start == 0,
            };
            match self.tiles {
                Some(tiles) => F::add_in_tiles(tiles, sums),
                None => sums.add::<V>(),
            }
        }
    }
}

/// The panels in runs of as many as a tile has.
fn pairs<V: Vector>(panels: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = panels.end;
    panels.clone().step_by(V::TILE_VECTORS).map(move |panel| panel..end.min(panel + V::TILE_VECTORS))
}

/// How a product is cut into tasks: ranges of rows and ranges of panels, small enough for the cache and enough of
/// them to keep `threads` busy to the end.
pub fn cut(rows: usize, panels: usize, threads: usize) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let row_parts = rows.div_ceil(MAX_ROWS);
    let wanted = (threads * TASKS_PER_THREAD).div_ceil(row_parts.max(1));
    // Pairs of panels: no task but the last has a single one at its end.
    let pairs = panels.div_ceil(2);
    let parts = wanted.min(pairs).max(panels.div_ceil(MAX_PANELS));
    let columns = even_ranges(pairs, parts).map(|pairs| 2 * pairs.start..panels.min(2 * pairs.end)).collect();
    (even_ranges(rows, row_parts).collect(), columns)
}
