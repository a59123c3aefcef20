//! Sums of values, weighted by the attention of some queries.

use super::key_values::KeyValues;
use crate::gemm::by_rows;
use crate::layout::{DEPTH, InputRow, LANES, Line};
use crate::simd::{Kernel, Vector};

/// Positions in one [`InputRow`] of scores or weights.
pub const CHUNK: usize = DEPTH;

/// Σ weight · value for some queries of a head. Each sum is one chain of fused multiply-adds over the positions from 0 on,
/// whatever segments they are in.
pub struct WeightedValues<'a> {
    /// `[chunks of positions][queries]`.
    pub weights: &'a [InputRow],
    pub queries: usize,
    /// All tokens of the sequence.
    pub segments: &'a [&'a KeyValues],
    pub head: usize,
    /// Positions from here on are left out.
    pub limit: usize,
    /// The output: `[lines of a value][queries]`.
    pub sums: &'a mut [Line],
}

impl WeightedValues<'_> {
    #[inline(always)]
    pub fn sum<V: Vector>(self) {
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

/// [`WeightedValues`] of one or two lines of each value.
struct Columns<'a> {
    weights: &'a [InputRow],
    segments: &'a [&'a KeyValues],
    head: usize,
    limit: usize,
    /// Lines of a value.
    lines: usize,
    /// The first of the lines to sum.
    line: usize,
    sums: &'a mut [Line],
}

/// [`Columns`] of a shape known to the compiler, so that the sums stay in registers.
struct Tile<'a, const ROWS: usize, const LINES: usize>(Columns<'a>);

impl<const ROWS: usize, const LINES: usize> Kernel for Tile<'_, ROWS, LINES> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        if const { ROWS > V::TILE_ROWS || LINES > V::TILE_VECTORS } {
            // Never reached; this keeps the compiler from generating code for it.
            return;
        }
        let Columns { weights, segments, head, limit, lines, line, sums } = self.0;
        let (chunks, _) = weights.as_chunks::<ROWS>();
        let mut tile = [[V::splat(0.0); LINES]; ROWS];
        for segment in segments {
            let groups = segment.groups();
            let next_group = segment.value_lines();
            for group in groups.start..groups.end.min(limit.div_ceil(LANES)) {
                let values = segment.values(group, head);
                let weights = &chunks[group * LANES / CHUNK];
                let first = group * LANES % CHUNK;
                for lane in segment.lanes(group, limit) {
                    let Some(value) = values[lane * lines + line..].first_chunk::<LINES>() else { continue };
                    let mut components = [V::splat(0.0); LINES];
                    for index in 0..LINES {
                        // The same line of the next group, which the CPU does not prefetch by itself.
                        V::prefetch(value.as_ptr().wrapping_add(index + next_group));
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
