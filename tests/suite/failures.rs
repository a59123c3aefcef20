//! Failures of one sample or one task that do not end the run.

use std::path::Path;

use gpt2_eval::plan::{DataSource, ModelSource, Plan, PlannedModel, PlannedTask};
use gpt2_eval::record::{Environment, Manifest, ModelIdentity, Protocol, SampleResult};
use gpt2_eval::run::{
    Failures, LoadedTask, Observer, Preflight, RunDirectory, RunError, RunOptions, execute,
};
use gpt2_kernels::Precision;
use gpt2_model::engine::EngineError;
use safetensors::tensor::Dtype;

use crate::checkpoints::{tensors_of, write};
use crate::common::{copy_model, gpt2_eval, open, refused, write_passages};

const LAMBADA: [&str; 6] = ["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "data"];

#[test]
fn one_failing_sample_does_not_end_the_run() {
    let directory = tempfile::tempdir().unwrap();
    write_passages(directory.path());
    let output = gpt2_eval(directory.path()).args(LAMBADA).args(["--out", "run"]).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("1 samples failed"), "{message}");
    assert!(!message.contains("run the same command again"), "the passage is too long every time: {message}");
    assert!(table.contains("§ tiny-3M: 1 of 3 samples failed"), "{table}");
    assert!(table.contains("lambada_test.jsonl:2"), "the note names the line: {table}");
    let run = directory.path().join("run");
    assert!(std::fs::read_to_string(run.join("table.md")).unwrap().contains('§'));
    let mut scores = csv::Reader::from_path(run.join("scores.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = scores.records().map(Result::unwrap).collect();
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!((&row[9], &row[12]), ("2", "1"), "n and failed");
    }
    let journal = std::fs::read_to_string(run.join("samples/tiny-3M/lambada.jsonl")).unwrap();
    let errors: Vec<bool> = journal
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["error"].is_string())
        .collect();
    assert_eq!(errors, [false, true, false], "in the order of the data");
    let text = std::fs::read(run.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!((&manifest["status"], &manifest["failed_samples"]), (&"complete".into(), &1.into()));
}

#[test]
fn fail_fast_refuses_the_run_in_preflight() {
    let directory = tempfile::tempdir().unwrap();
    write_passages(directory.path());
    let mut arguments = LAMBADA.to_vec();
    arguments.extend(["--out", "run", "--fail-fast"]);
    let message = refused(directory.path(), &arguments);
    for part in ["lambada_test.jsonl:2: sample 00001 of lambada", "1100 tokens", "has only 1024", "tiny-3M"] {
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
    assert!(!directory.path().join("run").exists());
}

/// tiny-3M with a context of 16 tokens, in `<directory>/short`.
fn short_model(directory: &Path) {
    let model = directory.join("short");
    copy_model("tiny-3M", &model);
    let mut tensors = tensors_of("tiny-3M");
    let (shape, values) = tensors.get_mut("transformer.wpe.weight").unwrap();
    values.truncate(16 * shape[1]);
    shape[0] = 16;
    write(&model, &tensors, Dtype::F16);
    let config = std::fs::read_to_string(model.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["n_positions"] = 16.into();
    config["n_ctx"] = 16.into();
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn samples_that_never_fit_are_refused_before_the_run() {
    let directory = tempfile::tempdir().unwrap();
    short_model(directory.path());
    let run = ["--model", "short", "--data", "sample", "--out", "run", "--tasks"];
    let message = refused(directory.path(), &[&run[..], &["lambada,nq"]].concat());
    for part in [
        "short can run none of the 60 samples of lambada",
        "sample.jsonl:1: the passage has 86 tokens, but the model's context has only 16",
        "short can run none of the 30 samples of nq",
        "a prompt of one token with its completion has 33 tokens, but the model's context has only 16",
    ] {
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
    assert!(!message.contains("again"), "{message}");
    assert!(!directory.path().join("run").exists());

    // One passage of three fits.
    std::fs::create_dir_all(directory.path().join("data/lambada")).unwrap();
    let long = "word ".repeat(20);
    let passages = ["The cat sat on the mat", long.trim(), long.trim()];
    let lines: String = passages.iter().map(|text| format!("{{\"text\": \"{text}\"}}\n")).collect();
    std::fs::write(directory.path().join("data/lambada/lambada_test.jsonl"), lines).unwrap();
    let arguments = ["--tasks", "lambada", "--model", "short", "--data", "data", "--out", "run"];
    let output = gpt2_eval(directory.path()).args(arguments).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("2 samples failed") && !message.contains("again"), "{message}");

    let arguments = ["generate", "--model", "short", "--prompt", "Once"];
    let message = refused(directory.path(), &arguments);
    assert!(message.contains("--max-new-tokens 100 is too many: a prompt of one token"), "{message}");
}

#[test]
fn overflowing_weights_fail_the_samples_of_their_model_only() {
    let directory = tempfile::tempdir().unwrap();
    copy_model("tiny-3M", &directory.path().join("broken"));
    let path = directory.path().join("broken/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    // The last weights become infinite in f32 or beyond the range of f16.
    let length = bytes.len();
    bytes[length - 4096..].iter_mut().for_each(|byte| *byte = 0x7F);
    std::fs::write(&path, bytes).unwrap();
    let output = gpt2_eval(directory.path())
        .args(["--tasks", "lambada,nq,wikitext2", "--model", "broken=broken", "--sizes", "tiny-3M"])
        .args(["--data", "sample", "--out", "run"])
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    for task in ["lambada", "nq", "wikitext2"] {
        assert!(
            message.lines().any(|line| line.trim().starts_with(&format!("{task}:paper"))
                && line.contains(" on broken: ")
                && line.contains("NaN")),
            "{message}"
        );
    }
    assert!(!message.contains("on tiny-3M"), "{message}");
    let scores = std::fs::read_to_string(directory.path().join("run/scores.csv")).unwrap();
    assert!(!scores.contains("NaN") && !scores.contains("inf"), "{scores}");
    assert!(scores.lines().any(|line| line.starts_with("tiny-3M,") && line.contains(",lambada,")));
    assert!(!scores.lines().any(|line| line.starts_with("broken,") && line.contains(",lambada,")));
    let table = std::fs::read_to_string(directory.path().join("run/table.md")).unwrap();
    assert!(table.contains("§ broken: 60 of 60 samples failed"), "{table}");
    assert!(table.contains("log-probability is NaN or infinite"), "{table}");
}

#[test]
fn score_needs_neither_data_nor_model() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = gpt2_eval(directory.path());
    let tasks = "lambada,winograd,coqa,cnn_dailymail";
    command.args(["--tasks", tasks, "--sizes", "tiny-3M", "--data", "sample", "--out", "run", "--quiet"]);
    let first = command.output().unwrap();
    assert!(first.status.success());
    let names = ["scores.csv", "breakdowns.csv", "table.md"];
    let read = |name: &str| std::fs::read(directory.path().join("run").join(name)).unwrap();
    let before = names.map(read);
    for name in names {
        std::fs::remove_file(directory.path().join("run").join(name)).unwrap();
    }
    let again = gpt2_eval(directory.path()).args(["score", "run"]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&first.stdout));
    assert!(names.map(read) == before);

    let message = refused(directory.path(), &["score", "."]);
    assert!(message.contains("not a run directory: it has no manifest.json"), "{message}");
    let manifest = directory.path().join("run/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(
        &manifest,
        text.replace("\"journal\": \"lambada.jsonl\"", "\"journal\": \"../../lambada\""),
    )
    .unwrap();
    let message = refused(directory.path(), &["score", "run"]);
    assert!(message.contains("`../../lambada` is not a plain file name"), "{message}");
}

#[test]
fn runs_of_another_schema_version_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        ["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--limit", "2", "--out", "run"];
    assert!(gpt2_eval(directory.path()).args(arguments).output().unwrap().status.success());
    let manifest = directory.path().join("run/manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let current = "\"schema_version\": 3";
    assert!(text.contains(current));
    std::fs::write(&manifest, text.replace(current, "\"schema_version\": 2")).unwrap();
    let message = refused(directory.path(), &["report", "run"]);
    for part in ["run/manifest.json", "schema_version is 2", "reads only 3", "run it again"] {
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
    let message = refused(directory.path(), &arguments);
    for part in ["run/manifest.json", "another version of gpt2-eval wrote it", "--fresh"] {
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
}

const TASKS: [&str; 2] = ["lambada", "winograd"];

/// Loses its device at the end of LAMBADA on the first model, and records the other events.
#[derive(Default)]
struct Unlucky {
    finished: Vec<String>,
    failed: Vec<String>,
}

impl Observer for Unlucky {
    fn begin(&mut self, _: &str, _: &str, _: u64) {}
    fn progress(&mut self, _: usize) {}
    fn note(&mut self, _: &str) {}
    fn finished(
        &mut self,
        model: &ModelIdentity,
        task: usize,
        records: &[SampleResult],
    ) -> Result<(), RunError> {
        let name = format!("{} {}", TASKS[task], model.label);
        if name == "lambada tiny-3M" {
            let error = EngineError::Device { device: "gpu".to_owned(), reason: "lost".to_owned() };
            return Err(error.into());
        }
        self.finished.push(format!("{name} {}", records.len()));
        Ok(())
    }
    fn task_failed(&mut self, model: &ModelIdentity, task: usize, error: &RunError) -> Result<(), RunError> {
        self.failed.push(format!("{} {}: {error}", TASKS[task], model.label));
        Ok(())
    }
}

#[test]
fn one_failing_task_does_not_end_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let models = ["tiny-3M", "tiny-8M"];
    let plan = Plan {
        custom_tasks: Vec::new(),
        models: models
            .map(|label| PlannedModel { label: label.to_owned(), source: ModelSource::Bundled })
            .to_vec(),
        tasks: TASKS
            .map(|task| PlannedTask { task: task.to_owned(), protocol: Protocol::new("paper") })
            .to_vec(),
        data: DataSource::Sample,
        limit: Some(3),
        seed: 0,
        precision: Precision::F32,
        shard: None,
    };
    let device = open("flex");
    let preflight = Preflight::new(&plan, &device, false).unwrap();
    let environment = serde_json::json!({
        "program_version": "0", "command": [], "files": [], "dependencies": {},
        "device": "d", "threads": 1, "batch_tokens": 2, "cpu": "p", "system": "s",
    });
    let environment: Environment = serde_json::from_value(environment).unwrap();
    let tasks = preflight.tasks.iter().map(LoadedTask::measured).collect();
    let manifest = Manifest::begin(plan, preflight.identity.clone(), tasks, environment);
    let mut run = RunDirectory::open(&directory.path().join("run"), manifest, false).unwrap();
    let mut measure = |fail_fast: bool| -> (Result<Failures, RunError>, Unlucky) {
        let mut observer = Unlucky::default();
        let options = RunOptions { device: &device, batch_tokens: 1024, fail_fast, stop_wanted: &|| false };
        (execute(&preflight, &options, &mut run, &mut observer), observer)
    };
    let (outcome, observer) = measure(false);
    assert_eq!(outcome.unwrap().failed_tasks, ["lambada on tiny-3M: gpu: lost"]);
    assert_eq!(observer.failed, ["lambada tiny-3M: gpu: lost"]);
    assert_eq!(observer.finished, ["winograd tiny-3M 3", "lambada tiny-8M 3", "winograd tiny-8M 3"]);

    let (outcome, observer) = measure(true);
    assert_eq!(outcome.unwrap_err().to_string(), "gpu: lost");
    assert!(observer.finished.is_empty() && observer.failed.is_empty());
}
