//! Keys and values of tokens that the model has read.

use burn::tensor::Tensor;

/// What every block remembers of the tokens read so far, so that the next token costs one position.
#[derive(Debug, Clone, Default)]
pub struct KeyValueCache {
    blocks: Vec<Option<(Tensor<4>, Tensor<4>)>>,
    length: usize,
}

impl KeyValueCache {
    /// An empty cache for a model of `layers` blocks.
    pub fn new(layers: usize) -> Self {
        Self { blocks: vec![None; layers], length: 0 }
    }

    /// Tokens read so far; the position of the next one.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been read.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends keys and values of new tokens to block `layer` and returns all of that block.
    ///
    /// # Shapes
    /// - key, value: `[batch, heads, new, head width]`
    /// - output: `[batch, heads, read + new, head width]` each
    pub(super) fn extend(
        &mut self,
        layer: usize,
        key: Tensor<4>,
        value: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let extended = match self.blocks[layer].take() {
            Some((old_key, old_value)) => {
                (Tensor::cat(vec![old_key, key], 2), Tensor::cat(vec![old_value, value], 2))
            }
            None => (key, value),
        };
        self.blocks[layer] = Some(extended.clone());
        extended
    }

    /// Counts `new` tokens as read, once every block has them.
    pub(super) fn advance(&mut self, new: usize) {
        self.length += new;
    }
}
