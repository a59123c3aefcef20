//! `fetch`, `doctor`, `--offline`, `--sizes` and `--data hub` with a local hub.

use std::path::Path;

use super::server::{COMMIT, Fault, HubServer};
use crate::common::gpt2_eval;

const DATA: &str = "datasets/EleutherAI/lambada_openai";
const DATA_FILE: &str = "data/lambada_test.jsonl";

fn bundled(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A hub with the smallest bundled model as GPT-2, and the bundled sample as LAMBADA.
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
        .env("GPT2_EVAL_MIRROR", format!("{endpoint}/mirror"))
        // The files of this hub do not have the published checksums.
        .env("GPT2_EVAL_OTHER_FILES", "1")
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
fn fetched_files_suffice_offline() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let missing = run(directory, &endpoint, &format!("{TASK} --sizes 117M --offline"));
    missing.has(2, &["is not in the cache", "gpt2-eval fetch", "lambada_test.jsonl"]);
    assert!(server.seen().is_empty(), "--offline asks nothing");
    let fetched = run(directory, &endpoint, "fetch --tasks lambada --sizes gpt2 --out plain");
    fetched.has(
        0,
        &["openai-community/gpt2@607a30d783/model.safetensors", "3 of 3 files to download", "copies"],
    );
    let again = run(directory, &endpoint, "fetch --tasks lambada --sizes gpt2 --quiet");
    again.has(0, &["in the cache", "0 of 3 files to download"]);
    drop(server);
    let offline = run(directory, &endpoint, &format!("{TASK} --sizes 117M --offline --out run"));
    offline.has(0, &["117M", "data=unverified", "limit=5"]);
    let manifest = manifest(&directory.join("run"));
    let files = manifest["environment"]["hub"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [DATA_FILE, "config.json", "model.safetensors"]);
    assert!(files.iter().all(|file| file["commit"] == file["revision"]), "all are pinned");
    assert_eq!(files[2]["repository"], "openai-community/gpt2");
    assert!(files[2]["checksum"].as_str().unwrap().starts_with("sha256 "));
    // The copies in plain directories need neither hub nor cache.
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
fn a_run_downloads_what_it_needs() {
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
        // Rows of the paper's sizes also have the paper's numbers.
        let cells = line.split(['┆', '│']).map(|cell| cell.trim().to_owned());
        cells.skip(2).filter(|cell| !cell.is_empty() && cell != "–").collect::<Vec<_>>()
    };
    assert_eq!(row(&first, "mine"), row(&bundled, "tiny-3M"), "the same weights");
    let links =
        std::fs::read_dir(directory.join("hf/hub/models--some--body/snapshots").join(COMMIT)).unwrap();
    assert_eq!(links.count(), 2);
}

