//! KV-cache segments and the ragged batch that a forward pass of the CPU model reads.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gpt2_kernels::{KeyValues, SimdLevel};

/// Keys and values of consecutive tokens: of a whole sequence, of a prefix that several sequences share, or of what
/// follows such a prefix.
#[derive(Debug, Clone)]
pub struct KvSegment {
    /// Index of the segment with the tokens before it; `None` at the start of a sequence.
    pub parent: Option<usize>,
    /// One for each block if they are kept, else one that all blocks use in turn.
    pub(crate) layers: Vec<KeyValues>,
}

impl KvSegment {
    /// Number of its tokens.
    pub fn len(&self) -> usize {
        self.layers.last().map_or(0, KeyValues::len)
    }

    /// Whether it has no tokens yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Position after its last token.
    pub fn end(&self) -> usize {
        self.layers.last().map_or(0, KeyValues::end)
    }

    /// Bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(KeyValues::bytes).sum()
    }

    /// Keys and values of a block: its own if they are kept, else the one that the block before used, emptied.
    pub(crate) fn layer_mut(&mut self, layer: usize) -> &mut KeyValues {
        if self.layers.len() == 1 {
            if layer > 0 {
                self.layers[0].truncate(0);
            }
            return &mut self.layers[0];
        }
        &mut self.layers[layer]
    }
}

/// Keys and values of a segment and all segments before it, from the start of the sequence.
pub(crate) fn sequence_of(segments: &[KvSegment], last: usize, layer: usize) -> Vec<&KeyValues> {
    let mut chain = Vec::new();
    let mut next = Some(last);
    while let Some(segment) = next.and_then(|index| segments.get(index)) {
        chain.extend(segment.layers.get(layer).or(segment.layers.first()));
        next = segment.parent;
    }
    chain.reverse();
    chain
}

/// New tokens of a segment.
#[derive(Debug, Clone)]
pub struct NewTokens<'a> {
    /// Index of the segment.
    pub segment: usize,
    /// Tokens that the model reads.
    pub tokens: &'a [u32],
    /// Number of trailing tokens whose final hidden states are needed.
    pub outputs: usize,
}

/// State that the blocks of one forward pass share: the rows of the new tokens, and the keys and values of all tokens.
pub struct RaggedBatch {
    pub(crate) simd_level: SimdLevel,
    pub(crate) new: Vec<NewRows>,
    state: Mutex<BatchState>,
}

/// New tokens of a segment as rows of the batch.
#[derive(Debug, Clone)]
pub(crate) struct NewRows {
    pub segment: usize,
    pub rows: Range<usize>,
    /// Number of trailing rows whose final hidden states are needed.
    pub outputs: usize,
}

/// Keys and values, and buffers that all blocks reuse.
#[derive(Default)]
pub(crate) struct BatchState {
    pub segments: Vec<KvSegment>,
    pub normal: Vec<f32>,
    pub query_key_value: Vec<f32>,
    pub attended: Vec<f32>,
    pub inner: Vec<f32>,
}

impl RaggedBatch {
    pub(crate) fn new(simd_level: SimdLevel, segments: Vec<KvSegment>, new: &[NewTokens<'_>]) -> Self {
        let mut start = 0;
        let rows = new.iter().map(|new| {
            let rows = start..start + new.tokens.len();
            start = rows.end;
            NewRows { segment: new.segment, outputs: new.outputs.min(rows.len()), rows }
        });
        let new = rows.collect();
        Self { simd_level, new, state: Mutex::new(BatchState { segments, ..BatchState::default() }) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, BatchState> {
        // Only a panic in a kernel poisons the lock, and its batch is never used again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the segments back after the forward pass.
    pub(crate) fn take_segments(&self) -> Vec<KvSegment> {
        std::mem::take(&mut self.state().segments)
    }

    /// Ranges of the output rows once all other rows are dropped.
    pub(crate) fn output_rows(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        self.new
            .iter()
            .map(|new| {
                let rows = end..end + new.outputs;
                end = rows.end;
                rows
            })
            .collect()
    }

    /// Moves the output rows of `values` to the start. Returns their number.
    pub(crate) fn keep_output_rows(&self, values: &mut [f32], row_length: usize) -> usize {
        let mut end = 0;
        for new in &self.new {
            let rows = (new.rows.end - new.outputs) * row_length..new.rows.end * row_length;
            values.copy_within(rows, end * row_length);
            end += new.outputs;
        }
        end
    }
}
