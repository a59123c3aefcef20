//! GPT-2 (Radford et al. 2019, §2.3) as Burn modules: learned positions, pre-norm blocks, causal attention,
//! GELU, and the token embedding as output projection.

use burn::module::{Initializer, Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Int, Tensor};

use super::{Activation, ComputeDevice, Gpt2Config, KeyValueCache, TokenEmbedding};

/// A GPT-2 language model.
#[derive(Module, Debug)]
pub struct Gpt2 {
    /// `[vocab_size, n_embd]`.
    pub(super) token_embedding: TokenEmbedding,
    /// `[n_positions, n_embd]`.
    pub(super) position_embedding: Param<Tensor<2>>,
    pub(super) blocks: Vec<Block>,
    /// After the last block.
    pub(super) final_norm: LayerNorm,
    /// The output projection if it is not the token embedding.
    pub(super) output: Option<TokenEmbedding>,
}

/// Attention and MLP, each after a layer norm and added to the residual stream.
#[derive(Module, Debug)]
pub struct Block {
    pub(super) attention_norm: LayerNorm,
    pub(super) attention: CausalSelfAttention,
    pub(super) feed_forward_norm: LayerNorm,
    pub(super) feed_forward: FeedForward,
}

/// Attention of every position to itself and all earlier positions.
#[derive(Module, Debug)]
pub struct CausalSelfAttention {
    /// Queries, keys and values in one layer: `[n_embd, 3 × n_embd]`.
    pub(super) query_key_value: Linear,
    /// `[n_embd, n_embd]`.
    pub(super) projection: Linear,
    heads: usize,
    scale: f64,
}

/// Two linear layers with the activation between them.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[n_embd, n_inner]`.
    pub(super) expand: Linear,
    /// `[n_inner, n_embd]`.
    pub(super) project: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Gpt2Config {
    /// A model on `device` with random weights, initialized on first use as GPT-2's were: N(0, 0.02²).
    pub fn init(&self, device: &ComputeDevice) -> Gpt2 {
        let limit = device.largest_buffer_bytes();
        let device = device.burn();
        let embedding = || TokenEmbedding::new(self.vocab_size, self.n_embd, limit, device);
        Gpt2 {
            token_embedding: embedding(),
            position_embedding: Initializer::Normal { mean: 0.0, std: 0.01 }
                .init([self.n_positions, self.n_embd], device),
            blocks: (0..self.n_layer).map(|layer| self.init_block(layer, device)).collect(),
            final_norm: self.init_norm(device),
            output: (!self.tied_output).then(embedding),
        }
    }

    fn init_block(&self, layer: usize, device: &Device) -> Block {
        Block {
            attention_norm: self.init_norm(device),
            attention: CausalSelfAttention {
                query_key_value: init_linear(self.n_embd, 3 * self.n_embd, device),
                projection: init_linear(self.n_embd, self.n_embd, device),
                heads: self.n_head,
                scale: self.attention_scale(layer),
            },
            feed_forward_norm: self.init_norm(device),
            feed_forward: FeedForward {
                expand: init_linear(self.n_embd, self.n_inner, device),
                project: init_linear(self.n_inner, self.n_embd, device),
                activation: self.activation,
            },
        }
    }

    fn init_norm(&self, device: &Device) -> LayerNorm {
        LayerNormConfig::new(self.n_embd).with_epsilon(self.layer_norm_epsilon).init(device)
    }
}

fn init_linear(inputs: usize, outputs: usize, device: &Device) -> Linear {
    LinearConfig::new(inputs, outputs)
        .with_initializer(Initializer::Normal { mean: 0.0, std: 0.02 })
        .init(device)
}