#[test]
fn another_source_replaces_a_missing_file() {
    let (server, directory) = (HubServer::start(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    server.add_large(DATA, "en/test/en.parquet", &bundled("tests/fixtures/parquet/lambada.parquet"));
    let output = run(directory, &endpoint, &format!("{TASK} --sizes tiny-3M --out run"));
    output.has(0, &["tiny-3M", "data=unverified"]);
    let sample = run(directory, &endpoint, &format!("{TASK} --sizes tiny-3M --data sample --out sample"));
    sample.has(0, &["tiny-3M"]);
    let journal =
        |run: &str| std::fs::read(directory.join(run).join("samples/tiny-3M/lambada.jsonl")).unwrap();
    assert_eq!(journal("run"), journal("sample"), "the converted table equals the JSON lines");
    assert_eq!(manifest(&directory.join("run"))["environment"]["hub"][0]["path"], "en/test/en.parquet");
}

/// A zip with one stored member.
fn zip_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut archive, content).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn upstream_files_replace_the_hub() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let arguments = "--tasks enwik8 --stride 1024 --limit 1 --sizes tiny-3M --quiet";
    // This archive has another checksum than the pinned one.
    let other = zip_of("enwik8", &bundled("tasks/enwik8/sample.xml"));
    server.add_plain("mattmahoney.net/dc/enwik8.zip", &other);
    run(directory, &endpoint, arguments)
        .has(2, &["dc/enwik8.zip", "547994d9980ebed1288380d652999f38", "deleted"]);
    assert!(!directory.join("cache/downloads").join("547994d9980ebed1").join("enwik8.zip").exists());
    // An interrupted download of a file without a pinned checksum.
    let (source, reference) =
        (bundled("tasks/wmt14-fr-en/sample.fr.sgm"), bundled("tasks/wmt14-fr-en/sample.en.sgm"));
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in [("src.fr", &source), ("ref.en", &reference)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let name = format!("test-full/newstest2014-fren-{name}.sgm");
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let archive = archive.into_inner().unwrap().finish().unwrap();
    server.add_plain("www.statmt.org/wmt14/test-full.tgz", &archive);
    server.fail("GET", "www.statmt.org/wmt14/test-full.tgz", Fault::CutAfter(500));
    let text = bundled("tasks/wmt14-fr-en/examples.fr");
    server.add_large("datasets/wmt/wmt14", "fr-en/validation-00000-of-00001.parquet", &pairs(&text));
    let fetched = run(directory, &endpoint, "fetch --tasks wmt14-fr-en --out plain");
    fetched.has(0, &["https://www.statmt.org/wmt14/test-full.tgz", "retrying", "copies"]);
    let data = directory.join("plain/data/wmt14");
    assert!(std::fs::read(data.join("newstest2014-fren-src.fr.sgm")).unwrap() == source);
    assert!(std::fs::read(data.join("newstest2014-fren-ref.en.sgm")).unwrap() == reference);
    drop(server);
    let offline = "--tasks wmt14-fr-en --limit 1 --sizes tiny-3M --quiet --offline --out run";
    run(directory, &endpoint, offline).has(0, &["tiny-3M"]);
    let files = &manifest(&directory.join("run"))["environment"]["hub"];
    let archive =
        files.as_array().unwrap().iter().find(|file| file["path"] == "wmt14/test-full.tgz").unwrap();
    assert_eq!(archive["repository"], "https://www.statmt.org");
    assert!(archive["checksum"].as_str().unwrap().starts_with("sha256 "));
}

/// A table as on the hub: French lines, each with itself as its translation.
fn pairs(lines: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    let row = |line| serde_json::json!({"translation": {"fr": line, "en": line}}).to_string() + "\n";
    lines.map(row).collect::<String>().into_bytes()
}

#[test]
fn files_with_another_checksum_are_refused() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let strict = |arguments: &str| {
        let mut command = gpt2_eval(directory);
        command.env("HF_HUB_OFFLINE", "0").env("HF_ENDPOINT", &endpoint).args(arguments.split_whitespace());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, pinned) in [
        (
            format!("{TASK} --sizes tiny-3M"),
            "4aa8d02cd17c719165fc8a7887fddd641f43fcafa4b1c806ca8abc31fabdb226",
        ),
        (
            format!("{TASK} --sizes 117M --data sample"),
            "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        ),
    ] {
        let (code, message) = strict(&arguments);
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(pinned) && message.contains("GPT2_EVAL_OTHER_FILES"), "{message}");
    }
    run(directory, &endpoint, &format!("{TASK} --sizes 117M --data sample --out run"))
        .has(0, &["warning: openai-community/gpt2@607a30d783/model.safetensors: sha256 is", "117M"]);
}

#[test]
fn sharded_and_pytorch_weights_are_downloaded() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let fixture = |name: &str| bundled(&format!("tests/golden/checkpoints/gelu_new/{name}"));
    for repository in ["in/parts", "of/torch"] {
        server.add_small(repository, "config.json", &fixture("config.json"));
        server.add_small(repository, "vocab.json", &fixture("vocab.json"));
        server.add_small(repository, "merges.txt", &fixture("merges.txt"));
    }
    server.add_large("of/torch", "pytorch_model.bin", &fixture("f32.bin"));
    let index = "model.safetensors.index.json";
    server.add_small("in/parts", index, &fixture(&format!("sharded/{index}")));
    let parts: Vec<String> = (1..=3).map(|part| format!("model-{part:05}-of-00003.safetensors")).collect();
    for part in &parts {
        server.add_large("in/parts", part, &fixture(&format!("sharded/{part}")));
    }
    let fetched = run(directory, &endpoint, "fetch --model hf:in/parts --model hf:of/torch --out plain");
    fetched.has(0, &["in/parts@", &parts[2], "pytorch_model.bin"]);
    for file in [&parts[0], index] {
        assert!(directory.join("plain/models/parts").join(file).is_file(), "{file}");
    }
    drop(server);
    for model in ["hf:in/parts", "hf:of/torch"] {
        let config = directory.join("task.toml");
        std::fs::write(
            &config,
            "name = \"mine\"\ntitle = \"M\"\nmeasures = \"m\"\nkind = \"perplexity\"\ntext = \"{t}\"\n[data]\nfile = \
             \"d.jsonl\"\n",
        )
        .unwrap();
        std::fs::write(directory.join("d.jsonl"), "{\"t\": \"abbaab\"}\n").unwrap();
        let arguments =
            format!("--task-file task.toml --model {model} --offline --quiet --out {}", &model[3..5]);
        run(directory, &endpoint, &arguments).has(0, &["perplexity"]);
    }
    let perplexity = |run: &str| {
        let scores = std::fs::read_to_string(directory.join(run).join("scores.csv")).unwrap();
        scores.lines().nth(1).unwrap().split(',').nth(5).unwrap().to_owned()
    };
    assert_eq!(perplexity("in"), perplexity("of"), "the same weights in two formats");
}

