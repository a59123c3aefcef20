//! `compare`, `baseline` and `check`.

use std::path::Path;

use serde_json::Value;

use crate::common::{gpt2_eval, refused};

/// Exit code, standard output and standard error.
pub fn outcome(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = gpt2_eval(directory).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().unwrap(), stdout, stderr)
}

pub fn run(directory: &Path, tasks: &str, sizes: &str, out: &str, more: &[&str]) {
    let mut arguments = vec!["--tasks", tasks, "--sizes", sizes, "--data", "sample", "--quiet", "--out", out];
    arguments.extend(more);
    let (code, _, stderr) = outcome(directory, &arguments);
    assert_eq!(code, 0, "{stderr}");
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The baseline with shifted log-likelihoods of the first model on LAMBADA.
fn shifted(baseline: &Value, shift: f64) -> String {
    let mut baseline = baseline.clone();
    for value in model(&mut baseline, "lambada")["values"]["log_likelihood"].as_array_mut().unwrap() {
        *value = (value.as_f64().unwrap() + shift).into();
    }
    baseline.to_string()
}

/// The first model of a task.
pub fn model<'a>(baseline: &'a mut Value, task: &str) -> &'a mut Value {
    let tasks = baseline["tasks"].as_array_mut().unwrap();
    &mut tasks.iter_mut().find(|known| known["task"] == task).unwrap()["models"][0]
}

