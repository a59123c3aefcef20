//! GPT-2 on the kernels: weights packed once, one forward pass over stretches of sequences that share what they have in
//! common.

use std::ops::Range;

use super::Gpt2Config;
use crate::kernels::{
    Epilogue, Instructions, KeyValues, PackedMatrix, Sequence, TargetScore, Token, attention, greedy,
    layer_norm, logits, multiply, score_vocabulary,
};

/// A GPT-2 with the activation `gelu_new` whose weights are packed for the kernels, the only copy of them.
pub struct PackedGpt2 {
    pub(super) config: Gpt2Config,
    pub(super) instructions: Instructions,
    /// `[width → vocabulary]`: looked up by row, and the output projection unless there is another.
    pub(super) token_embedding: PackedMatrix,
    /// `[context, width]`.
    pub(super) position_embedding: Vec<f32>,
    pub(super) blocks: Vec<PackedBlock>,
    pub(super) final_norm: Norm,
    pub(super) output: Option<PackedMatrix>,
}

/// Attention and feed-forward, each behind a layer norm and beside a residual path.
pub struct PackedBlock {
    pub(super) attention_norm: Norm,
    pub(super) query_key_value: PackedLinear,
    pub(super) projection: PackedLinear,
    pub(super) feed_forward_norm: Norm,
    pub(super) expand: PackedLinear,
    pub(super) contract: PackedLinear,
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

/// Tokens in a row, behind those of another stretch or at the start of a sequence. What several sequences have in common
/// is one stretch, which the others stand behind.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The stretch that this one stands behind, by its place among all.
    pub parent: Option<usize>,
    /// Keys and values of its tokens: one for each block if they are kept, else one for all blocks in turn.
    keys: Vec<KeyValues>,
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

/// Buffers of a forward pass, reused from one to the next.
#[derive(Default)]
pub struct Workspace {
    hidden: Vec<f32>,
    normal: Vec<f32>,
    query_key_value: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
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

    /// Instructions of the kernels.
    pub fn instructions(&self) -> Instructions {
        self.instructions
    }

    /// Makes the kernels use other instructions; those that the processor lacks are replaced by portable code.
    #[must_use]
    pub fn with_instructions(mut self, instructions: Instructions) -> Self {
        self.instructions = instructions;
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
    pub fn forward<'a>(
        &self,
        stretches: &mut [Stretch],
        new: &[NewTokens<'_>],
        workspace: &'a mut Workspace,
    ) -> &'a [f32] {
        let width = self.config.width;
        let mut rows: Vec<Range<usize>> = Vec::with_capacity(new.len());
        for stretch in new {
            let start = rows.last().map_or(0, |range| range.end);
            rows.push(start..start + stretch.tokens.len());
        }
        self.embed(stretches, new, &mut workspace.hidden);
        for (layer, block) in self.blocks.iter().enumerate() {
            let count = rows.last().map_or(0, |range| range.end);
            resize(&mut workspace.normal, count * width);
            resize(&mut workspace.query_key_value, 3 * count * width);
            block.attention_norm.apply(self.instructions, &workspace.hidden, &mut workspace.normal);
            let (normal, query_key_value) = (&workspace.normal, &mut workspace.query_key_value);
            block.query_key_value.apply(self.instructions, normal, count, Epilogue::Plain, query_key_value);
            for (new, rows) in new.iter().zip(&rows) {
                let stretch = &mut stretches[new.stretch];
                let keys = match stretch.keys.len() {
                    1 if layer > 0 && self.blocks.len() > 1 => {
                        stretch.keys[0].truncate(0);
                        &mut stretch.keys[0]
                    }
                    1 => &mut stretch.keys[0],
                    _ => &mut stretch.keys[layer],
                };
                keys.append(&workspace.query_key_value[3 * width * rows.start..3 * width * rows.end]);
            }
            if layer + 1 == self.blocks.len() {
                // Nobody looks at the other tokens again.
                let asked: Vec<usize> = new.iter().map(|new| new.asked.min(new.tokens.len())).collect();
                keep_last(&mut workspace.hidden, &mut rows, &asked, width, 1);
                let mut all: Vec<Range<usize>> = Vec::new();
                for new in new {
                    let start = all.last().map_or(0, |range| range.end);
                    all.push(start..start + new.tokens.len());
                }
                keep_last(&mut workspace.query_key_value, &mut all, &asked, width, 3);
            }
            self.attend(layer, block, stretches, new, &rows, workspace);
        }
        let Workspace { hidden, normal, .. } = workspace;
        resize(normal, hidden.len());
        self.final_norm.apply(self.instructions, hidden, normal);
        normal
    }

