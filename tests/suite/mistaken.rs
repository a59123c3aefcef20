//! What is in the place of a checkpoint but is none is named, with the remedy.

use std::io::Write;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::checkpoints::{Tensors, fingerprint, load, tensors_of, write};
use crate::common::{bundled, copy_model, gpt2_eval, refused};

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 548105171\n";

/// The message of `inspect PATH`.
fn message(directory: &Path, path: &str) -> String {
    refused(directory, &["inspect", path])
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn write_config(model: &Path, more: &[(&str, Value)]) {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny-3M/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(bundled).unwrap()).unwrap();
    for (field, value) in more {
        config[*field] = value.clone();
    }
    std::fs::create_dir_all(model).unwrap();
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
}

/// Writes tensors of any type: name, type, shape, bytes.
fn write_stored(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn zeros(name: &str, dtype: Dtype, length: usize) -> (&str, Dtype, &'static [usize], Vec<u8>) {
    let shape: &'static [usize] = Vec::leak(vec![length]);
    (name, dtype, shape, vec![0; length * dtype.bitsize() / 8])
}

#[test]
fn files_of_another_kind_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    write_config(&model, &[]);
    let named = |bytes: &[u8], parts: &[&str]| {
        std::fs::write(model.join("model.safetensors"), bytes).unwrap();
        let message = message(directory.path(), "model");
        contains(&message, parts);
        contains(&message, &["model/model.safetensors: "]);
        assert!(!message.contains("safetensors file"), "{message}");
    };
    named(POINTER.as_bytes(), &["a Git LFS pointer: the file itself was not downloaded", "git lfs pull"]);
    named(
        b"<!doctype html><html><title>Sign in</title>",
        &["a web page (\"Sign in\") in HTML", "download the file again"],
    );
    named(b"GGUF\x03\0\0\0\x94\0\0\0\0\0\0\0", &["a GGUF file", "use the checkpoint from which it was made"]);
    named(b"\x89HDF\r\n\x1a\n\0\0\0\0\0\0\0\0", &["an HDF5 file of Keras", "from_tf=True"]);
    named(b"\x81\xabtransformer\x84\xa1h\x80\0\0", &["a msgpack file of Flax", "from_flax=True"]);
    named(b"\x08\x07\x12\x07pytorch\x1a\x052.0.1", &["an ONNX model"]);
    named(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0", &["a gzip archive: unpack it"]);
    named(b"\x80\x04\x95\x0a\0\0\0\0\0\0\0}.", &["a Python pickle, not a file of torch.save"]);
    named(b"Entry not found", &["a text, not weights: it begins with \"Entry not found\""]);
    named(b"{\"error\":\"denied\"}", &["missing field `weight_map`", "the file begins with", "denied"]);

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("gpt2/model.safetensors", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(b"weights").unwrap();
    named(
        &zip.finish().unwrap().into_inner(),
        &["a zip archive with `gpt2/model.safetensors`, not a file of torch.save: unpack it"],
    );
}

#[test]
fn other_files_of_a_model_may_be_placeholders_too() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    for name in ["tokenizer.json", "config.json"] {
        std::fs::write(model.join(name), POINTER).unwrap();
        contains(&message(directory.path(), "model"), &[&format!("model/{name}: a Git LFS pointer")]);
        std::fs::write(model.join(name), "\n<html>").unwrap();
        contains(&message(directory.path(), "model"), &[&format!("model/{name}: a web page in HTML")]);
        std::fs::remove_file(model.join(name)).unwrap();
        copy_model("tiny-3M", &model);
    }
    std::fs::write(model.join("vocab.json"), POINTER).unwrap();
    std::fs::write(model.join("merges.txt"), "#version: 0.2\n").unwrap();
    contains(&message(directory.path(), "model"), &["model/vocab.json: a Git LFS pointer"]);
}

#[test]
fn adapters_are_no_models() {
    let directory = tempfile::tempdir().unwrap();
    let adapter = directory.path().join("adapter");
    std::fs::create_dir(&adapter).unwrap();
    let prefix = "base_model.model.transformer.h.0.attn.c_attn";
    let names = ["A", "B"].map(|matrix| format!("{prefix}.lora_{matrix}.weight"));
    let tensors = names.each_ref().map(|name| zeros(name, Dtype::F32, 8));
    write_stored(&adapter.join("adapter_model.safetensors"), &tensors);
    let config = json!({"base_model_name_or_path": "gpt2", "peft_type": "LORA", "r": 8});
    std::fs::write(adapter.join("adapter_config.json"), config.to_string()).unwrap();
    let expected = [
        "a LoRA adapter, not a whole model; merge it into its base (adapter_config.json says gpt2)",
        "merge_and_unload()",
    ];
    contains(&message(directory.path(), "adapter"), &expected);
    contains(&message(directory.path(), "adapter/adapter_model.safetensors"), &expected);

    // Beside whole weights: without a word, one of the two would be left out.
    copy_model("tiny-3M", &adapter);
    contains(
        &message(directory.path(), "adapter"),
        &["has an adapter (adapter_config.json) beside the weights", "give adapter/model.safetensors"],
    );
    load(&adapter.join("model.safetensors"));
}

#[test]
fn quantised_weights_name_their_method() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    let tensor = |end: &str| format!("transformer.h.0.attn.c_attn.{end}");
    let named = |config: &[(&str, Value)], ends: &[(&str, Dtype)], expected: &str| {
        write_config(&model, config);
        let names: Vec<String> = ends.iter().map(|(end, _)| tensor(end)).collect();
        let tensors: Vec<_> =
            names.iter().zip(ends).map(|(name, (_, dtype))| zeros(name, *dtype, 4)).collect();
        write_stored(&model.join("model.safetensors"), &tensors);
        contains(
            &message(directory.path(), "model"),
            &[
                &format!("model/model.safetensors: weights quantised {expected}, which are not read"),
                "dequantize()",
            ],
        );
    };
    let config = |value: Value| [("quantization_config", value)];
    let eight = [("weight", Dtype::I8), ("SCB", Dtype::F32)];
    let with_method = config(json!({"quant_method": "bitsandbytes", "load_in_8bit": true}));
    named(&with_method, &eight, "by bitsandbytes (8 bit)");
    named(&[], &eight, "by bitsandbytes (8 bit)");
    named(&[], &[("weight", Dtype::U8), ("weight.absmax", Dtype::F32)], "by bitsandbytes (4 bit)");
    let packed = [("qweight", Dtype::I32), ("qzeros", Dtype::I32), ("scales", Dtype::F16)];
    named(&config(json!({"quant_method": "gptq", "bits": 4})), &packed, "by GPTQ (4 bit)");
    named(&config(json!({"quant_method": "awq", "bits": 4})), &packed, "by AWQ (4 bit)");
    named(&[], &packed, "by AWQ or GPTQ");
    named(&[], &[("weight", Dtype::I8)], "to 8-bit integers");

    // A configuration alone quantises nothing: the weights may have been converted back.
    copy_model("tiny-3M", &model);
    write_config(&model, &with_method);
    assert_eq!(fingerprint(&load(&model)), fingerprint(&bundled("tiny-3M")));
}

