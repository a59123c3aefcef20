//! One head of attention for consecutive queries of one sequence.

use super::KeyValues;
use super::mix::Mix;
use crate::exponential::exponential;
use crate::format::Single;
use crate::gemm::tile::{DEPTH, InputRow, TileSums};
use crate::rectangles::{Rectangle, even_ranges};
use crate::vector::{LANES, Line, Task, Vector};

/// Positions in one [`InputRow`] of scores.
pub const CHUNK: usize = DEPTH;
/// Blocks of sixteen positions in such a row.
const CHUNK_BLOCKS: usize = CHUNK / LANES;

/// Memory of one thread, kept from one task to the next.
#[derive(Default)]
pub struct Scratch {
    /// `[parts of the head's width][queries]`.
    queries: Vec<InputRow>,
    /// `[chunks of positions][queries]`.
    scores: Vec<InputRow>,
    /// `[blocks of a tile, or lines of a value][queries]`.
    sums: Vec<Line>,
}

/// Queries of one head.
pub struct Queries<'a> {
    /// `[rows, 3 · width]`.
    pub query_key_value: &'a [f32],
    /// All heads.
    pub width: usize,
    /// Which one.
    pub head: usize,
    /// All tokens.
    pub segments: &'a [&'a KeyValues],
    /// Position of the first query.
    pub position: usize,
    /// What scores are multiplied by.
    pub scale: f32,
    /// Rows of the queries, columns of the head.
    pub output: Rectangle<'a>,
}

impl<'a> Queries<'a> {
    /// The task, with memory to work in.
    pub fn with(self, scratch: &'a mut Scratch) -> impl Task<Output = ()> + 'a {
        HeadTask { queries: self, scratch }
    }
}

struct HeadTask<'a> {
    queries: Queries<'a>,
    scratch: &'a mut Scratch,
}

impl Task for HeadTask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(mut self) {
        let rows = self.queries.output.values.len();
        for tile in even_ranges(rows, rows.div_ceil(V::TILE_ROWS)) {
            let queries = tile.len();
            let position = self.queries.position + tile.start;
            // Positions that the last query sees; the others see fewer.
            let limit = position + queries;
            self.reserve(queries, limit);
            self.copy_queries(self.queries.output.rows.start + tile.start, queries);
            self.score::<V>(queries, limit);
            let mut totals = [0.0; 14];
            for query in 0..queries {
                totals[query] = self.weigh::<V>(query, queries, position + query + 1, limit);
            }
            let lines = self.queries.output.columns.len().div_ceil(LANES);
            Mix {
                weights: &self.scratch.scores,
                queries,
                segments: self.queries.segments,
                head: self.queries.head,
                limit,
                sums: &mut self.scratch.sums[..lines * queries],
            }
            .compute::<V>();
            for (query, output) in self.queries.output.values[tile].iter_mut().enumerate() {
                let total = V::splat(totals[query]);
                for (line, output) in output.chunks_mut(LANES).enumerate() {
                    let mean = V::load(&self.scratch.sums[line * queries + query].0).divide(total);
                    output.copy_from_slice(&mean.lanes()[..output.len()]);
                }
            }
        }
    }
}

impl HeadTask<'_> {
    fn reserve(&mut self, queries: usize, limit: usize) {
        let head_width = self.queries.output.columns.len();
        let Scratch { queries: copied, scores, sums } = &mut *self.scratch;
        let copies = head_width.div_ceil(DEPTH) * queries;
        if copied.len() < copies {
            copied.resize(copies, [0.0; DEPTH + LANES]);
        }
        let chunks = limit.div_ceil(CHUNK) * queries;
        if scores.len() < chunks {
            scores.resize(chunks, [0.0; CHUNK + LANES]);
        }
        let lines = head_width.div_ceil(LANES).max(2) * queries;
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

    /// Scores of all positions before `limit`: one chain of fused multiply-adds over the components, then the scale.
    #[inline(always)]
    fn score<V: Vector>(&mut self, queries: usize, limit: usize) {
        let Scratch { queries: copied, scores, sums } = &mut *self.scratch;
        let head_width = self.queries.output.columns.len();
        for segment in self.queries.segments {
            let ahead = V::TILE_VECTORS * segment.key_lines();
            let blocks = segment.blocks();
            let last = blocks.end.min(limit.div_ceil(LANES));
            let mut block = blocks.start;
            while block < last {
                let count = V::TILE_VECTORS.min(last - block);
                for (part, start) in (0..head_width).step_by(DEPTH).enumerate() {
                    let components = start..head_width.min(start + DEPTH);
                    let mut lines: [&[Line]; 2] = [&[]; 2];
                    for (index, lines) in lines.iter_mut().enumerate().take(count) {
                        *lines = &segment.keys(block + index, self.queries.head)[components.clone()];
                    }
                    let input = &copied[part * queries..][..queries];
                    let panels = &lines[..count];
                    TileSums::<Single> { input, panels, ahead, sums, stride: queries, begin: start == 0 }
                        .add::<V>();
                }
                for block_sums in sums.chunks_exact(queries).take(count) {
                    let lanes = segment.lanes(block, limit);
                    let rows = &mut scores[block / CHUNK_BLOCKS * queries..][..queries];
                    for (row, sums) in rows.iter_mut().zip(block_sums) {
                        let scores = &mut row[block % CHUNK_BLOCKS * LANES..][..LANES];
                        let scaled = V::load(&sums.0).multiply(V::splat(self.queries.scale)).lanes();
                        if lanes.len() == LANES {
                            scores.copy_from_slice(&scaled);
                        } else {
                            scores[lanes.clone()].copy_from_slice(&scaled[lanes.clone()]);
                        }
                    }
                    block += 1;
                }
            }
        }
    }

    /// Replaces the scores of a query by exp(score − largest), 0 from position `seen` on, and returns their sum.
    ///
    /// A position's lane in the sum is its remainder by sixteen; positions that are not seen add 0.
    #[inline(always)]
    fn weigh<V: Vector>(&mut self, query: usize, queries: usize, seen: usize, limit: usize) -> f32 {
        let scores = &mut self.scratch.scores;
        let blocks = limit.div_ceil(LANES);
        for position in seen..blocks * LANES {
            scores[position / CHUNK * queries + query][position % CHUNK] = f32::NEG_INFINITY;
        }
        let place = |block: usize| (block / CHUNK_BLOCKS * queries + query, block % CHUNK_BLOCKS);
        let mut largest = V::splat(f32::NEG_INFINITY);
        for block in 0..blocks {
            let (row, block) = place(block);
            largest = V::load(&scores[row].as_chunks().0[block]).maximum(largest);
        }
        let largest = V::splat(largest.largest());
        let mut total = V::splat(0.0);
        for block in 0..blocks {
            let (row, block) = place(block);
            let scores = &mut scores[row].as_chunks_mut().0[block];
            let weights = exponential(V::load(scores).subtract(largest));
            weights.store(scores);
            total = total.add(weights);
        }
        total.sum()
    }
}
