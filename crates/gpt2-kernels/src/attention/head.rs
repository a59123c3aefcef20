//! One head of attention for consecutive queries of one sequence.

use super::key_values::KeyValues;
use super::weighted_values::{CHUNK, WeightedValues};
use crate::exponential::exponential;
use crate::format::F32;
use crate::gemm::MicroKernel;
use crate::layout::{DEPTH, InputRow, LANES, Line};
use crate::parallel::{MatrixTile, even_ranges};
use crate::simd::{Kernel, Vector};

/// Groups of sixteen positions in an [`InputRow`] of scores.
const CHUNK_GROUPS: usize = CHUNK / LANES;

/// Memory that a thread keeps from one task to the next.
#[derive(Default)]
pub struct HeadScratch {
    /// `[blocks of DEPTH components][queries]`.
    queries: Vec<InputRow>,
    /// `[chunks of positions][queries]`: scores, then weights.
    scores: Vec<InputRow>,
    /// `[groups of a tile, or lines of a value][queries]`.
    sums: Vec<Line>,
}

/// Consecutive queries of one head.
pub struct Queries<'a> {
    /// `[rows, 3 · width]`.
    pub query_key_value: &'a [f32],
    /// `n_head · head_dim`.
    pub width: usize,
    pub head: usize,
    /// All tokens of the sequence.
    pub segments: &'a [&'a KeyValues],
    /// Position of the first query.
    pub position: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// Rows of the queries, columns of the head.
    pub output: MatrixTile<'a>,
}

/// Computes the attention of some queries.
pub struct HeadTask<'a> {
    pub queries: Queries<'a>,
    pub scratch: &'a mut HeadScratch,
}

impl Kernel for HeadTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self) {
        let rows = self.queries.output.values.len();
        for tile in even_ranges(rows, rows.div_ceil(V::TILE_ROWS)) {
            let queries = tile.len();
            let position = self.queries.position + tile.start;
            // Number of positions that the last query attends to. The others attend to fewer.
            let limit = position + queries;
            self.reserve(queries, limit);
            self.copy_queries(self.queries.output.rows.start + tile.start, queries);
            self.score::<V>(queries, limit);
            let mut totals = [0.0; 14];
            for query in 0..queries {
                totals[query] = self.weigh::<V>(query, queries, position + query + 1, limit);
            }
            let lines = self.queries.output.columns.len().div_ceil(LANES);
            WeightedValues {
                weights: &self.scratch.scores,
                queries,
                segments: self.queries.segments,
                head: self.queries.head,
                limit,
                sums: &mut self.scratch.sums[..lines * queries],
            }
            .sum::<V>();
            for (query, output) in self.queries.output.values[tile].iter_mut().enumerate() {
                let total = V::splat(totals[query]);
                for (line, output) in output.chunks_mut(LANES).enumerate() {
                    let mean = V::load(&self.scratch.sums[line * queries + query].0).divide(total);
                    output.copy_from_slice(&mean.to_array()[..output.len()]);
                }
            }
        }
    }
}

impl HeadTask<'_> {
    fn reserve(&mut self, queries: usize, limit: usize) {
        let head_dim = self.queries.output.columns.len();
        let HeadScratch { queries: copied, scores, sums } = &mut *self.scratch;
        let copies = head_dim.div_ceil(DEPTH) * queries;
        if copied.len() < copies {
            copied.resize(copies, [0.0; DEPTH + LANES]);
        }
        let chunks = limit.div_ceil(CHUNK) * queries;
        if scores.len() < chunks {
            scores.resize(chunks, [0.0; CHUNK + LANES]);
        }
        let lines = head_dim.div_ceil(LANES).max(2) * queries;
        if sums.len() < lines {
            sums.resize(lines, Line::ZERO);
        }
    }

    fn copy_queries(&mut self, first_row: usize, queries: usize) {
        let columns = &self.queries.output.columns;
        for query in 0..queries {
            let row = &self.queries.query_key_value[(first_row + query) * 3 * self.queries.width..];
            for (part, components) in row[columns.clone()].chunks(DEPTH).enumerate() {
                self.scratch.queries[part * queries + query][..components.len()].copy_from_slice(components);
            }
        }
    }

    /// Computes the scores of all positions before `limit`: one chain of fused multiply-adds over the components, times the
    /// scale.
    #[inline(always)]
    fn score<V: Vector>(&mut self, queries: usize, limit: usize) {
        let HeadScratch { queries: copied, scores, sums } = &mut *self.scratch;
        let head_dim = self.queries.output.columns.len();
        for segment in self.queries.segments {
            let prefetch_distance = V::TILE_VECTORS * segment.key_lines();
            let groups = segment.groups();
            let last = groups.end.min(limit.div_ceil(LANES));
            let mut group = groups.start;
            while group < last {
                let count = V::TILE_VECTORS.min(last - group);
                for (part, start) in (0..head_dim).step_by(DEPTH).enumerate() {
                    let components = start..head_dim.min(start + DEPTH);
                    let mut lines: [&[Line]; 2] = [&[]; 2];
                    for (index, lines) in lines.iter_mut().enumerate().take(count) {
                        *lines = &segment.keys(group + index, self.queries.head)[components.clone()];
                    }
                    let input = &copied[part * queries..][..queries];
                    let panels = &lines[..count];
                    let begin = start == 0;
                    MicroKernel::<F32> { input, panels, prefetch_distance, sums, stride: queries, begin }
                        .add::<V>();
                }
                for group_sums in sums.chunks_exact(queries).take(count) {
                    let lanes = segment.lanes(group, limit);
                    let rows = &mut scores[group / CHUNK_GROUPS * queries..][..queries];
                    for (row, sums) in rows.iter_mut().zip(group_sums) {
                        let scores = &mut row[group % CHUNK_GROUPS * LANES..][..LANES];
                        let scaled = V::load(&sums.0).multiply(V::splat(self.queries.scale)).to_array();
                        if lanes.len() == LANES {
                            scores.copy_from_slice(&scaled);
                        } else {
                            scores[lanes.clone()].copy_from_slice(&scaled[lanes.clone()]);
                        }
                    }
                    group += 1;
                }
            }
        }
    }

    /// Replaces the scores of a query by weights, exp(score − max), and returns the sum of the weights. Positions from `seen`
    /// on are masked: their weight is 0.
    ///
    /// The lane of a position in the sum is its remainder by sixteen.
    #[inline(always)]
    fn weigh<V: Vector>(&mut self, query: usize, queries: usize, seen: usize, limit: usize) -> f32 {
        let scores = &mut self.scratch.scores;
        let groups = limit.div_ceil(LANES);
        for position in seen..groups * LANES {
            scores[position / CHUNK * queries + query][position % CHUNK] = f32::NEG_INFINITY;
        }
        let location = |group: usize| (group / CHUNK_GROUPS * queries + query, group % CHUNK_GROUPS);
        let mut max = V::splat(f32::NEG_INFINITY);
        for group in 0..groups {
            let (row, index) = location(group);
            max = V::load(&scores[row].as_chunks().0[index]).maximum(max);
        }
        let max = V::splat(max.max_lane());
        let mut total = V::splat(0.0);
        for group in 0..groups {
            let (row, index) = location(group);
            let scores = &mut scores[row].as_chunks_mut().0[index];
            let weights = exponential(V::load(scores).subtract(max));
            weights.store(scores);
            total = total.add(weights);
        }
        total.sum_lanes()
    }
}
