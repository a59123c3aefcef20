//! `fetch`, `--offline`, `--sizes` and `--data hub`, as users type them.

use std::path::Path;

use super::server::{COMMIT, Fault, HubServer};
use crate::common::gpt2_eval;

const DATA: &str = "datasets/EleutherAI/lambada_openai";
const DATA_FILE: &str = "data/lambada_test_en.jsonl";

fn bundled(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A hub on which GPT-2 is the smallest bundled model, and LAMBADA its bundled sample.
fn hub() -> HubServer {
    let server = HubServer::start();
    for repository in ["openai-community/gpt2", "some/body"] {
        server.add_small(repository, "config.json", &bundled("models/tiny-3M/config.json"));
        server.add_large(repository, "model.safetensors", &bundled("models/tiny-3M/model.safetensors"));
    }
    server.add_large(DATA, DATA_FILE, &bundled("tasks/lambada/sample.jsonl"));
    server
}

struct Output {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Output {
    #[track_caller]
    fn has(&self, code: i32, words: &[&str]) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{all}");
        for word in words {
            assert!(all.contains(word), "`{word}` is not in:\n{all}");
        }
        assert!(!all.contains("panicked"), "{all}");
        self
    }
}

fn run(directory: &Path, endpoint: &str, arguments: &str) -> Output {
    let output = gpt2_eval(directory)
        .env("HF_HUB_OFFLINE", "0")
        .env("HF_ENDPOINT", endpoint)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn manifest(run: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(run.join("manifest.json")).unwrap()).unwrap()
}

const TASK: &str = "--tasks lambada --limit 5 --quiet";

#[test]
fn what_was_fetched_is_enough_without_a_network() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let missing = run(directory, &endpoint, &format!("{TASK} --sizes 117M --offline"));
    missing.has(2, &["is not in the cache", "gpt2-eval fetch", "lambada_test_en.jsonl"]);
    assert!(server.seen().is_empty(), "--offline asks nothing");
    let fetched = run(directory, &endpoint, "fetch --tasks lambada --sizes gpt2 --out plain");
    fetched.has(0, &["openai-community/gpt2@main/model.safetensors", "3 of 3 files to download", "copies"]);
    let again = run(directory, &endpoint, "fetch --tasks lambada --sizes gpt2 --quiet");
    again.has(0, &["in the cache", "0 of 3 files to download"]);
    drop(server);
    let offline = run(directory, &endpoint, &format!("{TASK} --sizes 117M --offline --out run"));
    offline.has(0, &["117M", "data=unverified", "limit=5"]);
    let manifest = manifest(&directory.join("run"));
    let files = manifest["environment"]["hub"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [DATA_FILE, "config.json", "model.safetensors"]);
    assert!(files.iter().all(|file| file["commit"] == COMMIT && file["revision"].is_string()));
    assert_eq!(files[2]["repository"], "openai-community/gpt2");
    assert!(files[2]["digest"].as_str().unwrap().starts_with("sha256 "));
    // The plain directories need neither hub nor cache.
    std::fs::remove_dir_all(directory.join("hf")).unwrap();
    std::fs::remove_dir_all(directory.join("cache")).unwrap();
    let plain = run(
        directory,
        &endpoint,
        &format!("{TASK} --sizes 117M --data plain/data --models-dir plain/models --out run"),
    );
    plain.has(0, &["117M"]);
    assert_eq!(plain.stdout, offline.stdout, "the same run, continued");
}

#[test]
fn a_run_brings_what_it_needs() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    server.fail("GET", "model.safetensors", Fault::CutAfter(1_000_000));
    let arguments =
        format!("{TASK} --sizes 117M --model mine=hf:some/body@{COMMIT} --model tiny-3M=hf:some/body");
    let first = run(directory, &endpoint, &format!("{arguments} --out run"));
    first.has(0, &["117M", "mine", "tiny-3M"]);
    let bundled = run(directory, &endpoint, &format!("{TASK} --sizes tiny-3M --data hub --out bundled"));
    let row = |output: &Output, label: &str| {
        let line =
            output.stdout.lines().find(|line| line.contains(&format!("│ {label} "))).unwrap().to_owned();
        // The paper's numbers stand beside those of its sizes.
        let cells = line.split(['┆', '│']).map(|cell| cell.trim().to_owned());
        cells.skip(2).filter(|cell| !cell.is_empty() && cell != "–").collect::<Vec<_>>()
    };
    assert_eq!(row(&first, "mine"), row(&bundled, "tiny-3M"), "the same weights");
    let links =
        std::fs::read_dir(directory.join("hf/hub/models--some--body/snapshots").join(COMMIT)).unwrap();
    assert_eq!(links.count(), 2);
}

