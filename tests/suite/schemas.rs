//! Validates the files of runs against the published schemas.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::common::{gpt2_eval, write_passages};
use crate::json_schema::Validator;

/// The published schema of a kind of file, as validator and as JSON.
fn schema(name: &str) -> (Validator, Value) {
    let path = format!("{}/results/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    (Validator::new(&text), serde_json::from_str(&text).unwrap())
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { files_below(&path) } else { vec![path] }
        })
        .collect()
}

/// A cell of a CSV file as a value of its column's type in the schema.
fn cell(text: &str, column: &Value) -> Value {
    let types = column["type"].to_string();
    if text.is_empty() && types.contains("null") {
        return Value::Null;
    }
    if types.contains("string") { text.into() } else { serde_json::from_str(text).unwrap() }
}

/// Validates every file of a run against its schema and returns the number of validated values.
fn check(run: &Path) -> usize {
    let mut checked = 0;
    let mut validate = |validator: &Validator, value: &Value, location: String| {
        assert_eq!(validator.errors(value), Vec::<String>::new(), "{location}");
        checked += 1;
    };
    for (name, file) in [("manifest", "manifest.json"), ("shard", "shard.json")] {
        if let Ok(text) = std::fs::read(run.join(file)) {
            validate(&schema(name).0, &serde_json::from_slice(&text).unwrap(), file.to_owned());
        }
    }
    for (name, directory) in [("sample", "samples"), ("baseline", "baselines"), ("prompt", "prompts")] {
        let (validator, _) = schema(name);
        for path in files_below(&run.join(directory)) {
            for (index, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
                // Parsing refuses NaN and infinities, which are not JSON.
                let location = format!("{}:{}", path.display(), index + 1);
                validate(&validator, &serde_json::from_str(line).unwrap(), location);
            }
        }
    }
    for (name, file) in [("score", "scores.csv"), ("breakdown", "breakdowns.csv")] {
        let (validator, schema) = schema(name);
        let columns = schema["properties"].as_object().unwrap();
        let mut reader = csv::Reader::from_path(run.join(file)).unwrap();
        let header = reader.headers().unwrap().clone();
        let mut names: Vec<&str> = header.iter().collect();
        names.sort_unstable();
        assert_eq!(names, columns.keys().collect::<Vec<_>>(), "{file}");
        for row in reader.records() {
            let row = row.unwrap();
            let cells = header.iter().zip(row.iter());
            let object: Map<String, Value> =
                cells.map(|(name, text)| (name.to_owned(), cell(text, &columns[name]))).collect();
            validate(&validator, &object.into(), format!("{file}: {row:?}"));
        }
    }
    checked
}

#[test]
fn files_of_a_shard_and_of_a_run_with_a_failed_sample_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let tasks = "lambada,winograd,coqa,cnn_dailymail,wikitext2";
    let output = gpt2_eval(directory.path())
        .args(["--tasks", tasks, "--sizes", "tiny-3M", "--data", "sample", "--out", "run", "--shard", "0/2"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shard = directory.path().join("run/shards/0-of-2");
    assert!(shard.join("shard.json").exists());
    assert!(check(&shard) > 100);

    write_passages(directory.path());
    let output = gpt2_eval(directory.path())
        .args(["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "data", "--out", "failed"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let failed = directory.path().join("failed");
    assert!(
        std::fs::read_to_string(failed.join("samples/tiny-3M/lambada.jsonl")).unwrap().contains("\"error\"")
    );
    assert!(check(&failed) > 6);

    // An invalid file has errors.
    let (validator, _) = schema("manifest");
    let text = std::fs::read(failed.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&text).unwrap();
    manifest["schema_version"] = 1.into();
    manifest["tasks"][0]["samples"] = "3".into();
    let errors = validator.errors(&manifest);
    assert_eq!(errors.len(), 2, "{errors:?}");
}

#[test]
fn every_column_and_schema_is_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("docs/results.md")).unwrap();
    let schemas = files_below(&root.join("results/schema"));
    assert_eq!(schemas.len(), 8);
    for path in schemas {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("(../results/schema/{name})")), "{name}");
    }
    for name in ["score", "breakdown"] {
        for column in schema(name).1["properties"].as_object().unwrap().keys() {
            assert!(readme.contains(&format!("`{column}`")), "{name}: {column}");
        }
    }
}
