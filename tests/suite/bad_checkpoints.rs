//! Errors of wrong checkpoints name the file, the tensor, what was expected and what was found.

use std::path::Path;

use safetensors::tensor::Dtype;

use crate::checkpoints::{Tensors, tensors_of, write};
use crate::common::{copy_model, refused};

fn message(directory: &Path) -> String {
    refused(directory, &["--tasks", "lambada", "--data", "sample", "--model", "mine=model", "--out", "run"])
}

fn with_tensors(change: impl FnOnce(&mut Tensors)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    let mut tensors = tensors_of("tiny-3M");
    change(&mut tensors);
    write(&model, &tensors, Dtype::F16);
    message(directory.path())
}

fn with_file(name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    let path = model.join(name);
    let bytes = std::fs::read(&path).unwrap_or_default();
    std::fs::write(&path, change(bytes)).unwrap();
    message(directory.path())
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn missing_unknown_and_misshapen_tensors() {
    let missing = with_tensors(|tensors| {
        tensors.remove("transformer.h.1.mlp.c_fc.weight");
    });
    contains(&missing, &["mine", "model/model.safetensors", "`h.1.mlp.c_fc.weight` [64, 256] is missing"]);

    let unknown = with_tensors(|tensors| {
        tensors.insert("transformer.h.1.mlp.c_fcc.weight".to_owned(), (vec![2], vec![0.0; 2]));
    });
    contains(&unknown, &["`transformer.h.1.mlp.c_fcc.weight` [2]", "did you mean `h.1.mlp.c_fc.weight`"]);

    let shape = with_tensors(|tensors| {
        tensors.insert("transformer.h.0.ln_1.bias".to_owned(), (vec![65], vec![0.0; 65]));
    });
    contains(&shape, &["`transformer.h.0.ln_1.bias` has shape [65], expected [64]"]);

    let transposed = with_tensors(|tensors| {
        tensors.get_mut("transformer.h.0.attn.c_attn.weight").unwrap().0 = vec![192, 64];
    });
    contains(&transposed, &["`transformer.h.0.attn.c_attn.weight` has shape [192, 64], expected [64, 192]"]);
}

#[test]
fn tensors_of_another_type() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    write(&model, &tensors_of("tiny-3M"), Dtype::I64);
    contains(&message(directory.path()), &["is I64, expected F64, F32, F16 or BF16"]);
}

#[test]
fn damaged_files() {
    let half = with_file("model.safetensors", |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        bytes
    });
    contains(
        &half,
        &["model.safetensors", "cut short", "3,433,944 bytes", "6,867,888", "tensor `transformer."],
    );
    let header_only = with_file("model.safetensors", |mut bytes| {
        bytes.truncate(100);
        bytes
    });
    contains(&header_only, &["cut short", "it has 100 bytes"]);
    let longer = with_file("model.safetensors", |mut bytes| {
        bytes.extend([0; 10]);
        bytes
    });
    contains(&longer, &["belong to no tensor"]);
    contains(&with_file("model.safetensors", |_| vec![]), &["the file is empty"]);
    contains(
        &with_file("model.safetensors", |_| b"<!DOCTYPE html><html>".to_vec()),
        &["model/model.safetensors: a web page in HTML, not the file", "download the file again"],
    );
    contains(&with_file("config.json", |_| b"{".to_vec()), &["config.json", "line 1"]);
    contains(
        &with_file("config.json", |_| br#"{"n_embd":64,"n_head":2}"#.to_vec()),
        &["config.json", "n_layer"],
    );
}

#[test]
fn vocabularies_that_do_not_match() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    std::fs::write(model.join("vocab.json"), r#"{"a":0,"b":1,"ab":2,"<|endoftext|>":3}"#).unwrap();
    std::fs::write(model.join("merges.txt"), "a b\n").unwrap();
    let checkpoint = gpt2_model::Checkpoint::open(&model).unwrap();
    assert!(
        checkpoint.notes[0].contains("50,257 rows for 4 tokens: the others are padding"),
        "{:?}",
        checkpoint.notes
    );

    std::fs::write(model.join("merges.txt"), "#version: 0.2\na b c\n").unwrap();
    contains(&message(directory.path()), &["merges.txt:2: expected two tokens"]);
    std::fs::remove_file(model.join("merges.txt")).unwrap();
    contains(&message(directory.path()), &["vocab.json", "merges.txt is missing"]);
}

#[test]
fn directories_without_a_model() {
    let directory = tempfile::tempdir().unwrap();
    contains(&message(directory.path()), &["model: no GPT-2 model: no such file or directory"]);
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    std::fs::remove_file(model.join("model.safetensors")).unwrap();
    contains(
        &message(directory.path()),
        &["model.safetensors is missing; the directory has no other weights"],
    );
    std::fs::write(model.join("pytorch_model.bin"), b"").unwrap();
    contains(&message(directory.path()), &["pytorch_model.bin: not a weight file: the file is empty"]);
    std::fs::remove_file(model.join("pytorch_model.bin")).unwrap();
    write(&model, &tensors_of("tiny-3M"), Dtype::F16);
    std::fs::rename(model.join("model.safetensors"), model.join("one")).unwrap();
    std::fs::copy(model.join("one"), model.join("other")).unwrap();
    contains(
        &message(directory.path()),
        &["2 files have weights, one, other: give one of them, such as model/other"],
    );
    std::fs::remove_file(model.join("other")).unwrap();
    std::fs::remove_file(model.join("config.json")).unwrap();
    contains(&message(directory.path()), &["config.json is missing"]);
}
