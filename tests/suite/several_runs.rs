//! `gpt2-eval report RUN RUN…`: several runs in one table.

use std::path::Path;

use serde_json::Value;

use crate::common::{copy_model, gpt2_eval};

/// A run of a few samples.
fn run(directory: &Path, out: &str, arguments: &[&str]) {
    let output = gpt2_eval(directory)
        .args(["--limit", "3", "--quiet", "--out", out])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs `report`, checks its exit code, and returns standard output and standard error.
fn report(directory: &Path, code: i32, arguments: &[&str]) -> (String, String) {
    let output = gpt2_eval(directory).arg("report").args(arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    (String::from_utf8(output.stdout).unwrap(), error)
}

/// Models and values of `perplexity` on `task` in a CSV report.
fn perplexities(csv: &str, task: &str) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.filter(|row| row[2] == *task && row[4] == *"perplexity")
        .map(|row| (row[0].to_owned(), row[5].to_owned()))
        .collect()
}

fn models(csv: &str, task: &str) -> Vec<String> {
    perplexities(csv, task).into_iter().map(|(model, _)| model).collect()
}

/// Replaces text in a run's manifest.
fn change_manifest(run: &Path, from: &str, to: &str) {
    let path = run.join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in the manifest");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn runs_of_two_models_merge_into_one_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let tasks = ["--tasks", "lambada,cbt-cn,wikitext2", "--data", "sample"];
    run(path, "large", &[&tasks[..], &["--sizes", "tiny-8M"]].concat());
    run(path, "small", &[&tasks[..], &["--sizes", "tiny-3M"]].concat());
    run(path, "both", &[&tasks[..], &["--sizes", "tiny"]].concat());

    // The rows of a single run of both models, the smallest first, heuristic baselines once.
    let (csv, error) = report(path, 0, &["large", "small", "--format", "csv"]);
    assert_eq!(error, "", "no warnings");
    let sorted = |csv: &str| {
        let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let one = std::fs::read_to_string(path.join("both/scores.csv")).unwrap();
    assert_eq!(sorted(&csv), sorted(&one));
    assert_eq!(models(&csv, "lambada"), ["tiny-3M", "tiny-8M"]);

    let (table, _) = report(path, 0, &["large", "small"]);
    let (of_one, _) = report(path, 0, &["both"]);
    assert_eq!(table, of_one, "the same tables");
    assert!(table.starts_with("Summary: Table 3 of the paper\n"), "{table}");

    let (markdown, _) = report(path, 0, &["large", "small", "--format", "markdown"]);
    assert!(markdown.contains("\n2 runs: gpt2-eval "), "{markdown}");
    let (json, _) = report(path, 0, &["large", "small", "--format", "json"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    let names: Vec<&Value> = document["runs"].as_array().unwrap().iter().map(|run| &run["name"]).collect();
    assert_eq!(names, ["large", "small"]);
    assert_eq!(document["summary"]["groups"][0]["columns"][0]["cells"][1]["model"], "tiny-8M");

    // Every Eval Ever has no tables to merge: it exports every run.
    let (paths, _) = report(path, 0, &["large", "small", "--format", "eee,latex", "--out", "out"]);
    assert_eq!(paths.lines().count(), 5, "{paths}");
    assert!(paths.contains("tiny-3M") && paths.contains("tiny-8M") && paths.contains("out/table.tex"));
}

#[test]
fn equal_scores_are_shown_once_and_different_scores_per_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let tasks = ["--tasks", "lambada", "--data", "sample", "--sizes", "tiny-3M"];
    run(path, "first", &tasks);
    run(path, "second", &tasks);
    let (csv, error) = report(path, 0, &["first", "second", "first/", "--format", "csv"]);
    assert_eq!((models(&csv, "lambada"), error.as_str()), (vec!["tiny-3M".to_owned()], ""));
    let (table, _) = report(path, 0, &["first", "second"]);
    assert!(
        table.contains("tiny-3M has the same scores in first and second for lambada: they are shown once"),
        "{table}"
    );

    // Another program version, another device, and a changed score.
    change_manifest(&path.join("second"), "\"program_version\": \"", "\"program_version\": \"9.");
    change_manifest(&path.join("second"), "\"device\": \"flex\"", "\"device\": \"cuda:0\"");
    let journal = path.join("second/samples/tiny-3M/lambada.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines[0]["values"]["log_likelihood"] = Value::from(-1.0);
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&journal, lines).unwrap();
    let (csv, error) = report(path, 0, &["first", "second", "--format", "csv"]);
    assert_eq!(models(&csv, "lambada"), ["tiny-3M (first)", "tiny-3M (second)"]);
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        &format!("warning: lambada: program versions differ: {version} in first, 9.{version} in second\n"),
        "warning: lambada: devices differ: flex in first, cuda:0 in second\n",
        "warning: tiny-3M is the same model in first and second but has different scores: its rows are named after \
         the runs\n",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let (table, _) = report(path, 0, &["first", "second"]);
    assert!(table.starts_with("Warning: lambada: program versions differ"), "{table}");
    let (latex, _) = report(path, 0, &["first", "second", "--format", "latex"]);
    assert!(latex.contains("\\noindent Warning: lambada: program versions differ"), "{latex}");
}

#[test]
fn one_label_for_two_models_and_two_data_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for (out, model) in [("days/one", "tiny-3M"), ("nights/one", "tiny-8M")] {
        copy_model(model, &path.join(out).join("model"));
        let data = path.join(out).join("data/lambada");
        std::fs::create_dir_all(&data).unwrap();
        let line = format!("{{\"text\": \"The {model} sat on the mat\"}}\n").repeat(4);
        std::fs::write(data.join("lambada_test.jsonl"), line).unwrap();
        let model = format!("mine={out}/model");
        let data = format!("{out}/data");
        run(path, &format!("{out}/run"), &["--tasks", "lambada", "--data", &data, "--model", &model]);
    }
    let runs = ["days/one/run", "nights/one/run"];
    let (csv, error) = report(path, 0, &[&runs[..], &["--format", "csv"]].concat());
    // The directories have the same name, so the paths distinguish them.
    assert_eq!(models(&csv, "lambada"), ["mine (days/one/run)", "mine (nights/one/run)"]);
    assert!(error.contains("mine is not the same model in days/one/run and nights/one/run"), "{error}");
    assert!(error.contains("warning: lambada: the data differ (sha256): "), "{error}");

    // Different options are named in a warning and have their own rows.
    run(path, "shots", &["--tasks", "lambada", "--data", "sample", "--sizes", "tiny-3M", "--shots", "2"]);
    run(path, "plain", &["--tasks", "lambada", "--data", "sample", "--sizes", "tiny-3M"]);
    let (csv, error) = report(path, 0, &["shots", "plain", "--format", "csv"]);
    assert_eq!(models(&csv, "lambada"), ["tiny-3M", "tiny-3M"]);
    let label = "paper,data=sample,limit=3";
    let expected = format!(
        "warning: lambada: protocols or options differ: {label},shots=2,shots_from=sample in shots, {label} in plain\n"
    );
    assert!(
        error.contains("protocols or options differ: ") && error.contains("shots=2"),
        "{error} {expected}"
    );
}

#[test]
fn an_incomplete_run_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "whole", &["--tasks", "lambada,cbt-cn", "--data", "sample", "--sizes", "tiny-3M"]);
    run(path, "part", &["--tasks", "lambada,cbt-cn", "--data", "sample", "--sizes", "tiny-8M"]);
    let journal = path.join("part/samples/tiny-8M/lambada.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.lines().next().unwrap().to_owned() + "\n").unwrap();
    let (table, error) = report(path, 3, &["whole", "part"]);
    assert!(error.contains("part: 2 samples are missing"), "{error}");
    assert!(table.contains("§ part: tiny-8M: not measured: only 1 of 3 samples are finished"), "{table}");
    let row = table.lines().find(|line| line.starts_with("│ tiny-8M")).unwrap();
    assert!(row.contains("–§"), "the summary's cell has the symbol: {row}");
}
