//! Names in files cannot lead out of their directory.

use std::path::Path;

use gpt2_eval::plan::{DataSource, Plan};
use gpt2_eval::record::Manifest;
use gpt2_eval::run::RunDirectory;
use proptest::collection::vec;
use proptest::prelude::Strategy;
use proptest::sample::select;
use proptest::{prop_assert, prop_assert_eq};
use untrusted_input::{is_plain_name, path_below};

use super::hold;
use crate::common::{copy_model, gpt2_eval, refused};

/// Names made of parts that can lead out of a directory.
fn names() -> impl Strategy<Value = String> {
    let piece =
        select(vec!["..", ".", "/", "\\", "a", "b.txt", ":", "C:", "\0", "~", " ", "é", "...", "\n", "//?/"]);
    vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

#[test]
fn names_stay_below_their_directory() {
    hold(names(), |name| {
        if let Ok(path) = path_below(Path::new("/base/directory"), &name) {
            prop_assert!(path.starts_with("/base/directory") && path != Path::new("/base/directory"));
            prop_assert!(path.components().all(|part| part.as_os_str() != ".."));
            prop_assert!(name.split('/').all(is_plain_name));
        }
        prop_assert_eq!(
            is_plain_name(&name),
            !name.contains('/') && path_below(Path::new("d"), &name).is_ok()
        );
        Ok(())
    });
}

fn run_directory(path: &Path) -> RunDirectory {
    let plan = Plan {
        models: vec![],
        tasks: vec![],
        custom_tasks: vec![],
        data: DataSource::Sample,
        limit: None,
        seed: 0,
        precision: gpt2_kernels::Precision::F32,
        shard: None,
    };
    let identity = serde_json::json!({
        "engine_version": 1, "backend": "flex", "dtype": "f32", "limit": null, "seed": 0, "models": [], "tasks": [], "data": [],
    });
    let environment = serde_json::json!({
        "program_version": "0", "command": [], "files": [], "dependencies": {},
        "device": "d", "threads": 1, "batch_tokens": 2, "cpu": "p", "system": "s",
    });
    let identity = serde_json::from_value(identity).unwrap();
    let environment = serde_json::from_value(environment).unwrap();
    RunDirectory::open(path, Manifest::begin(plan, identity, vec![], environment), false).unwrap()
}

#[test]
fn journals_stay_in_the_run_directory() {
    let directory = tempfile::tempdir().unwrap();
    let run = run_directory(&directory.path().join("run"));
    for (model, journal) in [
        ("../up", "j"),
        ("..", "j"),
        ("m", "../../j"),
        ("/tmp", "j"),
        ("m", "/tmp/j"),
        ("m", ""),
        ("a\\b", "j"),
    ] {
        let message = run.journal(model, journal).unwrap_err().to_string();
        assert!(message.contains("run") && message.contains("is not a plain file name"), "{message}");
    }
    let path = run.journal("gpt2-1.5B_v2", "cnn_dailymail.paper,repeats=2.jsonl").unwrap();
    assert_eq!(path, directory.path().join("run/samples/gpt2-1.5B_v2/cnn_dailymail.paper,repeats=2.jsonl"));
    let entries: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries, ["run"], "no files beside the run directory");
}

/// Names in a story's data become identifiers of samples, never paths.
#[test]
fn names_in_data_make_no_files() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("data")).unwrap();
    let story = r#"{"data":[{"source":"../../domain","id":"../../../escaped","story":"Ann ran.",
        "questions":[{"input_text":"Who?","turn_id":1}],"answers":[{"input_text":"Ann","turn_id":1}]}]}"#;
    std::fs::write(directory.path().join("data/coqa-dev-v1.0.json"), story).unwrap();
    let output = gpt2_eval(directory.path())
        .args(["--tasks", "coqa", "--sizes", "tiny-3M", "--data", "data", "--out", "run"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut entries: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    entries.sort();
    assert_eq!(entries, ["data", "run"]);
    let samples: Vec<_> = std::fs::read_dir(directory.path().join("run/samples/tiny-3M"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(samples, ["coqa.jsonl"]);
}

#[test]
#[cfg(unix)]
fn links_are_followed() {
    use std::os::unix::fs::symlink;
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = directory.path().join("elsewhere");
    copy_model("tiny-3M", &elsewhere);
    std::fs::create_dir(directory.path().join("model")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        symlink(elsewhere.join(name), directory.path().join("model").join(name)).unwrap();
    }
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::write(elsewhere.join("l.jsonl"), "{\"text\":\"the cat sat\"}\n").unwrap();
    symlink(elsewhere.join("l.jsonl"), directory.path().join("data/lambada_test.jsonl")).unwrap();
    let arguments = ["--tasks", "lambada", "--model", "m=model", "--data", "data", "--out", "run"];
    let output = gpt2_eval(directory.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // A link to an endless device is refused.
    std::fs::remove_file(directory.path().join("data/lambada_test.jsonl")).unwrap();
    symlink("/dev/zero", directory.path().join("data/lambada_test.jsonl")).unwrap();
    let message = refused(directory.path(), &arguments);
    assert!(message.contains("cannot read data/lambada_test.jsonl: not a regular file"), "{message}");
}
