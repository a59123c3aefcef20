//! `gpt2-eval verify` on the bundled models, with references that transformers computed (`examples/verify-tiny.toml`).

use std::path::Path;

use crate::common::{copy_model, gpt2_eval, refused};

const REFERENCES: &str = include_str!("../../examples/verify-tiny.toml");

/// Exit code, the lines of the checks with the summary, and the messages.
fn verify(directory: &Path, references: &str, arguments: &[&str]) -> (i32, Vec<String>, String) {
    std::fs::write(directory.join("references.toml"), references).unwrap();
    let output = gpt2_eval(directory)
        .args(["verify", "--references", "references.toml", "--data", "sample", "--quiet"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let messages = text(output.stderr);
    assert!(!messages.contains("panicked"), "{messages}");
    let lines = text(output.stdout).lines().map(str::to_owned).collect();
    (output.status.code().unwrap(), lines, messages)
}

fn replaced(from: &str, to: &str) -> String {
    assert!(REFERENCES.contains(from), "{from}");
    REFERENCES.replacen(from, to, 1)
}

/// The references of `tiny-3M` without its scores.
fn without_scores() -> String {
    let tables = REFERENCES.split("\n\n").filter(|table| !table.starts_with("[[score]]"));
    tables.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn right_models_pass_every_check() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (code, lines, messages) = verify(directory, REFERENCES, &["--sizes", "tiny"]);
    assert_eq!(code, 0, "{lines:#?}{messages}");
    assert_eq!(lines.last().unwrap(), "16 passed, 0 failed, 0 not checked");
    assert_eq!(lines.iter().filter(|line| line.starts_with("pass tiny-3M  ")).count(), 8, "{lines:#?}");
    let perplexity = lines.iter().find(|line| line.contains("lambada:harness, perplexity")).unwrap();
    assert!(perplexity.contains("on 60 of 60 samples, expected 2270060"), "{perplexity}");
    // The same references in JSON; a subset is compared with its interval.
    let json: toml::Table = toml::from_str(REFERENCES).unwrap();
    std::fs::write(directory.join("references.json"), serde_json::to_string(&json).unwrap()).unwrap();
    let output = gpt2_eval(directory)
        .args(["verify", "--references", "references.json", "--data", "sample", "--limit", "30", "--quiet"])
        .args(["--sizes", "tiny-8M"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(
        printed.contains("on 30 of 60 samples") && printed.ends_with("8 passed, 0 failed, 0 not checked\n")
    );
}

#[test]
fn every_wrong_value_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let wrong_value = |key: &str, to: &str| {
        let line = REFERENCES.lines().find(|line| line.starts_with(key)).unwrap();
        replaced(line, &format!("{key}{to}"))
    };
    let first_value = REFERENCES.lines().find(|line| line.starts_with("value = ")).unwrap();
    assert_eq!(first_value, "value = 0.0", "the accuracy of tiny-3M");
    for (references, what, finding) in [
        (wrong_value("sha256 = ", "\"00ff\""), "sha256 of model.safetensors", "expected 00ff"),
        (wrong_value("prompt_tokens = ", "[1, 2]"), "greedy after", "expected [1, 2]"),
        (wrong_value("tokens = ", "[257, 7]"), "greedy after", "token 1 is 1310, expected 7"),
        (wrong_value("sum = ", "-8.6"), "log-likelihood of", "expected -8.6"),
        (wrong_value("greedy = ", "true"), "log-likelihood of", "is not greedy, expected is greedy"),
        (wrong_value("token_log_probs = ", "[-1.0]"), "log-probabilities of", "18 tokens, expected 1"),
        (replaced("-7.350551", "-7.36"), "log-probabilities of", "token 3 has -7.35055, expected -7.36"),
    ] {
        let own: Vec<&str> =
            references.split("\n\n").filter(|table| !table.starts_with("[[score]]")).collect();
        let (code, lines, messages) = verify(directory, &own.join("\n\n"), &["--sizes", "tiny-3M"]);
        let failed: Vec<&String> = lines.iter().filter(|line| line.starts_with("FAIL ")).collect();
        assert_eq!((code, failed.len()), (1, 1), "{lines:#?}{messages}");
        assert!(failed[0].contains(what) && failed[0].contains(finding), "{}", failed[0]);
        assert!(messages.contains("1 of 6 checks failed"), "{messages}");
    }
    let references = wrong_value("value = ", "0.2");
    let (code, lines, _) = verify(directory, &references, &["--sizes", "tiny-3M", "--full"]);
    let failed: Vec<&String> = lines.iter().filter(|line| line.starts_with("FAIL ")).collect();
    assert_eq!((code, failed.len()), (1, 1), "{lines:#?}");
    assert!(
        failed[0].contains("0.00 on 60 of 60 samples, expected 0.2, allowed 0.10 to 0.30"),
        "{}",
        failed[0]
    );
}

#[test]
fn other_and_damaged_models_fail() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    copy_model("tiny-8M", &directory.join("other"));
    let (code, lines, _) = verify(directory, &without_scores(), &["--model", "tiny-3M=other"]);
    let failed = lines.iter().filter(|line| line.starts_with("FAIL ")).count();
    assert_eq!(code, 1, "{lines:#?}");
    assert!(failed >= 5, "{lines:#?}");
    // A file that was not copied to its end.
    copy_model("tiny-3M", &directory.join("damaged"));
    let weights = directory.join("damaged/model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let (code, lines, _) = verify(directory, REFERENCES, &["--model", "tiny-3M=damaged"]);
    assert_eq!(code, 1, "{lines:#?}");
    assert!(lines[0].starts_with("FAIL tiny-3M  weights: "), "{lines:#?}");
    assert_eq!(lines.last().unwrap(), "0 passed, 1 failed, 0 not checked");
    // Of another format, the tokens show that the model is right.
    let mut renamed = bytes;
    copy_model("tiny-3M", &directory.join("renamed"));
    std::fs::remove_file(directory.join("renamed/model.safetensors")).unwrap();
    std::fs::write(directory.join("renamed/weights.safetensors"), &renamed).unwrap();
    let (code, lines, _) =
        verify(directory, &without_scores(), &["--model", "tiny-3M=renamed/weights.safetensors"]);
    assert_eq!(
        (code, lines.last().unwrap().as_str()),
        (0, "5 passed, 0 failed, 1 not checked"),
        "{lines:#?}"
    );
    // A bit of a weight.
    let end = renamed.len() - 3;
    renamed[end] ^= 0x40;
    std::fs::write(directory.join("damaged/model.safetensors"), &renamed).unwrap();
    let (code, lines, _) = verify(directory, &without_scores(), &["--model", "tiny-3M=damaged"]);
    assert_eq!(code, 1, "{lines:#?}");
    assert!(lines[0].starts_with("FAIL tiny-3M  sha256"), "{lines:#?}");
}

#[test]
fn nothing_that_could_be_checked_is_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let message = refused(directory, &["verify", "--sizes", "tiny", "--data", "sample"]);
    assert!(
        message.contains("no references for tiny-3M, tiny-8M; there are some for 117M, 345M"),
        "{message}"
    );
    let message = refused(directory, &["verify"]);
    assert!(message.contains("no model"), "{message}");
    let references = REFERENCES.replace("task = \"lambada\"", "task = \"lambda\"");
    let (code, lines, messages) = verify(directory, &references, &["--sizes", "tiny"]);
    assert!(code == 2 && lines.is_empty() && messages.contains("unknown task `lambda`"), "{messages}");
    // Without a network and weights.
    let output = gpt2_eval(directory).args(["verify", "--sizes", "117M", "--offline"]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.starts_with("-    117M     all: "), "{printed}");
    assert!(printed.ends_with("0 passed, 0 failed, 1 not checked\n"), "{printed}");
}

#[test]
fn the_built_in_references_tell_another_model_from_the_papers() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", &directory.path().join("m"));
    let output = gpt2_eval(directory.path())
        .args(["verify", "--model", "117M=m", "--data", "sample", "--limit", "4", "--quiet"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for line in ["FAIL 117M     sha256 of model.safetensors: ", "FAIL 117M     greedy after \"The·dog\": "] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert!(printed.contains("-    117M     lambada:harness, accuracy: measured as `harness,data=sample`"));
}
