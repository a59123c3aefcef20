//! Gates that could not fail are refused, and what a gate does not test is counted.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::refused;
use crate::gate::{json as read_json, model, outcome, run};

const JOURNAL: &str = "samples/tiny-3M/lambada.jsonl";

fn write_json(path: &Path, value: &Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

/// A baseline of the run directory `run`, as `base.json`.
fn baseline_of_run(path: &Path) -> Value {
    let (code, text, stderr) = outcome(path, &["baseline", "run"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    std::fs::write(path.join("base.json"), &text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Changes the records of a journal, each with its index.
fn change_journal(journal: &Path, change: impl Fn(usize, &mut Value)) {
    let text = std::fs::read_to_string(journal).unwrap();
    let mut changed = String::new();
    for (index, line) in text.lines().enumerate() {
        let mut record: Value = serde_json::from_str(line).unwrap();
        change(index, &mut record);
        writeln!(changed, "{record}").unwrap();
    }
    std::fs::write(journal, changed).unwrap();
}

/// Makes a record that of a failed sample.
fn fail(record: &mut Value) {
    record["error"] = "the model gave up".into();
    record["values"] = json!({});
}

fn copy_run(path: &Path, from: &str, to: &str) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    copy(&path.join(from), &path.join(to));
}

type Change = Box<dyn Fn(&mut Value)>;

#[test]
#[allow(clippy::too_many_lines, reason = "a table of changes")]
fn baselines_with_which_no_gate_fails_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada,coqa,wmt14-fr-en", "tiny-3M", "run", &[]);
    let baseline = baseline_of_run(path);
    let twice = |list: &mut Value| {
        let list = list.as_array_mut().unwrap();
        list.push(list[0].clone());
    };
    let column = |baseline: &mut Value, task: &str, name: &str, change: &dyn Fn(usize, &mut Value)| {
        let column = model(baseline, task)["values"][name].as_array_mut().unwrap();
        column.iter_mut().enumerate().for_each(|(index, value)| change(index, value));
    };
    let set = |task: &'static str, name: &'static str, value: Value| -> Change {
        Box::new(move |baseline| {
            column(baseline, task, name, &|index, old| {
                if index == 3 {
                    *old = value.clone();
                }
            });
        })
    };
    let changed = |change: fn(&mut Value)| -> Change { Box::new(change) };
    let changes: Vec<(Change, &str)> = vec![
        // Nothing to compare.
        (
            changed(|base| (base["models"], base["tasks"]) = (json!([]), json!([]))),
            "it has no model: no gate",
        ),
        (changed(|base| base["tasks"] = json!([])), "it has no task: no gate can compare it"),
        (
            changed(|base| base["tasks"][0]["models"] = json!([])),
            "lambada: it has no entry of the model `tiny-3M`",
        ),
        (
            changed(|base| model(base, "coqa")["metrics"] = json!([])),
            "coqa (paper,data=sample) has no metric of tiny-3M: no gate can compare it",
        ),
        (
            changed(|base| {
                let model = model(base, "lambada");
                model["without"] = (0..60).collect();
                (model["metrics"], model["values"]) = (json!([]), json!({}));
            }),
            "all 60 samples of tiny-3M failed in lambada (paper,data=sample): no gate can compare it",
        ),
        // Holm's correction counts what is there twice.
        (
            Box::new(move |base| twice(&mut base["tasks"])),
            "the task `lambada (paper,data=sample)` is there twice",
        ),
        (Box::new(move |base| twice(&mut base["models"])), "the model `tiny-3M` is there twice"),
        (
            Box::new(move |base| twice(&mut base["tasks"][0]["models"])),
            "lambada: the model `tiny-3M` is there twice",
        ),
        (
            Box::new(move |base| twice(&mut model(base, "lambada")["metrics"])),
            "lambada: tiny-3M: the metric `perplexity` is there twice",
        ),
        // Nothing to test.
        (
            changed(|base| base["tasks"][0]["clusters"] = vec![7; 60].into()),
            "tiny-3M lambada (paper,data=sample): no metric can be tested: all samples are of one cluster",
        ),
        // Impossible values.
        (set("lambada", "correct", json!(-5)), "tiny-3M: `correct` of sample number 4 is -5, not 0 or 1"),
        (set("lambada", "correct", json!(2)), "`correct` of sample number 4 is 2, not 0 or 1"),
        (set("lambada", "correct", json!(0.5)), "`correct` of sample number 4 is 0.5, not 0 or 1"),
        (set("lambada", "log_likelihood", json!(5.0)), "is 5, not a log-likelihood of at most 0"),
        (set("lambada", "words", json!(-1)), "`words` of sample number 4 is -1, not a number of at least 0"),
        (set("coqa", "f1", json!(1.5)), "`f1` of sample number 4 is 1.5, not between 0 and 1"),
        (set("wmt14-fr-en", "bleu_correct1", json!(0.5)), "is 0.5, not a whole number of at least 0"),
        (
            set("wmt14-fr-en", "bleu_correct1", json!(1000)),
            "`bleu_correct1` of sample number 4 is larger than `bleu_total1`",
        ),
        (
            set("wmt14-fr-en", "bleu_total1", json!(1000)),
            "`bleu_total1` of sample number 4 is larger than `bleu_hypothesis_length`",
        ),
        (
            changed(|base| {
                model(base, "lambada")["values"].as_object_mut().unwrap().remove("words").unwrap();
            }),
            "`values` has no `words`, which perplexity needs",
        ),
        // Twice as many words halve the perplexity's exponent.
        (
            Box::new(move |base| column(base, "lambada", "words", &|_, value| *value = json!(2))),
            "perplexity is per `words`, of which the same samples have 120 in the baseline and 60 in the run",
        ),
        // Misspelled fields have no effect.
        (changed(|base| base["tasks"][0]["cluster"] = json!([])), "unknown field `cluster`"),
        (changed(|base| base["notes"] = json!("mine")), "unknown field `notes`"),
        (changed(|base| model(base, "coqa")["weight"] = json!(1)), "unknown field `weight`"),
    ];
    for (change, part) in changes {
        let mut changed = baseline.clone();
        change(&mut changed);
        assert_ne!(changed, baseline, "{part}");
        write_json(&path.join("changed.json"), &changed);
        let message = refused(path, &["check", "changed.json", "run"]);
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
    // A counted sample is named although others before it have no values.
    let mut skipping = baseline.clone();
    let of = model(&mut skipping, "lambada");
    of["without"] = json!([0, 2]);
    for (_, values) in of["values"].as_object_mut().unwrap() {
        values.as_array_mut().unwrap().drain(..2);
    }
    of["values"]["correct"][1] = json!(-5);
    write_json(&path.join("changed.json"), &skipping);
    let message = refused(path, &["check", "changed.json", "run"]);
    assert!(message.contains("sample number 4 is -5"), "{message}");

    // JSON that says a thing twice.
    let text = baseline.to_string();
    for (from, to, part) in [
        ("\"seed\":0", "\"seed\":0,\"seed\":0", "duplicate field `seed`"),
        ("\"values\":{", "\"values\":{\"correct\":[],", "duplicate field `correct`"),
    ] {
        assert!(text.contains(from));
        std::fs::write(path.join("changed.json"), text.replacen(from, to, 1)).unwrap();
        let message = refused(path, &["check", "changed.json", "run"]);
        assert!(message.contains(part), "{message}");
    }

    // Options that disagree or switch a metric off.
    for (options, part) in [
        (["lambada.*=1", "lambada.*=50"], "--tolerance lambada.*=1 and --tolerance lambada.*=50 disagree"),
        (["*.accuracy=100", "*.f1=1"], "--tolerance *.accuracy=100: lambada.accuracy could not fail"),
        (["*.accuracy=1", "*.*=1e308%"], "--tolerance *.*=1e308%: lambada.perplexity could not fail"),
    ] {
        let given = ["check", "base.json", "run", "--tolerance", options[0], "--tolerance", options[1]];
        let message = refused(path, &given);
        assert!(message.contains(part), "{message}");
    }
    let pairs = ["check", "base.json", "run", "--models", "tiny-3M=tiny-3M,tiny-3M=tiny-8M"];
    assert!(refused(path, &pairs).contains("--models tiny-3M=tiny-3M and tiny-3M=tiny-8M disagree"));
    assert_eq!(outcome(path, &["check", "base.json", "run"]).0, 0, "the baseline itself is good");
}

#[test]
fn one_cluster_is_compared_record_by_record_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada", "tiny-3M", "run", &[]);
    change_journal(&path.join("run").join(JOURNAL), |_, record| record["cluster"] = "story".into());
    copy_run(path, "run", "other");
    let (code, text, stderr) = outcome(path, &["baseline", "run"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("warning: lambada (paper,data=sample): all samples of tiny-3M are of one cluster"),
        "{stderr}"
    );
    std::fs::write(path.join("base.json"), text).unwrap();
    for base in ["base.json", "run"] {
        let message = refused(path, &["check", base, "other"]);
        assert!(message.contains("all samples are of one cluster"), "{message}");
        let (code, text, stderr) = outcome(path, &["check", base, "other", "--exact"]);
        assert!(
            code == 0 && text.contains("The gate passed: 4 metrics, 4 not tested, 0 of 1"),
            "{text}{stderr}"
        );
    }
    change_journal(&path.join("other").join(JOURNAL), |index, record| {
        record["target_tokens"] = json!(1 + usize::from(index == 5));
    });
    assert_eq!(outcome(path, &["check", "run", "other", "--exact"]).0, 1);
}

#[test]
fn runs_and_baselines_that_failed_never_pass() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada,cbt-cn", "tiny-3M", "run", &[]);
    baseline_of_run(path);
    copy_run(path, "run", "half");
    change_journal(&path.join("half").join(JOURNAL), |_, record| fail(record));
    copy_run(path, "half", "failed");
    change_journal(&path.join("failed/samples/tiny-3M/cbt-cn.jsonl"), |_, record| fail(record));
    copy_run(path, "run", "empty");
    std::fs::remove_dir_all(path.join("empty/samples")).unwrap();

    let message = refused(path, &["baseline", "half"]);
    let part =
        "half: all 60 samples of tiny-3M failed in lambada (paper,data=sample): no gate could compare it";
    assert!(message.contains(part), "{message}");
    let message = refused(path, &["baseline", "failed"]);
    assert!(message.contains("failed: all 60 samples of tiny-3M failed in lambada"), "{message}");
    for base in ["half", "failed"] {
        for new in ["run", "half", "failed"] {
            let message = refused(path, &["check", base, new]);
            assert!(message.contains("all 60 samples of tiny-3M failed in lambada"), "{message}");
        }
    }
    for new in ["failed", "empty"] {
        let message = refused(path, &["check", "base.json", new]);
        assert!(message.contains(&format!("{new}: the run has no metric of any task")), "{message}");
    }
    let (code, text, _) = outcome(path, &["check", "base.json", "half"]);
    assert!(
        code == 1 && text.contains("The gate failed: 5 metrics, 4 missing, 60 samples left out"),
        "{text}"
    );
    // A run that has not finished is no baseline.
    let (code, _, stderr) = outcome(path, &["check", "empty", "run"]);
    assert!(code == 3 && stderr.contains("empty: 80 samples are missing; finish the run before"), "{stderr}");

    // Some failed samples are counted.
    copy_run(path, "run", "some");
    change_journal(&path.join("some").join(JOURNAL), |index, record| {
        if index % 20 == 0 {
            fail(record);
        }
    });
    let (code, text, stderr) = outcome(path, &["check", "some", "run"]);
    assert!(code == 0 && text.contains("The gate passed: 5 metrics, 3 samples left out"), "{text}{stderr}");
    let (code, text, _) = outcome(path, &["check", "run", "some"]);
    assert!(code == 3 && text.contains("The gate passed: 5 metrics, 3 samples left out"), "{text}");
    // So are metrics that the baseline lacks.
    let mut fewer = read_json(&path.join("base.json"));
    model(&mut fewer, "lambada")["metrics"].as_array_mut().unwrap().truncate(1);
    write_json(&path.join("fewer.json"), &fewer);
    let (code, text, _) = outcome(path, &["check", "fewer.json", "run"]);
    assert!(code == 0 && text.contains("The gate passed: 2 metrics, 3 only in the run"), "{text}");
    fewer["tasks"].as_array_mut().unwrap().truncate(1);
    write_json(&path.join("fewer.json"), &fewer);
    let (code, text, _) = outcome(path, &["check", "fewer.json", "run"]);
    assert!(code == 0 && text.contains("The gate passed: 1 metrics, 4 only in the run"), "{text}");
}

#[test]
fn journals_that_no_run_writes_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada", "tiny-3M", "run", &[]);
    baseline_of_run(path);
    let journal = path.join("run").join(JOURNAL);
    let text = std::fs::read_to_string(&journal).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut record = first.clone();
        change(&mut record);
        record.to_string()
    };
    let rest = text.split_once('\n').unwrap().1;

    // A failed sample that was retried has two records.
    std::fs::write(&journal, format!("{}\n{text}", with(&fail))).unwrap();
    assert_eq!(outcome(path, &["check", "base.json", "run"]).0, 0);
    let better = with(&|record| record["values"]["correct"] = json!(1.0));
    for (content, part) in [
        (format!("{text}{better}\n"), "lambada.jsonl:61: a second result of sample 00000; delete the file"),
        (format!("{text}{first}\n"), "lambada.jsonl:61: a second result of sample 00000"),
        (format!("{text}{}\n", with(&fail)), "lambada.jsonl:61: a second result of sample 00000"),
        (
            format!("{text}{}\n", with(&|record| record["id"] = "99999".into())),
            "lambada.jsonl:61: the run has no sample 99999",
        ),
        (
            format!("{}\n{rest}", with(&|record| record["values"]["correct"] = json!(-5.0))),
            "lambada: tiny-3M: `correct` of sample number 1 is -5, not 0 or 1; its files were changed",
        ),
        (
            format!(
                "{}\n{rest}",
                with(&|record| drop(record["values"].as_object_mut().unwrap().remove("correct")))
            ),
            "sample 00000 of tiny-3M has no value `correct`, which the others have",
        ),
    ] {
        std::fs::write(&journal, content).unwrap();
        for arguments in
            [&["check", "base.json", "run"][..], &["baseline", "run"], &["compare", "run", "run"]]
        {
            let message = refused(path, arguments);
            assert!(message.contains(part), "{arguments:?}: `{part}` is not in {message}");
        }
    }
    // The same run, continued.
    std::fs::write(&journal, format!("{text}{better}\n")).unwrap();
    let again = ["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--quiet", "--out", "run"];
    let message = refused(path, &again);
    assert!(message.contains("lambada.jsonl:61: a second result of sample 00000"), "{message}");
}

#[test]
fn another_protocol_is_not_comparable_and_another_precision_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    run(path, "lambada,cbt-cn", "tiny-3M", "run", &[]);
    run(path, "lambada:harness,cbt-cn", "tiny-3M", "harness", &[]);
    run(path, "cbt-cn", "tiny-3M", "less", &[]);
    let baseline = baseline_of_run(path);
    for options in [&[][..], &["--exact"]] {
        let message = refused(path, &[&["check", "base.json", "harness"][..], options].concat());
        let part = "lambada protocol: paper,data=sample in the first, only harness,data=sample in the second";
        assert!(message.contains(part), "{message}");
    }
    let (code, text, _) = outcome(path, &["check", "base.json", "less"]);
    assert!(code == 1 && text.contains("The gate failed: 5 metrics, 4 missing"), "{text}");
    let (code, text, stderr) = outcome(path, &["compare", "run", "harness"]);
    assert!(
        code == 0 && text.contains("tiny-3M lambada (paper,data=sample) is only in run"),
        "{text}{stderr}"
    );

    // What computed the run.
    let mut other = baseline.clone();
    other["program_version"] = "0.0.1".into();
    other["engine_version"] = 1.into();
    other["dtype"] = "bf16".into();
    other["backend"] = "cuda".into();
    write_json(&path.join("other.json"), &other);
    let notes = [
        format!("program versions differ: 0.0.1 in other.json, {} in run", env!("CARGO_PKG_VERSION")),
        format!("versions of the engine differ: 1 in other.json, {} in run", baseline["engine_version"]),
        "precisions differ: bf16 in other.json, f32 in run".to_owned(),
        "backends differ: cuda in other.json, flex in run".to_owned(),
    ];
    for format in ["text", "markdown", "junit"] {
        let (code, text, _) = outcome(path, &["check", "other.json", "run", "--format", format]);
        assert_eq!(code, 0);
        for note in &notes {
            assert!(text.contains(note), "`{note}` is not in {text}");
        }
    }
    let (_, text, _) = outcome(path, &["check", "base.json", "run"]);
    assert!(!text.contains("differ:"), "{text}");
    copy_run(path, "run", "bf16");
    let manifest = path.join("bf16/manifest.json");
    let mut changed = read_json(&manifest);
    changed["identity"]["dtype"] = "bf16".into();
    write_json(&manifest, &changed);
    for format in ["text", "markdown", "json"] {
        let (code, text, stderr) = outcome(path, &["compare", "run", "bf16", "--format", format]);
        assert_eq!(code, 0, "{stderr}");
        assert!(text.contains("precisions differ: f32 in run, bf16 in bf16"), "{text}");
    }

    // Other tokens: a perplexity per token is not tested.
    let units = |base: &mut Value, tokenizer: &str| {
        base["models"][0]["tokenizer_sha256"] = tokenizer.into();
        for words in model(base, "lambada")["values"]["words"].as_array_mut().unwrap() {
            *words = 2.into();
        }
    };
    let mut other = baseline;
    units(&mut other, "another");
    write_json(&path.join("other.json"), &other);
    let (code, text, stderr) = outcome(path, &["check", "other.json", "run"]);
    assert!(code == 0 && text.contains("The gate passed: 5 metrics, 2 not tested"), "{text}{stderr}");
    assert!(
        text.contains("perplexity is not tested: another tokenizer or context gives it other units"),
        "{text}"
    );
}

