//! The configuration of a GPT-2, read from a Hugging Face `config.json`.

use burn::config::Config;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use untrusted_input::clipped;

/// Nonlinearity of the MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GPT-2's own: the tanh approximation of GELU (`gelu_new`).
    GeluTanh,
    /// GELU with the error function.
    Gelu,
    /// max(0, x).
    Relu,
    /// x · sigmoid(x).
    Silu,
    /// tanh(x).
    Tanh,
}

/// Sizes and switches of a GPT-2 (Radford et al. 2019, Table 2), with the names of `config.json`.
#[derive(Config, Debug, PartialEq)]
pub struct Gpt2Config {
    /// Transformer blocks: 12, 24, 36 or 48 in the paper.
    pub n_layer: usize,
    /// Width of the residual stream: 768, 1024, 1280 or 1600 in the paper.
    pub n_embd: usize,
    /// Attention heads; divides `n_embd`.
    pub n_head: usize,
    /// Positions of the context, in tokens.
    #[config(default = 1024)]
    pub n_positions: usize,
    /// Rows of the token embedding, padding included.
    #[config(default = 50257)]
    pub vocab_size: usize,
    /// Width of the MLP; 4 × `n_embd` in the paper.
    pub n_inner: usize,
    /// ε of LayerNorm.
    #[config(default = 1e-5)]
    pub layer_norm_epsilon: f64,
    /// Nonlinearity of the MLP.
    #[config(default = "Activation::GeluTanh")]
    pub activation: Activation,
    /// Whether attention scores are divided by √(head width).
    #[config(default = true)]
    pub scale_attention: bool,
    /// Whether attention scores of block i are also divided by i + 1.
    #[config(default = false)]
    pub scale_attention_by_layer: bool,
    /// Whether the output projection is the token embedding.
    #[config(default = true)]
    pub tied_output: bool,
}

/// The fields of `config.json` that change what a GPT-2 computes. Numbers stay JSON values, so that an error can name the
/// field.
#[derive(Debug, Deserialize)]
struct HuggingFaceConfig {
    model_type: Option<String>,
    #[serde(alias = "num_hidden_layers")]
    n_layer: Option<Value>,
    #[serde(alias = "hidden_size")]
    n_embd: Option<Value>,
    #[serde(alias = "num_attention_heads")]
    n_head: Option<Value>,
    #[serde(alias = "max_position_embeddings", alias = "n_ctx_positions")]
    n_positions: Option<Value>,
    n_ctx: Option<Value>,
    // `n_vocab` in OpenAI's `hparams.json`.
    #[serde(alias = "n_vocab")]
    vocab_size: Option<Value>,
    n_inner: Option<Value>,
    layer_norm_epsilon: Option<Value>,
    activation_function: Option<String>,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
    tie_word_embeddings: Option<bool>,
    add_cross_attention: Option<bool>,
}

/// Largest sizes, far above every known GPT-2: a damaged file must not cause a large allocation, and no product of two sizes
/// overflows.
const MAX_LAYERS: usize = 1024;
const MAX_WIDTH: usize = 1 << 16;
const MAX_POSITIONS: usize = 1 << 20;
const MAX_TOKENS: usize = 1 << 22;
const MAX_INNER_WIDTH: usize = 1 << 18;

