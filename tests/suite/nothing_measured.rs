//! Runs that measure nothing say so, and `--limit` takes samples that have something to measure.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::common::gpt2_eval;

/// Exit code, standard output and standard error.
fn ends(path: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = gpt2_eval(path).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// About 3,000 tokens in lines of ten words: six parts of a stream, of which windows of 1,024 tokens begin in three.
fn stream() -> String {
    let text = include_str!("../../tasks/cbt-cn/sample.txt");
    let words: Vec<&str> = text.split_whitespace().take(2800).collect();
    words.chunks(10).map(|words| format!(" {} \n", words.join(" "))).collect()
}

#[test]
fn limits_of_streams_take_parts_that_are_scored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let articles: String = stream()
        .split_inclusive('\n')
        .collect::<Vec<_>>()
        .chunks(35)
        .map(|lines| format!(" \n = A = \n \n{}", lines.concat()))
        .collect();
    for (name, text) in [
        ("wikitext/wiki.test.raw", &articles),
        ("ptb/ptb.test.txt", &stream()),
        ("1bw/news.en.heldout-00000-of-00050", &stream()),
        ("enwik8/enwik8", &stream()),
        ("text8/text8", &stream().replace('\n', "")),
    ] {
        let file = path.join("data").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let config = "name = \"mine\"\ntitle = \"T\"\nmeasures = \"M\"\nkind = \"perplexity\"\n[data]\nfile = \"text.txt\"\n";
    std::fs::write(path.join("mine.toml"), config).unwrap();
    std::fs::write(path.join("text.txt"), stream()).unwrap();
    let tasks = ["wikitext2", "wikitext103", "ptb", "1bw", "enwik8", "text8", "mine"];
    let joined = tasks.join(",");
    let run = |limit: &str, seed: &str, more: &[&str]| {
        let arguments =
            ["--tasks", &joined, "--task-file", "mine.toml", "--sizes", "tiny-3M", "--data", "data"];
        let more = [&["--stride", "1024", "--quiet", "--limit", limit, "--seed", seed], more].concat();
        let (code, table, message) = ends(path, &[&arguments[..], &more].concat());
        assert_eq!(code, 0, "{message}");
        table
    };
    let samples = |out: &str, task: &str| {
        let protocol = if task == "mine" { "custom" } else { "paper" };
        lines(&path.join(format!("{out}/samples/tiny-3M/{task}.{protocol},stride=1024.jsonl")))
    };
    for seed in ["0", "1", "2"] {
        let (one, two) = (format!("one-{seed}"), format!("two-{seed}"));
        let table = run("1", seed, &["--out", &one]);
        assert!(table.contains("limit=1"), "{table}");
        run("2", seed, &["--out", &two]);
        for task in tasks {
            let ids = |out: &str, count: usize| -> BTreeSet<String> {
                let records = samples(out, task);
                assert_eq!(records.len(), count, "{task}");
                assert!(records.iter().all(|record| record["target_tokens"].as_u64() > Some(0)), "{task}");
                records.iter().map(|record| record["id"].to_string()).collect()
            };
            assert!(ids(&one, 1).is_subset(&ids(&two, 2)), "{task}");
        }
    }
    // Three of the six parts have windows: more are all of the text, which is no subset.
    run("5", "0", &["--out", "all"]);
    let records = samples("all", "mine");
    let empty = records.iter().filter(|record| record["target_tokens"] == 0).count();
    assert!(records.len() > 5 && empty > 1, "{} {empty}", records.len());
    assert!(!std::fs::read_to_string(path.join("all/scores.csv")).unwrap().contains("mine,\"custom,limit"));

    // A part of a run may have nothing to measure.
    run("1", "0", &["--out", "parts", "--shard", "0/2"]);
    run("1", "0", &["--out", "parts", "--shard", "1/2"]);
    let (code, _, message) = ends(path, &["merge", "parts"]);
    assert_eq!(code, 0, "{message}");
}

#[test]
fn a_task_without_a_value_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let data = |name: &str, text: &str| {
        let file = path.join("data").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let long = format!("{{\"text\": \"{}\"}}\n", "word ".repeat(1100).trim());
    data("lambada/lambada_test.jsonl", &long);
    data("ptb/ptb.test.txt", "a cat sat on a mat\n");
    let run = ["--tasks", "lambada,ptb", "--sizes", "tiny", "--data", "data", "--out", "run", "--quiet"];
    let (code, table, message) = ends(path, &run);
    assert_eq!(code, 2, "{message}");
    for model in ["tiny-3M", "tiny-8M"] {
        let part =
            format!("lambada:paper,data=unverified on {model}: all 1 samples failed; the first is 00000: ");
        assert!(message.contains(&part), "{message}");
    }
    assert!(message.contains("no value was measured for:") && message.contains("1100 tokens"), "{message}");
    assert!(!message.contains("ptb:"), "{message}");
    assert!(!message.contains("run the same command again"), "a second run would fail too: {message}");
    assert!(table.contains("§ tiny-3M: 1 of 1 samples failed"), "{table}");
    for command in [&["score", "run"][..], &["report", "run"]] {
        let (code, _, message) = ends(path, command);
        assert!(code == 2 && message.contains("on tiny-8M: all 1 samples failed"), "{code} {message}");
    }

    // With one good passage the task has a value.
    data("lambada/lambada_test.jsonl", &format!("{long}{{\"text\": \"a cat sat\"}}\n"));
    let (code, _, message) = ends(path, &[&run[..], &["--fresh"]].concat());
    assert!(code == 3 && message.contains("2 samples failed"), "{code} {message}");
}

#[test]
fn the_error_of_a_single_sample_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let run = [
        "--tasks",
        "lambada,wmt14-fr-en",
        "--sizes",
        "tiny",
        "--data",
        "sample",
        "--limit",
        "1",
        "--out",
        "run",
    ];
    let formats = ["--quiet", "--format", "markdown,latex,html,svg"];
    let (code, table, message) = ends(path, &[&run[..], &formats].concat());
    assert_eq!(code, 0, "{message}");
    let read = |name: &str| std::fs::read_to_string(path.join("run").join(name)).unwrap();
    for text in [&table, &read("table.md"), &read("report.html")] {
        assert!(text.contains("± ?") && text.contains("the error is unknown"), "{text}");
    }
    assert!(read("table.tex").contains("the error is unknown"));
    let mut rows = csv::Reader::from_path(path.join("run/scores.csv")).unwrap();
    assert!(rows.records().map(Result::unwrap).all(|row| row[6].is_empty() && &row[9] == "1"));
    let figure = std::fs::read_dir(path.join("run/figures")).unwrap();
    let figures = figure.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(figures.filter(|svg| svg.contains("error unknown")).count() > 0);
    // With two samples the error is known.
    let two =
        ["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--limit", "2", "--out", "two"];
    let (_, table, _) = ends(path, &[&two[..], &["--quiet"]].concat());
    assert!(!table.contains("± ?"), "{table}");
}

