//! Run directories: a changed journal or manifest is read, or refused with its name, and never damaged further.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gpt2_eval::plan::{DataSource, Plan};
use gpt2_eval::record::{Environment, Identity, Manifest, SampleResult, Status};
use gpt2_eval::run::{FinishedRun, Journal, RunDirectory};
use gpt2_kernels::Precision;
use gpt2_model::request::{
    Completion, Filtered, FinishReason, LogLikelihood, Response, RollingLogLikelihood,
};
use proptest::{prop_assert, prop_assert_eq};

use super::memory::bounded;
use super::mutate::mutated;
use super::{hold, is_good_message};
use crate::common::gpt2_eval;

/// A directory in memory if the system has one, because the properties write a file for every input.
fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn record(id: &str, response: Response) -> SampleResult {
    SampleResult {
        id: id.to_owned(),
        cluster: Some("c".to_owned()),
        key: format!("key-{id}"),
        prompt_sha256: "00".to_owned(),
        context_tokens: 1,
        target_tokens: 1,
        truncated_tokens: 0,
        responses: vec![response],
        candidate_sets: vec![],
        values: BTreeMap::from([("correct".to_owned(), 1.0), ("log_likelihood".to_owned(), -0.1)]),
        error: None,
    }
}

fn journal() -> Vec<u8> {
    let score = LogLikelihood {
        log_likelihood: -2.5,
        greedy: false,
        tokens: vec![7],
        token_log_probs: vec![-2.5],
        filtered: Some(Filtered { log_likelihood: -1.5, greedy: true }),
        context_tokens: 1,
        truncated_tokens: 0,
    };
    let rolling = RollingLogLikelihood { log_likelihood: -2.0, tokens: 1, bytes: 2, windows: 1 };
    let completion = Completion {
        text: "é\n".to_owned(),
        tokens: vec![1],
        token_log_probs: vec![-0.5],
        finish: FinishReason::StopString,
        prompt_tokens: 3,
        truncated_tokens: 0,
    };
    let responses =
        [Response::LogLikelihood(score), Response::Rolling(rolling), Response::Generate(completion)];
    let records = ["a", "b", "c"].into_iter().zip(responses).map(|(id, response)| record(id, response));
    records.map(|record| serde_json::to_string(&record).unwrap() + "\n").collect::<String>().into_bytes()
}

fn key_of(id: &str) -> Option<&'static str> {
    ["a", "b", "c"].iter().position(|known| *known == id).map(|index| ["key-a", "key-b", "key-c"][index])
}

#[test]
fn journals() {
    let directory = directory();
    let path = directory.path().join("t.jsonl");
    let name = path.display().to_string();
    hold(mutated(&[&journal()]), |bytes| {
        std::fs::write(&path, &bytes.0).unwrap();
        let opened = bounded(bytes.0.len(), || Journal::open(&path, key_of))?;
        let left = std::fs::read(&path).unwrap();
        match opened {
            Ok((journal, records)) => {
                drop(journal);
                prop_assert!(bytes.0.starts_with(&left));
                let mut dropped = bytes.0[left.len()..].split_inclusive(|&byte| byte == b'\n');
                let torn = dropped.find(|line| *line != b"\n").unwrap_or_default();
                let is_torn = !torn.ends_with(b"\n") || torn.contains(&0);
                prop_assert!(is_torn, "a torn end is dropped, and nothing else");
                prop_assert!(records.len() <= left.split(|&byte| byte == b'\n').count());
                for (id, record) in &records {
                    prop_assert_eq!((id, key_of(id)), (&record.id, Some(record.key.as_str())));
                    prop_assert!(record.values.values().all(|value| value.is_finite()));
                }
                prop_assert_eq!(&Journal::open(&path, key_of).unwrap().1, &records);
                // A second result of a sample is refused, so the records go to a journal of their own.
                let other = directory.path().join("other.jsonl");
                let _ = std::fs::remove_file(&other);
                let (mut journal, _) = Journal::open(&other, key_of).unwrap();
                for record in records.values() {
                    journal.append(record).unwrap();
                }
                drop(journal);
                prop_assert_eq!(
                    Journal::open(&other, key_of).unwrap().1,
                    records,
                    "what is appended comes back"
                );
            }
            Err(error) => {
                prop_assert_eq!(&left, &bytes.0, "a refused journal is left as it is");
                is_good_message(&error.to_string(), &name)?;
            }
        }
        Ok(())
    });
}