impl Gpt2Config {
    /// Reads a Hugging Face `config.json` or OpenAI's `hparams.json`. Missing fields have the defaults of transformers'
    /// `GPT2Config`.
    ///
    /// # Errors
    /// A message that names the field, and what was expected.
    pub fn from_hugging_face(json: &[u8]) -> Result<Self, String> {
        let raw: HuggingFaceConfig =
            serde_json::from_slice(json).map_err(|error| clipped(&error.to_string()))?;
        if let Some(kind) = raw.model_type.as_deref().filter(|kind| *kind != "gpt2") {
            return Err(format!("model_type is \"{}\", expected \"gpt2\"", clipped(kind)));
        }
        if raw.add_cross_attention == Some(true) {
            return Err("add_cross_attention is true, expected a decoder-only GPT-2".to_owned());
        }
        let activation = match raw.activation_function.as_deref() {
            None | Some("gelu_new" | "gelu_pytorch_tanh" | "gelu_fast") => Activation::GeluTanh,
            Some("gelu" | "gelu_python") => Activation::Gelu,
            Some("relu") => Activation::Relu,
            Some("silu" | "swish") => Activation::Silu,
            Some("tanh") => Activation::Tanh,
            Some(other) => {
                return Err(format!(
                    "activation_function is \"{}\", expected gelu_new, gelu_pytorch_tanh, gelu, relu, silu or \
                     tanh",
                    clipped(other)
                ));
            }
        };
        let n_embd = size("n_embd", raw.n_embd, None, MAX_WIDTH)?;
        let config = Self {
            n_layer: size("n_layer", raw.n_layer, None, MAX_LAYERS)?,
            n_embd,
            n_head: size("n_head", raw.n_head, None, MAX_WIDTH)?,
            n_positions: size("n_positions", raw.n_positions.or(raw.n_ctx), Some(1024), MAX_POSITIONS)?,
            vocab_size: size("vocab_size", raw.vocab_size, Some(50_257), MAX_TOKENS)?,
            n_inner: size("n_inner", raw.n_inner, Some(4 * n_embd), MAX_INNER_WIDTH)?,
            layer_norm_epsilon: epsilon(raw.layer_norm_epsilon)?,
            activation,
            scale_attention: raw.scale_attn_weights.unwrap_or(true),
            scale_attention_by_layer: raw.scale_attn_by_inverse_layer_idx.unwrap_or(false),
            tied_output: raw.tie_word_embeddings.unwrap_or(true),
        };
        if !config.n_embd.is_multiple_of(config.n_head) {
            return Err(format!("n_head ({}) does not divide n_embd ({})", config.n_head, config.n_embd));
        }
        Ok(config)
    }

    /// A GPT-2 with these sizes and the defaults of transformers.
    pub(crate) fn from_sizes(
        [n_layer, n_embd, n_head, n_positions, vocab_size]: [usize; 5],
    ) -> Result<Self, String> {
        let json = serde_json::json!({
            "n_layer": n_layer, "n_embd": n_embd, "n_head": n_head, "n_positions": n_positions, "vocab_size": vocab_size,
        });
        Self::from_hugging_face(json.to_string().as_bytes())
    }

    /// Width of one attention head.
    pub fn head_width(&self) -> usize {
        self.n_embd / self.n_head
    }

    /// Factor of the attention scores in block `layer`, counted from 0.
    pub fn attention_scale(&self, layer: usize) -> f64 {
        let scale = if self.scale_attention { 1.0 / (self.head_width() as f64).sqrt() } else { 1.0 };
        if self.scale_attention_by_layer { scale / (layer + 1) as f64 } else { scale }
    }

    /// Name and shape of each tensor, as in transformers' state dict without the prefix `transformer.`.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (width, inner) = (self.n_embd, self.n_inner);
        let mut tensors = vec![
            ("wte.weight".to_owned(), vec![self.vocab_size, width]),
            ("wpe.weight".to_owned(), vec![self.n_positions, width]),
        ];
        for layer in 0..self.n_layer {
            let of_block: [(&str, Vec<usize>); 12] = [
                ("ln_1.weight", vec![width]),
                ("ln_1.bias", vec![width]),
                ("attn.c_attn.weight", vec![width, 3 * width]),
                ("attn.c_attn.bias", vec![3 * width]),
                ("attn.c_proj.weight", vec![width, width]),
                ("attn.c_proj.bias", vec![width]),
                ("ln_2.weight", vec![width]),
                ("ln_2.bias", vec![width]),
                ("mlp.c_fc.weight", vec![width, inner]),
                ("mlp.c_fc.bias", vec![inner]),
                ("mlp.c_proj.weight", vec![inner, width]),
                ("mlp.c_proj.bias", vec![width]),
            ];
            tensors.extend(of_block.map(|(name, shape)| (format!("h.{layer}.{name}"), shape)));
        }
        tensors.push(("ln_f.weight".to_owned(), vec![width]));
        tensors.push(("ln_f.bias".to_owned(), vec![width]));
        if !self.tied_output {
            tensors.push(("lm_head.weight".to_owned(), vec![self.vocab_size, width]));
        }
        tensors
    }

    /// Number of parameters. A tied output projection counts once.
    pub fn parameters(&self) -> u64 {
        self.tensors().iter().map(|(_, shape)| shape.iter().map(|&size| size as u64).product::<u64>()).sum()
    }
}

