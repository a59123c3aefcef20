//! All variants of a Hugging Face GPT-2 directory give the same model.

use std::collections::BTreeMap;
use std::path::Path;

use gpt2_kernels::Precision;
use gpt2_model::Checkpoint;
use gpt2_model::engine::{TokenSet, Work};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::common::{Loaded, bundled, copy_model, open};

/// The tensors of a bundled model by name: shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub fn tensors_of(label: &str) -> Tensors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(label).join("model.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |data: &[u8]| data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect();
    file.tensors()
        .into_iter()
        .map(|(name, tensor)| (name, (tensor.shape().to_vec(), values(tensor.data()))))
        .collect()
}

/// Writes `model.safetensors` into `directory` with every value as `dtype`.
pub fn write(directory: &Path, tensors: &Tensors, dtype: Dtype) {
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|(_, values)| match dtype {
            Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::BF16 => values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect(),
        })
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, (shape, _)), bytes)| (name, TensorView::new(dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, &directory.join("model.safetensors")).unwrap();
}

/// Opens a checkpoint and loads it.
pub fn load(directory: &Path) -> Loaded {
    let device = open("flex");
    let checkpoint = Checkpoint::open(directory).unwrap();
    let backend = gpt2_model::engine::load(&checkpoint, &device, Precision::F32).unwrap();
    Loaded { checkpoint, backend, device }
}

/// Log-probabilities of a sentence, bit for bit.
pub fn fingerprint(loaded: &Loaded) -> Vec<u32> {
    fingerprint_of(loaded, "The old man looked at the sea, and the sea")
}

/// Log-probabilities of a text, bit for bit.
pub fn fingerprint_of(loaded: &Loaded, text: &str) -> Vec<u32> {
    let ids = loaded.checkpoint.tokenizer.encode(text).unwrap();
    let sequence = gpt2_model::engine::ScoredSequence {
        input: ids[..ids.len() - 1].to_vec(),
        targets: ids[1..].to_vec(),
        excluded: TokenSet::default(),
    };
    let work = [Work::Score { sequences: vec![sequence], rolling_bytes: None, truncated_tokens: 0 }];
    loaded.log_likelihoods(&work, 512)[0].token_log_probs.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn prefix_masks_and_stored_projection_do_not_change_the_model() {
    let expected = fingerprint(&bundled("tiny-3M"));
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", directory.path());
    assert_eq!(fingerprint(&load(directory.path())), expected, "a directory is the bundled model");

    let mut tensors: Tensors = tensors_of("tiny-3M")
        .into_iter()
        .map(|(name, tensor)| (name.trim_start_matches("transformer.").to_owned(), tensor))
        .collect();
    for layer in 0..3 {
        tensors.insert(format!("h.{layer}.attn.bias"), (vec![1, 1, 2, 2], vec![1.0, 0.0, 1.0, 1.0]));
        tensors.insert(format!("h.{layer}.attn.masked_bias"), (vec![], vec![-1e4]));
    }
    let embedding = tensors["wte.weight"].clone();
    tensors.insert("lm_head.weight".to_owned(), embedding);
    write(directory.path(), &tensors, Dtype::F32);
    assert_eq!(fingerprint(&load(directory.path())), expected, "without prefix, with masks and projection");
}

#[test]
fn stored_types_agree_where_their_values_do() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", directory.path());
    // Values that all three types hold exactly.
    let mut tensors = tensors_of("tiny-3M");
    for (_, values) in tensors.values_mut() {
        for value in values {
            *value = bf16::from_f32(*value).to_f32();
            if f16::from_f32(*value).to_f32() != *value {
                *value = 0.0;
            }
        }
    }
    let mut fingerprints = Vec::new();
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        write(directory.path(), &tensors, dtype);
        let loaded = load(directory.path());
        assert_eq!(loaded.checkpoint.weights.stored_types(), format!("{dtype:?}"));
        fingerprints.push(fingerprint(&loaded));
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_eq!(fingerprints[0], fingerprints[2]);
}

#[test]
fn an_untied_projection_is_used_if_the_configuration_says_so() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", directory.path());
    let config_path = directory.path().join("config.json");
    let config = std::fs::read_to_string(&config_path).unwrap();
    let untied = config.replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
    assert_ne!(config, untied);
    std::fs::write(&config_path, untied).unwrap();

    let mut tensors = tensors_of("tiny-3M");
    let embedding = tensors["transformer.wte.weight"].clone();
    tensors.insert("lm_head.weight".to_owned(), embedding.clone());
    write(directory.path(), &tensors, Dtype::F16);
    let expected = fingerprint(&bundled("tiny-3M"));
    assert_eq!(fingerprint(&load(directory.path())), expected);

    let doubled = (embedding.0, embedding.1.iter().map(|value| 2.0 * value).collect());
    tensors.insert("lm_head.weight".to_owned(), doubled);
    write(directory.path(), &tensors, Dtype::F16);
    assert_ne!(fingerprint(&load(directory.path())), expected);
}

#[test]
fn a_padded_vocabulary_is_read() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", directory.path());
    let config_path = directory.path().join("config.json");
    let config = std::fs::read_to_string(&config_path).unwrap();
    std::fs::write(&config_path, config.replace("\"vocab_size\": 50257", "\"vocab_size\": 50304")).unwrap();
    let mut tensors = tensors_of("tiny-3M");
    let (shape, values) = tensors.get_mut("transformer.wte.weight").unwrap();
    shape[0] = 50_304;
    values.resize(50_304 * 64, 0.0);
    write(directory.path(), &tensors, Dtype::F16);
    assert_eq!(load(directory.path()).checkpoint.config.vocab_size, 50_304);
}
