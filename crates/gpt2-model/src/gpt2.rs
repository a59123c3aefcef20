//! GPT-2 (Radford et al. 2019, §2.3) as Burn modules: learned positions, pre-norm blocks, causal attention,
//! GELU, and the token embedding as output projection.

use burn::module::{Initializer, Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Int, Tensor, activation};

use super::{Activation, ComputeDevice, Gpt2Config, KeyValueCache, TokenEmbedding};

/// A GPT-2 language model.
#[derive(Module, Debug)]
pub struct Gpt2 {
    /// `[vocabulary, width]`.
    pub(super) token_embedding: TokenEmbedding,
    /// `[context, width]`.
    pub(super) position_embedding: Param<Tensor<2>>,
    /// One after the other.
    pub(super) blocks: Vec<Block>,
    /// After the last block.
    pub(super) final_norm: LayerNorm,
    /// The output projection where it is not the token embedding.
    pub(super) output: Option<TokenEmbedding>,
}

/// Attention and feed-forward, each behind a layer norm and beside a residual path.
#[derive(Module, Debug)]
pub struct Block {
    pub(super) attention_norm: LayerNorm,
    pub(super) attention: CausalSelfAttention,
    pub(super) feed_forward_norm: LayerNorm,
    pub(super) feed_forward: FeedForward,
}

/// Attention of every position to itself and those before it.
#[derive(Module, Debug)]
pub struct CausalSelfAttention {
    /// Queries, keys and values in one product: `[width, 3 × width]`.
    pub(super) query_key_value: Linear,
    /// `[width, width]`.
    pub(super) projection: Linear,
    heads: usize,
    scale: f64,
}

/// Two linear layers with the activation between them.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[width, inner width]`.
    pub(super) expand: Linear,
    /// `[inner width, width]`.
    pub(super) project: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Gpt2Config {
    /// A model on `device` whose weights are drawn, when first used, as GPT-2's were: N(0, 0.02²).
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
    /// The last hidden states, after the final norm.
    ///
    /// Rows of a batch never touch each other and no position looks ahead, so a row may be padded on the right
    /// with any token: what stands before the padding does not change.
    ///
    /// With a cache, its rows are read on; [`KeyValueCache::leave_out_padding`] says where the padding is.
    ///
    /// # Shapes
    /// - tokens: `batch × length`, row after row; with a cache, the tokens that follow those in the cache
    /// - output: `[batch, length, width]`
    ///
    /// # Panics
    /// If `tokens` is no whole number of rows, cache and row together are longer than the context, or the cache has no
    /// room for them.
    pub fn forward(&self, tokens: &[u32], batch: usize, mut cache: Option<&mut KeyValueCache>) -> Tensor<3> {
        let device = self.position_embedding.val().device();
        let length = tokens.len() / batch.max(1);
        assert_eq!(tokens.len(), batch * length, "rows of a batch have one length");
        let starts = cache.as_ref().map_or_else(|| vec![0; batch], |cache| cache.next_positions(batch));
        assert_eq!(starts.len(), batch, "a batch reads on what it began");
        let has_room = cache.as_ref().is_none_or(|cache| cache.room_behind(length).is_some());
        assert!(has_room, "{length} more tokens do not fit into the cache");

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

    /// The position vectors of `length` tokens a row, from these positions on.
    ///
    /// # Shapes
    /// - output: `[rows, length, width]`, or one row for all where they begin alike
    fn positions(&self, starts: &[usize], length: usize) -> Tensor<3> {
        let table = self.position_embedding.val();
        let [context, width] = table.dims();
        let last = starts.iter().max().map_or(0, |start| start + length);
        assert!(last <= context, "{last} tokens in a context of {context}");
        match starts {
            [first, rest @ ..] if rest.iter().any(|start| start != first) => {
                let places: Vec<i32> = starts
                    .iter()
                    .flat_map(|&start| (start..start + length).map(|place| place as i32))
                    .collect();
                let places = Tensor::<1, Int>::from_data(places.as_slice(), &table.device());
                table.select(0, places).reshape([starts.len(), length, width])
            }
            _ => table.narrow(0, starts.first().copied().unwrap_or(0), length).unsqueeze_dim(0),
        }
    }

    /// Scores of every token of the vocabulary at the given positions, in parts along the vocabulary.
    ///
    /// # Shapes
    /// - hidden: `[positions, width]`, rows of what [`Self::forward`] returns
    /// - output: `[positions, part of the vocabulary]` each
    pub fn logits(&self, hidden: &Tensor<2>) -> Vec<Tensor<2>> {
        self.output.as_ref().unwrap_or(&self.token_embedding).project(hidden)
    }

    /// Entries of the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.token_embedding.vocab_size()
    }

    /// The most tokens that the model sees at once.
    pub fn n_positions(&self) -> usize {
        self.position_embedding.lazy_shape()[0]
    }

    /// Width of the residual stream.
    pub fn n_embd(&self) -> usize {
        self.position_embedding.lazy_shape()[1]
    }

    /// An empty cache for this model, with room for `room` tokens a row, padding included.
    pub fn new_cache(&self, room: usize) -> KeyValueCache {
        KeyValueCache::new(self.blocks.len(), room)
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
    /// - input, output: `[batch, length, width]`
    /// - mask: `[batch, heads, length, keys]`, true where a key is left out
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
        // Aligned bottom-right: with a cache, the new positions see everything before them, and one alone sees all.
        // The scale is named although it may be the usual one: without it GPUs with tensor cores take a kernel that
        // rounds queries, keys and values to f16, which costs more than the 2e-4 nats that devices may differ.
        let options =
            AttentionModuleOptions { scale: Some(self.scale), softcap: None, is_causal: length > 1 };
        let attended = attention(query, key, value, mask.cloned(), None, options);
        self.projection.forward(attended.swap_dims(1, 2).reshape([batch, length, width]))
    }
}

impl FeedForward {
    /// # Shapes
    /// - input, output: `[batch, length, width]`
    fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.project.forward(activate(self.expand.forward(input), self.activation))
    }
}

fn activate(input: Tensor<3>, function: Activation) -> Tensor<3> {
    match function {
        Activation::GeluTanh => gelu_tanh(input),
        Activation::Gelu => activation::gelu(input),
        Activation::Relu => activation::relu(input),
        Activation::Silu => activation::silu(input),
        Activation::Tanh => activation::tanh(input),
    }
}

/// GPT-2's `gelu_new`, 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), written with
/// 0.5·(1 + tanh(a)) = sigmoid(2a): Burn's own `gelu_approximate` takes a general power and two more passes.
fn gelu_tanh(input: Tensor<3>) -> Tensor<3> {
    let twice_sqrt_two_over_pi = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let square = input.clone() * input.clone();
    let inner = (square * (0.044_715 * twice_sqrt_two_over_pi) + twice_sqrt_two_over_pi) * input.clone();
    input * activation::sigmoid(inner)
}
