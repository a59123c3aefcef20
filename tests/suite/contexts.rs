//! Models whose context is not GPT-2's 1,024 tokens: windows, labels, limits and keys.

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::Value;

use crate::checkpoints::{tensors_of, write};
use crate::common::{copy_model, gpt2_eval, refused};

const POSITIONS: &str = "transformer.wpe.weight";

/// tiny-3M with another number of positions: its own ones, then the same in reverse, as `tests/golden/make_positions.py`.
pub fn write_model(directory: &Path, n_positions: usize) {
    copy_model("tiny-3M", directory);
    let config = directory.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("\"n_positions\": 1024", &format!("\"n_positions\": {n_positions}"));
    std::fs::write(config, text).unwrap();
    let mut tensors = tensors_of("tiny-3M");
    let (shape, values) = tensors.get_mut(POSITIONS).unwrap();
    let width = shape[1];
    let reversed: Vec<f32> = values.chunks_exact(width).rev().flatten().copied().collect();
    values.extend(reversed);
    values.truncate(n_positions * width);
    shape[0] = n_positions;
    write(directory, &tensors, Dtype::F16);
}

/// The text of `tests/golden/positions.json`: words of a sample, which no de-tokenizer changes.
fn text() -> String {
    let text = include_str!("../../tasks/cbt-cn/sample.txt").to_lowercase();
    let words = text.split(|character: char| !character.is_ascii_lowercase()).filter(|word| !word.is_empty());
    words.take(3000).collect::<Vec<_>>().join(" ") + "\n"
}

/// A directory with the models `long` (2,048 positions) and `short` (512), and the text as WikiText-2.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write_model(&directory.path().join("long"), 2048);
    write_model(&directory.path().join("short"), 512);
    std::fs::create_dir_all(directory.path().join("data/wikitext")).unwrap();
    std::fs::write(directory.path().join("data/wikitext/wiki.test.raw"), text()).unwrap();
    directory
}

