//! Checkpoints as trainers, wrappers and converters write them have the log-likelihoods that transformers computes
//! (`tests/golden/make_checkpoint_values.py`).

use std::path::Path;

use gpt2_kernels::Precision;
use gpt2_model::engine::{self, ScoredSequence, TokenSet, Work};
use gpt2_model::{Checkpoint, Gpt2Config};
use safetensors::tensor::Dtype;
use serde_json::Value;

use crate::checkpoints::{Tensors, load, tensors_of, write};
use crate::common::{Loaded, copy_model, gpt2_eval, open, refused};
use crate::writers;

const SIZES: [usize; 3] = [3, 2, 1024];

const FIELDS: [(&str, usize); 5] =
    [("block_size", 1024), ("vocab_size", 50_257), ("n_layer", 3), ("n_head", 2), ("n_embd", 64)];

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/checkpoint_values.json")).unwrap()
}

/// Log-likelihood of the golden text after `<|endoftext|>`.
fn log_likelihood(loaded: &Loaded) -> f64 {
    let golden = golden();
    let tokens: Vec<u32> = serde_json::from_value(golden["tokens"].clone()).unwrap();
    assert_eq!(loaded.checkpoint.tokenizer.encode(golden["text"].as_str().unwrap()).unwrap(), tokens[1..]);
    let sequence = ScoredSequence {
        input: tokens[..tokens.len() - 1].to_vec(),
        targets: tokens[1..].to_vec(),
        excluded: TokenSet::default(),
    };
    let work = [Work::Score { sequences: vec![sequence], rolling_bytes: None, truncated_tokens: 0 }];
    loaded.log_likelihoods(&work, 512)[0].token_log_probs.iter().map(|value| f64::from(*value)).sum()
}

/// Loads the checkpoint at `path`, compares its log-likelihood with a golden one, and returns its notes.
fn expect(path: &Path, variant: &str) -> Vec<String> {
    let loaded = load(path);
    let (found, expected) = (log_likelihood(&loaded), golden()[variant].as_f64().unwrap());
    assert!((found - expected).abs() < 1e-3, "{}: {found}, not {expected} ({variant})", path.display());
    loaded.checkpoint.notes
}

/// The tensors of tiny-3M, without the prefix `transformer.`.
fn plain_tensors() -> Tensors {
    let stored = tensors_of("tiny-3M").into_iter();
    stored.map(|(name, tensor)| (name.trim_start_matches("transformer.").to_owned(), tensor)).collect()
}

fn with_prefix(tensors: &Tensors, prefix: &str) -> Tensors {
    tensors.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect()
}

/// The output projection of the golden variant `untied`.
fn other_output() -> (Vec<usize>, Vec<f32>) {
    let (shape, mut values) = plain_tensors().remove("wte.weight").unwrap();
    for (index, value) in values.iter_mut().enumerate() {
        *value += ((index as i64 * 7919) % 1013 - 506) as f32 * 2e-4;
    }
    (shape, values)
}

/// A directory with tiny-3M's configuration and a change to it.
fn directory_with(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", directory.path());
    std::fs::remove_file(directory.path().join("model.safetensors")).unwrap();
    let path = directory.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
    directory
}

fn tiny() -> tempfile::TempDir {
    directory_with(|_| ())
}

fn error_of(path: &Path) -> String {
    Checkpoint::open(path).err().unwrap().to_string()
}

