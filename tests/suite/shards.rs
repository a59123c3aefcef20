//! Shards: parts of a run on several machines, and their merge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::common::{gpt2_eval, refused};

const TASKS: &str = "lambada,winograd,coqa,cbt-cn,cbt-ne,nq,wikitext2";

fn run(directory: &Path, more: &[&str]) -> Option<i32> {
    let mut command = gpt2_eval(directory);
    command.args(["--tasks", TASKS, "--sizes", "tiny-3M", "--data", "sample", "--quiet"]).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.status.code()
}

/// Every file below `directory` except shards and the manifest, whose times differ.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap().to_owned();
            if path.is_dir() && name != Path::new("shards") {
                left.push(path);
            } else if path.is_file() && name != Path::new("manifest.json") && name != Path::new(".lock") {
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn merged_shards_are_the_whole_run_byte_for_byte() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, &["--out", "whole"]);
    let whole = files(&path.join("whole"));
    assert!(whole.len() == 2 * 7 + 4 + 3, "samples, prompts and baselines: {:?}", whole.keys());

    // Two shards share a directory, the third has another.
    run(path, &["--out", "shared", "--shard", "0/3"]);
    run(path, &["--out", "shared", "--shard=2/3"]);
    let output = gpt2_eval(path).args(["merge", "shared"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("shard 1/3 is missing; run: "), "{message}");
    assert!(
        message.contains("--out shared --shard 1/3"),
        "the command of the first shard with another index: {message}"
    );

    run(path, &["--out", "third", "--shard", "1/3"]);
    let third = "third/shards/1-of-3";
    let message = refused(path, &["merge", "shared", third]);
    assert!(message.contains("--out"), "{message}");
    // As after a kill between the last sample and the ordering of the journal.
    let journal = path.join(third).join("samples/tiny-3M/lambada.jsonl");
    let mut lines: Vec<String> =
        std::fs::read_to_string(&journal).unwrap().lines().map(|line| format!("{line}\n")).collect();
    lines.reverse();
    assert!(lines.len() > 10);
    std::fs::write(&journal, lines.concat()).unwrap();
    // A shard that has only started counts as missing.
    std::fs::create_dir_all(path.join("shared/shards/1-of-3")).unwrap();
    std::fs::copy(path.join(third).join("manifest.json"), path.join("shared/shards/1-of-3/manifest.json"))
        .unwrap();
    assert_eq!(gpt2_eval(path).args(["merge", "shared"]).output().unwrap().status.code(), Some(3));
    let merged = gpt2_eval(path).args(["merge", "shared", third, "--out", "merged"]).output().unwrap();
    assert!(merged.status.success(), "{}", String::from_utf8_lossy(&merged.stderr));
    let merged = files(&path.join("merged"));
    assert_eq!(merged.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (name, content) in &whole {
        assert!(merged[name] == *content, "{} differs", name.display());
    }
    let text = std::fs::read(path.join("merged/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&manifest["status"], manifest["shards"].as_array().unwrap().len()), (&"complete".into(), 3));
    assert!(manifest["identity"].get("shard").is_none());

    // The command of the whole run finds the merged run finished.
    assert_eq!(run(path, &["--out", "merged"]), Some(0));
    assert!(files(&path.join("merged")) == whole);
}

#[test]
fn shards_that_cannot_be_merged_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let lambada = |more: &[&str]| {
        let mut command = gpt2_eval(path);
        command.args(["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--quiet"]).args(more);
        assert!(command.output().unwrap().status.success());
    };
    lambada(&["--out", "a", "--shard", "0/2"]);
    lambada(&["--out", "b", "--shard", "0/2"]);
    lambada(&["--out", "other", "--shard", "1/2", "--seed", "3"]);
    lambada(&["--out", "whole"]);
    let message = refused(path, &["merge", "a", "b", "--out", "m"]);
    assert!(message.contains("shard 0/2 is in a/shards/0-of-2 and in b/shards/0-of-2"), "{message}");
    let message = refused(path, &["merge", "a", "other", "--out", "m"]);
    assert!(
        message.contains("belong to different runs") && message.contains("seed: there 0, now 3"),
        "{message}"
    );
    let message = refused(path, &["merge", "whole"]);
    assert!(message.contains("whole: no shards"), "{message}");
    let message = refused(path, &["merge", "nothing"]);
    assert!(message.contains("nothing: not a run directory"), "{message}");

    // A shard that lost samples.
    lambada(&["--out", "a", "--shard", "1/2"]);
    let journal = path.join("a/shards/1-of-2/samples/tiny-3M/lambada.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let (first, _) = text.split_once('\n').unwrap();
    std::fs::write(&journal, format!("{first}\n")).unwrap();
    let output = gpt2_eval(path).args(["merge", "a"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    let lost = text.lines().count() - 1;
    assert!(
        message.contains(&format!("shard 1/2 in a/shards/1-of-2 lacks {lost} samples; run: ")),
        "{message}"
    );

    // The right number of results, but one of them of another sample.
    let (_, rest) = text.split_once('\n').unwrap();
    let other = first.replacen("\"id\":\"", "\"id\":\"other-", 1);
    assert_ne!(other, first);
    std::fs::write(&journal, format!("{other}\n{rest}")).unwrap();
    let message = refused(path, &["merge", "a"]);
    assert!(message.contains("lambada.jsonl:1: the run has no sample other-"), "{message}");
}
