//! GPT-2 on the kernels: weights packed once, one forward pass over stretches of sequences that share what they have in
//! common.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::Gpt2Config;
use super::block::{Norm, PackedBlock, Reading, resize};
use super::extension::transformer_block;
use gpt2_kernels::{
    KeyValues, NextToken, PackedMatrix, Precision, SimdLevel, TargetScore, greedy_tokens, logits,
    score_targets,
};

/// A GPT-2 with the activation `gelu_new` whose weights are packed for the kernels, the only copy of them.
pub struct PackedGpt2 {
    pub(super) config: Gpt2Config,
    pub(super) simd_level: SimdLevel,
    /// `[width → vocabulary]`: looked up by row, and the output projection unless there is another.
    pub(super) token_embedding: PackedMatrix,
    /// `[context, width]`.
    pub(super) position_embedding: Vec<f32>,
    pub(super) blocks: Vec<Arc<PackedBlock>>,
    /// Where the tensors between the blocks are: Burn's CPU backend flex.
    pub(super) device: Device,
    pub(super) final_norm: Norm,
    pub(super) output: Option<PackedMatrix>,
}

/// Tokens in a row, behind those of another stretch or at the start of a sequence. What several sequences have in common
/// is one stretch, which the others stand behind.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The stretch that this one stands behind, by its place among all.
    pub parent: Option<usize>,
    /// Keys and values of its tokens: one for each block if they are kept, else one for all blocks in turn.
    pub(super) keys: Vec<KeyValues>,
}

impl Stretch {
    /// Its tokens so far.
    pub fn len(&self) -> usize {
        self.keys.last().map_or(0, KeyValues::len)
    }

    /// Whether it has no tokens yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position after its last token.
    pub fn end(&self) -> usize {
        self.keys.last().map_or(0, KeyValues::end)
    }

    /// Bytes that its keys and values take.
    pub fn bytes(&self) -> usize {
        self.keys.iter().map(KeyValues::bytes).sum()
    }
}

/// New tokens of a stretch.
#[derive(Debug, Clone)]
pub struct NewTokens<'a> {
    /// The stretch, by its place among all.
    pub stretch: usize,
    /// What the model reads.
    pub tokens: &'a [u32],
    /// How many of the last of them something is asked about.
    pub asked: usize,
}

impl PackedGpt2 {
    /// Entries of the vocabulary.
    pub fn vocabulary(&self) -> usize {
        self.token_embedding.outputs()
    }

    /// The most tokens that the model sees at once.
    pub fn context(&self) -> usize {
        self.config.context
    }

    /// SIMD level of the kernels.
    pub fn simd_level(&self) -> SimdLevel {
        self.simd_level
    }

    /// How its weights are kept and multiplied.
    pub fn precision(&self) -> Precision {
        self.token_embedding.precision()
    }

    /// Makes the kernels use other instructions; those that the processor lacks are replaced by portable code.
    #[must_use]
    pub fn with_simd_level(mut self, simd_level: SimdLevel) -> Self {
        self.simd_level = simd_level;
        self
    }

    /// A stretch without tokens, at position `start`. With `kept`, later forward passes may add to it or stand behind
    /// it; without, it is good for one.
    pub fn stretch(&self, parent: Option<usize>, start: usize, kept: bool) -> Stretch {
        let (heads, head_width) = (self.config.heads, self.config.width / self.config.heads);
        let blocks = if kept { self.config.layers } else { 1 };
        Stretch { parent, keys: vec![KeyValues::new(heads, head_width, start); blocks] }
    }

    /// Bytes of the keys and values of one token.
    pub fn key_value_bytes(&self) -> usize {
        2 * self.config.layers * self.config.width * size_of::<f32>()
    }

    /// Reads new tokens and returns the final hidden states of those that something is asked about, in order.
    ///
    /// A token's hidden state depends on the tokens before it alone, bit for bit: not on what else is read, in what
    /// stretches it stands or what was read before.
    ///
    /// # Shapes
    /// - new: stretches, each at most once, a parent before those behind it where both are new
    /// - output: `[Σ asked, width]`
    ///
    /// # Panics
    /// If a sequence is longer than the context, or a token is none of the vocabulary's.
    pub fn forward(&self, stretches: &mut Vec<Stretch>, new: &[NewTokens<'_>]) -> Vec<f32> {
        let width = self.config.width;
        let hidden = self.embed(stretches, new);
        let rows = hidden.len() / width;
        let reading = Arc::new(Reading::new(self.simd_level, std::mem::take(stretches), new));
        let mut hidden = Tensor::<2>::from_data(TensorData::new(hidden, [rows, width]), &self.device);
        for (layer, block) in self.blocks.iter().enumerate() {
            let is_last = layer + 1 == self.blocks.len();
            hidden = transformer_block(hidden, block, &reading, layer, is_last);
        }
        *stretches = reading.take_stretches();
        let hidden = hidden.into_data().try_into_vec::<f32>().unwrap_or_default();
        let mut normal = vec![0.0; hidden.len()];
        self.final_norm.apply(self.simd_level, &hidden, &mut normal);
        normal
    }

    fn embed(&self, stretches: &[Stretch], new: &[NewTokens<'_>]) -> Vec<f32> {
        let width = self.config.width;
        let mut hidden = vec![0.0; new.iter().map(|new| new.tokens.len()).sum::<usize>() * width];
        let mut rows = hidden.chunks_exact_mut(width);
        for new in new {
            let stretch = &stretches[new.stretch];
            let first = stretch.end();
            let end = first + new.tokens.len();
            assert!(end <= self.config.context, "{end} tokens in a context of {}", self.config.context);
            let positions = self.position_embedding[first * width..end * width].chunks_exact(width);
            for ((&token, position), row) in new.tokens.iter().zip(positions).zip(&mut rows) {
                self.token_embedding.row(token as usize, row);
                row.iter_mut().zip(position).for_each(|(value, position)| *value += position);
            }
        }
        hidden
    }

    fn output(&self) -> &PackedMatrix {
        self.output.as_ref().unwrap_or(&self.token_embedding)
    }

    /// Scores a target after each hidden state, never holding all logits.
    ///
    /// # Shapes
    /// - hidden: `[rows, width]`, of what [`Self::forward`] returns
    /// - targets: `[rows]`; excluded: `[rows]`, ascending, or empty
    pub fn score(&self, hidden: &[f32], targets: &[u32], excluded: &[&[u32]]) -> Vec<TargetScore> {
        score_targets(self.simd_level, hidden, self.output(), targets, excluded)
    }

    /// All logits after each hidden state, `[rows, vocabulary]`.
    ///
    /// # Shapes
    /// - hidden: `[rows, width]`, of what [`Self::forward`] returns
    pub fn logits(&self, hidden: &[f32], output: &mut Vec<f32>) {
        resize(output, hidden.len() / self.config.width * self.vocabulary());
        logits(self.simd_level, hidden, self.output(), output);
    }

    /// The most probable token after each hidden state; the lowest id on a tie.
    ///
    /// # Shapes
    /// - hidden: `[rows, width]`, of what [`Self::forward`] returns
    pub fn greedy(&self, hidden: &[f32]) -> Vec<NextToken> {
        greedy_tokens(self.simd_level, hidden, self.output())
    }

    /// Width of the residual stream.
    pub fn width(&self) -> usize {
        self.config.width
    }
}
