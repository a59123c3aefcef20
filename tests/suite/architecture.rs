//! Holds the `use crate::` lines of the sources against the table of which module may know which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each top-level module may use. `text` is below everything but the leaves.
const ALLOWED: [(&str, &[&str]); 18] = [
    ("kernels", &[]),
    ("draw", &[]),
    ("files", &["text"]),
    ("panics", &[]),
    ("hub", &["files", "text"]),
    ("request", &["text"]),
    ("plan", &["kernels", "record"]),
    ("record", &["plan", "request"]),
    ("text", &[]),
    ("tokenizer", &["files", "text"]),
    ("metrics", &["record"]),
    ("data", &["files", "panics", "plan", "record", "text"]),
    ("tasks", &["data", "draw", "files", "metrics", "plan", "record", "request", "text"]),
    ("model", &["files", "kernels", "text", "tokenizer"]),
    ("engine", &["kernels", "model", "request", "text", "tokenizer"]),
    (
        "run",
        &[
            "data", "draw", "engine", "files", "kernels", "metrics", "model", "plan", "record", "request",
            "tasks", "text",
        ],
    ),
    ("report", &["metrics", "record", "request", "text", "tokenizer"]),
    ("gate", &["files", "metrics", "plan", "record", "report", "run", "tasks", "text"]),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Modules that a source names behind `crate::`, tests aside.
fn uses(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.match_indices("crate::").map(move |(at, word)| &line[at + word.len()..]))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut checked = 0;
    for path in files {
        let relative = path.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if ["cli", "lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let known = allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module} is in no table"));
        for used in uses(&std::fs::read_to_string(&path).unwrap()) {
            checked += 1;
            assert!(
                used == module || known.contains(&used.as_str()),
                "{}: `{module}` must not know `{used}`",
                relative.display()
            );
        }
    }
    assert!(checked > 50, "only {checked} uses were found");
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    for path in files {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 450, "{}: {lines} lines", path.display());
    }
    let main = std::fs::read_to_string(root.join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 60);
}
