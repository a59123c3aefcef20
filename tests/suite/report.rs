//! `gpt2-eval report`: the scores of a run in other formats.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::common::{gpt2_eval, refused, write_passages};
use crate::json_schema::Validator;

fn golden(name: &str) -> Validator {
    let path = format!("{}/tests/golden/every_eval_ever/{name}", env!("CARGO_MANIFEST_DIR"));
    Validator::new(&std::fs::read_to_string(path).unwrap())
}

fn report(directory: &Path, code: i32, arguments: &[&str]) -> String {
    let output = gpt2_eval(directory).arg("report").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The documents and samples below a data store, by path.
fn store(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// Validates a data store against the schemas, and its documents against their samples; returns both.
fn check_store(files: &BTreeMap<String, String>) -> Vec<(Value, Vec<Value>)> {
    let (log_schema, sample_schema) = (golden("eval.schema.json"), golden("instance_level_eval.schema.json"));
    let mut checked = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| !path.ends_with("_samples.jsonl")) {
        let log: Value = serde_json::from_str(text).unwrap();
        assert_eq!(log_schema.errors(&log), Vec::<String>::new(), "{path}");
        let detail = &log["detailed_evaluation_results"];
        let samples_path = detail["file_path"].as_str().unwrap();
        assert_eq!(samples_path, path.replace(".json", "_samples.jsonl"));
        let text = &files[samples_path];
        let digest = Sha256::digest(text.as_bytes());
        let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(detail["checksum"], hexadecimal);
        let samples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(detail["total_rows"], samples.len());
        let results = log["evaluation_results"].as_array().unwrap();
        for sample in &samples {
            assert_eq!(sample_schema.errors(sample), Vec::<String>::new(), "{samples_path}: {sample}");
            assert_eq!(sample["evaluation_id"], log["evaluation_id"]);
            assert_eq!(sample["model_id"], log["model_info"]["id"]);
            let id = &sample["evaluation_result_id"];
            assert!(
                id.is_null() || results.iter().any(|result| result["evaluation_result_id"] == *id),
                "{id}"
            );
        }
        checked.push((log, samples));
    }
    assert_eq!(checked.len() * 2, files.len());
    checked
}

#[test]
fn all_formats_of_one_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let tasks = "lambada,cbt-cn,winograd,coqa,cnn_dailymail,wmt14-fr-en,enwik8";
    let output = gpt2_eval(path)
        .args(["--tasks", tasks, "--sizes", "tiny", "--data", "sample", "--out", "run", "--quiet"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let of_run = |name: &str| std::fs::read_to_string(path.join("run").join(name)).unwrap();

    // One format to standard output or to a file.
    let table = report(path, 0, &["run"]);
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(&table), "the run's own table: {table}");
    assert_eq!(report(path, 0, &["run", "--format", "markdown"]), of_run("table.md"));
    assert_eq!(report(path, 0, &["run", "--format", "csv"]), of_run("scores.csv"));
    assert_eq!(
        report(path, 0, &["run", "--format", "json", "--out", "new/scores.json"]),
        "new/scores.json\n"
    );

    let text = std::fs::read_to_string(path.join("new/scores.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let schema = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("results/schema/report.schema.json"),
    );
    assert_eq!(Validator::new(&schema.unwrap()).errors(&document), Vec::<String>::new());
    let rows = |name: &str| document[name].as_array().unwrap().len();
    assert_eq!(
        (rows("scores"), rows("breakdowns")),
        (of_run("scores.csv").lines().count() - 1, of_run("breakdowns.csv").lines().count() - 1)
    );
    assert_eq!(document["headings"][0]["caveats"][0]["symbol"], "†");

    // Several formats to a directory, twice with the same bytes.
    let formats = ["run", "--format", "table,markdown,csv,json,eee", "--organization", "A \"lab\""];
    let paths = report(path, 0, &[&formats[..], &["--out", "all"]].concat());
    assert_eq!(paths.lines().count(), 5 + 2 * 2, "{paths}");
    report(path, 0, &[&formats[..], &["--out", "again"]].concat());
    assert_eq!(store(&path.join("all")), store(&path.join("again")));
    assert_eq!(std::fs::read_to_string(path.join("all/breakdowns.csv")).unwrap(), of_run("breakdowns.csv"));

    let files: BTreeMap<String, String> =
        store(&path.join("all")).into_iter().filter(|(path, _)| path.starts_with("data/")).collect();
    let checked = check_store(&files);
    assert_eq!(checked.len(), 2);
    let scores = of_run("scores.csv");
    for (log, samples) in &checked {
        let label = log["model_info"]["name"].as_str().unwrap();
        assert_eq!(log["model_info"]["id"], format!("gpt2-eval/{label}"));
        assert_eq!(log["source_metadata"]["source_organization_name"], "A \"lab\"");
        let results = log["evaluation_results"].as_array().unwrap();
        let own = scores.lines().filter(|line| line.starts_with(&format!("{label},"))).count();
        assert_eq!(results.len(), own, "one per row of scores.csv");
        // The score of a mean is the mean of its samples' scores.
        for result in results.iter().filter(|result| result["metric_config"]["metric_unit"] == "percent") {
            let id = &result["evaluation_result_id"];
            let own = samples.iter().filter(|sample| sample["evaluation_result_id"] == *id);
            let values: Vec<f64> =
                own.map(|sample| sample["evaluation"]["score"].as_f64().unwrap()).collect();
            let kind = result["metric_config"]["metric_kind"].as_str().unwrap();
            if !values.is_empty() && kind != "bleu" {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                assert!((mean - result["score_details"]["score"].as_f64().unwrap()).abs() < 1e-9, "{id}");
                assert_eq!(result["score_details"]["uncertainty"]["num_samples"], values.len(), "{id}");
            }
        }
        let of_task = |name: &str| {
            samples
                .iter()
                .find(|sample| sample["evaluation_name"].as_str().unwrap().starts_with(name))
                .unwrap()
        };
        assert_eq!(of_task("lambada:")["input"]["reference"].as_array().unwrap().len(), 1);
        assert_eq!(of_task("cbt-cn:")["input"]["choices"].as_array().unwrap().len(), 10);
        assert_eq!(of_task("coqa:")["output"]["raw"].as_array().unwrap().len(), 1);
    }

    check_figures(path);

    // To standard output: one line per model, without a reference to a file.
    let lines = report(path, 0, &["run", "--format", "eee"]);
    assert_eq!(lines.lines().count(), 2);
    for line in lines.lines() {
        let log: Value = serde_json::from_str(line).unwrap();
        assert_eq!(golden("eval.schema.json").errors(&log), Vec::<String>::new());
        assert!(log.get("detailed_evaluation_results").is_none());
    }
}

/// Checks that figures are the same bytes twice, that SVGs are XML, and that PNGs have twice their size.
fn check_figures(path: &Path) {
    let paths = report(path, 0, &["run", "--format", "svg,png", "--out", "pictures"]);
    report(path, 0, &["run", "--format", "png,svg", "--out", "pictures again"]);
    let mut names = Vec::new();
    for line in paths.lines() {
        let content = std::fs::read(path.join(line)).unwrap();
        let again = std::fs::read(path.join(line.replacen("pictures", "pictures again", 1))).unwrap();
        assert!(content == again, "{line}");
        let name = line.strip_prefix("pictures/figures/").unwrap();
        if let Some(name) = name.strip_suffix(".svg") {
            let text = String::from_utf8(content).unwrap();
            let document = roxmltree::Document::parse(&text).unwrap();
            let side =
                |side: &str| -> f64 { document.root_element().attribute(side).unwrap().parse().unwrap() };
            let png = std::fs::read(path.join(format!("pictures/figures/{name}.png"))).unwrap();
            let pixels = |at: usize| f64::from(u32::from_be_bytes(png[at..at + 4].try_into().unwrap()));
            assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
            assert_eq!(
                (pixels(16), pixels(20)),
                ((2.0 * side("width")).ceil(), (2.0 * side("height")).ceil())
            );
            names.push(name.to_owned());
        }
    }
    assert_eq!(names.len() * 2, paths.lines().count(), "{paths}");
    let figures =
        ["overview", "lambada-perplexity", "winograd-accuracy", "coqa-f1", "enwik8-log-probabilities"];
    for name in figures.into_iter().chain(["cnn_dailymail-rouge_average", "throughput"]) {
        assert!(names.iter().any(|own| own == name), "{name} in {names:?}");
    }
}

#[test]
fn failed_samples_and_wrong_arguments() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_passages(path);
    let output = gpt2_eval(path)
        .args(["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "data", "--out", "run"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    report(path, 3, &["run", "--format", "eee", "--out", "store"]);
    let checked = check_store(&store(&path.join("store")));
    let [(log, samples)] = checked.as_slice() else { panic!("one model") };
    assert_eq!(log["evaluation_results"][0]["score_details"]["details"]["failed_samples"], "1");
    let failed: Vec<&Value> = samples.iter().filter(|sample| sample.get("error").is_some()).collect();
    assert_eq!(failed.len(), 1, "one line, in no score");
    assert!(failed[0].get("evaluation_result_id").is_none());
    assert!(failed[0]["error"].as_str().unwrap().contains("1100 tokens"), "{}", failed[0]);

    let message = refused(path, &["report", "run", "--format", "csv,json"]);
    assert!(message.contains("several formats need a directory: add --out DIR"), "{message}");
    for out in [&[][..], &["--out", "one.svg"]] {
        let message = refused(path, &[&["report", "run", "--format", "svg"], out].concat());
        assert!(message.contains("--format svg: figures need a directory: add --out DIR"), "{message}");
    }
    let message = refused(path, &["report", "run", "--format", "xml"]);
    assert!(
        message.contains(
            "[possible values: table, markdown, latex, csv, json, html, eee, nanochat-csv, svg, png]"
        ),
        "{message}"
    );
    let message = refused(path, &["report", "."]);
    assert!(message.contains("not a run directory"), "{message}");
}
