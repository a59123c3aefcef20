//! Helpers of several tests.

use std::io::Write;
use std::path::{Path, PathBuf};

use gpt2_eval::record::SampleResult;
use gpt2_kernels::Precision;
use gpt2_model::engine::{self, Backend, Engine, EngineError, Event, Usage, Work};
use gpt2_model::request::{LogLikelihood, Response};
use gpt2_model::{Checkpoint, ComputeDevice, DeviceRequest};

/// Prints a line that the test runner does not capture.
pub fn say(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{message}");
}

/// A file of the reference data. If it is missing, `None` with a message, or with `GPT2_EVAL_REQUIRE_SHARED` a failure.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("GPT2_EVAL_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    let is_required = std::env::var_os("GPT2_EVAL_REQUIRE_SHARED").is_some_and(|value| value != "0");
    assert!(!is_required, "no {} although GPT2_EVAL_REQUIRE_SHARED is set", path.display());
    say(&format!("SKIPPED: no {} (set GPT2_EVAL_SHARED)", path.display()));
    None
}

/// A bundled model on a device.
pub struct Loaded {
    pub checkpoint: Checkpoint,
    pub backend: Box<dyn Backend>,
    pub device: ComputeDevice,
}

/// A bundled model on the default device.
pub fn bundled(label: &str) -> Loaded {
    bundled_on(label, open("flex"))
}

pub fn bundled_on(label: &str, device: ComputeDevice) -> Loaded {
    let checkpoint = Checkpoint::bundled(label).expect("a bundled model").unwrap();
    let backend = engine::load(&checkpoint, &device, Precision::F32).unwrap();
    Loaded { checkpoint, backend, device }
}

pub fn open(device: &str) -> ComputeDevice {
    device.parse::<DeviceRequest>().unwrap().open().unwrap()
}

impl Loaded {
    /// Responses to `work`, in its order.
    pub fn run(&self, work: &[Work], batch_tokens: usize) -> Vec<Response> {
        self.run_and_count(work, batch_tokens).0
    }

    /// Responses to `work`, in its order, and their usage.
    pub fn run_and_count(&self, work: &[Work], batch_tokens: usize) -> (Vec<Response>, Usage) {
        let engine = Engine::new(&*self.backend, &self.checkpoint.tokenizer, batch_tokens);
        let mut responses = vec![None; work.len()];
        let outcome: Result<_, EngineError> = engine.run(&work.iter().collect::<Vec<_>>(), |event| {
            match event {
                Event::Response { index, response } => {
                    assert!(responses[index].replace(response).is_none(), "answered twice");
                }
                Event::Warning(text) => panic!("{text}"),
                Event::Progress { .. } => {}
            }
            Ok(())
        });
        let usage = outcome.unwrap();
        (responses.into_iter().map(Option::unwrap).collect(), usage)
    }

    pub fn log_likelihoods(&self, work: &[Work], batch_tokens: usize) -> Vec<LogLikelihood> {
        self.run(work, batch_tokens)
            .into_iter()
            .map(|response| match response {
                Response::LogLikelihood(score) => score,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

/// The `gpt2-eval` command in `directory`.
pub fn gpt2_eval(directory: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("gpt2-eval").unwrap();
    command.current_dir(directory).env_remove("GPT2_EVAL_MODELS").env("NO_COLOR", "1");
    // No test uses the network or the caches of the user.
    for name in
        ["HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "SSL_CERT_FILE"]
    {
        command.env_remove(name);
    }
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", directory.join("hf"))
        .env("GPT2_EVAL_CACHE", directory.join("cache"));
    command.env("NO_PROXY", "127.0.0.1");
    command
}

/// Runs a command that must end with exit code 2 and without a panic, and returns its message.
pub fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = gpt2_eval(directory).args(arguments).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed a table");
    message
}

/// Copies a bundled model's files into `directory`.
pub fn copy_model(label: &str, directory: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(label);
    std::fs::create_dir_all(directory).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(name), directory.join(name)).unwrap();
    }
}

/// Writes three passages of LAMBADA into `data/`; the second is longer than any window.
pub fn write_passages(directory: &Path) {
    let long = "word ".repeat(1100);
    let passages = ["The cat sat on the mat", long.trim(), "Tom called the dog and gave it a bone"];
    let lines: String = passages.iter().map(|text| format!("{{\"text\": \"{text}\"}}\n")).collect();
    std::fs::create_dir_all(directory.join("data/lambada")).unwrap();
    std::fs::write(directory.join("data/lambada/lambada_test.jsonl"), lines).unwrap();
}

/// A finished run directory, deleted when dropped.
pub struct Run {
    directory: tempfile::TempDir,
}

impl Run {
    /// The directory in which `run` is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Runs a task with both bundled models on the reference data; `None` with a message if they are missing.
pub fn run_on_shared_data(task: &str, more: &[&str]) -> Option<Run> {
    Some(run_on(task, shared("data")?.as_os_str(), more))
}

/// Runs a task with both bundled models on its bundled sample.
pub fn run_on_sample(task: &str, more: &[&str]) -> Run {
    run_on(task, "sample".as_ref(), more)
}

fn run_on(task: &str, data: &std::ffi::OsStr, more: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let output = gpt2_eval(directory.path())
        .args(["--tasks", task, "--sizes", "tiny", "--out", "run", "--quiet"])
        .arg("--data")
        .arg(data)
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Run { directory }
}

/// The journal `<name>.jsonl` of a model.
pub fn records(run: &Run, model: &str, name: &str) -> Vec<SampleResult> {
    let path = run.directory.path().join(format!("run/samples/{model}/{name}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Metric, value and standard error of each score of a model on `task:protocol`.
pub fn scores(run: &Run, model: &str, task: &str) -> Vec<(String, f64, f64)> {
    let mut reader = csv::Reader::from_path(run.directory.path().join("run/scores.csv")).unwrap();
    let rows = reader.records().map(Result::unwrap);
    rows.filter(|row| row[0] == *model && format!("{}:{}", &row[2], &row[3]) == task)
        .map(|row| (row[4].to_owned(), row[5].parse().unwrap(), row[6].parse().unwrap()))
        .collect()
}
