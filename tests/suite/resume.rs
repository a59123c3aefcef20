//! An interrupted run continues; a run with another identity is refused.

use std::path::{Path, PathBuf};

use crate::common::{copy_model, gpt2_eval, refused};

const ARGUMENTS: [&str; 8] =
    ["--tasks", "lambada,lambada:harness", "--sizes", "tiny-3M", "--data", "sample", "--out", "run"];

fn run(directory: &Path) -> String {
    let output = gpt2_eval(directory).args(ARGUMENTS).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).unwrap()
}

fn journal(directory: &Path) -> PathBuf {
    directory.join("run/samples/tiny-3M/lambada.jsonl")
}

/// The files that must not depend on how often a run was interrupted.
fn results(directory: &Path) -> Vec<Vec<u8>> {
    let files =
        ["scores.csv", "table.md", "samples/tiny-3M/lambada.jsonl", "samples/tiny-3M/lambada.harness.jsonl"];
    files.iter().map(|name| std::fs::read(directory.join("run").join(name)).unwrap()).collect()
}

#[test]
fn an_interrupted_run_has_the_files_of_an_uninterrupted_one() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    let whole = results(directory.path());

    // As after `kill -9`: half of the first journal with its last line torn, and no second journal.
    let text = std::fs::read(journal(directory.path())).unwrap();
    std::fs::write(journal(directory.path()), &text[..text.len() / 2]).unwrap();
    std::fs::remove_file(directory.path().join("run/samples/tiny-3M/lambada.harness.jsonl")).unwrap();
    std::fs::remove_file(directory.path().join("run/scores.csv")).unwrap();
    let kept = text[..text.len() / 2].iter().filter(|&&byte| byte == b'\n').count();
    assert!(kept > 10, "half of the journal has complete lines");
    run(directory.path());

    let continued = results(directory.path());
    assert_eq!(continued[2].len(), whole[2].len());
    assert!(continued == whole, "the continued run has different files");
    assert_eq!(run(directory.path()), "", "a finished run is shown without computing anything");
    assert!(results(directory.path()) == whole);
}

/// Where a batch can change the bits of a sample, whole batches are computed again.
#[test]
#[cfg(feature = "ndarray")]
fn an_interrupted_run_on_another_backend_computes_whole_batches_again() {
    let directory = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = gpt2_eval(directory.path());
        command.args([
            "--tasks",
            "lambada,cbt-ne",
            "--sizes",
            "tiny-3M",
            "--data",
            "sample",
            "--limit",
            "12",
        ]);
        command.args(["--device", "ndarray", "--batch-tokens", "900", "--out", "run", "--quiet"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run();
    let paths =
        ["lambada", "cbt-ne"].map(|task| directory.path().join(format!("run/samples/tiny-3M/{task}.jsonl")));
    let whole = paths.clone().map(|path| std::fs::read_to_string(path).unwrap());
    for (path, text) in paths.iter().zip(&whole) {
        // Every third sample is missing: the pending samples alone would make other batches.
        let kept: Vec<&str> =
            text.lines().enumerate().filter(|(line, _)| line % 3 != 1).map(|(_, line)| line).collect();
        assert_eq!(kept.len(), 8);
        std::fs::write(path, kept.join("\n") + "\n").unwrap();
    }
    run();
    assert!(paths.map(|path| std::fs::read_to_string(path).unwrap()) == whole);
}

#[test]
fn another_plan_is_refused_and_the_existing_run_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    let before = results(directory.path());
    let refused_with = |more: &[&str]| {
        let mut arguments = ARGUMENTS.to_vec();
        arguments.extend(more);
        let message = refused(directory.path(), &arguments);
        assert!(message.contains("run was made by a different run"), "{message}");
        assert!(message.contains("--out"), "{message}");
        message
    };
    let message = refused_with(&["--seed", "7"]);
    assert!(message.contains("seed: there 0, now 7"), "{message}");
    let message = refused_with(&["--limit", "10"]);
    assert!(message.contains("limit: there nothing, now 10"), "{message}");
    if cfg!(feature = "ndarray") {
        let message = refused_with(&["--device", "ndarray"]);
        assert!(message.contains("backend: there \"flex\", now \"ndarray\""), "{message}");
    }
    assert!(results(directory.path()) == before);
}

#[test]
fn other_weights_under_the_same_label_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--tasks", "lambada", "--model", "mine=model", "--data", "sample", "--out", "run"];
    copy_model("tiny-3M", &directory.path().join("model"));
    assert!(gpt2_eval(directory.path()).args(arguments).output().unwrap().status.success());
    let path = directory.path().join("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let message = refused(directory.path(), &arguments);
    assert!(message.contains("models.0.weights_sha256"), "{message}");
}

#[test]
fn a_damaged_journal_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    let text = std::fs::read_to_string(journal(directory.path())).unwrap();
    std::fs::write(journal(directory.path()), format!("garbage\n{text}")).unwrap();
    let message = refused(directory.path(), &ARGUMENTS);
    assert!(message.contains("lambada.jsonl:1: damaged line"), "{message}");
}

#[test]
fn a_run_directory_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path());
    let lock = std::fs::File::open(directory.path().join("run/.lock")).unwrap();
    lock.lock().unwrap();
    let message = refused(directory.path(), &ARGUMENTS);
    assert!(message.contains("in use by another gpt2-eval"), "{message}");
}