#[test]
fn a_table_stands_in_for_a_file_that_is_gone() {
    let (server, directory) = (HubServer::start(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    server.add_large(DATA, "default/test/0000.parquet", &bundled("tasks/lambada/sample.jsonl"));
    let output = run(directory, &endpoint, &format!("{TASK} --sizes tiny-3M --out run"));
    output.has(0, &["tiny-3M", "data=unverified"]);
    assert_eq!(manifest(&directory.join("run"))["environment"]["hub"][0]["revision"], "refs/convert/parquet");
}

#[test]
fn a_file_that_changes_is_pointed_out() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let arguments = format!("{TASK} --sizes tiny-3M");
    assert!(!run(directory, &endpoint, &format!("{arguments} --out a")).stderr.contains("changed"));
    let mut other = bundled("tasks/lambada/sample.jsonl");
    other.extend(b"{\"text\": \"one more passage\"}\n");
    server.add_large(DATA, DATA_FILE, &other);
    run(directory, &endpoint, &format!("{arguments} --out b"))
        .has(0, &["has changed", "first use", "hub.lock.json"]);
    let files = &manifest(&directory.join("b"))["environment"]["hub"];
    assert_ne!(files[0]["first_digest"], files[0]["digest"]);
    assert!(files[0]["first_digest"].is_string());
}

#[test]
fn messages_say_the_next_step() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let refused = |arguments: &str, words: &[&str]| {
        run(directory, &endpoint, arguments).has(2, words);
    };
    refused(
        "--tasks enwik8,text8 --sizes tiny",
        &["data/enwik8/enwik8", "data/text8/text8", "--data sample"],
    );
    refused("--tasks lambada --model hf:a/b/c --data sample", &["no repository of the hub"]);
    refused("--tasks lambada --model hf:no/body --data sample", &["no such repository", "HF_TOKEN"]);
    refused("--tasks winograd --sizes tiny", &["datasets/lighteval/winograd_wsc", "no such repository"]);
    refused("fetch", &["nothing to fetch"]);
    server.add_small("only/config", "config.json", b"{}");
    refused("--tasks lambada --model hf:only/config --data sample", &["model.safetensors", "no such file"]);
    server.demand_token("hf_x");
    refused("--tasks lambada --sizes tiny", &["no permission (HTTP 401)", "HF_TOKEN"]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    run(directory, &format!("http://{nobody}"), "--tasks lambada --sizes tiny")
        .has(2, &["cannot reach", "--offline"]);
    run(directory, "nowhere", "--tasks lambada --sizes tiny").has(2, &["HF_ENDPOINT"]);
}

#[test]
fn doctor_says_what_is_missing() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let arguments = "doctor --tasks lambada --sizes 117M";
    let before = run(directory, &endpoint, arguments);
    before.has(
        3,
        &[
            "device   flex: ",
            "memory   1542M: 6.5 GB in f32",
            "reached; openai-community/gpt2 is at 0123456789",
        ],
    );
    before.has(
        3,
        &["missing  datasets/EleutherAI/lambada_openai@main/data", "gpt2-eval fetch", "GB free on its disk"],
    );
    run(directory, &endpoint, "fetch --tasks lambada --sizes 117M --quiet").has(0, &[]);
    run(directory, &endpoint, arguments).has(0, &["missing  nothing"]);
    drop(server);
    run(directory, &endpoint, arguments).has(3, &["not reached", "cannot reach"]);
    run(directory, &endpoint, &format!("{arguments} --offline"))
        .has(0, &["not asked: offline", "missing  nothing"]);
}
