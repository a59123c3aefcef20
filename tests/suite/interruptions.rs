//! Runs that are killed, stopped, and started over.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gpt2_eval::seeding::below;

use crate::common::{gpt2_eval, say};

const ARGUMENTS: [&str; 9] = [
    "--tasks",
    "lambada,winograd,nq,coqa,ptb",
    "--sizes",
    "tiny",
    "--data",
    "sample",
    "--out",
    "run",
    "--quiet",
];
/// Small batches, so that there are many points to interrupt.
const SMALL_BATCHES: [&str; 2] = ["--batch-tokens", "256"];

fn spawn(directory: &Path) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin("gpt2-eval"))
        .current_dir(directory)
        .args(ARGUMENTS)
        .args(SMALL_BATCHES)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Bytes of all journals.
fn journalled(directory: &Path) -> u64 {
    let mut bytes = 0;
    for model in ["tiny-3M", "tiny-8M"] {
        let Ok(entries) = std::fs::read_dir(directory.join("run/samples").join(model)) else { continue };
        let is_journal =
            |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "jsonl");
        for entry in entries.map(Result::unwrap) {
            if is_journal(&entry.file_name().to_string_lossy()) {
                bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            }
        }
    }
    bytes
}

/// Every file that must not depend on interruptions.
fn results(directory: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<String> = ["scores.csv", "breakdowns.csv", "table.md"].map(str::to_owned).to_vec();
    for task in ["lambada", "winograd", "nq", "coqa", "ptb"] {
        names.extend(["tiny-3M", "tiny-8M"].map(|model| format!("samples/{model}/{task}.jsonl")));
    }
    names.iter().map(|name| std::fs::read(directory.join("run").join(name)).unwrap()).collect()
}

fn finish(directory: &Path) {
    let output = gpt2_eval(directory).args(ARGUMENTS).args(SMALL_BATCHES).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn twenty_kills_do_not_change_the_results() {
    let whole = tempfile::tempdir().unwrap();
    finish(whole.path());
    let (expected, all) = (results(whole.path()), journalled(whole.path()));

    let directory = tempfile::tempdir().unwrap();
    let mut points: Vec<u64> =
        (0..20).map(|kill| below(all as usize, 1, "kill", &kill.to_string()) as u64).collect();
    points.sort_unstable();
    let mut in_the_middle = 0;
    for (kill, point) in points.into_iter().enumerate() {
        let before = journalled(directory.path());
        let mut child = spawn(directory.path());
        let mut polls = 0;
        // When the journals have `point` bytes; if they already have, soon after the start.
        while child.try_wait().unwrap().is_none() {
            let is_there = journalled(directory.path()) >= point.max(before + 1);
            if is_there || (point <= before && polls > below(200, 1, "delay", &kill.to_string())) {
                break;
            }
            polls += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.code().is_none() {
            let after = journalled(directory.path());
            in_the_middle += usize::from(0 < after && after < all);
        } else {
            assert!(status.success(), "a continued run failed: {status}");
        }
    }
    say(&format!("{in_the_middle} of 20 kills came between the first and the last result"));
    assert!(in_the_middle >= 5, "only {in_the_middle} kills came in the middle");
    finish(directory.path());
    assert!(results(directory.path()) == expected, "the killed run has different files");
}

#[cfg(unix)]
#[test]
fn a_stopped_run_prints_the_command_to_continue() {
    let directory = tempfile::tempdir().unwrap();
    for signal in ["-INT", "-TERM", "-HUP"] {
        let before = journalled(directory.path());
        let mut child = spawn(directory.path());
        while journalled(directory.path()) <= before {
            assert!(child.try_wait().unwrap().is_none(), "it ended before the signal {signal}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(message.contains("stopped; finished samples are in run"), "{message}");
        assert!(message.contains("run the same command again to continue:\n"), "{message}");
        assert!(message.contains("--batch-tokens 256"), "the command: {message}");
        let manifest = std::fs::read(directory.path().join("run/manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["status"], "interrupted");
    }
    let score = gpt2_eval(directory.path()).args(["score", "run"]).output().unwrap();
    assert_eq!(score.status.code(), Some(3), "scores of an unfinished run are incomplete");
    assert!(String::from_utf8_lossy(&score.stderr).contains("samples are missing"));
    finish(directory.path());
    let whole = tempfile::tempdir().unwrap();
    finish(whole.path());
    assert!(results(directory.path()) == results(whole.path()));
}

#[test]
fn fresh_deletes_only_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let lambada = |more: &[&str]| {
        let mut command = gpt2_eval(directory.path());
        command
            .args(["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--out", "run"])
            .args(more);
        command.output().unwrap()
    };
    assert!(lambada(&[]).status.success());
    let journal = directory.path().join("run/samples/tiny-3M/lambada.jsonl");
    let before = std::fs::read(&journal).unwrap();
    std::fs::write(directory.path().join("run/my notes.txt"), "mine").unwrap();
    assert_eq!(lambada(&["--seed", "5"]).status.code(), Some(2), "another run");
    let fresh = lambada(&["--seed", "5", "--fresh"]);
    assert!(fresh.status.success(), "{}", String::from_utf8_lossy(&fresh.stderr));
    assert_eq!(std::fs::read(&journal).unwrap(), before, "greedy scores do not depend on the seed");
    let manifest = std::fs::read_to_string(directory.path().join("run/manifest.json")).unwrap();
    assert!(manifest.contains("\"seed\": 5"), "{manifest}");
    assert_eq!(std::fs::read_to_string(directory.path().join("run/my notes.txt")).unwrap(), "mine");
    let damaged = [b"garbage\n".as_slice(), &before].concat();
    std::fs::write(&journal, damaged).unwrap();
    assert_eq!(lambada(&["--seed", "5"]).status.code(), Some(2));
    assert!(lambada(&["--seed", "5", "--fresh"]).status.success());
    assert_eq!(std::fs::read(&journal).unwrap(), before);
}