#[test]
fn missing_tensors_show_those_that_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    write_config(&model, &[]);
    let names = ["a", "b", "c", "d", "e"].map(|layer| format!("encoder.{layer}.weight"));
    write_stored(&model.join("model.safetensors"), &names.each_ref().map(|name| zeros(name, Dtype::F32, 2)));
    contains(
        &message(directory.path(), "model"),
        &["is missing (and 39 more); the file has ", "`encoder.a.weight`", " and 2 more"],
    );
}

#[test]
fn weights_below_the_directory_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    write_config(&out, &[]);
    for step in [500, 1000] {
        copy_model("tiny-3M", &out.join(format!("checkpoint-{step}")));
    }
    std::fs::write(out.join("training_args.bin"), b"PK\x03\x04............").unwrap();
    contains(
        &message(directory.path(), "out"),
        &[
            "there are weights in 2 directories below, checkpoint-1000, checkpoint-500: give one, such as out/checkpoint-1000",
        ],
    );
    contains(
        &message(directory.path(), "out/training_args.bin"),
        &["the state of a trainer, not the model: give its directory, out"],
    );
    copy_model("tiny-3M", &directory.path().join("models--a--b/snapshots/0123"));
    contains(&message(directory.path(), "models--a--b"), &["give models--a--b/snapshots/0123"]);
}

