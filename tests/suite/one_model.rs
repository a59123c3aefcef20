//! A run with one model in every checkpoint format gives the same results, bit for bit.

use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;
use serde_json::Value;

use crate::checkpoints::{Tensors, tensors_of, write};
use crate::common::{copy_model, gpt2_eval};
use crate::writers;

const LABEL: &str = "tiny-8M";

/// Layers, heads and context of [`LABEL`].
const SIZES: [usize; 3] = [6, 4, 1024];

const HPARAMS: &str = r#"{"n_vocab": 50257, "n_ctx": 1024, "n_embd": 128, "n_head": 4, "n_layer": 6}"#;

/// Sample results of a run with the model at `path`, without their keys, which depend on the sha256 of the weights; and the
/// scores.
fn records(path: &Path) -> (Vec<Value>, String) {
    let directory = tempfile::tempdir().unwrap();
    let output = gpt2_eval(directory.path())
        .args(["--tasks", "lambada", "--data", "sample", "--limit", "5", "--device", "flex"])
        .args(["--out", "run", "--quiet", "--model"])
        .arg(format!("tiny={}", path.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(directory.path().join("run").join(name)).unwrap();
    let records = read("samples/tiny/lambada.jsonl");
    let records = records.lines().map(|line| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        assert!(record.as_object_mut().unwrap().remove("key").is_some());
        record
    });
    (records.collect(), read("scores.csv"))
}

/// The tensors by their plain names.
fn tensors() -> Tensors {
    let stored = tensors_of(LABEL).into_iter();
    stored.map(|(name, tensor)| (name.trim_start_matches("transformer.").to_owned(), tensor)).collect()
}

/// Writes the configuration, with another activation if one is given.
fn write_config(directory: &Path, activation: &str) {
    copy_model(LABEL, directory);
    std::fs::remove_file(directory.join("model.safetensors")).unwrap();
    let path = directory.join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("\"gelu_new\"", &format!("\"{activation}\""))).unwrap();
}

/// Writes `model.safetensors.index.json` and three files.
fn write_shards(directory: &Path, tensors: &Tensors) {
    let mut names = serde_json::Map::new();
    let all: Vec<_> = tensors.iter().collect();
    for (number, part) in all.chunks(all.len().div_ceil(3)).enumerate() {
        let name = format!("model-{:05}-of-00003.safetensors", number + 1);
        let part: Tensors = part.iter().map(|(name, tensor)| ((*name).clone(), (*tensor).clone())).collect();
        write(directory, &part, Dtype::F32);
        std::fs::rename(directory.join("model.safetensors"), directory.join(&name)).unwrap();
        names.extend(part.into_keys().map(|tensor| (tensor, name.clone().into())));
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": names});
    std::fs::write(directory.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn every_format_gives_the_same_results() {
    let tensors = tensors();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf {
        let directory = directory.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    };
    let with_config = |name: &str| {
        write_config(&at(name), "gelu_new");
        at(name)
    };
    write(&with_config("safetensors"), &tensors, Dtype::F32);
    write_shards(&with_config("sharded"), &tensors);
    std::fs::write(with_config("torch").join("pytorch_model.bin"), writers::torch(&tensors)).unwrap();
    let output = tensors["wte.weight"].1.clone();
    let nano = writers::nano_gpt(&tensors, SIZES, &output);
    std::fs::write(with_config("nano").join("ckpt.pt"), &nano).unwrap();
    let llm_c = writers::llm_c(&tensors, SIZES, 50_304);
    std::fs::write(at("llm_c").join("gpt2_124M.bin"), llm_c).unwrap();
    std::fs::write(at("tensorflow").join("hparams.json"), HPARAMS).unwrap();
    writers::tensorflow(&at("tensorflow"), &tensors, false);
    let burn = with_config("burn").join("model.bpk");
    {
        use burn::module::Module;
        let loaded = crate::common::bundled(LABEL);
        loaded.checkpoint.load(&loaded.device).unwrap().into_record().save(burn).unwrap();
    }
    let expected = records(&at("safetensors"));
    assert_eq!(expected.0.len(), 5);
    assert!(expected.0.iter().all(|record| record["values"]["log_likelihood"].as_f64().unwrap() < 0.0));
    // The bundled model is stored as F16, which F32 represents exactly.
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(LABEL);
    assert_eq!(records(&bundled), expected, "F16");
    for format in ["sharded", "torch", "nano", "llm_c", "tensorflow", "burn"] {
        assert_eq!(records(&at(format)), expected, "{format}");
    }
    // Without config.json, nanoGPT's GELU is the exact one.
    write_config(&at("exact"), "gelu");
    write(&at("exact"), &tensors, Dtype::F32);
    let exact = records(&at("exact"));
    assert_ne!(exact, expected);
    std::fs::write(at("nano_alone").join("ckpt.pt"), nano).unwrap();
    assert_eq!(records(&at("nano_alone")), exact, "nanoGPT's GELU");
    // An untied output projection, recognized by its weights.
    let doubled: Vec<f32> = output.iter().map(|value| 2.0 * value).collect();
    let untied = writers::nano_gpt(&tensors, SIZES, &doubled);
    std::fs::write(at("nano_untied").join("ckpt.pt"), untied).unwrap();
    write_config(&at("untied"), "gelu");
    let path = at("untied").join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let tied = "\"tie_word_embeddings\": true";
    assert!(config.contains(tied));
    std::fs::write(&path, config.replace(tied, "\"tie_word_embeddings\": false")).unwrap();
    let mut tensors = tensors;
    let shape = tensors["wte.weight"].0.clone();
    tensors.insert("lm_head.weight".to_owned(), (shape, doubled));
    write(&at("untied"), &tensors, Dtype::F32);
    let untied = records(&at("untied"));
    assert_ne!(untied, exact);
    assert_eq!(records(&at("nano_untied")), untied, "an untied output projection");
}