#[test]
fn a_drop_of_exactly_the_tolerance_passes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::create_dir_all(path.join("data/lambada")).unwrap();
    let lines: String = (0..100).fold(String::new(), |mut text, number| {
        writeln!(text, "{{\"text\": \"Cat number {number} sat on the mat\"}}").unwrap();
        text
    });
    std::fs::write(path.join("data/lambada/lambada_test.jsonl"), lines).unwrap();
    let arguments = ["--tasks", "lambada", "--data", "data", "--sizes", "tiny-3M", "--quiet", "--out", "new"];
    let (code, _, stderr) = outcome(path, &arguments);
    assert_eq!(code, 0, "{stderr}");
    copy_run(path, "new", "base");
    for (run, right) in [("base", 68), ("new", 58)] {
        change_journal(&path.join(run).join(JOURNAL), |index, record| {
            record["values"]["correct"] = json!(f64::from(u8::from(index < right)));
        });
    }
    let check = |tolerance: &str, format: &str| {
        let rule = format!("lambada.accuracy={tolerance}");
        outcome(path, &["check", "base", "new", "--tolerance", &rule, "--format", format])
    };
    let (code, text, stderr) = check("10", "junit");
    assert_eq!(code, 0, "{text}{stderr}");
    assert!(text.contains("baseline 68, run 58, difference -10, 100 samples, tolerance 10"), "{text}");
    assert_eq!(check("9.999", "text").0, 1);
    // 10 of 68.
    assert_eq!(check("14.70588236%", "text").0, 0);
    assert_eq!(check("14.705882%", "text").0, 1);
}