#[test]
fn shards_need_their_index_and_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    write_config(&model, &[]);
    let tensors = tensors_of("tiny-3M");
    let halves: [Tensors; 2] = [0, 1].map(|half| {
        let names = tensors.iter().enumerate().filter(|(index, _)| index % 2 == half);
        names.map(|(_, (name, tensor))| (name.clone(), tensor.clone())).collect()
    });
    let shard = |half: usize| format!("model-0000{}-of-00002.safetensors", half + 1);
    for (half, tensors) in halves.iter().enumerate() {
        write(&model, tensors, Dtype::F16);
        std::fs::rename(model.join("model.safetensors"), model.join(shard(half))).unwrap();
    }
    contains(
        &message(directory.path(), "model"),
        &["the directory has 2 of 2 shards", "without their index model.safetensors.index.json: download"],
    );
    contains(
        &message(directory.path(), &format!("model/{}", shard(1))),
        &["it is one of 2 shards, and its companion model.safetensors.index.json is missing"],
    );
    let map: serde_json::Map<String, Value> = halves
        .iter()
        .enumerate()
        .flat_map(|(half, tensors)| tensors.keys().map(move |name| (name.clone(), shard(half).into())))
        .collect();
    let index = json!({"metadata": {}, "weight_map": map});
    std::fs::write(model.join("model.safetensors.index.json"), index.to_string()).unwrap();
    let expected = fingerprint(&bundled("tiny-3M"));
    assert_eq!(fingerprint(&load(&model)), expected);
    assert_eq!(fingerprint(&load(&model.join(shard(1)))), expected, "a shard stands for its model");
    std::fs::remove_file(model.join(shard(1))).unwrap();
    contains(
        &message(directory.path(), "model"),
        &["model/model.safetensors.index.json: it names model-00002-of-00002.safetensors, which is missing"],
    );
}

#[test]
fn directories_say_what_they_have() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    std::fs::create_dir(&model).unwrap();
    let refused = |parts: &[&str]| contains(&message(directory.path(), "model"), parts);
    refused(&["the directory is empty; expected weights, such as model.safetensors"]);
    std::fs::write(model.join("notes.txt"), "x").unwrap();
    refused(&["the directory has no other weights", "it has notes.txt"]);
    std::fs::write(model.join("tf_model.h5"), b"\x89HDF\r\n\x1a\n").unwrap();
    refused(&["tf_model.h5 is an HDF5 file of Keras"]);
    std::fs::remove_file(model.join("tf_model.h5")).unwrap();
    std::fs::write(model.join("step_10.pt"), POINTER).unwrap();
    refused(&["step_10.pt is a Git LFS pointer"]);
    std::fs::write(model.join("step_10.pt"), "").unwrap();
    refused(&["step_10.pt is empty"]);
    std::fs::write(model.join("zero_to_fp32.py"), "").unwrap();
    std::fs::remove_file(model.join("step_10.pt")).unwrap();
    refused(&["DeepSpeed ZeRO", "python zero_to_fp32.py"]);
}