#[test]
fn limits_choose_by_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let passages: Vec<&str> = include_str!("../../tasks/lambada/sample.jsonl").lines().collect();
    let pairs: Vec<String> = (0..60).map(|number| format!("What is {number}?,{}", number * number)).collect();
    let config = "name = \"mine\"\ntitle = \"T\"\nmeasures = \"M\"\nkind = \"generate\"\nprompt = \"{q}\"\n\
                  references = \"a\"\nmax_new_tokens = 1\n[data]\nfile = \"mine.csv\"\n";
    let mut chosen = Vec::new();
    for (name, step) in [("in-order", 1), ("shuffled", 37)] {
        let directory = path.join(name);
        std::fs::create_dir_all(directory.join("lambada")).unwrap();
        let order = (0..60).map(|index| index * step % 60);
        let texts: Vec<&str> = order.clone().map(|index| passages[index]).collect();
        std::fs::write(directory.join("lambada/lambada_test.jsonl"), texts.join("\n")).unwrap();
        let rows: Vec<&str> = order.map(|index| pairs[index].as_str()).collect();
        std::fs::write(directory.join("mine.csv"), format!("q,a\n{}\n", rows.join("\n"))).unwrap();
        std::fs::write(directory.join("mine.toml"), config).unwrap();
        let tasks =
            ["--tasks", "lambada,lambada:harness,mine", "--task-file", "mine.toml", "--sizes", "tiny-3M"];
        let more = ["--data", ".", "--limit", "10", "--out", "run", "--quiet"];
        let (code, _, message) = ends(&directory, &[&tasks[..], &more].concat());
        assert_eq!(code, 0, "{message}");
        let prompts = |task: &str| -> BTreeSet<String> {
            let prompts = lines(&directory.join("run/prompts").join(task));
            prompts.iter().map(|prompt| prompt["requests"].to_string()).collect()
        };
        let ids = |task: &str| -> Vec<String> {
            let prompts = lines(&directory.join("run/prompts").join(task));
            prompts.iter().map(|prompt| prompt["id"].to_string()).collect()
        };
        // Protocols of a task measure the same samples.
        assert_eq!(ids("lambada.jsonl"), ids("lambada.harness.jsonl"));
        chosen.push([prompts("lambada.jsonl"), prompts("mine.jsonl")]);
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(directory.join("run/manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["identity"]["selection"], 2);
    }
    assert_eq!(chosen[0], chosen[1]);
    assert!(chosen[0].iter().all(|chosen| chosen.len() == 10));
}
