//! The transformer block on packed weights, fused: over all new tokens of a ragged batch, in place.

// Only the CPU backend flex has the fused form.
#![cfg_attr(not(feature = "flex"), allow(dead_code))]

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::packed::{NewTokens, Stretch};
use gpt2_kernels::{Epilogue, KeyValues, PackedMatrix, Sequence, SimdLevel, attention, gemm, layer_norm};

/// Attention and feed-forward, each behind a layer norm and beside a residual path.
pub struct PackedBlock {
    pub(super) attention_norm: Norm,
    pub(super) query_key_value: PackedLinear,
    pub(super) projection: PackedLinear,
    pub(super) feed_forward_norm: Norm,
    pub(super) expand: PackedLinear,
    pub(super) contract: PackedLinear,
    pub(super) heads: usize,
    pub(super) scale: f32,
}

/// A layer norm.
pub(super) struct Norm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub epsilon: f32,
}

/// A product with weights, and a bias.
pub(super) struct PackedLinear {
    pub weights: PackedMatrix,
    pub bias: Vec<f32>,
}

/// What the blocks of a forward pass share: which tokens are new, and the keys and values of all.
pub struct Reading {
    pub(super) simd_level: SimdLevel,
    pub(super) new: Vec<NewRows>,
    state: Mutex<State>,
}

/// New tokens of a stretch, by their rows in the batch.
#[derive(Debug, Clone)]
pub(super) struct NewRows {
    pub stretch: usize,
    pub rows: Range<usize>,
    /// How many of the last of them something is asked about.
    pub asked: usize,
}

/// Keys and values, and buffers that are reused from block to block.
#[derive(Default)]
pub(super) struct State {
    pub stretches: Vec<Stretch>,
    normal: Vec<f32>,
    query_key_value: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
}

impl Reading {
    pub(super) fn new(simd_level: SimdLevel, stretches: Vec<Stretch>, new: &[NewTokens<'_>]) -> Self {
        let mut start = 0;
        let rows = new.iter().map(|new| {
            let rows = start..start + new.tokens.len();
            start = rows.end;
            NewRows { stretch: new.stretch, asked: new.asked.min(rows.len()), rows }
        });
        let new = rows.collect();
        Self { simd_level, new, state: Mutex::new(State { stretches, ..State::default() }) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a kernel is a defect; what it leaves behind is not used again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stretches with what was read.
    pub(super) fn take_stretches(&self) -> Vec<Stretch> {
        std::mem::take(&mut self.state().stretches)
    }
}

impl PackedBlock {
    /// Width of the residual stream.
    pub(super) fn width(&self) -> usize {
        self.attention_norm.gamma.len()
    }

    /// The block in place; returns how many rows are left at the start of `hidden`.
    pub(super) fn fused(&self, hidden: &mut [f32], reading: &Reading, layer: usize, is_last: bool) -> usize {
        let (width, simd_level) = (self.width(), reading.simd_level);
        let mut state = reading.state();
        let State { stretches, normal, query_key_value, attended, inner } = &mut *state;
        let count = hidden.len() / width;
        resize(normal, count * width);
        resize(query_key_value, 3 * count * width);
        self.attention_norm.apply(simd_level, hidden, normal);
        self.query_key_value.apply(simd_level, normal, count, Epilogue::Plain, query_key_value);
        for new in &reading.new {
            let rows = 3 * width * new.rows.start..3 * width * new.rows.end;
            stretches[new.stretch].keys_of(layer).append(&query_key_value[rows]);
        }
        let mut rows: Vec<Range<usize>> = reading.new.iter().map(|new| new.rows.clone()).collect();
        let mut count = count;
        if is_last {
            count = keep_asked(hidden, reading, width);
            rows = asked_rows(reading);
            let _ = keep_asked(query_key_value, reading, 3 * width);
        }
        let hidden = &mut hidden[..count * width];
        let sequences: Vec<Sequence<'_>> = reading
            .new
            .iter()
            .zip(&rows)
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(new, rows)| Sequence {
                rows: rows.clone(),
                segments: chain(stretches, new.stretch, layer),
            })
            .collect();
        resize(attended, count * width);
        attention(simd_level, &query_key_value[..3 * count * width], &sequences, self.scale, attended);
        self.projection.apply(simd_level, attended, count, Epilogue::AddToOutput, hidden);
        resize(normal, count * width);
        self.feed_forward_norm.apply(simd_level, hidden, normal);
        resize(inner, count * self.expand.bias.len());
        self.expand.apply(simd_level, normal, count, Epilogue::GeluTanh, inner);
        self.contract.apply(simd_level, inner, count, Epilogue::AddToOutput, hidden);
        count
    }
}

impl Stretch {
    /// Where the keys and values of a block go: into its own place if they are kept, else over those of the block before.
    pub(super) fn keys_of(&mut self, layer: usize) -> &mut KeyValues {
        if self.keys.len() == 1 {
            if layer > 0 {
                self.keys[0].truncate(0);
            }
            return &mut self.keys[0];
        }
        &mut self.keys[layer]
    }
}

/// Keys and values of a stretch and all before it, from the start of the sequence on.
pub(super) fn chain(stretches: &[Stretch], last: usize, layer: usize) -> Vec<&KeyValues> {
    let mut segments = Vec::new();
    let mut next = Some(last);
    while let Some(stretch) = next.and_then(|place| stretches.get(place)) {
        segments.extend(stretch.keys.get(layer).or(stretch.keys.first()));
        next = stretch.parent;
    }
    segments.reverse();
    segments
}

/// Rows of the tokens that something is asked about, once the others are gone.
pub(super) fn asked_rows(reading: &Reading) -> Vec<Range<usize>> {
    let mut end = 0;
    reading
        .new
        .iter()
        .map(|new| {
            let rows = end..end + new.asked;
            end = rows.end;
            rows
        })
        .collect()
}

/// Moves the rows that something is asked about to the start, and returns how many they are.
fn keep_asked(values: &mut [f32], reading: &Reading, row: usize) -> usize {
    let mut end = 0;
    for new in &reading.new {
        values.copy_within((new.rows.end - new.asked) * row..new.rows.end * row, end * row);
        end += new.asked;
    }
    end
}

/// Gives a buffer a length; what it held before does not matter.
pub(super) fn resize(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    } else {
        buffer.truncate(length);
    }
}

impl Norm {
    pub fn apply(&self, simd_level: SimdLevel, input: &[f32], output: &mut [f32]) {
        layer_norm(simd_level, input, &self.gamma, &self.beta, self.epsilon, output);
    }
}

impl PackedLinear {
    pub fn apply(
        &self,
        simd_level: SimdLevel,
        input: &[f32],
        rows: usize,
        epilogue: Epilogue,
        output: &mut [f32],
    ) {
        gemm(simd_level, input, rows, &self.weights, Some(&self.bias), epilogue, output);
    }
}
