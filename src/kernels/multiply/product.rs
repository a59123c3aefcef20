//! The product of some rows and some panels, by one thread, in memory that stays in its cache.

use std::ops::Range;

use super::input::PackedInput;
use super::tile::{DEPTH, Sums};
use crate::kernels::PackedMatrix;
use crate::kernels::rectangles::even_ranges;
use crate::kernels::vector::{Line, Vector};

/// Rows that are multiplied together at most, so that [`DEPTH`] columns of them stay in the second-level cache.
pub const MOST_ROWS: usize = 140;
/// Panels that are multiplied together at most, so that the sums stay there too.
const MOST_PANELS: usize = 16;
/// Tasks for each thread, so that one which is held up has others to take over.
const TASKS_PER_THREAD: usize = 4;

/// Rows times panels.
pub struct Product<'a> {
    /// All rows.
    pub input: PackedInput<'a>,
    /// Which of them.
    pub rows: Range<usize>,
    /// The weights.
    pub matrix: &'a PackedMatrix,
    /// Which panels of them.
    pub panels: Range<usize>,
}

impl Product<'_> {
    /// The product: that of the `r`-th of the rows and the `p`-th of the panels is at `p · rows + r`.
    ///
    /// Every element is one chain of fused multiply-adds over the inputs in order: neither the number of rows nor
    /// the cut into blocks changes a bit.
    #[inline(always)]
    pub fn compute<V: Vector>(self, memory: &mut Vec<Line>) -> &mut [Line] {
        let Self { input, rows, matrix, panels } = self;
        let length = rows.len() * panels.len();
        if memory.len() < length {
            memory.resize(length, Line::ZERO);
        }
        let sums = &mut memory[..length];
        if input.inputs() == 0 {
            sums.fill(Line::ZERO);
        }
        for (block, start) in (0..input.inputs()).step_by(DEPTH).enumerate() {
            let columns = start..input.inputs().min(start + DEPTH);
            let input = input.block(block, &rows);
            let mut panel = panels.start;
            while panel < panels.end {
                let count = V::TILE_VECTORS.min(panels.end - panel);
                let mut lines: [&[Line]; 2] = [&[]; 2];
                for (index, lines) in lines.iter_mut().enumerate().take(count) {
                    *lines = &matrix.panel(panel + index)[columns.clone()];
                }
                let first = (panel - panels.start) * rows.len();
                for tile in even_ranges(rows.len(), rows.len().div_ceil(V::TILE_ROWS)) {
                    Sums {
                        input: &input[tile.clone()],
                        panels: &lines[..count],
                        sums: &mut sums[first + tile.start..],
                        stride: rows.len(),
                        begin: start == 0,
                    }
                    .add::<V>();
                }
                panel += count;
            }
        }
        sums
    }
}

/// How a product is cut into tasks: ranges of rows and ranges of panels, small enough for the cache and enough of
/// them to keep `threads` busy to the end.
pub fn cut(rows: usize, panels: usize, threads: usize) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let row_parts = rows.div_ceil(MOST_ROWS);
    let wanted = (threads * TASKS_PER_THREAD).div_ceil(row_parts.max(1));
    // Pairs of panels: no task but the last has a single one at its end.
    let pairs = panels.div_ceil(2);
    let parts = wanted.min(pairs).max(panels.div_ceil(MOST_PANELS));
    let columns = even_ranges(pairs, parts).map(|pairs| 2 * pairs.start..panels.min(2 * pairs.end)).collect();
    (even_ranges(rows, row_parts).collect(), columns)
}