fn run(path: &Path, tasks: &str, models: &[&str], more: &[&str]) -> String {
    let mut command = gpt2_eval(path);
    command.args(["--tasks", tasks, "--data", "data", "--quiet"]).args(more);
    for model in models {
        command.args(["--model", model]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Σ log P and number of windows of a journal, and its keys.
fn journal(path: &Path, name: &str) -> (f64, u64, Vec<String>) {
    let text = std::fs::read_to_string(path.join(name)).unwrap();
    let mut found = (0.0, 0, Vec::new());
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let response = &record["responses"][0];
        found.0 += response["log_likelihood"].as_f64().unwrap();
        found.1 += response["windows"].as_u64().unwrap();
        found.2.push(record["key"].as_str().unwrap().to_owned());
    }
    found
}

/// The reference of transformers.
fn expected(n_positions: u64, context: u64, stride: u64) -> (f64, u64) {
    let golden: Value = serde_json::from_str(include_str!("../golden/positions.json")).unwrap();
    let wanted = [("n_positions", n_positions), ("context", context), ("stride", stride)];
    let cases = golden["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| wanted.iter().all(|(name, value)| case[name] == *value)).unwrap();
    (case["log_likelihood"].as_f64().unwrap(), case["windows"].as_u64().unwrap())
}

fn assert_equal(found: &(f64, u64, Vec<String>), (log_likelihood, windows): (f64, u64)) {
    assert_eq!(found.1, windows);
    let difference = (found.0 / log_likelihood - 1.0).abs();
    assert!(difference < 1e-6, "{} instead of {log_likelihood}", found.0);
}

#[test]
fn windows_are_as_long_as_the_models_context() {
    let directory = directory();
    let path = directory.path();
    let models = ["long", "short"];
    let formats = ["--out", "run", "--format", "markdown,latex,json,html,eee,svg"];
    let table = run(path, "wikitext2,wikitext2:harness", &models, &formats);
    for (model, context) in [("long", 2048), ("short", 512)] {
        let found = journal(path, &format!("run/samples/{model}/wikitext2.harness.jsonl"));
        assert_equal(&found, expected(context, context, context));
    }
    // `paper` keeps the paper's windows where they fit.
    assert_equal(&journal(path, "run/samples/long/wikitext2.jsonl"), expected(2048, 1024, 32));
    assert_equal(&journal(path, "run/samples/short/wikitext2.jsonl"), expected(512, 512, 32));

    // All others use the whole context.
    run(path, "wikitext2:detok", &["long"], &["--out", "detok", "--stride", "256"]);
    let overlapping = journal(path, "detok/samples/long/wikitext2.detok,stride=256.jsonl");
    assert_equal(&overlapping, expected(2048, 2048, 256));

    // Every output names the windows of models with another context than GPT-2's.
    let scores = std::fs::read_to_string(path.join("run/scores.csv")).unwrap();
    for (model, label) in [
        ("long", "\"paper,data=unverified,window=1024\""),
        ("long", "\"harness,data=unverified,window=2048\""),
        ("short", "\"paper,data=unverified,window=512\""),
        ("short", "\"harness,data=unverified,window=512\""),
    ] {
        let is_row = |line: &str| line.starts_with(&format!("{model},")) && line.contains(label);
        assert!(scores.lines().any(is_row), "{model} {label}: {scores}");
    }
    assert!(scores.lines().skip(1).all(|line| line.contains("window=")), "{scores}");
    let read = |name: &str| std::fs::read_to_string(path.join("run").join(name)).unwrap();
    for text in [&table, &read("table.md"), &read("table.tex"), &read("report.json"), &read("report.html")] {
        assert!(text.contains("window=1024") && text.contains("window=512"), "{text}");
    }
    assert!(table.contains("◊ windows of 1024 tokens"), "{table}");
    let again = gpt2_eval(path).args(["score", "run"]).output().unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), table);
}

#[test]
fn gpt2s_own_context_is_not_named() {
    let directory = directory();
    let path = directory.path();
    let more = ["--sizes", "tiny-3M", "--out", "run", "--stride", "1024"];
    let table = run(path, "wikitext2,wikitext2:harness", &["long"], &more);
    let scores = std::fs::read_to_string(path.join("run/scores.csv")).unwrap();
    for line in scores.lines().skip(1) {
        assert_eq!(line.contains("window="), line.starts_with("long,"), "{line}");
    }
    // Both models are in the summary and in the tables.
    assert!(table.contains("tiny-3M") && table.contains("long"), "{table}");
    // The same text under other windows has other keys: a journal never serves the one for the other.
    run(path, "wikitext2:detok", &["long"], &["--sizes", "tiny-3M", "--out", "detok", "--stride", "1024"]);
    for model in ["long", "tiny-3M"] {
        let paper = journal(path, &format!("run/samples/{model}/wikitext2.paper,stride=1024.jsonl"));
        let detok = journal(path, &format!("detok/samples/{model}/wikitext2.detok,stride=1024.jsonl"));
        assert_ne!(paper.2, detok.2);
        // The windows of GPT-2's context are the same.
        assert_eq!(paper.0 == detok.0, model == "tiny-3M");
    }
}

#[test]
fn strides_end_at_the_models_windows() {
    let directory = directory();
    let path = directory.path();
    let at = |task: &str, model: &str, stride: &str| {
        refused(path, &["--tasks", task, "--data", "data", "--model", model, "--stride", stride])
    };
    let message = at("wikitext2", "long", "1025");
    assert!(message.contains("wikitext2:paper,stride=1025 on long: the stride of 1,025 tokens"), "{message}");
    assert!(message.contains("the window of 1,024; use --stride with 1 to 1024"), "{message}");
    assert!(at("wikitext2:detok", "long", "2049").contains("the window of 2,048"));
    assert!(at("wikitext2:raw", "short", "600").contains("the window of 512"));
    run(path, "wikitext2:detok", &["long"], &["--out", "whole", "--stride", "2048"]);
    let whole = journal(path, "whole/samples/long/wikitext2.detok,stride=2048.jsonl");
    assert_equal(&whole, expected(2048, 2048, 2048));

    let text = ["score-text", "data/wikitext/wiki.test.raw", "--quiet", "--format", "json"];
    let scored = |model: &str, more: &[&str]| {
        let output = gpt2_eval(path).args(text).args(["--model", model]).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let long = scored("long", &["--stride", "2048"]);
    assert_eq!((&long["context"], &long["stride"]), (&2048.into(), &2048.into()));
    let (log_likelihood, _) = expected(2048, 2048, 2048);
    assert!((long["log_likelihood"].as_f64().unwrap() / log_likelihood - 1.0).abs() < 1e-6);
    let short = scored("short", &[]);
    assert_eq!((&short["context"], &short["stride"]), (&512.into(), &512.into()));
    let message = refused(path, &[&text[..], &["--model", "short", "--stride", "513"]].concat());
    assert!(
        message.contains("--stride 513: longer than the context of short; expected 1 to 512"),
        "{message}"
    );
}

#[test]
fn custom_tasks_use_the_models_context() {
    let directory = directory();
    let path = directory.path();
    let config = "name = \"mine\"\ntitle = \"T\"\nmeasures = \"M\"\nkind = \"perplexity\"\nstride = 2048\n\
                  [data]\nfile = \"text.txt\"\n";
    std::fs::write(path.join("mine.toml"), config).unwrap();
    std::fs::write(path.join("text.txt"), text()).unwrap();
    run(path, "mine", &["long"], &["--task-file", "mine.toml", "--out", "run"]);
    let found = journal(path, "run/samples/long/mine.jsonl");
    assert_equal(&found, expected(2048, 2048, 2048));
    let scores = std::fs::read_to_string(path.join("run/scores.csv")).unwrap();
    assert!(scores.contains("window=2048"), "{scores}");
    let message =
        refused(path, &["--task-file", "mine.toml", "--model", "long", "--sizes", "tiny-3M", "--out", "two"]);
    assert!(message.contains("mine:custom,stride=2048 on tiny-3M: the stride of 2,048"), "{message}");
}
