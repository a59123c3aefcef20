//! The main command, `ls`, `show` and `--help`.

use std::path::Path;

use crate::common::gpt2_eval;

fn stdout(directory: &Path, arguments: &[&str]) -> String {
    let output = gpt2_eval(directory).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_main_command_leaves_a_run_directory() {
    let directory = tempfile::tempdir().unwrap();
    let table = stdout(directory.path(), &["--tasks", "all", "--sizes", "tiny", "--data", "sample"]);
    for part in
        ["LAMBADA (paper,data=sample)", "tiny-3M", "tiny-8M", "7,753,856", "†", "bundled sample of 60"]
    {
        assert!(table.contains(part), "`{part}` is not in:\n{table}");
    }
    let run = directory.path().join(table.lines().last().unwrap());
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["status"], "complete");
    assert_eq!(manifest["identity"]["data"][0]["provenance"], "sample");
    let usage = manifest["usage"].as_array().unwrap();
    assert_eq!(usage.len(), 2 * 16);
    for task in usage {
        let tokens = |name: &str| task[name].as_u64().unwrap();
        assert_eq!(tokens("padding_tokens"), 0, "{task}");
        assert!(tokens("read_tokens") <= tokens("requested_tokens"), "{task}");
        if task["task"].as_str().unwrap().starts_with("cbt") {
            assert!(
                5 * tokens("read_tokens") < tokens("requested_tokens"),
                "ten candidates share a story: {task}"
            );
        }
        if task["task"] == "coqa" {
            assert!(2 * tokens("read_tokens") < tokens("requested_tokens"), "turns share a story: {task}");
        }
    }
    for label in ["tiny-3M", "tiny-8M"] {
        let journal = std::fs::read_to_string(run.join(format!("samples/{label}/lambada.jsonl"))).unwrap();
        assert_eq!(journal.lines().count(), 60);
    }
    let mut reader = csv::Reader::from_path(run.join("scores.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let tasks = [
        "lambada",
        "cbt-cn",
        "cbt-ne",
        "winograd",
        "wikitext2",
        "ptb",
        "enwik8",
        "text8",
        "wikitext103",
        "1bw",
        "coqa",
        "cnn_dailymail",
        "wmt14-fr-en",
        "wmt14-en-fr",
        "wmt14-en-de",
        "nq",
    ];
    let metrics = [4, 1, 1, 2, 3, 3, 2, 2, 3, 3, 2, 4, 2, 2, 2, 2];
    // Heuristic baselines times their metrics.
    let baselines = [0, 2, 2, 4, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1];
    for ((task, metrics), baselines) in tasks.into_iter().zip(metrics).zip(baselines) {
        let of_task = || rows.iter().filter(|row| row[2] == *task);
        assert_eq!(of_task().filter(|row| !row[1].is_empty()).count(), 2 * metrics, "{task}: two models");
        assert_eq!(of_task().filter(|row| row[1].is_empty()).count(), baselines, "{task}: baselines");
    }
    for row in &rows {
        assert!(row[3].starts_with("paper,data=sample"), "every row names the sample");
        // 1 % of 30 questions is one question, which has no standard error and no interval.
        if &row[4] == "accuracy_most_confident_1_percent" {
            assert_eq!((&row[6], &row[7], &row[8]), ("", "", ""), "{row:?}");
            continue;
        }
        assert!(row[6].parse::<f64>().is_ok(), "a standard error for {row:?}");
        assert!(row[7].parse::<f64>().unwrap() <= row[5].parse().unwrap(), "{row:?}");
    }
    let breakdowns = std::fs::read_to_string(run.join("breakdowns.csv")).unwrap();
    assert_eq!(breakdowns.lines().filter(|line| line.contains(",domain,")).count(), 2 * 5 * 2);
    assert_eq!(breakdowns.lines().filter(|line| line.contains(",confidence,")).count(), 2 * 10 * 2);
    assert!(std::fs::read_to_string(run.join("table.md")).unwrap().contains("†"));
}

#[test]
fn scores_of_paper_sizes_are_beside_the_papers() {
    let directory = tempfile::tempdir().unwrap();
    crate::common::copy_model("tiny-3M", &directory.path().join("models/117M"));
    let table = stdout(
        directory.path(),
        &["--tasks", "lambada", "--sizes", "gpt2", "--data", "sample", "--limit", "20", "--quiet"],
    );
    for part in ["117M", "35.13", "45.99", "Δ", "limit=20", "†‡", "20 of 60 records"] {
        assert!(table.contains(part), "`{part}` is not in:\n{table}");
    }
}

#[test]
fn lists_may_have_spaces_and_end_in_a_comma() {
    let directory = tempfile::tempdir().unwrap();
    let rest = ["--data", "sample", "--limit", "2", "--format", "csv, json", "--out", "run", "--quiet"];
    let lists = ["--tasks", " lambada, cbt-cn,", "--sizes", "tiny-3M, Tiny-8M"];
    let table = stdout(directory.path(), &[&lists[..], &rest].concat());
    for part in ["LAMBADA", "CBT", "tiny-3M", "tiny-8M"] {
        assert!(table.contains(part), "`{part}` is not in:\n{table}");
    }
    let refused = |arguments: &[&str]| crate::common::refused(directory.path(), arguments);
    assert!(refused(&["--tasks", " ,", "--sizes", "tiny", "--data", "sample"]).contains("no tasks"));
    let message = refused(&["--tasks", "lambada,", "cbt-cn", "--sizes", "tiny", "--data", "sample"]);
    assert!(message.contains("a list is one argument: write `a,b` without spaces"), "{message}");
}

#[test]
fn show_makes_white_space_visible() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lambada_test.jsonl");
    std::fs::write(file, "{\"text\":\"“The sea,” she said,\\n\\n“is a sea\"}\n").unwrap();
    let paper = stdout(directory.path(), &["show", "lambada", "--data", ".", "--limit", "1"]);
    insta::assert_snapshot!("show_lambada_paper", paper);
    let harness = stdout(directory.path(), &["show", "lambada:harness", "--data", "."]);
    insta::assert_snapshot!("show_lambada_harness", harness);
}

#[test]
fn ls_lists_tasks_and_models() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("ls", stdout(directory.path(), &["ls"]));
    std::fs::create_dir_all(directory.path().join("data/lambada")).unwrap();
    let listed = |content: &str| {
        std::fs::write(directory.path().join("data/lambada/lambada_test.jsonl"), content).unwrap();
        stdout(directory.path(), &["ls", "--data", "data"])
    };
    let text = listed("{\"text\": \"The cat sat\"}\n{\"text\": \"The cat sat\"}\n");
    for part in [
        "data/lambada/lambada_test.jsonl (2 records, unverified)",
        "the file has 2 records, the published set has 5,153",
        "records that equal an earlier one: 1, the first is data/lambada/lambada_test.jsonl:2",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let text = listed("");
    assert!(text.contains("unusable: data/lambada/lambada_test.jsonl: the file has no records"), "{text}");
}

#[test]
fn no_arguments_print_help() {
    let directory = tempfile::tempdir().unwrap();
    let output = gpt2_eval(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Usage: gpt2-eval"));
    assert!(stdout(directory.path(), &["--help"]).contains("Examples:"));
}