impl Gpt2 {
    /// The final hidden states, after the last norm.
    ///
    /// Rows of a batch are independent, and no position sees later ones. So a row may be padded on the right with any
    /// token: hidden states before the padding do not change.
    ///
    /// With a cache, the tokens follow those in its rows; [`KeyValueCache::mask_padding`] marks the padding.
    ///
    /// # Shapes
    /// - tokens: `batch × length`, row after row; with a cache, the tokens that follow those in the cache
    /// - output: `[batch, length, n_embd]`
    ///
    /// # Panics
    /// If `tokens` has not `batch` rows of one length, cache and row together are longer than the context, or the tokens do
    /// not fit into the cache.
    pub fn forward(&self, tokens: &[u32], batch: usize, mut cache: Option<&mut KeyValueCache>) -> Tensor<3> {
        let device = self.position_embedding.val().device();
        let length = tokens.len() / batch.max(1);
        assert_eq!(tokens.len(), batch * length, "rows of a batch have the same length");
        let starts = cache.as_ref().map_or_else(|| vec![0; batch], |cache| cache.next_positions(batch));
        assert_eq!(starts.len(), batch, "the cache has another number of rows");
        let fits = cache.as_ref().is_none_or(|cache| cache.free_after(length).is_some());
        assert!(fits, "{length} more tokens do not fit into the cache");

        let width = self.n_embd();
        let mut hidden = self.token_embedding.lookup(tokens, &device).reshape([batch, length, width])
            + self.positions(&starts, length);
        let heads = self.blocks.first().map_or(1, |block| block.attention.heads);
        let mask = cache.as_ref().and_then(|cache| cache.mask(heads, length));
        for (layer, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, layer, cache.as_deref_mut(), mask.as_ref());
        }
        if let Some(cache) = cache {
            cache.advance(batch, length);
        }
        self.final_norm.forward(hidden)
    }

    /// Position embeddings of `length` tokens a row, from these positions.
    ///
    /// # Shapes
    /// - output: `[rows, length, n_embd]`, or `[1, length, n_embd]` if all rows start at the same position
    fn positions(&self, starts: &[usize], length: usize) -> Tensor<3> {
        let table = self.position_embedding.val();
        let [context, width] = table.dims();
        let last = starts.iter().max().map_or(0, |start| start + length);
        assert!(last <= context, "{last} tokens in a context of {context}");
        match starts {
            [first, rest @ ..] if rest.iter().any(|start| start != first) => {
                let positions: Vec<i32> = starts
                    .iter()
                    .flat_map(|&start| (start..start + length).map(|position| position as i32))
                    .collect();
                let positions = Tensor::<1, Int>::from_data(positions.as_slice(), &table.device());
                table.select(0, positions).reshape([starts.len(), length, width])
            }
            _ => table.narrow(0, starts.first().copied().unwrap_or(0), length).unsqueeze_dim(0),
        }
    }

    /// Logits of the whole vocabulary at the given positions, in parts along the vocabulary.
    ///
    /// # Shapes
    /// - hidden: `[positions, n_embd]`, rows of the output of [`Self::forward`]
    /// - output: `[positions, part of the vocabulary]` each
    pub fn logits(&self, hidden: &Tensor<2>) -> Vec<Tensor<2>> {
        self.output.as_ref().unwrap_or(&self.token_embedding).project(hidden)
    }

    /// Size of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.token_embedding.vocab_size()
    }

    /// Maximum tokens of a sequence.
    pub fn n_positions(&self) -> usize {
        self.position_embedding.lazy_shape()[0]
    }

    /// Width of the residual stream.
    pub fn n_embd(&self) -> usize {
        self.position_embedding.lazy_shape()[1]
    }

    /// An empty cache for this model, for `capacity` tokens a row including padding.
    pub fn new_cache(&self, capacity: usize) -> KeyValueCache {
        KeyValueCache::new(self.blocks.len(), capacity)
    }

    /// Bytes of the keys and values of one token.
    pub fn kv_cache_bytes_per_token(&self) -> usize {
        2 * self.blocks.len() * self.n_embd() * size_of::<f32>()
    }
}

impl Block {
    fn forward(
        &self,
        input: Tensor<3>,
        layer: usize,
        cache: Option<&mut KeyValueCache>,
        mask: Option<&Tensor<4, Bool>>,
    ) -> Tensor<3> {
        let attended = self.attention.forward(self.attention_norm.forward(input.clone()), layer, cache, mask);
        let middle = input + attended;
        let expanded = self.feed_forward.forward(self.feed_forward_norm.forward(middle.clone()));
        middle + expanded
    }
}

impl CausalSelfAttention {
    /// # Shapes
    /// - input, output: `[batch, length, n_embd]`
    /// - mask: `[batch, heads, length, keys]`, true where a key is masked
    fn forward(
        &self,
        input: Tensor<3>,
        layer: usize,
        cache: Option<&mut KeyValueCache>,
        mask: Option<&Tensor<4, Bool>>,
    ) -> Tensor<3> {
        let [batch, length, width] = input.dims();
        let projected = self.query_key_value.forward(input);
        let head = |index: usize| {
            projected
                .clone()
                .narrow(2, index * width, width)
                .reshape([batch, length, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let (query, mut key, mut value) = (head(0), head(1), head(2));
        if let Some(cache) = cache {
            (key, value) = cache.extend(layer, key, value);
        }
        // The causal mask is aligned bottom-right: with a cache, new positions see all tokens before them, and a single one
        // needs no mask. The scale is explicit even if it is the default: without it, GPUs with tensor cores use a kernel
        // that rounds queries, keys and values to f16. Its error is larger than the 2e-4 nats that devices may differ by.
        let options =
            AttentionModuleOptions { scale: Some(self.scale), softcap: None, is_causal: length > 1 };
        let attended = attention(query, key, value, mask.cloned(), None, options);
        self.projection.forward(attended.swap_dims(1, 2).reshape([batch, length, width]))
    }
}

impl FeedForward {
    /// # Shapes
    /// - input, output: `[batch, length, n_embd]`
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.project.forward(self.activation.of_tensor(self.expand.forward(input)))
    }
}
