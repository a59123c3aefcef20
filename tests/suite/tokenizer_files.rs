//! Tokenizers with side files, begin and end of text of the checkpoint, and vocabularies of one's own. Right values are those
//! of transformers (`tests/golden/make_tokenizers.py`).

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use gpt2_model::Checkpoint;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::checkpoints::{Tensors, tensors_of, write};
use crate::common::{copy_model, gpt2_eval, refused};
use crate::golden_tokens::{gpt2_tokenizer_json, gpt2_vocabulary};

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../golden/tokenizers.json")).unwrap());
static OWN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../golden/own_bpe.json")).unwrap());

const EMBEDDING: &str = "transformer.wte.weight";

/// Largest difference from PyTorch's log-likelihood, nats a token.
const TOLERANCE: f64 = 2e-4;

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn numbers(values: &Value) -> Vec<u32> {
    values.as_array().unwrap().iter().map(number).collect()
}

/// The formula of the golden script.
fn formula(count: usize, seed: u64, scale: f32) -> Vec<f32> {
    (0..count as u64)
        .map(|index| ((index * 7919 + seed * 104_729) % 257) as f32 - 128.0)
        .map(|v| v * scale)
        .collect()
}

fn write_json(path: PathBuf, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

/// Adds fields to `config.json`.
fn configure(directory: &Path, fields: &Value) {
    let path = directory.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    write_json(path, &config);
}

/// Writes tiny-3M with `rows` rows in its embedding, without a tokenizer.
fn write_tiny(directory: &Path, rows: usize) {
    copy_model("tiny-3M", directory);
    let mut tensors = tensors_of("tiny-3M");
    let (shape, values) = tensors.get_mut(EMBEDDING).unwrap();
    values.extend(formula((rows - shape[0]) * 64, 0, 1.0 / 1024.0));
    shape[0] = rows;
    write(directory, &tensors, Dtype::F16);
    configure(directory, &json!({"vocab_size": rows}));
}

fn write_vocabulary(directory: &Path, vocabulary: &Value, merges: &[&str]) {
    write_json(directory.join("vocab.json"), vocabulary);
    std::fs::write(directory.join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).unwrap();
}

fn write_gpt2_vocabulary(directory: &Path) {
    let (vocabulary, merges) = gpt2_vocabulary();
    write_vocabulary(directory, &Value::Object(vocabulary), &merges);
}

/// tiny-3M with GPT-2's vocabulary and the side files of a golden case.
fn write_case(case: &Value) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_tiny(directory.path(), number(&case["tokens"]) as usize);
    write_gpt2_vocabulary(directory.path());
    for (name, content) in case["files"].as_object().unwrap() {
        write_json(directory.path().join(name), content);
    }
    if let Some(config) = case.get("config") {
        configure(directory.path(), config);
    }
    directory
}

