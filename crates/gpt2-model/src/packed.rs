//! GPT-2 on the CPU kernels: weights packed once, one forward pass over a ragged batch of KV-cache segments.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use gpt2_kernels::{
    KeyValues, NextToken, PackedMatrix, Precision, SimdLevel, TargetScore, greedy_tokens, logits,
    score_targets,
};

use crate::Gpt2Config;
use crate::extension::fused_transformer_block;
use crate::fused_block::{FusedBlock, PackedNorm, resize};
use crate::segments::{KvSegment, NewTokens, RaggedBatch};

/// A GPT-2 whose weights are packed for the kernels. There is no other copy of them.
pub struct PackedGpt2 {
    pub(crate) config: Gpt2Config,
    pub(crate) simd_level: SimdLevel,
    /// `[vocab_size, n_embd]`; also the output projection unless `output` is another.
    pub(crate) token_embedding: PackedMatrix,
    /// `[n_positions, n_embd]`.
    pub(crate) position_embedding: Vec<f32>,
    pub(crate) blocks: Vec<Arc<FusedBlock>>,
    /// Burn's flex device, which holds the tensors between the blocks.
    pub(crate) device: Device,
    pub(crate) final_norm: PackedNorm,
    pub(crate) output: Option<PackedMatrix>,
}

impl PackedGpt2 {
    /// SIMD level of the kernels.
    pub fn simd_level(&self) -> SimdLevel {
        self.simd_level
    }

    /// Number format of the weights.
    pub fn precision(&self) -> Precision {
        self.token_embedding.precision()
    }

    /// Makes the kernels use another SIMD level. Levels that the CPU lacks fall back to portable code.
    #[must_use]
    pub fn with_simd_level(mut self, simd_level: SimdLevel) -> Self {
        self.simd_level = simd_level;
        self
    }

    /// Width of the residual stream.
    pub fn n_embd(&self) -> usize {
        self.config.n_embd
    }

    /// An empty segment at position `start`. If `kept`, later forward passes can extend it or use it as a parent;
    /// otherwise it serves one forward pass.
    pub fn segment(&self, parent: Option<usize>, start: usize, kept: bool) -> KvSegment {
        let (heads, head_width) = (self.config.n_head, self.config.n_embd / self.config.n_head);
        let layers = if kept { self.config.n_layer } else { 1 };
        KvSegment { parent, layers: vec![KeyValues::new(heads, head_width, start); layers] }
    }

    /// Bytes of the keys and values of one token.
    pub fn kv_cache_bytes_per_token(&self) -> usize {
        2 * self.config.n_layer * self.config.n_embd * size_of::<f32>()
    }

    /// Reads new tokens. Returns the final hidden states of the trailing `outputs` tokens of each segment, in order.
    ///
    /// A token's hidden state depends on the tokens before it alone, bit for bit: not on the rest of the batch, the
    /// segments, or earlier passes.
    ///
    /// # Shapes
    /// - new: each segment at most once; a parent before its children if both are new
    /// - output: `[Σ outputs, n_embd]`
    ///
    /// # Panics
    /// If a sequence is longer than `n_positions` or a token is not in the vocabulary.
    pub fn forward(&self, segments: &mut Vec<KvSegment>, new: &[NewTokens<'_>]) -> Vec<f32> {
        let n_embd = self.config.n_embd;
        let hidden = self.embed(segments, new);
        let rows = hidden.len() / n_embd;
        let batch = Arc::new(RaggedBatch::new(self.simd_level, std::mem::take(segments), new));
        let mut hidden = Tensor::<2>::from_data(TensorData::new(hidden, [rows, n_embd]), &self.device);
        for (layer, block) in self.blocks.iter().enumerate() {
            let is_last = layer + 1 == self.blocks.len();
            hidden = fused_transformer_block(hidden, block, &batch, layer, is_last);
        }
        *segments = batch.take_segments();
        let hidden = hidden.into_data().try_into_vec::<f32>().unwrap_or_default();
        let mut normal = vec![0.0; hidden.len()];
        self.final_norm.apply(self.simd_level, &hidden, &mut normal);
        normal
    }

    fn embed(&self, segments: &[KvSegment], new: &[NewTokens<'_>]) -> Vec<f32> {
        let (n_embd, n_positions) = (self.config.n_embd, self.config.n_positions);
        let mut hidden = vec![0.0; new.iter().map(|new| new.tokens.len()).sum::<usize>() * n_embd];
        let mut rows = hidden.chunks_exact_mut(n_embd);
        for new in new {
            let first = segments[new.segment].end();
            let end = first + new.tokens.len();
            assert!(end <= n_positions, "{end} tokens in a context of {n_positions}");
            let positions = self.position_embedding[first * n_embd..end * n_embd].chunks_exact(n_embd);
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

    /// Scores a target after each hidden state, without holding all logits.
    ///
    /// # Shapes
    /// - hidden: `[rows, n_embd]`, from [`Self::forward`]
    /// - targets: `[rows]`; excluded: `[rows]`, ascending ids, or empty
    pub fn score_targets(&self, hidden: &[f32], targets: &[u32], excluded: &[&[u32]]) -> Vec<TargetScore> {
        score_targets(self.simd_level, hidden, self.output(), targets, excluded)
    }

    /// Writes all logits after each hidden state, `[rows, vocab_size]`.
    ///
    /// # Shapes
    /// - hidden: `[rows, n_embd]`, from [`Self::forward`]
    pub fn logits(&self, hidden: &[f32], output: &mut Vec<f32>) {
        resize(output, hidden.len() / self.config.n_embd * self.token_embedding.outputs());
        logits(self.simd_level, hidden, self.output(), output);
    }

    /// The most probable token after each hidden state; the lowest id wins a tie.
    ///
    /// # Shapes
    /// - hidden: `[rows, n_embd]`, from [`Self::forward`]
    pub fn greedy_tokens(&self, hidden: &[f32]) -> Vec<NextToken> {
        greedy_tokens(self.simd_level, hidden, self.output())
    }
}
