//! Every command line of the documentation is run, in a directory that has what it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gpt2_eval::tasks::REGISTRY;

use crate::common::{copy_model, gpt2_eval};
use crate::hub::HubServer;

/// Documents with command lines, beside all of `docs/`.
const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "examples/README.md"];
/// Programs of other people, and this project's scripts, which other tests or the gate run.
const OTHERS: [&str; 16] = [
    "cargo",
    "kubectl",
    "sbatch",
    "scancel",
    "squeue",
    "jq",
    "python",
    "python3",
    "bash",
    "for",
    "INSTA_UPDATE",
    "benches/",
    "examples/slurm/",
    "RUSTC_BOOTSTRAP",
    "tests/",
    "GPT2_EVAL_",
];

/// A line that a reader would type.
#[derive(Debug)]
struct Line {
    location: String,
    text: String,
}

/// Paths of all documents, sorted within `docs/`.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = std::fs::read_dir(repository("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    found.sort();
    DOCUMENTS.map(str::to_owned).into_iter().chain(found).collect()
}

/// The lines of all `console` blocks, without comments; a backslash at the end joins two.
fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(repository(&document)).unwrap();
        let mut is_console = false;
        let mut joined = String::new();
        for (number, line) in text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                is_console = language == "console";
                continue;
            }
            if !is_console {
                continue;
            }
            let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
            let line = line.strip_prefix("$ ").unwrap_or(line);
            if let Some(begun) = line.strip_suffix('\\') {
                joined.push_str(begun);
                continue;
            }
            let text = format!("{}{line}", std::mem::take(&mut joined));
            if !text.is_empty() {
                lines.push(Line { location: format!("{document}:{}", number + 1), text });
            }
        }
    }
    lines
}