/// `score-text --format json` of a text by the model in `directory`.
fn score(directory: &Path, text: &str) -> Value {
    let output = gpt2_eval(directory)
        .args(["score-text", "-", "--quiet", "--format", "json", "--device", "flex", "--model", "m=."])
        .write_stdin(text)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn has_log_likelihood(scored: &Value, expected: &Value, name: &str) {
    let (found, expected) = (scored["log_likelihood"].as_f64().unwrap(), expected.as_f64().unwrap());
    let tokens = scored["tokens"].as_f64().unwrap();
    assert!((found - expected).abs() < TOLERANCE * tokens, "{name}: {found}, expected {expected}");
}

fn tokenizer_sha256(directory: &Path) -> String {
    Checkpoint::open(directory).unwrap().tokenizer.sha256().to_owned()
}

fn inspected(directory: &Path) -> Value {
    let output = gpt2_eval(directory).args(["inspect", ".", "--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn ids_with_side_files_are_those_of_transformers() {
    let strings: Vec<&str> =
        GOLDEN["strings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let cases = GOLDEN["cases"].as_object().unwrap();
    assert!(cases.len() >= 7 && strings.len() >= 30);
    for (name, case) in cases {
        let directory = write_case(case);
        let tokenizer = Checkpoint::open(directory.path()).unwrap().tokenizer;
        assert_eq!(tokenizer.vocab_size() as u64, case["tokens"].as_u64().unwrap(), "{name}");
        assert_eq!(tokenizer.begin_of_text().unwrap(), number(&case["begin"]), "{name}");
        for (text, ids) in strings.iter().zip(case["ids"].as_array().unwrap()) {
            let (found, starts) = tokenizer.encode_with_starts(text).unwrap();
            assert_eq!(found, numbers(ids), "{name}: {text:?}");
            assert_eq!(starts.len(), found.len());
            assert!(
                starts.is_sorted() && starts.iter().all(|start| *start < text.len()),
                "{name}: {text:?} {starts:?}"
            );
        }
    }
}

#[test]
fn log_likelihoods_with_side_files_are_those_of_transformers() {
    let text = GOLDEN["text"].as_str().unwrap();
    for (name, case) in GOLDEN["cases"].as_object().unwrap() {
        let directory = write_case(case);
        has_log_likelihood(&score(directory.path(), text), &case["log_likelihood"], name);
    }
}

#[test]
fn tokenizer_json_and_vocabulary_files_give_the_same_numbers() {
    let case = &GOLDEN["cases"]["added"];
    let directory = write_case(case);
    let slow = score(directory.path(), GOLDEN["text"].as_str().unwrap());
    for name in ["vocab.json", "merges.txt", "added_tokens.json"] {
        std::fs::remove_file(directory.path().join(name)).unwrap();
    }
    let mut fast = gpt2_tokenizer_json();
    let added = fast["added_tokens"].as_array_mut().unwrap();
    for (content, id) in case["files"]["added_tokens.json"].as_object().unwrap() {
        added.push(
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": true, "special": false}),
        );
    }
    write_json(directory.path().join("tokenizer.json"), &fast);
    assert_eq!(score(directory.path(), GOLDEN["text"].as_str().unwrap()), slow);
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    let message = |tokenizer: bool, files: Value| {
        let directory = tempfile::tempdir().unwrap();
        let model = directory.path().join("model");
        write_tiny(&model, 50_260);
        write_gpt2_vocabulary(&model);
        if tokenizer {
            let mut json = gpt2_tokenizer_json();
            json["added_tokens"].as_array_mut().unwrap().push(json!({"id": 50257, "content": "<user>",
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}));
            write_json(model.join("tokenizer.json"), &json);
        }
        for (name, content) in files.as_object().unwrap() {
            write_json(model.join(name), content);
        }
        refused(directory.path(), &["inspect", "model"])
    };
    let decoder = |id: &str, content: &str| json!({"tokenizer_config.json": {"added_tokens_decoder": {id: {"content": content}}}});
    for (tokenizer, files, words) in [
        (
            false,
            json!({"added_tokens.json": {"<user>": 50259}}),
            &["\"<user>\" has the id 50259", "to follow"][..],
        ),
        (false, json!({"added_tokens.json": {"hello": 50257}}), &["\"hello\" has the id 50257", "as 31373"]),
        (
            false,
            json!({"added_tokens.json": {"<user>": 31373}}),
            &["\"<user>\"", "\"hello\"", "the same id, 31373"],
        ),
        (
            false,
            json!({"added_tokens.json": {"<user>": "x"}}),
            &["added_tokens.json", "is \"x\", expected a token id"],
        ),
        (
            false,
            json!({"tokenizer_config.json": {"bos_token": 3}}),
            &["tokenizer_config.json", "bos_token is 3"],
        ),
        (false, json!({"tokenizer_config.json": []}), &["tokenizer_config.json:1: "]),
        (
            true,
            json!({"added_tokens.json": {"<user>": 50258}}),
            &["id 50257, but 50258 in added_tokens.json"],
        ),
        (
            true,
            json!({"added_tokens.json": {"<bot>": 50257}}),
            &["id 50257 belongs to", "\"<user>\"", "\"<bot>\""],
        ),
        (true, decoder("50258", "<user>"), &["id 50257, but 50258 in tokenizer_config.json"]),
        (true, decoder("50256", "<|endoftext|>"), &["\"<user>\" is missing from tokenizer_config.json"]),
    ] {
        let message = message(tokenizer, files);
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
    }
}

#[test]
fn tokenizers_of_another_kind_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    copy_model("tiny-3M", &model);
    let message = |name: &str, content: &str| {
        std::fs::write(model.join(name), content).unwrap();
        let message = refused(directory.path(), &["inspect", "model"]);
        std::fs::remove_file(model.join(name)).unwrap();
        message
    };
    assert!(
        message("tokenizer.model", "x")
            .contains("tokenizer.model: a SentencePiece tokenizer; expected GPT-2's")
    );
    assert!(message("vocab.txt", "[PAD]\n").contains("a WordPiece tokenizer (BERT's)"));
    for kind in ["WordPiece", "Unigram", "WordLevel"] {
        let json =
            json!({"pre_tokenizer": null, "normalizer": null, "model": {"type": kind, "vocab": {"a": 0}}});
        assert!(
            message("tokenizer.json", &json.to_string()).contains(&format!("the model is {kind:?}")),
            "{kind}"
        );
    }
    let mut json = gpt2_tokenizer_json();
    json["pre_tokenizer"] = json!({"type": "Metaspace", "replacement": "▁"});
    assert!(message("tokenizer.json", &json.to_string()).contains("`pre_tokenizer` is \"Metaspace\""));
    std::fs::write(model.join("vocab.json"), r#"{"<|endoftext|>":0,"▁":1,"a":2,"▁a":3}"#).unwrap();
    let found = message("merges.txt", "▁ a\n");
    assert!(
        found.contains("merges.txt:1: the merge of \"▁\" and \"a\" has '▁', which stands for no byte"),
        "{found}"
    );
    let words: serde_json::Map<String, Value> = (0..60).map(|id| (format!("w{id}</w>"), id.into())).collect();
    write_json(model.join("vocab.json"), &Value::Object(words));
    let message = |name: &str, content: &str| {
        std::fs::write(model.join(name), content).unwrap();
        refused(directory.path(), &["inspect", "model"])
    };
    assert!(message("merges.txt", "").contains("60 tokens end in \"</w>\""));
}

#[test]
fn a_token_without_a_row_is_an_error_only_if_a_text_uses_it() {
    let directory = tempfile::tempdir().unwrap();
    write_tiny(directory.path(), 50_257);
    write_gpt2_vocabulary(directory.path());
    let plain = score(directory.path(), "A lamp.");
    write_json(directory.path().join("special_tokens_map.json"), &json!({"pad_token": "[PAD]"}));
    write_json(directory.path().join("added_tokens.json"), &json!({"[PAD]": 50257}));
    assert_eq!(score(directory.path(), "A lamp."), plain);
    let inspected = inspected(directory.path());
    let notes = inspected["notes"].to_string();
    assert!(
        notes.contains("50,257 rows and none for the added tokens") && notes.contains("[PAD]"),
        "{notes}"
    );
    std::fs::write(directory.path().join("text.txt"), "A lamp [PAD].").unwrap();
    let message = refused(directory.path(), &["score-text", "text.txt", "--model", "m=.", "--quiet"]);
    for word in ["the token \"[PAD]\" has the id 50257", "50,257 rows", "resize_token_embeddings"] {
        assert!(message.contains(word), "{message}");
    }
    // More tokens of the vocabulary itself than rows are another model's vocabulary.
    let (mut vocabulary, merges) = gpt2_vocabulary();
    vocabulary.insert("Ġlampkeeper".to_owned(), 50_257.into());
    write_vocabulary(directory.path(), &Value::Object(vocabulary), &merges);
    std::fs::remove_file(directory.path().join("added_tokens.json")).unwrap();
    let message = refused(directory.path(), &["inspect", "."]);
    assert!(message.contains("has 50258 tokens, but tensor `wte.weight` has 50257 rows"), "{message}");
}

#[test]
fn begin_and_end_of_text_are_plain_text_in_a_text() {
    let case = &GOLDEN["cases"]["named only"];
    let directory = write_case(case);
    let tokenizer = Checkpoint::open(directory.path()).unwrap().tokenizer;
    for text in ["<|endoftext|>", "a <bos> b", "<end>"] {
        let ids = tokenizer.encode(text).unwrap();
        assert!(ids.len() > 2 && ids.iter().all(|id| *id < 50_256), "{text}: {ids:?}");
        assert_eq!(tokenizer.decode(&ids), text);
    }
    assert_eq!(tokenizer.encode("<user>").unwrap().len(), 1);
}

/// A model of one's own with the weights of the golden script, and a `tokenizer.json` of 2,000 tokens.
fn write_own(directory: &Path) {
    let (layers, width, positions, rows) = (2, 16, 64, 2000);
    let config = json!({"model_type": "gpt2", "n_layer": layers, "n_embd": width, "n_head": 2, "n_positions": positions,
        "vocab_size": rows});
    write_json(directory.join("config.json"), &config);
    let mut shapes = vec![
        ("wte.weight".to_owned(), vec![rows, width]),
        ("wpe.weight".to_owned(), vec![positions, width]),
        ("ln_f.weight".to_owned(), vec![width]),
        ("ln_f.bias".to_owned(), vec![width]),
    ];
    for layer in 0..layers {
        for (name, shape) in [
            ("ln_1.weight", vec![width]),
            ("ln_1.bias", vec![width]),
            ("attn.c_attn.weight", vec![width, 3 * width]),
            ("attn.c_attn.bias", vec![3 * width]),
            ("attn.c_proj.weight", vec![width, width]),
            ("attn.c_proj.bias", vec![width]),
            ("ln_2.weight", vec![width]),
            ("ln_2.bias", vec![width]),
            ("mlp.c_fc.weight", vec![width, 4 * width]),
            ("mlp.c_fc.bias", vec![4 * width]),
            ("mlp.c_proj.weight", vec![4 * width, width]),
            ("mlp.c_proj.bias", vec![width]),
        ] {
            shapes.push((format!("h.{layer}.{name}"), shape));
        }
    }
    shapes.sort();
    let mut tensors = Tensors::new();
    for (seed, (name, shape)) in shapes.into_iter().enumerate() {
        let mut values = formula(shape.iter().product(), seed as u64, 1.0 / 512.0);
        if name.contains("ln_") && name.ends_with("weight") {
            for value in &mut values {
                *value += 1.0;
            }
        }
        tensors.insert(format!("transformer.{name}"), (shape, values));
    }
    write(directory, &tensors, Dtype::F32);
    write_json(directory.join("tokenizer.json"), &OWN);
}

#[test]
fn a_vocabulary_of_ones_own_has_the_numbers_of_transformers() {
    let golden = &GOLDEN["own"];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_own(path);
    write_json(path.join("tokenizer_config.json"), &golden["tokenizer_config"]);
    let text = golden["text"].as_str().unwrap();
    let tokenizer = Checkpoint::open(path).unwrap().tokenizer;
    assert_eq!(tokenizer.encode(text).unwrap(), numbers(&golden["ids"]));
    let scored = score(path, text);
    has_log_likelihood(&scored, &golden["log_likelihood"], "own");
    // Without tokenizer_config.json, config.json says the same; with vocabulary files too.
    std::fs::remove_file(path.join("tokenizer_config.json")).unwrap();
    configure(path, &json!({"bos_token_id": 0, "eos_token_id": 1}));
    assert_eq!(score(path, text), scored);
    std::fs::remove_file(path.join("tokenizer.json")).unwrap();
    let merges: Vec<String> = OWN["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|merge| {
            merge.as_str().map_or_else(
                || format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()),
                str::to_owned,
            )
        })
        .collect();
    let merges: Vec<&str> = merges.iter().map(String::as_str).collect();
    write_vocabulary(path, &OWN["model"]["vocab"], &merges);
    assert_eq!(score(path, text), scored);
    // A run works, and with another begin of text it is another run.
    let task = "name = \"mine\"\ntitle = \"M\"\nmeasures = \"m\"\nkind = \"perplexity\"\ntext = \"{t}\"\n[data]\nfile = \"d.jsonl\"\n";
    std::fs::write(path.join("task.toml"), task).unwrap();
    let line = |text: &str| json!({"t": text}).to_string();
    std::fs::write(path.join("d.jsonl"), format!("{}\n{}\n", line(text), line("The run ends."))).unwrap();
    let keys = || {
        let arguments = "--task-file task.toml --model mine=. --quiet --out run --fresh";
        let output = gpt2_eval(path).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let journal = std::fs::read_to_string(path.join("run/samples/mine/mine.jsonl")).unwrap();
        let record: Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
        let _ = std::fs::remove_dir_all(path.join("run"));
        record["key"].as_str().unwrap().to_owned()
    };
    let key = keys();
    assert_eq!(keys(), key);
    configure(path, &json!({"bos_token_id": 2}));
    assert_ne!(keys(), key);
}

#[test]
fn a_vocabulary_that_names_no_begin_of_text_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_own(path);
    std::fs::write(path.join("text.txt"), "The run ends.").unwrap();
    let message = refused(path, &["score-text", "text.txt", "--model", "m=.", "--quiet"]);
    assert!(
        message.contains("set bos_token in tokenizer_config.json or bos_token_id in config.json"),
        "{message}"
    );
    assert_eq!(inspected(path)["tokenizer"]["begin_of_text"], Value::Null);
    let shown = gpt2_eval(path).args(["inspect", "."]).output().unwrap();
    assert!(String::from_utf8(shown.stdout).unwrap().contains("begin of text      none\n"));
    configure(path, &json!({"bos_token_id": 0, "eos_token_id": [1, 2]}));
    let inspected = inspected(path);
    assert_eq!(inspected["tokenizer"]["begin_of_text"], json!({"id": 0, "token": "<s>"}));
    let ends = json!([{"id": 1, "token": "</s>"}, {"id": 2, "token": "<unk>"}]);
    assert_eq!(inspected["tokenizer"]["ends_of_text"], ends);
}

#[test]
fn generation_stops_at_the_ends_of_the_checkpoint() {
    let golden = &GOLDEN["own"];
    let directory = tempfile::tempdir().unwrap();
    write_own(directory.path());
    configure(directory.path(), &json!({"bos_token_id": 0, "eos_token_id": 1}));
    let generate = |device: &str| -> Value {
        let prompt = golden["prompt"].as_str().unwrap();
        let output = gpt2_eval(directory.path())
            .args([
                "generate", "--prompt", prompt, "-n", "12", "--format", "json", "--quiet", "--model", "m=.",
            ])
            .args(["--device", device])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let greedy = numbers(&golden["greedy"]);
    let free = generate("flex");
    assert_eq!((numbers(&free["tokens"]), &free["finish"]), (greedy.clone(), &json!("token_limit")));
    let stopped = (vec![greedy[0]], json!("end_of_text"));
    for (name, fields) in [
        ("generation_config.json", json!({"eos_token_id": [5, greedy[0]]})),
        (
            "tokenizer_config.json",
            json!({"eos_token": OWN["model"]["vocab"].as_object().unwrap().iter()
            .find(|(_, id)| number(id) == greedy[0]).unwrap().0}),
        ),
    ] {
        let path = directory.path().join(name);
        write_json(path.clone(), &fields);
        for device in ["flex", "ndarray"] {
            let found = generate(device);
            assert_eq!((numbers(&found["tokens"]), found["finish"].clone()), stopped, "{name}, {device}");
            assert_eq!(found["text"], "");
        }
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn side_files_that_change_nothing_keep_the_checksum() {
    let directory = tempfile::tempdir().unwrap();
    write_tiny(directory.path(), 50_260);
    write_gpt2_vocabulary(directory.path());
    let plain = tokenizer_sha256(directory.path());
    let mut changed = vec![plain.clone()];
    for (config, is_changed) in [
        (
            json!({"model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>"}),
            false,
        ),
        (json!({"add_prefix_space": true}), true),
        (json!({"additional_special_tokens": ["<user>"]}), true),
        (json!({"bos_token": "<s>"}), true),
        (json!({"eos_token": "<s>"}), true),
        (json!({"eos_token": "<s>", "bos_token": "<s>"}), true),
    ] {
        write_json(directory.path().join("tokenizer_config.json"), &config);
        let found = tokenizer_sha256(directory.path());
        assert_eq!(changed.contains(&found), !is_changed, "{config}");
        changed.push(found);
    }
}
