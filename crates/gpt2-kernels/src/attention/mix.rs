//! The mean of the values, weighted by what the scores became.

use super::KeyValues;
use super::head::CHUNK;
use crate::gemm::tile::{InputRow, by_rows};
use crate::vector::{LANES, Line, Task, Vector};

/// Sums of weighted values for some queries of a head; each sum is one chain of fused multiply-adds over the
/// positions from 0 on, whatever segments they are in.
pub struct Mix<'a> {
    /// `[chunks of positions][queries]`.
    pub weights: &'a [InputRow],
    /// Rows of the tile.
    pub queries: usize,
    /// All tokens.
    pub segments: &'a [&'a KeyValues],
    /// Which head.
    pub head: usize,
    /// Positions from here on are left out.
    pub limit: usize,
    /// `[lines of a value][queries]`: where the sums go.
    pub sums: &'a mut [Line],
}

impl Mix<'_> {
    /// Computes the sums.
    #[inline(always)]
    pub fn compute<V: Vector>(self) {
        let lines = self.sums.len() / self.queries;
        let Self { weights, queries, segments, head, limit, sums } = self;
        let mut line = 0;
        while line < lines {
            let count = V::TILE_VECTORS.min(lines - line);
            let sums = &mut sums[line * queries..][..count * queries];
            let columns = Columns { weights, segments, head, limit, lines, line, sums };
            if count == 1 {
                by_rows!(queries, ROWS => V::call(Tile::<ROWS, 1>(columns)));
            } else {
                by_rows!(queries, ROWS => V::call(Tile::<ROWS, 2>(columns)));
            }
            line += count;
        }
    }
}

/// [`Mix`] of one or two lines of the values.
struct Columns<'a> {
    weights: &'a [InputRow],
    segments: &'a [&'a KeyValues],
    head: usize,
    limit: usize,
    /// Lines of a value.
    lines: usize,
    /// The first of those that are wanted.
    line: usize,
    sums: &'a mut [Line],
}

/// [`Columns`] of a shape that the compiler knows, so that it keeps the sums in registers.
struct Tile<'a, const ROWS: usize, const LINES: usize>(Columns<'a>);

impl<const ROWS: usize, const LINES: usize> Task for Tile<'_, ROWS, LINES> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        if const { ROWS > V::TILE_ROWS || LINES > V::TILE_VECTORS } {
            // Never asked for; nothing is compiled for it.
            return;
        }
        let Columns { weights, segments, head, limit, lines, line, sums } = self.0;
        let (chunks, _) = weights.as_chunks::<ROWS>();
        let mut tile = [[V::splat(0.0); LINES]; ROWS];
        for segment in segments {
            let blocks = segment.blocks();
            let ahead = segment.value_lines();
            for block in blocks.start..blocks.end.min(limit.div_ceil(LANES)) {
                let values = segment.values(block, head);
                let weights = &chunks[block * LANES / CHUNK];
                let first = block * LANES % CHUNK;
                for lane in segment.lanes(block, limit) {
                    let Some(value) = values[lane * lines + line..].first_chunk::<LINES>() else { continue };
                    let mut components = [V::splat(0.0); LINES];
                    for index in 0..LINES {
                        // Its counterpart in the next block, which the processor cannot foresee.
                        V::prefetch(value.as_ptr().wrapping_add(index + ahead));
                        components[index] = V::load(&value[index].0);
                    }
                    for row in 0..ROWS {
                        let weight = V::splat(weights[row][first + lane]);
                        for index in 0..LINES {
                            tile[row][index] = weight.multiply_add(components[index], tile[row][index]);
                        }
                    }
                }
            }
        }
        for row in 0..ROWS {
            for index in 0..LINES {
                tile[row][index].store(&mut sums[index * ROWS + row].0);
            }
        }
    }
}
