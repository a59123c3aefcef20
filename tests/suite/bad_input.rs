//! Bad input gives one clear message and exit code 2, without a panic or lost results.

use std::path::Path;

use crate::common::{copy_model, gpt2_eval, refused};

fn in_new_directory(arguments: &[&str]) -> String {
    refused(tempfile::tempdir().unwrap().path(), arguments)
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// The message for a LAMBADA file of these bytes.
fn with_data(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("data/lambada")).unwrap();
    std::fs::write(directory.path().join("data/lambada/lambada_test.jsonl"), bytes).unwrap();
    let message = refused(directory.path(), &["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "data"]);
    assert!(!directory.path().join("results").exists(), "no run directory before the input is read");
    message
}

#[test]
fn unknown_names() {
    let run = |tasks, sizes, device| {
        in_new_directory(&["--tasks", tasks, "--sizes", sizes, "--data", "sample", "--device", device])
    };
    contains(&run("lambda", "tiny", "flex"), &["unknown task `lambda`", "did you mean `lambada`?"]);
    contains(
        &run("lambada:papr", "tiny", "flex"),
        &["no protocol `papr`", "did you mean `paper`?", "harness"],
    );
    contains(
        &run("lambada", "117", "flex"),
        &["invalid value '117' for '--sizes", "a similar value exists: '117M'"],
    );
    contains(&run("lambada", "tiny", "wgup"), &["unknown device `wgup`", "did you mean `wgpu`?"]);
    contains(&run("lambada", "tiny", "flex:0"), &["unknown device `flex:0`"]);
    if !cfg!(feature = "cuda") {
        contains(&run("lambada", "tiny", "cuda"), &["built without `cuda`", "--features cuda"]);
    }
    contains(&in_new_directory(&["--tasks", "lambada", "--data", "sample"]), &["no model", "--sizes"]);
    contains(&in_new_directory(&["--sizes", "tiny"]), &["no tasks", "--tasks"]);
    contains(&in_new_directory(&["--tasks", "lambada", "--size", "tiny"]), &["'--sizes'"]);
    contains(
        &in_new_directory(&["--tasks", "lambada", "--sizes", "tiny", "--split", "tset"]),
        &[
            "invalid value 'tset'",
            "possible values: test, validation, train",
            "a similar value exists: 'test'",
        ],
    );
    contains(&in_new_directory(&["--tasks", "cnn_dailymail", "--seeds", "2"]), &["'--seeds'", "'--repeats'"]);
    contains(
        &in_new_directory(&[
            "--tasks",
            "all",
            "--sizes",
            "tiny",
            "--data",
            "sample",
            "--device",
            "gpu",
            "--precision",
            "bf16",
        ]),
        &["--precision bf16 is not supported by --device wgpu"],
    );
    for option in ["--limit", "--batch-tokens", "--threads"] {
        let message = in_new_directory(&["--tasks", "all", "--sizes", "tiny", option, "0"]);
        contains(&message, &[option, "expected a whole number from 1"]);
    }
}

#[test]
fn offline_names_the_missing_files() {
    let message = in_new_directory(&["--tasks", "lambada", "--sizes", "tiny"]);
    contains(&message, &["EleutherAI/lambada_openai", "data/lambada_test.jsonl", "--offline", "fetch"]);
    for (size, hub) in
        [("117M", "gpt2"), ("345M", "gpt2-medium"), ("762M", "gpt2-large"), ("1542M", "gpt2-xl")]
    {
        let message = in_new_directory(&["--tasks", "lambada", "--sizes", size, "--data", "sample"]);
        contains(&message, &[&format!("model {size}"), &format!("openai-community/{hub}@"), "/config.json"]);
    }
}

#[test]
fn missing_data() {
    let message = in_new_directory(&["--tasks", "lambada", "--sizes", "tiny", "--data", "nowhere"]);
    contains(&message, &["no data directory at nowhere"]);
    let message = in_new_directory(&["--tasks", "lambada", "--sizes", "tiny", "--data", "."]);
    contains(&message, &["lambada/lambada_test.jsonl", "--data sample"]);
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("lambada/lambada_test.jsonl")).unwrap();
    let message = refused(directory.path(), &["--tasks", "lambada", "--sizes", "tiny", "--data", "."]);
    contains(&message, &["cannot read ./lambada/lambada_test.jsonl"]);
}

#[test]
fn invalid_records() {
    let good = "{\"text\":\"the cat sat\"}\n";
    contains(
        &with_data(format!("{good}{{\"text\": \"a b\"\n").as_bytes()),
        &["lambada_test.jsonl:2", "malformed"],
    );
    contains(
        &with_data(format!("{good}{{\"txt\":\"a b\"}}\n").as_bytes()),
        &["lambada_test.jsonl:2", "`txt`"],
    );
    contains(
        &with_data(format!("{good}{{\"text\":\"\"}}\n").as_bytes()),
        &["lambada_test.jsonl:2", "the passage is empty"],
    );
    contains(
        &with_data(format!("{good}{{\"text\":\"one\"}}\n").as_bytes()),
        &["lambada_test.jsonl:2", "no space"],
    );
    contains(&with_data(b"\xff\n"), &["lambada_test.jsonl:1", "not UTF-8"]);
    contains(&with_data(b""), &["no records"]);
}

#[test]
fn the_harness_protocol_truncates_long_passages_with_a_footnote() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("data/lambada")).unwrap();
    let long = format!("{{\"text\":\"{} end\"}}\n", "word ".repeat(1200));
    std::fs::write(directory.path().join("data/lambada/lambada_test.jsonl"), long).unwrap();
    let output = gpt2_eval(directory.path())
        .args(["--tasks", "lambada:harness", "--sizes", "tiny-3M", "--data", "data", "--out", "run"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = std::fs::read_to_string(directory.path().join("run/table.md")).unwrap();
    contains(
        &table,
        &[
            "data=unverified",
            "not verified as the published test set",
            "1 of 1 samples are longer than the context",
        ],
    );
    let journal = directory.path().join("run/samples/tiny-3M/lambada.harness.jsonl");
    contains(&std::fs::read_to_string(journal).unwrap(), &["\"truncated_tokens\":177"]);
}

#[test]
fn labels_cannot_leave_the_run_directory() {
    for label in ["../up", "a/b", ".."] {
        let model = format!("{label}=somewhere");
        let message = in_new_directory(&["--tasks", "lambada", "--data", "sample", "--model", &model]);
        contains(&message, &["label", "is not usable"]);
    }
    let message =
        in_new_directory(&["--tasks", "all", "--data", "sample", "--model", "x=a", "--model", "x=b"]);
    contains(&message, &["two models have the label `x`"]);
    let long = format!("{}=somewhere", "x".repeat(300));
    let message = in_new_directory(&["--tasks", "all", "--data", "sample", "--model", &long]);
    contains(&message, &["it has 300 bytes", "may have at most 128"]);
}

#[test]
fn paths_of_models_may_have_equal_signs() {
    let directory = tempfile::tempdir().unwrap();
    for path in ["runs/lr=0.1/ckpt", "a=b"] {
        copy_model("tiny-3M", &directory.path().join(path));
    }
    let run = |model: &str, label: &str| {
        let arguments = ["--tasks", "lambada", "--data", "sample", "--limit", "2", "--fresh", "--out", "run"];
        let output = gpt2_eval(directory.path()).args(arguments).args(["--model", model]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(directory.path().join("run/samples").join(label).is_dir(), "{model}");
    };
    run("runs/lr=0.1/ckpt", "ckpt");
    run("runs/lr=0.1/ckpt/", "ckpt");
    run("mine=runs/lr=0.1/ckpt", "mine");
    run("mine=a=b/", "mine");
    let message = refused(directory.path(), &["--tasks", "lambada", "--data", "sample", "--model", "a=b"]);
    contains(&message, &["label `a=b` is not usable", "give another one with --model LABEL=a=b"]);
    let message = refused(directory.path(), &["--tasks", "lambada", "--data", "sample", "--model", "a="]);
    contains(&message, &["the path is missing: use LABEL=PATH"]);
}

#[test]
#[cfg(target_os = "linux")]
fn unwritable_output() {
    let run = |out: &str| {
        in_new_directory(&["--tasks", "all", "--sizes", "tiny-3M", "--data", "sample", "--out", out])
    };
    contains(&run("/proc/nowhere"), &["cannot write /proc/nowhere"]);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let out = directory.path().join("file").display().to_string();
    contains(&run(&out), &["--out ", "/file: this is a file; expected a directory"]);
    contains(&run(&format!("{out}/run")), &["/file is a file, so that no directory can be in it"]);
    contains(&run(&"x".repeat(300)), &["--out x", "File name too long"]);
    std::os::unix::fs::symlink("nowhere", directory.path().join("link")).unwrap();
    let out = directory.path().join("link/run").display().to_string();
    contains(&run(&out), &["/link is a link to something that does not exist"]);
    for message in [run("/proc/nowhere"), run(&out)] {
        assert!(!message.contains("again"), "nothing to continue: {message}");
    }
}

/// On a full disk the journal keeps whole lines, and the same command continues from them.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let binary = assert_cmd::cargo::cargo_bin("gpt2-eval");
    let arguments = "--tasks lambada --sizes tiny-3M --data sample --out run --batch-tokens 512 --quiet";
    // A file size limit simulates a full disk, in blocks of 1,024 bytes. With the signal ignored, the write fails as on a
    // full disk. The prompts fit, the journal does not.
    let script = format!("trap '' XFSZ; ulimit -f 32; exec {} {arguments}", binary.display());
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    contains(
        &message,
        &["cannot write", "samples/tiny-3M/lambada.jsonl", "File too large", "run the same command again"],
    );
    let journal = directory.path().join("run/samples/tiny-3M/lambada.jsonl");
    let kept = std::fs::read_to_string(&journal).unwrap().matches('\n').count();
    assert!((1..60).contains(&kept), "{kept} whole lines");

    let words: Vec<&str> = arguments.split(' ').collect();
    let output = gpt2_eval(directory.path()).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 60);
}

#[test]
#[cfg(feature = "wgpu")]
fn no_gpu_adapter() {
    let directory = tempfile::tempdir().unwrap();
    let run = |device: &str| {
        let output = gpt2_eval(directory.path())
            .args(["--tasks", "all", "--sizes", "tiny-3M", "--data", "sample", "--device", device])
            .env("VK_ICD_FILENAMES", "/nonexistent")
            .env("VK_DRIVER_FILES", "/nonexistent")
            .output()
            .unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(!message.contains("panicked"), "{message}");
        message
    };
    if cfg!(target_os = "linux") {
        contains(&run("wgpu"), &["no GPU found"]);
        contains(&run("wgpu:7"), &["no GPU found"]);
    }
    assert!(!Path::new(directory.path()).join("results").exists());
}