fn manifest(seed: u64) -> Manifest {
    let plan = Plan {
        models: vec![],
        tasks: vec![],
        custom_tasks: vec![],
        data: DataSource::Directory(PathBuf::from("data")),
        limit: Some(3),
        seed,
        precision: Precision::F32,
        shard: None,
    };
    let json = serde_json::json!({
        "engine_version": 1, "backend": "flex", "dtype": "f32", "limit": 3, "seed": seed,
        "models": [{"label": "m", "parameters": 5, "config_sha256": "a", "weights_sha256": "b", "tokenizer_sha256": "c"}],
        "tasks": [{"task": "lambada", "protocol": {"name": "paper", "options": {"shots": "1"}}}],
        "data": [{"task": "lambada", "sha256": "d", "records": 7, "provenance": "sample"}],
    });
    let identity: Identity = serde_json::from_value(json).unwrap();
    let json = serde_json::json!({
        "program_version": "0", "command": ["gpt2-eval"], "files": [], "dependencies": {},
        "device": "d", "threads": 1, "batch_tokens": 2, "cpu": "p", "system": "s",
    });
    let environment: Environment = serde_json::from_value(json).unwrap();
    let task = serde_json::json!({
        "task": "lambada", "protocol": {"name": "paper"}, "label": {"name": "paper", "options": {"limit": "3"}},
        "journal": "lambada.jsonl", "records": 7, "samples": 3,
    });
    let tasks = vec![serde_json::from_value(task).unwrap()];
    Manifest::begin(plan, identity, tasks, environment)
}

#[test]
fn manifests() {
    let directory = directory();
    let run = directory.path().join("run");
    let path = run.join("manifest.json");
    let manifest = manifest(1);
    let valid = serde_json::to_vec_pretty(&manifest).unwrap();
    drop(RunDirectory::open(&run, manifest.clone(), false).unwrap());
    hold(mutated(&[&valid]), |bytes| {
        if let Ok(read) = bounded(bytes.0.len(), || serde_json::from_slice::<Manifest>(&bytes.0))? {
            let again = serde_json::from_slice::<Manifest>(&serde_json::to_vec(&read).unwrap()).unwrap();
            prop_assert_eq!(again, read);
        }
        std::fs::write(&path, &bytes.0).unwrap();
        match RunDirectory::open(&run, manifest.clone(), false) {
            Ok(mut directory) => {
                directory.end(Status::Complete, 0, None).unwrap();
                let manifest_on_disk: Manifest =
                    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                prop_assert_eq!(&manifest_on_disk.identity, &manifest.identity);
            }
            Err(error) => {
                prop_assert_eq!(
                    &std::fs::read(&path).unwrap(),
                    &bytes.0,
                    "a refused manifest is left as it is"
                );
                is_good_message(&error.to_string(), &run.display().to_string())?;
            }
        }
        Ok(())
    });
}

/// A run directory from an untrusted source, from which scores are computed.
#[test]
fn finished_runs() {
    let directory = directory();
    let run = directory.path().join("run");
    let valid = serde_json::to_vec_pretty(&manifest(1)).unwrap();
    std::fs::create_dir_all(run.join("samples/m")).unwrap();
    std::fs::write(run.join("samples/m/lambada.jsonl"), journal()).unwrap();
    std::fs::write(run.join("manifest.json"), &valid).unwrap();
    let read = FinishedRun::open(&run).unwrap();
    assert_eq!((read.tasks[0].records[0].len(), read.missing(), read.failed()), (3, 0, 0));
    let name = run.display().to_string();
    hold(mutated(&[&valid]), |bytes| {
        std::fs::write(run.join("manifest.json"), &bytes.0).unwrap();
        match bounded(bytes.0.len() + 4096, || FinishedRun::open(&run))? {
            Ok(read) => prop_assert!(read.tasks.iter().all(|task| task.records.len() <= 1)),
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.contains(&name) || message.contains("unknown task `"), "{}", message);
            }
        }
        Ok(())
    });
}

/// JSON has no infinity: it would become `null`, and the journal could never be read again.
#[test]
fn a_number_beyond_f32_is_refused() {
    let directory = directory();
    let path = directory.path().join("t.jsonl");
    let text = String::from_utf8(journal()).unwrap();
    assert!(text.contains("[-0.5]"));
    std::fs::write(&path, text.replace("[-0.5]", "[-1e308]")).unwrap();
    let message = Journal::open(&path, key_of).unwrap_err().to_string();
    assert!(
        message.contains("t.jsonl:3: damaged line: a log-probability is beyond the range of f32"),
        "{message}"
    );
}

/// Sample values that a finished run's journal cannot have: the report omits them, or the run is refused.
#[test]
fn journals_with_other_statistics() {
    let directory = tempfile::tempdir().unwrap();
    let arguments =
        ["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--limit", "5", "--out", "run"];
    let run = || {
        let output = gpt2_eval(directory.path()).args(arguments).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!message.contains("panicked"), "{message}");
        (output.status.code(), message)
    };
    assert_eq!(run().0, Some(0));
    let journal = directory.path().join("run/samples/tiny-3M/lambada.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    let changes: [fn(&mut SampleResult); 5] = [
        |record| record.values.clear(),
        |record| record.values.values_mut().for_each(|value| *value = f64::MAX),
        |record| record.values.values_mut().for_each(|value| *value = -f64::MAX),
        |record| record.responses.clear(),
        |record| record.cluster = Some("x".repeat(1000)),
    ];
    for change in changes {
        let lines = whole.lines().map(|line| {
            let mut record: SampleResult = serde_json::from_str(line).unwrap();
            change(&mut record);
            serde_json::to_string(&record).unwrap() + "\n"
        });
        std::fs::write(&journal, lines.collect::<String>()).unwrap();
        let (code, message) = run();
        assert!(matches!(code, Some(0 | 2)), "{code:?}: {message}");
    }
}
