//! One model in every format gives the same scores, bit for bit.

use std::path::{Path, PathBuf};

use gpt2_model::Checkpoint;
use half::bf16;
use safetensors::tensor::Dtype;

use crate::checkpoints::{Tensors, fingerprint, fingerprint_of, load, tensors_of, write};
use crate::common::{bundled, copy_model, gpt2_eval, refused};
use crate::writers;

/// Files that the original programs saved (`tests/golden/make_checkpoints.py`).
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoints").join(name)
}

/// A new directory with a golden file, its tokenizer and perhaps its configuration.
fn alone(model: &str, file: &str, with_config: bool) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut names = vec![file, "vocab.json", "merges.txt"];
    names.extend(with_config.then_some("config.json"));
    for name in names {
        std::fs::copy(golden(model).join(name), directory.path().join(name)).unwrap();
    }
    directory
}

fn scores(path: &Path, format: &str, types: &str) -> Vec<u32> {
    let loaded = load(path);
    assert_eq!(loaded.checkpoint.weights.format(), format, "{}", path.display());
    assert_eq!(loaded.checkpoint.weights.stored_types(), types, "{}", path.display());
    fingerprint_of(&loaded, "abbaabaababbab")
}

#[test]
fn files_of_the_original_programs() {
    let model = "gelu_new";
    let expected = scores(&golden(model), "safetensors", "F32");
    assert!(expected.len() > 5);
    let cases = [
        ("f32.bin", true, "PyTorch", "F32"),
        ("legacy.bin", true, "PyTorch", "F32"),
        ("bf16.bin", true, "PyTorch", "BF16"),
        ("model_00100.pt", false, "PyTorch", "F32"),
        ("model_00100.legacy.pt", false, "PyTorch", "F32"),
        ("llm_c_f32.bin", false, "llm.c", "F32"),
        ("llm_c_bf16.bin", false, "llm.c", "BF16"),
    ];
    for (file, with_config, format, types) in cases {
        let directory = alone(model, file, with_config);
        // By directory, and by file under any name.
        assert_eq!(scores(directory.path(), format, types), expected, "{file}");
        let renamed = directory.path().join("weights");
        std::fs::rename(directory.path().join(file), &renamed).unwrap();
        assert_eq!(scores(&renamed, format, types), expected, "{file}");
    }
    let sharded = alone(model, "config.json", true);
    for file in std::fs::read_dir(golden(model).join("sharded")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), sharded.path().join(file.file_name())).unwrap();
    }
    assert_eq!(scores(sharded.path(), "sharded", "F32"), expected);
    let index = sharded.path().join("model.safetensors.index.json");
    assert_eq!(scores(&index, "sharded", "F32"), expected);
    assert_eq!(load(&index).checkpoint.weights.parts().len(), 4);
}

#[test]
fn checkpoints_of_nano_gpt() {
    for (model, is_compiled) in [("gelu", true), ("zero_bias", false)] {
        let expected = scores(&golden(model), "safetensors", "F32");
        let directory = alone(model, "ckpt.pt", false);
        assert_eq!(scores(directory.path(), "nanoGPT", "F32"), expected, "{model}");
        let bytes = std::fs::read(golden(model).join("ckpt.pt")).unwrap();
        let has_prefix = bytes.windows(10).any(|window| window == b"_orig_mod.");
        assert_eq!(has_prefix, is_compiled, "names with and without the prefix are tested");
        // A config.json overrides the activation.
        let other = golden("gelu_new").join("config.json");
        std::fs::copy(other, directory.path().join("config.json")).unwrap();
        assert_ne!(scores(directory.path(), "nanoGPT", "F32"), expected, "{model}");
    }
}

/// The tensors of a bundled model, without the prefix `transformer.`.
fn plain_tensors(label: &str) -> Tensors {
    let stored = tensors_of(label).into_iter();
    stored.map(|(name, tensor)| (name.trim_start_matches("transformer.").to_owned(), tensor)).collect()
}

const HPARAMS: &str = r#"{"n_vocab": 50257, "n_ctx": 1024, "n_embd": 64, "n_head": 2, "n_layer": 3}"#;

#[test]
fn a_bundled_model_in_every_format() {
    let loaded = bundled("tiny-3M");
    let expected = fingerprint(&loaded);
    let tensors = plain_tensors("tiny-3M");
    let check = |format: &str, fill: &dyn Fn(&Path)| {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path());
        let loaded = load(directory.path());
        assert_eq!(loaded.checkpoint.weights.format(), format);
        assert_eq!(fingerprint(&loaded), expected, "{format}");
        assert_eq!(loaded.checkpoint.config, bundled("tiny-3M").checkpoint.config, "{format}");
    };
    let config = |directory: &Path| {
        copy_model("tiny-3M", directory);
        std::fs::remove_file(directory.join("model.safetensors")).unwrap();
    };
    check("PyTorch", &|directory| {
        config(directory);
        std::fs::write(directory.join("pytorch_model.bin"), writers::torch(&tensors)).unwrap();
    });
    check("llm.c", &|directory| {
        let file = writers::llm_c(&tensors, [3, 2, 1024], 50_304);
        std::fs::write(directory.join("gpt2_124M.bin"), file).unwrap();
    });
    for compressed in [false, true] {
        check("TensorFlow checkpoint", &|directory| {
            std::fs::write(directory.join("hparams.json"), HPARAMS).unwrap();
            writers::tensorflow(directory, &tensors, compressed);
        });
    }
    check("Burn record", &|directory| {
        use burn::module::Module;
        config(directory);
        let model = loaded.checkpoint.load(&loaded.device).unwrap();
        model.into_record().save(directory.join("model.bpk")).unwrap();
    });
}

