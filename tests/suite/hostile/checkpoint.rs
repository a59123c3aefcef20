//! Damaged `config.json` and `model.safetensors`.

use std::path::Path;

use gpt2_kernels::Precision;
use gpt2_model::tokenizer::Gpt2Tokenizer;
use gpt2_model::{Checkpoint, Gpt2Config, WeightFile};
use proptest::prelude::any;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::memory::bounded;
use super::mutate::mutated;
use super::{hold, is_good_message};
use crate::common::open;

const CONFIG: &[u8] =
    br#"{"model_type":"gpt2","n_layer":1,"n_embd":4,"n_head":2,"n_positions":3,"n_ctx":3,"vocab_size":5,
"n_inner":null,"layer_norm_epsilon":1e-05,"activation_function":"gelu_new","scale_attn_weights":true,
"tie_word_embeddings":true,"add_cross_attention":false,"summary_first_dropout":0.1}"#;

fn config() -> Gpt2Config {
    Gpt2Config::from_hugging_face(CONFIG).unwrap()
}

#[test]
fn configurations() {
    hold(mutated(&[CONFIG]), |json| {
        // 1,024 layers have 12,292 tensors, whose names and shapes take memory.
        match bounded(json.0.len(), || Gpt2Config::from_hugging_face(&json.0))? {
            Ok(config) => {
                prop_assert!(config.n_head >= 1 && config.head_width() * config.n_head == config.n_embd);
                prop_assert!(config.n_layer <= 1024);
                let parameters: u128 = config
                    .tensors()
                    .iter()
                    .map(|(_, shape)| shape.iter().map(|&size| size as u128).product::<u128>())
                    .sum();
                prop_assert_eq!(u128::from(config.parameters()), parameters, "nothing overflows");
                prop_assert!((0..config.n_layer).all(|layer| config.attention_scale(layer).is_finite()));
                Ok(())
            }
            Err(error) => is_good_message(&error, ""),
        }
    });
}

/// Header and data of a weight file for [`config`] in F32.
fn weights() -> (Vec<u8>, Vec<u8>) {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), serde_json::json!({"format": "pt"}));
    let mut offset = 0;
    for (name, shape) in config().tensors() {
        let end = offset + 4 * shape.iter().product::<usize>();
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [offset, end]});
        header.insert(name, entry);
        offset = end;
    }
    let data = (0..offset / 4).flat_map(|index| (index as f32 * 1e-3).to_le_bytes()).collect();
    (serde_json::to_vec(&header).unwrap(), data)
}

/// Opens a file of these bytes, checks it against [`config`], and loads what passes.
fn read(
    bytes: Vec<u8>,
    bundled: &(Gpt2Config, Box<dyn Fn() -> Gpt2Tokenizer>),
) -> Result<bool, TestCaseError> {
    let name = "m/model.safetensors";
    let length = bytes.len();
    let opened = bounded(length, || WeightFile::in_memory(Path::new(name), bytes))?;
    let weights = match opened {
        Ok(weights) => weights,
        Err(error) => return is_good_message(&error.to_string(), name).map(|()| false),
    };
    if let Err(error) = bounded(length, || weights.check(&bundled.0))? {
        return is_good_message(&error.to_string(), name).map(|()| false);
    }
    prop_assert!(
        weights.stored_types().split('+').all(|dtype| ["F64", "F32", "F16", "BF16"].contains(&dtype))
    );
    prop_assert_eq!(weights.sha256().len(), 64);
    let checkpoint = Checkpoint { config: bundled.0.clone(), weights, tokenizer: bundled.1(), notes: vec![] };
    prop_assert!(checkpoint.load_packed(&open("flex"), Precision::F32).is_ok());
    Ok(true)
}

fn model() -> (Gpt2Config, Box<dyn Fn() -> Gpt2Tokenizer>) {
    let tokenizer = || {
        let paths = [Path::new("v"), Path::new("m")];
        Gpt2Tokenizer::from_vocabulary_files((paths[0], br#"{"<|endoftext|>":0}"#), (paths[1], b"")).unwrap()
    };
    (config(), Box::new(tokenizer))
}

fn with_header(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header, data].concat()
}

#[test]
fn weight_files() {
    let model = model();
    let (header, data) = weights();
    assert!(read(with_header(&header, &data), &model).unwrap(), "the file itself is read");
    hold(mutated(&[&with_header(&header, &data)]), |bytes| read(bytes.0, &model).map(drop));
}

#[test]
fn weight_headers() {
    let model = model();
    let (header, data) = weights();
    // The length before the header is right, so the header is read.
    hold((mutated(&[&header]), any::<u8>()), |(header, longer)| {
        let mut data = data.clone();
        data.resize(data.len() + usize::from(longer.saturating_sub(250)), 0);
        read(with_header(&header.0, &data), &model).map(drop)
    });
}