/// Words of a command of ours, up to a pipe, and the file that its output goes to.
fn words(text: &str) -> (Vec<String>, Option<String>) {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, ' ') => words.push(String::new()),
            (None, '|') => break,
            (_, other) => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    let output = words.iter().position(|word| word == ">").map(|at| words[at + 1].clone());
    if let Some(at) = words.iter().position(|word| word == ">" || word == "<") {
        words.truncate(at);
    }
    (words, output)
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Models, data, examples and a text, under the names that the documents use.
fn prepare(directory: &Path) {
    for model in ["models/117M", "models/345M", "models/762M", "models/1542M", "out", "out/checkpoint"] {
        copy_model("tiny-3M", &directory.join(model));
    }
    for task in REGISTRY.iter() {
        let config = task.config();
        for sample in &config.data.samples {
            let split = sample.split.unwrap_or(config.data.split);
            let kind = Path::new(&sample.name).extension();
            let fits = |name: &str| kind.is_none_or(|kind| name.ends_with(&*format!(".{}", kind.display())));
            let mut files =
                config.data.files.iter().filter(|file| file.split.unwrap_or(config.data.split) == split);
            let known = |file: &&gpt2_eval::data::FileConfig| {
                (fits(&file.name) || Path::new(&file.name).extension().is_none())
                    && file.with.is_some() == sample.with.is_some()
            };
            let Some(file) = files.find(known) else { continue };
            let pairs = [Some((&sample.name, &file.name)), sample.with.as_ref().zip(file.with.as_ref())];
            for (from, to) in pairs.into_iter().flatten() {
                let target = directory.join("data").join(to);
                std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                std::fs::copy(sample_file(&config.name, from), target).unwrap();
            }
        }
    }
    copy_directory(&repository("examples"), &directory.join("examples"));
    std::fs::create_dir_all(directory.join("results/baselines")).unwrap();
    let config = std::fs::read_to_string(repository("examples/tasks/cloze.toml")).unwrap();
    std::fs::write(directory.join("my.toml"), config.replace("name = \"cloze\"", "name = \"mine\"")).unwrap();
    std::fs::copy(repository("examples/tasks/cloze.csv"), directory.join("cloze.csv")).unwrap();
    std::fs::copy(repository("README.md"), directory.join("README.md")).unwrap();
    std::fs::write(directory.join("prompt.txt"), "Once upon a time").unwrap();
    let output = gpt2_eval(directory)
        .args(
            "--tasks lambada,winograd,nq --sizes tiny-3M --data sample --limit 4 --quiet --out base"
                .split(' '),
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A bundled sample; the directions of a language pair, and the tasks of CORE, share theirs.
fn sample_file(task: &str, name: &str) -> PathBuf {
    let own = repository(&format!("tasks/{task}/{name}"));
    if own.exists() {
        return own;
    }
    let family = task.split('-').next().unwrap();
    let relatives = REGISTRY.iter().map(|task| &task.config().name).filter(|other| other.starts_with(family));
    let mut folders = std::iter::once(family).chain(relatives.map(String::as_str));
    folders
        .find_map(|folder| Some(repository(&format!("tasks/{folder}/{name}"))).filter(|path| path.exists()))
        .unwrap()
}

/// A hub that has what the documents fetch, with other content than the published.
fn hub() -> HubServer {
    let server = HubServer::start();
    let read = |path: &str| std::fs::read(repository(path)).unwrap();
    for model in ["openai-community/gpt2", "openai-community/gpt2-medium"] {
        server.add_small(model, "config.json", &read("models/tiny-3M/config.json"));
        server.add_large(model, "model.safetensors", &read("models/tiny-3M/model.safetensors"));
    }
    let passages = read("tasks/lambada/sample.jsonl");
    server.add_large("datasets/EleutherAI/lambada_openai", "data/lambada_test.jsonl", &passages);
    // Tables of the hub may be JSON lines too.
    for kind in ["CN", "NE"] {
        let question = serde_json::json!({
            "sentences": (0..20).map(|number| format!("Sentence {number} .")).collect::<Vec<_>>(),
            "question": "The XXXXX ran .",
            "answer": "dog",
            "options": ["dog", "cat", "a", "b", "c", "d", "e", "f", "g", "h"],
        });
        let path = format!("{kind}/validation-00000-of-00001.parquet");
        server.add_large("datasets/cam-cst/cbt", &path, question.to_string().as_bytes());
    }
    let page = serde_json::json!({ "text": " \n = A = \n \n A page of text . \n" }).to_string();
    let pages = "wikitext-2-raw-v1/test-00000-of-00001.parquet";
    server.add_large("datasets/Salesforce/wikitext", pages, page.as_bytes());
    server
}

/// The line as it is run here: measuring few samples, below this directory.
fn adapted(line: &str, directory: &Path) -> (Vec<String>, Option<String>) {
    let (mut words, output) = words(line);
    if words[0] == "cargo" {
        let own = words.iter().position(|word| word == "--").unwrap();
        words.drain(..own);
    }
    words.remove(0);
    for word in &mut words {
        *word = word.replace("/shared/", &format!("{}/shared/", directory.display()));
        if word == "8080" {
            "0".clone_into(word);
        }
    }
    let is_run = words.first().is_none_or(|word| word.starts_with('-'));
    let is_bounded = words.iter().any(|word| ["--limit", "--help", "--version"].contains(&word.as_str()));
    if is_run && !is_bounded {
        words.extend(["--limit", "4"].map(str::to_owned));
    }
    (words, output)
}

/// Makes run directories and baselines that a command reads.
fn provide(words: &[String], directory: &Path) {
    let writes = words.iter().position(|word| word == "--out").map(|at| at + 1);
    for (at, word) in words.iter().enumerate() {
        let path = directory.join(word);
        if Some(at) == writes || !word.starts_with("results/") || path.exists() {
            continue;
        }
        if Path::new(word).extension().is_some_and(|extension| extension == "json") {
            let made = gpt2_eval(directory).args(["baseline", "base"]).output().unwrap();
            std::fs::write(path, made.stdout).unwrap();
        } else {
            copy_directory(&directory.join("base"), &path);
        }
    }
}

#[test]
fn every_command_line_of_the_documents_works() {
    let (server, directory) = (hub(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    prepare(directory);
    let (mut run, mut document) = (BTreeSet::new(), String::new());
    for Line { location, text } in lines() {
        let is_ours = text.starts_with("gpt2-eval ") || text.starts_with("cargo run --release -- ");
        if !is_ours {
            assert!(OTHERS.iter().any(|other| text.starts_with(other)), "{location}: no test knows `{text}`");
            continue;
        }
        // Each document by itself.
        let of_document = location.split(':').next().unwrap_or_default().to_owned();
        if document != of_document {
            document = of_document;
            std::fs::remove_dir_all(directory.join("results")).unwrap();
            std::fs::create_dir_all(directory.join("results/baselines")).unwrap();
        }
        let (words, output) = adapted(&text, directory);
        provide(&words, directory);
        // The other machines of a run in shards.
        if words[0] == "merge" {
            for shard in ["2/4", "3/4"] {
                let line = "gpt2-eval --tasks paper --sizes 117M,345M --data data --out /shared/run --shard";
                let (words, _) = adapted(&format!("{line} {shard}"), directory);
                assert!(gpt2_eval(directory).args(words).output().unwrap().status.success());
            }
        }
        let serves = words.iter().any(|word| word == "--serve");
        let mut command = gpt2_eval(directory);
        command
            .env("HF_HUB_OFFLINE", "0")
            .env("HF_ENDPOINT", server.endpoint())
            .env("GPT2_EVAL_OTHER_FILES", "1")
            .env("GPT2_EVAL_MIRROR", format!("{}/mirror", server.endpoint()))
            // No browser is there to be opened.
            .env("PATH", directory)
            .args(&words)
            .write_stdin("A text from standard input.")
            .timeout(Duration::from_secs(if serves { 3 } else { 300 }));
        let found = command.output().unwrap();
        let (printed, said) =
            (String::from_utf8_lossy(&found.stdout), String::from_utf8_lossy(&found.stderr));
        if serves {
            assert!(printed.starts_with("http://127.0.0.1:"), "{location}: {text}\n{printed}{said}");
        } else {
            // The models here have the names of the paper's, not their weights.
            let fails = words[0] == "verify" && words.iter().any(|word| word == "117M");
            assert_eq!(found.status.code(), Some(i32::from(fails)), "{location}: {text}\n{printed}{said}");
        }
        assert!(!said.contains("panicked"), "{location}: {text}\n{said}");
        if let Some(file) = output {
            std::fs::write(directory.join(file), &found.stdout).unwrap();
        }
        run.insert(words.into_iter().next());
    }
    // The documents have an example of every command but these, which need a shell or its configuration.
    for command in [
        "fetch", "doctor", "report", "view", "compare", "baseline", "check", "show", "ls", "merge",
        "generate", "verify",
    ] {
        assert!(
            run.contains(&Some(command.to_owned())),
            "no document has an example of `gpt2-eval {command}`"
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut links = 0;
    for document in
        documents().into_iter().chain(["results/README.md".to_owned(), "models/README.md".to_owned()])
    {
        let path = repository(&document);
        let text = std::fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            assert!(path.parent().unwrap().join(target).exists(), "{document}: no {target}");
            links += 1;
        }
    }
    assert!(links > 30, "only {links} links were found");
}

#[test]
fn completions_and_manual_pages_have_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let print = |arguments: &[&str]| {
        let output = gpt2_eval(directory.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = print(&["completions", shell]);
        for word in ["score-text", "task-file", "fetch"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = print(&["man"]);
    assert!(page.contains(".TH gpt2-eval 1") && page.contains("Exit codes"), "{page}");
    print(&["man", "--out", "pages"]);
    for page in ["gpt2-eval.1", "gpt2-eval-generate.1", "gpt2-eval-check.1"] {
        assert!(directory.path().join("pages").join(page).is_file(), "{page}");
    }
}
