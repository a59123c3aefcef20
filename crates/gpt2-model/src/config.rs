//! The configuration of a GPT-2, read from a Hugging Face `config.json`.

use burn::config::Config;
use serde_json::{Map, Value};

use crate::Activation;
use untrusted_input::clipped;

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

/// Largest sizes, far above every known GPT-2: a damaged file must not cause a large allocation, and no product of two sizes
/// overflows.
const MAX_LAYERS: usize = 1024;
const MAX_WIDTH: usize = 1 << 16;
/// `n_positions` of the paper's models.
pub const GPT2_POSITIONS: usize = 1024;
/// The longest context that a configuration may have.
pub const MAX_POSITIONS: usize = 1 << 20;
const MAX_TOKENS: usize = 1 << 22;
const MAX_INNER_WIDTH: usize = 1 << 18;

impl Gpt2Config {
    /// Reads a Hugging Face `config.json` or OpenAI's `hparams.json`. Missing fields have the defaults of transformers'
    /// `GPT2Config`.
    ///
    /// # Errors
    /// A message that names the field, and what was expected.
    pub fn from_hugging_face(json: &[u8]) -> Result<Self, String> {
        let fields = Fields::parse(json)?;
        if let Some(kind) = fields.text("model_type")?.filter(|kind| *kind != "gpt2") {
            return Err(format!("model_type is \"{}\", expected \"gpt2\"", clipped(kind)));
        }
        if fields.switch("add_cross_attention")? == Some(true) {
            return Err("add_cross_attention is true, expected a decoder-only GPT-2".to_owned());
        }
        let activation = match fields.text("activation_function")? {
            None => Activation::GeluTanh,
            Some(name) => Activation::by_name(name).ok_or_else(|| {
                format!(
                    "activation_function is \"{}\", expected one of {}",
                    clipped(name),
                    Activation::names()
                )
            })?,
        };
        let n_embd = fields.size(&["n_embd", "hidden_size"], None, MAX_WIDTH)?;
        let positions = ["n_positions", "max_position_embeddings"];
        // transformers ignores `n_ctx`, the only name in `hparams.json`.
        let positions = if fields.field(&positions)?.is_some() { &positions[..] } else { &["n_ctx"] };
        let config = Self {
            n_layer: fields.size(&["n_layer", "num_hidden_layers"], None, MAX_LAYERS)?,
            n_embd,
            n_head: fields.size(&["n_head", "num_attention_heads"], None, MAX_WIDTH)?,
            n_positions: fields.size(positions, Some(GPT2_POSITIONS), MAX_POSITIONS)?,
            // `n_vocab` in OpenAI's `hparams.json`.
            vocab_size: fields.size(&["vocab_size", "n_vocab"], Some(50_257), MAX_TOKENS)?,
            n_inner: fields.size(&["n_inner"], Some(4 * n_embd), MAX_INNER_WIDTH)?,
            layer_norm_epsilon: epsilon(fields.field(&["layer_norm_epsilon"])?)?,
            activation,
            scale_attention: fields.switch("scale_attn_weights")?.unwrap_or(true),
            scale_attention_by_layer: fields.switch("scale_attn_by_inverse_layer_idx")?.unwrap_or(false),
            tied_output: fields.switch("tie_word_embeddings")?.unwrap_or(true),
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

/// The fields of a `config.json`. Numbers stay JSON values, so that an error can name the field.
struct Fields(Map<String, Value>);

impl Fields {
    /// With or without a byte order mark.
    fn parse(json: &[u8]) -> Result<Self, String> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        serde_json::from_slice(json).map(Self).map_err(|error| clipped(&error.to_string()))
    }

    /// A field under any of its names; `null` counts as missing. Two names with different values are an error.
    fn field(&self, names: &[&str]) -> Result<Option<(String, &Value)>, String> {
        let mut found: Option<(String, &Value)> = None;
        for name in names {
            let Some(value) = self.0.get(*name).filter(|value| !value.is_null()) else { continue };
            match &found {
                None => found = Some(((*name).to_owned(), value)),
                Some((other, first)) if *first != value => {
                    return Err(format!(
                        "{other} is {} but {name}, which means the same, is {}: remove the wrong one",
                        clipped(&first.to_string()),
                        clipped(&value.to_string())
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(found)
    }

    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        self.field(&[name])?
            .map(|(_, value)| value.as_str().ok_or_else(|| wrong(name, value, "a string")))
            .transpose()
    }

    fn switch(&self, name: &str) -> Result<Option<bool>, String> {
        self.field(&[name])?
            .map(|(_, value)| value.as_bool().ok_or_else(|| wrong(name, value, "true or false")))
            .transpose()
    }

    /// The size in a field, from 1 to `max`; `default` if the field is missing.
    fn size(&self, names: &[&str], default: Option<usize>, max: usize) -> Result<usize, String> {
        let expected = format!("a size from 1 to {max}");
        match (self.field(names)?, default) {
            (None, Some(default)) => Ok(default),
            (None, None) => {
                Err(format!("{} is missing, expected {expected}", names.first().copied().unwrap_or_default()))
            }
            (Some((name, found)), _) => {
                let size = found.as_u64().and_then(|size| usize::try_from(size).ok());
                size.filter(|size| (1..=max).contains(size)).ok_or_else(|| wrong(&name, found, &expected))
            }
        }
    }
}

fn wrong(name: &str, found: &Value, expected: &str) -> String {
    format!("{name} is {}, expected {expected}", clipped(&found.to_string()))
}

fn epsilon(found: Option<(String, &Value)>) -> Result<f64, String> {
    let Some((name, found)) = found else { return Ok(1e-5) };
    found
        .as_f64()
        .filter(|epsilon| (0.0..=1.0).contains(epsilon))
        .ok_or_else(|| wrong(&name, found, "a number from 0 to 1"))
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
    fn fields_under_two_names_byte_order_marks_and_nulls() {
        let read = |json: &str| Gpt2Config::from_hugging_face(json.as_bytes());
        let expected = Gpt2Config { n_positions: 2048, ..Gpt2Config::new(1, 8, 2, 32) };
        for json in [
            r#"{"n_layer":1,"n_embd":8,"n_head":2,"n_positions":2048,"max_position_embeddings":2048}"#,
            r#"{"num_hidden_layers":1,"n_layer":1,"hidden_size":8,"num_attention_heads":2,"n_ctx":2048}"#,
            "\u{feff}{\"n_layer\":1,\"n_embd\":8,\"n_head\":2,\"n_positions\":2048,\"n_ctx\":1024,\"n_inner\":null}",
        ] {
            assert_eq!(read(json).unwrap(), expected, "{json}");
        }
        let error =
            read(r#"{"n_layer":1,"n_embd":8,"n_head":2,"n_positions":1024,"max_position_embeddings":2048}"#);
        let expected = "n_positions is 1024 but max_position_embeddings, which means the same, is 2048";
        assert!(error.unwrap_err().contains(expected));
        assert_eq!(
            read(r#"{"n_layer":1,"n_embd":8,"n_head":2,"tie_word_embeddings":"no"}"#).unwrap_err(),
            "tie_word_embeddings is \"no\", expected true or false"
        );
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