#[test]
fn compare_has_every_metric_and_the_changed_samples() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let tasks = "lambada,winograd,cbt-cn,wikitext2,coqa,wmt14-fr-en,nq";
    run(path, tasks, "tiny-3M", "small", &[]);
    run(path, tasks, "tiny-8M", "large", &[]);

    // One model each: they are paired by default.
    let (code, stdout, stderr) = outcome(path, &["compare", "small", "large", "--format", "json"]);
    assert_eq!(code, 0, "{stderr}");
    let found: Value = serde_json::from_str(&stdout).unwrap();
    let compared = found["tasks"].as_array().unwrap();
    assert_eq!(compared.len(), 7);
    let scores = |run: &str| {
        let mut reader = csv::Reader::from_path(path.join(run).join("scores.csv")).unwrap();
        reader.records().map(Result::unwrap).filter(|row| !row[1].is_empty()).collect::<Vec<_>>()
    };
    let (small, large) = (scores("small"), scores("large"));
    let metrics: Vec<(&Value, &Value)> = compared
        .iter()
        .flat_map(|task| task["metrics"].as_array().unwrap().iter().map(move |metric| (task, metric)))
        .collect();
    assert_eq!(metrics.len(), small.len());
    for ((task, metric), (old, new)) in metrics.iter().zip(small.iter().zip(&large)) {
        assert_eq!((&task["task"], &metric["metric"]), (&old[2].into(), &old[4].into()));
        let number = |row: &csv::StringRecord| row[5].parse::<f64>().unwrap();
        let near = |a: &Value, b: f64| (a.as_f64().unwrap() - b).abs() <= 1e-12 * b.abs();
        assert!(near(&metric["base"], number(old)) && near(&metric["new"], number(new)), "{metric} {old:?}");
        let (low, high) = (metric["ci95_low"].as_f64(), metric["ci95_high"].as_f64());
        let difference = metric["difference"].as_f64().unwrap();
        assert!(low.is_none_or(|low| low <= difference) && high.is_none_or(|high| difference <= high));
        let p = metric["p"].as_f64();
        assert_eq!(p.is_some(), metric["metric"] != "accuracy_most_confident_1_percent", "{metric}");
        assert!(p.is_none_or(|p| (0.0..=1.0).contains(&p)));
        let is_accuracy = metric["metric"].as_str().unwrap().starts_with("accuracy");
        assert_eq!(
            metric["lost"].is_u64(),
            (is_accuracy && p.is_some()) || task["task"] == "nq" && p.is_some()
        );
    }

    // A changed sample with its location, prompt and target.
    let (_, text, _) = outcome(path, &["compare", "small", "large", "--samples", "2"]);
    for part in
        ["LAMBADA (paper,data=sample)", "tiny-3M → tiny-8M", "tasks/lambada/sample.jsonl:", "·", "target"]
    {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    let (_, text, _) = outcome(path, &["compare", "small", "large", "--format", "markdown"]);
    assert!(text.contains("| tiny-3M → tiny-8M | perplexity ↓ | 60 |"), "{text}");
    let (_, text, _) = outcome(path, &["compare", "small", "small"]);
    assert!(!text.contains("worst first"), "nothing changed: {text}");

    // Runs that measured different things.
    run(path, "lambada", "tiny-3M", "less", &["--limit", "20"]);
    let message = refused(path, &["compare", "small", "less"]);
    let part = "lambada protocol: paper,data=sample in the first, paper,data=sample,limit=20 in the second";
    assert!(message.contains(part) && message.contains("--force"), "{message}");
    let (code, text, stderr) = outcome(path, &["compare", "small", "less", "--force"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(text.contains("samples left out: 40 only in the first"), "{text}");
    let message = refused(path, &["compare", "small", "large", "--models", "tiny-3M=tiny-8"]);
    assert!(message.contains("did you mean `tiny-8M`?"), "{message}");
    let message = refused(path, &["compare", "small", "nothing"]);
    assert!(message.contains("nothing: not a run directory"), "{message}");
}

#[test]
fn only_regressions_and_missing_results_fail_the_gate() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada,coqa,wikitext2,nq", "tiny", "run", &[]);
    let (code, baseline, stderr) = outcome(path, &["baseline", "run"]);
    assert_eq!(code, 0, "{stderr}");
    std::fs::write(path.join("base.json"), &baseline).unwrap();
    assert_eq!(outcome(path, &["baseline", "run"]).1, baseline, "the same every time");
    assert!(!baseline.contains("null") && !baseline.contains("NaN"));
    assert!(baseline.len() < 40_000, "{} bytes", baseline.len());
    let parsed = json(&path.join("base.json"));
    assert_eq!((&parsed["tasks"][0]["samples"], &parsed["tasks"][0].get("clusters")), (&60.into(), &None));
    let coqa = parsed["tasks"].as_array().unwrap().iter().find(|task| task["task"] == "coqa").unwrap();
    assert_eq!(coqa["clusters"].as_array().unwrap().len(), 60, "turns of a story share a cluster");

    // A run against itself, by file and by directory.
    for base in ["base.json", "run"] {
        let (code, text, stderr) = outcome(path, &["check", base, "run", "--exact"]);
        assert_eq!(code, 0, "{stderr}");
        assert!(text.contains("The gate passed"), "{text}");
    }
    // Two perplexities are lower in one model, but 60 samples are too few for significance among 22 metrics.
    let mapped = ["check", "base.json", "run", "--models", "tiny-8M=tiny-3M"];
    let (code, text, _) = outcome(path, &mapped);
    assert!(code == 0 && !text.contains("tiny-8M"), "{text}");

    // A baseline that was worse in one task.
    std::fs::write(path.join("worse.json"), shifted(&parsed, -2.0)).unwrap();
    let (code, text, stderr) = outcome(path, &["check", "worse.json", "run"]);
    assert!(code == 0 && text.contains("The gate passed: 22 metrics, 1 improved"), "{text} {stderr}");

    // A baseline that was better in one task.
    std::fs::write(path.join("better.json"), shifted(&parsed, 2.0)).unwrap();
    let files = ["check", "better.json", "run", "--output", "gate.xml", "-o", "gate.md"];
    let (code, text, stderr) = outcome(path, &files);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("run against better.json: The gate failed: 22 metrics, 1 regressed"), "{stderr}");
    assert!(text.contains("REGRESSED"), "{text}");
    let xml = std::fs::read_to_string(path.join("gate.xml")).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let failed: Vec<_> = document.descendants().filter(|node| node.has_tag_name("failure")).collect();
    assert_eq!(failed.len(), 1);
    let case = failed[0].parent().unwrap();
    assert_eq!(case.attribute("classname"), Some("tiny-3M.lambada:paper,data=sample"));
    assert_eq!(case.attribute("name"), Some("perplexity"));
    let summary = std::fs::read_to_string(path.join("gate.md")).unwrap();
    assert!(summary.contains("## The gate failed: 22 metrics, 1 regressed"), "{summary}");
    // e² - 1 is 639 %.
    let tolerant = ["check", "better.json", "run", "--tolerance", "*.perplexity=640%"];
    let (code, text, stderr) = outcome(path, &tolerant);
    assert!(code == 0 && text.contains("worse, tolerated"), "{stderr}");
    assert_eq!(outcome(path, &["check", "better.json", "run", "--tolerance", "lambada.*=638%"]).0, 1);

    // A metric that the run lacks.
    let mut more = parsed.clone();
    let metrics = model(&mut more, "nq")["metrics"].as_array_mut().unwrap();
    metrics.push(serde_json::json!({"metric": "beauty", "value": 1.0}));
    std::fs::write(path.join("more.json"), more.to_string()).unwrap();
    let (code, text, _) = outcome(path, &["check", "more.json", "run", "--format", "junit"]);
    assert_eq!(code, 1);
    assert!(text.contains("beauty is 1 in the baseline and missing in the run"), "{text}");

    // Records that differ.
    let journal = path.join("run/samples/tiny-3M/lambada.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    run(path, "lambada,coqa,wikitext2,nq", "tiny", "other", &[]);
    let changed = text.replacen("\"greedy\":false", "\"greedy\":true", 1);
    assert_ne!(changed, text);
    std::fs::write(&journal, changed).unwrap();
    assert_eq!(outcome(path, &["check", "other", "run"]).0, 0, "no value changed");
    let (code, text, _) = outcome(path, &["check", "other", "run", "--exact"]);
    assert_eq!(code, 1);
    assert!(text.contains("1 records differ: 00000"), "{text}");
    let (code, text, _) = outcome(path, &["check", "base.json", "run", "--exact"]);
    assert_eq!(code, 1);
    assert!(text.contains("give a run directory as the baseline"), "{text}");

    // A run that lost samples passes the gate but is incomplete.
    let kept: String = text_without_last_line(&journal);
    std::fs::write(&journal, kept).unwrap();
    let (code, _, stderr) = outcome(path, &["check", "base.json", "run"]);
    assert!(
        code == 3 && stderr.contains("1 samples of base.json are missing or failed in run"),
        "{code} {stderr}"
    );
    let (code, _, stderr) = outcome(path, &["baseline", "run"]);
    assert!(code == 3 && stderr.contains("1 samples are missing"), "{code} {stderr}");
}

fn text_without_last_line(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn unusable_baselines_and_options_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada", "tiny-3M", "run", &[]);
    let (_, baseline, _) = outcome(path, &["baseline", "run"]);
    std::fs::write(path.join("base.json"), &baseline).unwrap();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write("old.json", &baseline.replace("\"baseline_version\":2", "\"baseline_version\":1"));
    write("text.json", "nothing");
    write("short.json", &baseline.replace("\"correct\":[0,", "\"correct\":["));
    let mut other: Value = serde_json::from_str(&baseline).unwrap();
    other["tasks"][0]["data"]["sha256"] = "abc".into();
    write("other.json", &other.to_string());
    let long = ["check", "base.json", "run", "--tolerance"];
    let tolerance = |amount: &'static str| [&long[..], &[amount]].concat();
    let refusals: Vec<(Vec<&str>, &str)> = vec![
        (vec!["check", "nothing.json", "run"], "nothing.json: not a run directory"),
        (vec!["check", "base.json", "nothing"], "nothing: not a run directory"),
        (vec!["check", "text.json", "run"], "name a run directory or a file of `gpt2-eval baseline`"),
        (vec!["check", "old.json", "run"], "its baseline_version is 1, this program reads 2"),
        (vec!["check", "short.json", "run"], "`correct` has 59 numbers, not 60"),
        (vec!["check", "other.json", "run"], "lambada data sha256: abc in the first"),
        (tolerance("lambda.perplexity=1%"), "did you mean `lambada`?"),
        (tolerance("lambada.perplexty=1%"), "did you mean `perplexity`?"),
        (tolerance("lambada=1"), "expected task.metric=0.5%"),
        (vec!["check", "base.json", "run", "--models", "tiny=tiny-3M"], "no model `tiny` in the first run"),
        (vec!["check", "base.json", "run", "--models", "tiny-3M"], "expected OLD=NEW"),
        (vec!["check", "base.json", "run", "-o", "nowhere/gate.xml"], "cannot write nowhere/gate.xml"),
        (vec!["baseline", "base.json"], "base.json"),
        (vec!["compare", "base.json", "run"], "base.json"),
    ];
    for (arguments, part) in refusals {
        let message = refused(path, &arguments);
        assert!(message.contains(part), "{arguments:?}: `{part}` is not in {message}");
    }
}

/// A centered accuracy is a linear function of the accuracy.
#[test]
fn a_metric_that_follows_from_the_accuracy_is_not_tested_again() {
    let run = crate::common::run_on_sample("core-copa", &[]);
    let output = gpt2_eval(run.path()).args(["baseline", "run"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let baseline: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let metrics = baseline["tasks"][0]["models"][0]["metrics"].as_array().unwrap();
    let names: Vec<&str> = metrics.iter().map(|metric| metric["metric"].as_str().unwrap()).collect();
    assert_eq!(names, ["accuracy", "bits_per_byte", "probability_correct"]);
    let scores = crate::common::scores(&run, "tiny-3M", "core-copa:nanochat,data=sample");
    assert!(scores.iter().any(|(metric, ..)| metric == "centered_accuracy"), "it is reported");
}