#[test]
fn a_stored_output_projection_that_differs_is_used_in_every_format() {
    let mut tensors = with_prefix(&plain_tensors(), "transformer.");
    tensors.insert("lm_head.weight".to_owned(), other_output());
    let says_so = |notes: &[String]| {
        let note = "`lm_head.weight` differs from the token embedding, so it is the output projection";
        assert!(notes.len() == 1 && notes[0].starts_with(note), "{notes:?}");
    };
    let tied = tiny();
    write(tied.path(), &tensors, Dtype::F32);
    says_so(&expect(tied.path(), "untied"));
    let silent = directory_with(|config| drop(config.as_object_mut().unwrap().remove("tie_word_embeddings")));
    write(silent.path(), &tensors, Dtype::F32);
    says_so(&expect(silent.path(), "untied"));
    let declared = directory_with(|config| config["tie_word_embeddings"] = Value::Bool(false));
    write(declared.path(), &tensors, Dtype::F32);
    assert!(expect(declared.path(), "untied").is_empty());

    let bin = tiny();
    std::fs::write(bin.path().join("pytorch_model.bin"), writers::torch(&tensors)).unwrap();
    says_so(&expect(bin.path(), "untied"));

    let sharded = tiny();
    write(sharded.path(), &tensors, Dtype::F32);
    let shard = "model-00001-of-00001.safetensors";
    std::fs::rename(sharded.path().join("model.safetensors"), sharded.path().join(shard)).unwrap();
    let map: serde_json::Map<String, Value> =
        tensors.keys().map(|name| (name.clone(), Value::from(shard))).collect();
    let index = serde_json::json!({ "weight_map": map }).to_string();
    std::fs::write(sharded.path().join("model.safetensors.index.json"), index).unwrap();
    says_so(&expect(sharded.path(), "untied"));

    let nano = tempfile::tempdir().unwrap();
    let file = writers::nano_gpt(&plain_tensors(), SIZES, &other_output().1);
    std::fs::write(nano.path().join("ckpt.pt"), file).unwrap();
    assert!(expect(nano.path(), "exact_gelu_untied")[0].contains("`_orig_mod.lm_head.weight` differs"));

    let burn = tiny();
    let model = load(tied.path()).checkpoint.load(&open("flex")).unwrap();
    burn::module::Module::into_record(model).save(burn.path().join("model.bpk")).unwrap();
    says_so(&expect(burn.path(), "untied"));
}

#[test]
fn an_equal_output_projection_stays_tied() {
    let mut tensors = with_prefix(&plain_tensors(), "transformer.");
    tensors.insert("lm_head.weight".to_owned(), tensors["transformer.wte.weight"].clone());
    for name in ["model.safetensors", "pytorch_model.bin"] {
        let directory = tiny();
        if name == "model.safetensors" {
            write(directory.path(), &tensors, Dtype::F16);
        } else {
            std::fs::write(directory.path().join(name), writers::torch(&tensors)).unwrap();
        }
        assert!(expect(directory.path(), "tied").is_empty(), "{name}");
        assert!(load(directory.path()).checkpoint.config.tied_output, "{name}");
    }
}

#[test]
fn output_projections_that_cannot_be_used() {
    let mut tensors = with_prefix(&plain_tensors(), "transformer.");
    let untied = directory_with(|config| config["tie_word_embeddings"] = Value::Bool(false));
    write(untied.path(), &tensors, Dtype::F16);
    let message = error_of(untied.path());
    assert!(
        message.contains("`lm_head.weight` [50257, 64] is missing, but tie_word_embeddings is false"),
        "{message}"
    );
    tensors.insert("lm_head.weight".to_owned(), (vec![2, 64], vec![0.0; 128]));
    let other_shape = tiny();
    write(other_shape.path(), &tensors, Dtype::F16);
    let message = error_of(other_shape.path());
    assert!(message.contains("`lm_head.weight` has shape [2, 64], expected [50257, 64]"), "{message}");
}

#[test]
fn one_of_two_tied_tensors_is_enough() {
    for name in ["lm_head.weight", "lm_head.decoder.weight"] {
        let mut tensors = with_prefix(&plain_tensors(), "transformer.");
        let embedding = tensors.remove("transformer.wte.weight").unwrap();
        tensors.insert(name.to_owned(), embedding.clone());
        let directory = tiny();
        write(directory.path(), &tensors, Dtype::F16);
        let notes = expect(directory.path(), "tied");
        assert!(
            notes[0].contains(&format!("no `wte.weight`: `{name}`, which the model ties to it")),
            "{notes:?}"
        );
        // With both, as old files of DialoGPT have them.
        tensors.insert("transformer.wte.weight".to_owned(), embedding);
        write(directory.path(), &tensors, Dtype::F16);
        assert!(expect(directory.path(), "tied").is_empty());
        let untied = directory_with(|config| config["tie_word_embeddings"] = Value::Bool(false));
        tensors.remove("transformer.wte.weight");
        write(untied.path(), &tensors, Dtype::F16);
        assert!(error_of(untied.path()).contains("tensor `wte.weight` [50257, 64] is missing"));
    }
}

