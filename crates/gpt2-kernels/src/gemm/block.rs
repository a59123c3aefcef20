//! The product of some rows and some panels, computed by one thread in memory that stays in its cache.

use std::ops::Range;

use super::micro_kernel::MicroKernel;
use super::packed_input::PackedInput;
use crate::format::Format;
use crate::layout::{AMX_ROWS, DEPTH, Line};
use crate::panels::Panels;
use crate::parallel::even_ranges;
use crate::simd::Vector;

/// Rows of a block: [`DEPTH`] factors of each stay in the second-level cache.
pub(crate) const MAX_ROWS: usize = 140;
/// Panels of a block: the sums stay in the second-level cache too.
const MAX_PANELS: usize = 16;
/// Up to this number of factors, all input of a block stays in the second-level cache beside the weights.
const MAX_CACHED_FACTORS: usize = 64 * 1024;
/// Lines of a panel from the one in use to the one to prefetch. A larger distance is too early for the first-level cache.
const PREFETCH_DISTANCE: usize = 64;
/// Tasks for each thread: when one thread is held up, others take over its tasks.
const TASKS_PER_THREAD: usize = 4;

/// Rows and panels that are multiplied together.
pub(crate) struct Block<'a, F: Format> {
    /// All rows.
    pub input: PackedInput<'a, F>,
    /// The rows of this block.
    pub rows: Range<usize>,
    /// All weights.
    pub matrix: &'a Panels<F>,
    /// The panels of this block.
    pub panels: Range<usize>,
    /// Permission to use AMX instead of vectors.
    pub amx: Option<F::Amx>,
}

impl<F: Format> Block<'_, F> {
    /// Multiplies. The line of the block's `r`-th row and `p`-th panel is at `p · rows + r`.
    ///
    /// Every element is one chain of [`Format::multiply_add`] over the inputs in order, or of AMX instructions over fixed
    /// groups of inputs. Neither the number of rows nor the cut into blocks changes a bit.
    #[inline(always)]
    pub fn multiply<V: Vector>(self, memory: &mut Vec<Line>) -> &mut [Line] {
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
        if rows.len() * input.factors() <= MAX_CACHED_FACTORS {
            // All input stays in the cache, so each panel is read once, from its first line to its last.
            for panels in panel_groups::<V>(panels) {
                starts().for_each(|start| self.add::<V>(start, panels.clone(), sums));
            }
        } else {
            // Each depth block of a panel meets all rows while it is in the cache.
            for start in starts() {
                panel_groups::<V>(panels).for_each(|panels| self.add::<V>(start, panels, sums));
            }
        }
        sums
    }

    /// Adds the products of one or two panels and [`DEPTH`] factors from `start` on.
    #[inline(always)]
    fn add<V: Vector>(&self, start: usize, panels: Range<usize>, sums: &mut [Line]) {
        let end = self.input.factors().min(start + DEPTH);
        let (depth, tile_rows) = match self.amx {
            Some(_) => (start..end.next_multiple_of(F::GROUP), AMX_ROWS),
            None => (start..end, V::TILE_ROWS),
        };
        let input = self.input.block(start / DEPTH, &self.rows);
        let mut lines: [&[F::Line]; 2] = [&[]; 2];
        for (lines, panel) in lines.iter_mut().zip(panels.clone()) {
            *lines = &self.matrix.panel(panel)[depth.clone()];
        }
        let lines = &lines[..panels.len()];
        let rows = self.rows.len();
        let first = (panels.start - self.panels.start) * rows;
        let begin = start == 0;
        for tile in even_ranges(rows, rows.div_ceil(tile_rows)) {
            let sums = &mut sums[first + tile.start..];
            let input = &input[tile];
            match self.amx {
                Some(amx) => F::add_by_amx(amx, input, lines, sums, rows, begin),
                None => MicroKernel::<F> {
                    input,
                    panels: lines,
                    prefetch_distance: PREFETCH_DISTANCE,
                    sums,
                    stride: rows,
                    begin,
                }
                .add::<V>(),
            }
        }
    }
}

/// Groups of as many panels as a tile of registers has.
fn panel_groups<V: Vector>(panels: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = panels.end;
    panels.clone().step_by(V::TILE_VECTORS).map(move |panel| panel..end.min(panel + V::TILE_VECTORS))
}

/// Cuts a product into ranges of rows and ranges of panels: small enough for the cache, and enough of them to keep
/// `threads` threads busy to the end.
pub fn cut(rows: usize, panels: usize, threads: usize) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let row_parts = rows.div_ceil(MAX_ROWS);
    let wanted = (threads * TASKS_PER_THREAD).div_ceil(row_parts.max(1));
    // Whole pairs of panels: only the last range may end with a single panel.
    let pairs = panels.div_ceil(2);
    let parts = wanted.min(pairs).max(panels.div_ceil(MAX_PANELS));
    let columns = even_ranges(pairs, parts).map(|pairs| 2 * pairs.start..panels.min(2 * pairs.end)).collect();
    (even_ranges(rows, row_parts).collect(), columns)
}