/// The size in a field, from 1 to `max`; `default` if the field is missing.
fn size(field: &str, found: Option<Value>, default: Option<usize>, max: usize) -> Result<usize, String> {
    let expected = format!("expected a size from 1 to {max}");
    match (found, default) {
        (None, Some(default)) => Ok(default),
        (None, None) => Err(format!("{field} is missing, {expected}")),
        (Some(found), _) => {
            let size = found.as_u64().and_then(|size| usize::try_from(size).ok());
            size.filter(|size| (1..=max).contains(size))
                .ok_or_else(|| format!("{field} is {}, {expected}", clipped(&found.to_string())))
        }
    }
}

fn epsilon(found: Option<Value>) -> Result<f64, String> {
    let Some(found) = found else { return Ok(1e-5) };
    found.as_f64().filter(|epsilon| (0.0..=1.0).contains(epsilon)).ok_or_else(|| {
        format!("layer_norm_epsilon is {}, expected a number from 0 to 1", clipped(&found.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_four_sizes() {
        for (layers, width, heads, parameters) in [
            (12, 768, 12, 124_439_808),
            (24, 1024, 16, 354_823_168),
            (36, 1280, 20, 774_030_080),
            (48, 1600, 25, 1_557_611_200),
        ] {
            assert_eq!(Gpt2Config::new(layers, width, heads, 4 * width).parameters(), parameters);
        }
    }

    #[test]
    fn defaults_are_those_of_transformers() {
        let json = br#"{"model_type":"gpt2","n_layer":12,"n_embd":768,"n_head":12}"#;
        assert_eq!(Gpt2Config::from_hugging_face(json).unwrap(), Gpt2Config::new(12, 768, 12, 3072));
    }

    #[test]
    fn other_models_are_refused() {
        let refused = |json: &str| Gpt2Config::from_hugging_face(json.as_bytes()).unwrap_err();
        assert!(
            refused(r#"{"model_type":"llama","n_layer":1,"n_embd":8,"n_head":2}"#)
                .contains("expected \"gpt2\"")
        );
        assert!(
            refused(r#"{"n_layer":1,"n_embd":9,"n_head":2}"#)
                .contains("n_head (2) does not divide n_embd (9)")
        );
        assert!(refused(r#"{"n_layer":0,"n_embd":8,"n_head":2}"#).contains("n_layer is 0"));
        assert!(
            refused(r#"{"n_layer":1,"n_embd":8,"n_head":2,"activation_function":"x"}"#).contains("gelu_new")
        );
        assert!(refused(r#"{"n_embd":8,"n_head":2}"#).contains("n_layer"));
    }

    #[test]
    fn absurd_sizes_are_refused_by_name() {
        let refused = |field: &str, value: &str| {
            let mut json =
                serde_json::json!({"n_layer": 1, "n_embd": 8, "n_head": 2, "layer_norm_epsilon": 1e-5});
            json[field] = serde_json::from_str(value).unwrap();
            Gpt2Config::from_hugging_face(json.to_string().as_bytes()).unwrap_err()
        };
        let sizes = [
            ("n_layer", 1024),
            ("n_embd", 65_536),
            ("n_head", 65_536),
            ("n_positions", 1_048_576),
            ("vocab_size", 4_194_304),
            ("n_inner", 262_144),
        ];
        for (field, max) in sizes {
            let values = [
                "0",
                "1000000000",
                "18446744073709551615",
                "-1",
                "1.8446744073709552e+19",
                "1.5",
                "\"12\"",
                "[12]",
            ];
            for value in values {
                let expected = format!("{field} is {value}, expected a size from 1 to {max}");
                assert_eq!(refused(field, value), expected);
            }
        }
        assert_eq!(refused("n_head", "3"), "n_head (3) does not divide n_embd (8)");
        assert_eq!(
            refused("layer_norm_epsilon", "-1"),
            "layer_norm_epsilon is -1, expected a number from 0 to 1"
        );
    }

    #[test]
    fn attention_scale_follows_the_flags() {
        let mut config = Gpt2Config::new(2, 64, 4, 256);
        assert!((config.attention_scale(1) - 0.25).abs() < 1e-12);
        config.scale_attention_by_layer = true;
        assert!((config.attention_scale(1) - 0.125).abs() < 1e-12);
        config.scale_attention = false;
        assert!((config.attention_scale(1) - 0.5).abs() < 1e-12);
    }
}