#[test]
fn paths_that_lead_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", &directory.path().join("model"));
    let refused = |path: &str, parts: &[&str]| contains(&message(directory.path(), path), parts);
    refused("model/config.json", &["a configuration, not weights: give its directory, model"]);
    refused("model/config.json/x", &["a part of the path is a file"]);
    refused("model/a/b", &["no such file or directory: model/a does not exist"]);
    refused("~/model", &["no such file or directory: the shell replaces `~` only"]);
    #[cfg(unix)]
    {
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, directory.path().join(name)).unwrap();
        };
        link("../blobs/0", "link");
        refused("link", &["a link to ../blobs/0, which does not exist: copy or download"]);
        link("loop", "loop");
        refused("loop", &["a link to loop, which cannot be read"]);
        std::fs::create_dir(directory.path().join("cached")).unwrap();
        link("../../blobs/1", "cached/model.safetensors");
        refused("cached", &["model.safetensors is a link to ../../blobs/1, which does not exist"]);
    }
}

/// tiny-3M with a change of its tensors, in `<directory>/model`.
fn changed(directory: &Path, change: impl FnOnce(&mut Tensors)) {
    let mut tensors = tensors_of("tiny-3M");
    change(&mut tensors);
    copy_model("tiny-3M", &directory.join("model"));
    write(&directory.join("model"), &tensors, Dtype::F32);
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let directory = tempfile::tempdir().unwrap();
    changed(directory.path(), |tensors| {
        tensors.get_mut("transformer.h.1.mlp.c_fc.weight").unwrap().1[7] = f32::NAN;
        tensors.get_mut("transformer.h.2.ln_1.bias").unwrap().1[0] = f32::INFINITY;
    });
    std::fs::write(directory.path().join("text.txt"), "The old man looked at the sea.").unwrap();
    let expected = [
        "NaN",
        "tensor `transformer.h.1.mlp.c_fc.weight` has NaN weights (1 of 16,384), \
         tensor `transformer.h.2.ln_1.bias` has infinite weights (1 of 64)",
    ];
    let refused = |arguments: &[&str]| contains(&refused(directory.path(), arguments), &expected);
    refused(&["score-text", "text.txt", "--model", "model", "--quiet"]);
    refused(&["generate", "--model", "model", "--prompt", "Once"]);
    refused(&["generate", "--model", "model", "--prompt", "Once", "--top-k", "4", "--format", "json"]);
    refused(&["generate", "--model", "model", "--prompt", "Once", "--device", "ndarray"]);

    let arguments = ["--tasks", "lambada,nq,wikitext2", "--data", "sample", "--out", "run"];
    let output = gpt2_eval(directory.path()).args(arguments).args(["--model", "model"]).output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    for task in ["lambada", "nq", "wikitext2"] {
        let journal = directory.path().join(format!("run/samples/model/{task}.jsonl"));
        let journal = std::fs::read_to_string(journal).unwrap();
        // A part of a text without a scored window has no score, finite or not.
        let failed = |line: &str| line.contains("has NaN weights (1 of 16,384)");
        assert!(journal.lines().any(failed), "{task}: {journal}");
    }
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!message.contains("run the same command again"), "{message}");
}

#[test]
fn large_weights_work() {
    let directory = tempfile::tempdir().unwrap();
    // Activations beyond the range of f16.
    changed(directory.path(), |tensors| {
        for (_, (_, values)) in tensors.iter_mut().filter(|(name, _)| name.ends_with("mlp.c_proj.weight")) {
            for value in values {
                *value = (*value * 3000.0).clamp(-60_000.0, 60_000.0);
            }
        }
    });
    let log_probs = fingerprint(&load(&directory.path().join("model")));
    assert!(log_probs.iter().all(|bits| f32::from_bits(*bits).is_finite()), "{log_probs:?}");
    let output = gpt2_eval(directory.path())
        .args(["generate", "--model", "model", "--prompt", "Once", "-n", "5"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