#[test]
fn heads_of_other_tasks_and_f64_are_noted() {
    for name in
        ["score.weight", "classifier.weight", "multiple_choice_head.summary.weight", "v_head.summary.bias"]
    {
        let mut tensors = with_prefix(&plain_tensors(), "transformer.");
        tensors.insert(name.to_owned(), (vec![2], vec![1.0; 2]));
        let directory = tiny();
        write(directory.path(), &tensors, Dtype::F16);
        let notes = expect(directory.path(), "tied");
        assert!(notes[0].starts_with(&format!("`{name}`, a head for another task, is ignored")), "{notes:?}");
    }
    let directory = tiny();
    write(directory.path(), &tensors_of("tiny-3M"), Dtype::F64);
    assert_eq!(expect(directory.path(), "tied"), ["40 tensors are stored in F64 and are rounded to F32"]);
}

#[test]
fn prefixes_of_wrappers_are_stripped_and_shown() {
    let mut tensors = with_prefix(&plain_tensors(), "transformer.");
    tensors.insert("lm_head.weight".to_owned(), tensors["transformer.wte.weight"].clone());
    for prefix in ["module.", "_orig_mod.module.", "model.", "_forward_module._orig_mod.", "policy.net."] {
        let directory = tiny();
        write(directory.path(), &with_prefix(&tensors, prefix), Dtype::F16);
        assert!(expect(directory.path(), "tied").is_empty(), "{prefix}");
        let output = gpt2_eval(directory.path()).args(["inspect", ".", "--format", "json"]).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["prefix"], format!("{prefix}transformer."));
    }
    let fsdp = |(name, tensor): (String, _)| (name.replace(".attn.", "._fsdp_wrapped_module.attn."), tensor);
    let directory = tiny();
    write(directory.path(), &tensors.clone().into_iter().map(fsdp).collect(), Dtype::F16);
    assert!(expect(directory.path(), "tied").is_empty());
    let mut two = with_prefix(&tensors, "policy.");
    two.extend(with_prefix(&tensors, "reference."));
    write(directory.path(), &two, Dtype::F16);
    let message = error_of(directory.path());
    assert!(message.contains("it occurs twice, as `reference.transformer.wte.weight` too"), "{message}");
}

#[test]
fn checkpoints_of_trainers() {
    let plain = plain_tensors();
    let conv1d = with_prefix(&plain, "transformer.");
    let mut padded = conv1d.clone();
    let (shape, values) = padded.get_mut("transformer.wte.weight").unwrap();
    shape[0] = 50_304;
    values.resize(50_304 * 64, 0.0);
    padded.insert("lm_head.weight".to_owned(), padded["transformer.wte.weight"].clone());
    let linear = writers::in_linear_layout(&padded);
    let mut fields = FIELDS;
    fields[1].1 = 50_304;

    // build-nanogpt and its copies: no config.json, any file name, by file and by directory.
    for config in [writers::dataclass(&fields), writers::dictionary(&fields)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model_19072.pt");
        std::fs::write(&path, writers::trainer(&linear, "model", &config)).unwrap();
        for path in [directory.path(), &path] {
            let notes = expect(path, "padded");
            assert!(notes[0].contains("50,304 rows for 50,257 tokens: the others are padding"), "{notes:?}");
        }
    }
    // The state dict under any key, in both layouts, with the configuration beside it.
    for key in ["model", "state_dict", "model_state_dict", "state", "module"] {
        for tensors in [&conv1d, &writers::in_linear_layout(&conv1d)] {
            let directory = tiny();
            std::fs::write(directory.path().join("last.ckpt"), writers::trainer(tensors, key, b"")).unwrap();
            assert!(expect(directory.path(), "tied").is_empty(), "{key}");
        }
    }
    let directory = directory_with(|config| config["vocab_size"] = Value::from(50_304));
    std::fs::write(directory.path().join("model_00100.pt"), writers::torch(&linear)).unwrap();
    assert_eq!(expect(directory.path(), "padded").len(), 1);
    // A file of transformers has one layout.
    write(directory.path(), &linear, Dtype::F16);
    let message = error_of(directory.path());
    assert!(message.contains("stored as nn.Linear has them, not as Conv1D: transposed"), "{message}");
}