    fn embed(&self, stretches: &[Stretch], new: &[NewTokens<'_>], hidden: &mut Vec<f32>) {
        let width = self.config.width;
        resize(hidden, new.iter().map(|new| new.tokens.len()).sum::<usize>() * width);
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
    }

    /// Everything of a block behind the queries, keys and values.
    fn attend(
        &self,
        layer: usize,
        block: &PackedBlock,
        stretches: &[Stretch],
        new: &[NewTokens<'_>],
        rows: &[Range<usize>],
        workspace: &mut Workspace,
    ) {
        let Workspace { hidden, normal, query_key_value, attended, inner } = workspace;
        let (width, instructions) = (self.config.width, self.instructions);
        let count = hidden.len() / width;
        let sequences: Vec<Sequence<'_>> = new
            .iter()
            .zip(rows)
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(new, rows)| Sequence {
                rows: rows.clone(),
                segments: chain(stretches, new.stretch, layer),
            })
            .collect();
        resize(attended, count * width);
        attention(instructions, query_key_value, &sequences, block.scale, attended);
        block.projection.apply(instructions, attended, count, Epilogue::AddToOutput, hidden);
        resize(normal, count * width);
        block.feed_forward_norm.apply(instructions, hidden, normal);
        resize(inner, count * self.config.inner_width);
        block.expand.apply(instructions, normal, count, Epilogue::GeluTanh, inner);
        block.contract.apply(instructions, inner, count, Epilogue::AddToOutput, hidden);
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
        score_vocabulary(self.instructions, hidden, self.output(), targets, excluded)
    }

    /// All logits after each hidden state, `[rows, vocabulary]`.
    ///
    /// # Shapes
    /// - hidden: `[rows, width]`, of what [`Self::forward`] returns
    pub fn logits(&self, hidden: &[f32], output: &mut Vec<f32>) {
        resize(output, hidden.len() / self.config.width * self.vocabulary());
        logits(self.instructions, hidden, self.output(), output);
    }

    /// The most probable token after each hidden state; the lowest id on a tie.
    ///
    /// # Shapes
    /// - hidden: `[rows, width]`, of what [`Self::forward`] returns
    pub fn greedy(&self, hidden: &[f32]) -> Vec<Token> {
        greedy(self.instructions, hidden, self.output())
    }

    /// Width of the residual stream.
    pub fn width(&self) -> usize {
        self.config.width
    }
}

/// Keys and values of a stretch and all before it, from the start of the sequence on.
fn chain(stretches: &[Stretch], last: usize, layer: usize) -> Vec<&KeyValues> {
    let mut segments = Vec::new();
    let mut next = Some(last);
    while let Some(stretch) = next.and_then(|place| stretches.get(place)) {
        segments.extend(stretch.keys.get(layer).or(stretch.keys.first()));
        next = stretch.parent;
    }
    segments.reverse();
    segments
}

/// Leaves of each range of rows the last ones, moved together.
fn keep_last(values: &mut Vec<f32>, rows: &mut [Range<usize>], keep: &[usize], width: usize, parts: usize) {
    let row = width * parts;
    let mut end = 0;
    for (range, &keep) in rows.iter_mut().zip(keep) {
        values.copy_within((range.end - keep) * row..range.end * row, end * row);
        *range = end..end + keep;
        end += keep;
    }
    values.truncate(end * row);
}

/// Gives a buffer a length; what it held before does not matter.
fn resize(buffer: &mut Vec<f32>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    } else {
        buffer.truncate(length);
    }
}

impl Norm {
    fn apply(&self, instructions: Instructions, input: &[f32], output: &mut [f32]) {
        layer_norm(instructions, input, &self.gamma, &self.beta, self.epsilon, output);
    }
}

impl PackedLinear {
    fn apply(
        &self,
        instructions: Instructions,
        input: &[f32],
        rows: usize,
        epilogue: Epilogue,
        output: &mut [f32],
    ) {
        multiply(instructions, input, rows, &self.weights, Some(&self.bias), epilogue, output);
    }
}