#[test]
fn a_run_without_shots_fetches_no_examples() {
    let (server, directory) = (HubServer::start(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let articles =
        std::str::from_utf8(&bundled("tasks/cnn_dailymail/sample.csv")).map(str::to_owned).unwrap();
    let mut reader = csv::Reader::from_reader(articles.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        let fields = header.iter().zip(&record).map(|(name, value)| (name.to_owned(), value.into()));
        serde_json::Value::Object(fields.collect()).to_string() + "\n"
    };
    let lines: String = reader.records().map(|record| row(record.unwrap())).collect();
    for split in ["test", "validation", "train"] {
        for parts in ["00001", "00003"] {
            let path = format!("3.0.0/{split}-00000-of-{parts}.parquet");
            server.add_large("datasets/abisee/cnn_dailymail", &path, lines.as_bytes());
        }
    }
    let asked = |arguments: &str| {
        let before = server.seen().len();
        run(directory, &endpoint, arguments).has(0, &["cnn_dailymail"]);
        let seen = server.seen().split_off(before);
        let seen = seen.into_iter().filter(|seen| !seen.at_store);
        let paths: std::collections::BTreeSet<String> = seen.map(|seen| seen.path).collect();
        paths.into_iter().filter(|path| path.contains("/3.0.0/")).collect::<Vec<_>>()
    };
    let without = asked("fetch --tasks cnn_dailymail");
    assert!(without.len() == 1 && without[0].contains("/test-"), "{without:?}");
    let with = asked("fetch --tasks cnn_dailymail --shots 0,2");
    assert!(with.iter().any(|path| !path.contains("/test-")), "{with:?}");
}

#[test]
fn an_archive_of_two_tasks_is_fetched_once() {
    let (server, directory) = (HubServer::start(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let members = [("src.fr", "fr"), ("ref.en", "en"), ("src.en", "en"), ("ref.fr", "fr")];
    for (name, language) in members {
        let content = bundled(&format!("tasks/wmt14-fr-en/sample.{language}.sgm"));
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let name = format!("test-full/newstest2014-fren-{name}.sgm");
        archive.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    let archive = archive.into_inner().unwrap().finish().unwrap();
    server.add_plain("www.statmt.org/wmt14/test-full.tgz", &archive);
    let fetched = run(directory, &endpoint, "fetch --tasks wmt14-fr-en:harness,wmt14-en-fr:harness");
    fetched.has(0, &["1 of 1 files to download"]);
    let of_archive = |method: &str| {
        let seen = server.seen();
        seen.iter().filter(|seen| seen.method == method && seen.path.contains("test-full.tgz")).count()
    };
    assert_eq!(of_archive("GET"), 1);
    // The CBT archive is damaged: both tasks go to the next source, and the second does not fetch it again.
    server.add_plain("www.thespermwhale.com/jaseweston/babi/CBTest.tgz", b"damaged");
    let options: Vec<String> = ('a'..='j').map(String::from).collect();
    let question = serde_json::json!({
        "sentences": vec!["A sentence ."; 20], "question": "The XXXXX sat .", "answer": "b", "options": options,
    });
    for kind in ["CN", "NE"] {
        let path = format!("{kind}/validation-00000-of-00001.parquet");
        server.add_large("datasets/cam-cst/cbt", &path, format!("{question}\n").as_bytes());
    }
    run(directory, &endpoint, "fetch --tasks cbt-cn,cbt-ne --out plain").has(0, &["copies"]);
    let seen = server.seen();
    let is_archive = |seen: &&super::server::Seen| seen.method == "GET" && seen.path.contains("CBTest.tgz");
    assert_eq!(seen.iter().filter(is_archive).count(), 1, "{seen:?}");
    let listed = run(directory, &endpoint, "ls --data plain/data");
    listed.has(
        0,
        &[
            "cbtest_CN_valid_2000ex.txt (1 records, unverified)",
            "the file has 1 records, the published set has 2,000",
        ],
    );
}

/// The hub's host has no address; the authors' does.
#[test]
fn the_next_source_replaces_a_hub_that_cannot_be_reached() {
    let (server, directory) = (HubServer::start(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    let path = "openaipublic.blob.core.windows.net/gpt-2/data/lambada_test.jsonl";
    server.add_plain(path, &bundled("tasks/lambada/sample.jsonl"));
    let nowhere = "http://no-such-host.invalid";
    let output = gpt2_eval(directory)
        .env("HF_HUB_OFFLINE", "0")
        .env("HF_ENDPOINT", nowhere)
        .env("GPT2_EVAL_MIRROR", format!("{}/mirror", server.endpoint()))
        .args(["fetch", "--tasks", "lambada"])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!message.contains("retrying"), "{message}");
    assert!(server.seen().iter().any(|seen| seen.method == "GET" && seen.path.ends_with(path)), "{message}");
    // The upstream file is checked against its sha256, which this one does not have. Both reasons are named.
    assert!(message.contains("cannot reach http://no-such-host.invalid"), "{message}");
    assert!(message.contains("another source:") && message.contains("4aa8d02cd17c7191"), "{message}");
}

#[test]
fn models_cached_under_old_names_are_found() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let commit = "607a30d783dfa663caf39e06633721c8d4cfcd7e";
    server.add_small("gpt2", "config.json", &bundled("models/tiny-3M/config.json"));
    server.add_large("gpt2", "model.safetensors", &bundled("models/tiny-3M/model.safetensors"));
    // As `from_pretrained("gpt2")` does.
    run(directory, &endpoint, &format!("fetch --model x=hf:gpt2@{commit}")).has(0, &[]);
    drop(server);
    let offline = format!("{TASK} --sizes 117M --data sample --offline --out run");
    run(directory, &endpoint, &offline).has(0, &["117M"]);
    assert_eq!(manifest(&directory.join("run"))["environment"]["hub"][0]["repository"], "gpt2");
}

#[test]
fn a_changed_file_is_a_warning() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    // The task config has a branch and no checksum for this file.
    let [repository, path] = ["datasets/ErnestSDavis/winograd_wsc", "wsc273/test/0000.parquet"];
    let schemas = bundled("tasks/winograd/sample.jsonl");
    server.add_large(repository, path, &schemas);
    let arguments = "--tasks winograd --limit 2 --quiet --sizes tiny-3M";
    let listed = run(directory, &endpoint, "fetch --tasks winograd");
    listed.has(0, &["0000.parquet", "unverified"]);
    assert!(!run(directory, &endpoint, &format!("{arguments} --out a")).stderr.contains("changed"));
    let without_the_last = schemas[..schemas.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    server.add_large(repository, path, &schemas[..=without_the_last]);
    run(directory, &endpoint, &format!("{arguments} --out b"))
        .has(0, &["has changed", "first use", "hub.lock.json"]);
    let files = &manifest(&directory.join("b"))["environment"]["hub"];
    assert_ne!(files[0]["pinned_checksum"], files[0]["checksum"]);
    assert!(files[0]["pinned_checksum"].is_string());
}

#[test]
fn messages_say_the_next_step() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let (directory, endpoint) = (directory.path(), server.endpoint());
    let refused = |arguments: &str, words: &[&str]| {
        run(directory, &endpoint, arguments).has(2, words);
    };
    refused("--tasks enwik8 --sizes tiny", &["enwik8.zip: HTTP 404", "gpt2-eval show", "--data DIR"]);
    refused("--tasks lambada --model hf:a/b/c --data sample", &["not a name of a repository on the hub"]);
    refused("--tasks lambada --model hf:no/body --data sample", &["no such repository", "HF_TOKEN"]);
    refused("--tasks winograd --sizes tiny", &["winograd_wsc.jsonl: HTTP 404", "--data DIR"]);
    refused("fetch", &["nothing to fetch"]);
    server.add_small("only/config", "config.json", b"{}");
    refused(
        "--tasks lambada --model hf:only/config --data sample",
        &[
            "only/config@0123456789: the repository has no supported weights",
            "model.safetensors, model.safetensors.index.json",
        ],
    );
    server.add_small(
        "only/adapter",
        "adapter_config.json",
        br#"{"peft_type":"LORA","base_model_name_or_path":"gpt2"}"#,
    );
    refused(
        "--tasks lambada --model hf:only/adapter --data sample",
        &["only/adapter@main: a LoRA adapter, not a whole model", "its base (adapter_config.json says gpt2)"],
    );
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
        &[
            "missing  datasets/EleutherAI/lambada_openai@900124bf3b/data",
            "gpt2-eval fetch",
            "GB free on its disk",
        ],
    );
    run(directory, &endpoint, "fetch --tasks lambada --sizes 117M --quiet").has(0, &[]);
    run(directory, &endpoint, arguments).has(0, &["missing  nothing"]);
    drop(server);
    run(directory, &endpoint, arguments).has(3, &["not reached", "cannot reach"]);
    run(directory, &endpoint, &format!("{arguments} --offline"))
        .has(0, &["not contacted: offline", "missing  nothing"]);
}