#[test]
fn a_state_dict_without_biases() {
    let is_weight = |(name, _): &(String, _)| name.rsplit('.').next() != Some("bias");
    let plain: Tensors = plain_tensors().into_iter().filter(is_weight).collect();
    let tensors = writers::in_linear_layout(&with_prefix(&plain, "transformer."));
    let directory = tempfile::tempdir().unwrap();
    let file = writers::trainer(&tensors, "model", &writers::dataclass(&FIELDS));
    std::fs::write(directory.path().join("model.pt"), file).unwrap();
    assert!(expect(directory.path(), "no_biases")[0].contains("the file has no biases"));
    // One lost bias is an error.
    let mut lost = with_prefix(&plain_tensors(), "transformer.");
    lost.remove("transformer.h.1.mlp.c_fc.bias");
    std::fs::write(
        directory.path().join("model.pt"),
        writers::trainer(&lost, "model", &writers::dataclass(&FIELDS)),
    )
    .unwrap();
    assert!(error_of(directory.path()).contains("tensor `h.1.mlp.c_fc.bias` [256] is missing"));
}

#[test]
fn nano_gpt_has_the_exact_gelu_and_build_nanogpt_the_approximation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ckpt.pt");
    let embedding = plain_tensors().remove("wte.weight").unwrap().1;
    std::fs::write(&path, writers::nano_gpt(&plain_tensors(), SIZES, &embedding)).unwrap();
    assert!(expect(&path, "exact_gelu").is_empty());
    let linear = writers::in_linear_layout(&plain_tensors());
    std::fs::write(&path, writers::trainer(&linear, "model", &writers::dataclass(&FIELDS))).unwrap();
    assert!(expect(&path, "tied").is_empty());
}

#[test]
fn every_activation_of_transformers_on_the_kernels_and_in_burn() {
    let golden = golden();
    let activations = golden["activations"].as_object().unwrap();
    assert_eq!(activations.len(), 22);
    let directory = tiny();
    write(directory.path(), &tensors_of("tiny-3M"), Dtype::F16);
    for (name, expected) in activations {
        let json = std::fs::read(directory.path().join("config.json")).unwrap();
        let mut config: Value = serde_json::from_slice(&json).unwrap();
        config["activation_function"] = Value::from(name.as_str());
        std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        for device in ["flex", "ndarray"] {
            let device = open(device);
            let checkpoint = Checkpoint::open(directory.path()).unwrap();
            let backend = engine::load(&checkpoint, &device, Precision::F32).unwrap();
            let found = log_likelihood(&Loaded { checkpoint, backend, device });
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() < 1e-3, "{name}: {found}, not {expected}");
        }
    }
    let unknown = r#"{"n_layer":1,"n_embd":8,"n_head":2,"activation_function":"xielu"}"#;
    let message = Gpt2Config::from_hugging_face(unknown.as_bytes()).unwrap_err();
    assert!(message.contains("activation_function is \"xielu\", expected one of gelu_new, "), "{message}");
}

#[test]
fn notes_are_in_the_run_the_manifest_and_inspect() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    let mut tensors = tensors_of("tiny-3M");
    tensors.insert("lm_head.weight".to_owned(), other_output());
    write(&model, &tensors, Dtype::F32);
    let note = "`lm_head.weight` differs from the token embedding";
    let arguments =
        ["--tasks", "lambada", "--data", "sample", "--limit", "2", "--model", "mine=model", "--out", "run"];
    let output = gpt2_eval(directory.path()).args(arguments).output().unwrap();
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{shown}");
    assert_eq!(shown.matches(&format!("note: model mine: {note}")).count(), 1, "{shown}");
    let manifest = std::fs::read(directory.path().join("run/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let notes = &manifest["environment"]["model_notes"][0];
    assert_eq!(notes["label"], "mine");
    assert!(notes["notes"][0].as_str().unwrap().starts_with(note), "{notes}");
    let output = gpt2_eval(directory.path()).args(["inspect", "model"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("note               {note}")), "{text}");
    assert!(text.contains("prefix             transformer.\n"), "{text}");
    let message = refused(directory.path(), &["inspect", "model/config.json"]);
    assert!(message.contains("config.json"), "{message}");
}