#[test]
fn a_model_in_bf16_of_llm_c_and_transformers() {
    // Both files round the same values.
    let mut tensors = plain_tensors("tiny-3M");
    for (_, values) in tensors.values_mut() {
        for value in values {
            *value = bf16::from_f32(*value).to_f32();
        }
    }
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", directory.path());
    write(directory.path(), &tensors, Dtype::BF16);
    let expected = fingerprint(&load(directory.path()));
    let file = writers::llm_c(&tensors, [3, 2, 1024], 50_304);
    let (header, numbers) = file.split_at(1024);
    let mut header = header.to_vec();
    header[4] = 5;
    let numbers = numbers.as_chunks().0.iter().map(|bytes| bf16::from_f32(f32::from_le_bytes(*bytes)));
    let halves: Vec<u8> = numbers.flat_map(bf16::to_le_bytes).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gpt2_124M_bf16.bin");
    std::fs::write(&path, [header, halves].concat()).unwrap();
    let loaded = load(&path);
    assert_eq!(loaded.checkpoint.config.vocab_size, 50_257, "padding does not count");
    assert_eq!(fingerprint(&loaded), expected);
}

#[test]
fn each_path_of_a_tensorflow_checkpoint_opens_the_model() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hparams.json"), HPARAMS).unwrap();
    writers::tensorflow(directory.path(), &plain_tensors("tiny-3M"), false);
    let expected = Checkpoint::open(directory.path()).unwrap().weights.sha256();
    for name in ["model.ckpt", "model.ckpt.index", "model.ckpt.data-00000-of-00001"] {
        let checkpoint = Checkpoint::open(&directory.path().join(name)).unwrap();
        assert_eq!(checkpoint.weights.sha256(), expected, "{name}");
    }
    let data = directory.path().join("model.ckpt.data-00000-of-00001");
    let length = std::fs::metadata(&data).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&data).unwrap().set_len(length / 2).unwrap();
    let error = Checkpoint::open(directory.path()).err().unwrap().to_string();
    assert!(error.contains("tensor `model/") && error.contains("the file is cut short"), "{error}");
}

#[test]
fn damaged_data_are_found_by_their_checksum() {
    let load_error = |path: &Path| {
        // A stored output projection is compared with the embedding when the checkpoint is opened.
        let loaded = Checkpoint::open(path)
            .and_then(|checkpoint| checkpoint.load(&crate::common::open("flex")).map(drop));
        loaded.err().unwrap().to_string()
    };
    let directory = alone("gelu_new", "f32.bin", true);
    let path = directory.path().join("f32.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    let embedding = bytes.windows(6).position(|bytes| bytes == b"data/0").unwrap();
    // The header is padded to 64 bytes; this is within the 128 bytes of numbers after it.
    bytes[embedding + 106] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = load_error(&path);
    assert!(
        error.contains("tensor `transformer.wte.weight` is damaged: ") && error.contains("Invalid checksum"),
        "{error}"
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("hparams.json"), HPARAMS).unwrap();
    writers::tensorflow(directory.path(), &plain_tensors("tiny-3M"), false);
    let data = directory.path().join("model.ckpt.data-00000-of-00001");
    let mut bytes = std::fs::read(&data).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    let error = load_error(directory.path());
    let expected = "model.ckpt.data-00000-of-00001: tensor `wte.weight` at byte ";
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("is damaged: its checksum differs; copy or download the file again"), "{error}");
}

#[test]
fn inspect_describes_a_checkpoint() {
    let directory = alone("gelu", "ckpt.pt", false);
    let output =
        gpt2_eval(directory.path()).args(["inspect", "ckpt.pt", "--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format"], "nanoGPT");
    assert_eq!(json["config"]["n_layer"], 2);
    assert_eq!(json["config"]["activation"], "gelu");
    assert_eq!(json["tokenizer"]["tokens"], 4);
    assert_eq!(json["parameters"], 1920);
    assert_eq!(json["files"][0]["sha256"], json["weights_sha256"]);
    let output = gpt2_eval(directory.path()).args(["inspect", "tiny-8M"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("format             safetensors\n") && text.contains("bundled GPT-2 BPE"),
        "{text}"
    );
    let message = refused(directory.path(), &["inspect", "vocab.json"]);
    assert!(message.contains("vocab.json: not an index of weight files"), "{message}");
    let message = refused(directory.path(), &["inspect", "nowhere"]);
    assert!(message.contains("nowhere: no GPT-2 model: no such file or directory"), "{message}");
}
