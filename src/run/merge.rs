//! Merges the shards of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::directory::identity_differences;
use super::inputs::{ShardSamples, write_lines};
use super::{FinishedRun, RunDirectory, RunError};
use crate::record::{HeuristicResult, Identity, Manifest, Shard, ShardSummary, Status};
use crate::text::command_line;

/// A shard that has been read.
struct ReadShard {
    run: FinishedRun,
    shard: Shard,
    /// By journal: for each sample its index in the whole run.
    indices: BTreeMap<String, Vec<usize>>,
}

/// Merges the shards in `directories` into `out`, or into the only directory, and returns that path. The files in
/// `samples/`, `prompts/` and `baselines/` are those of a run without shards, byte for byte; the caller computes the scores
/// from them.
///
/// `Err` if a shard is missing, incomplete, a duplicate, or part of another run.
pub fn merge(directories: &[PathBuf], out: Option<&Path>) -> Result<PathBuf, RunError> {
    let mut shards = Vec::new();
    for directory in directories {
        shards.extend(shards_in(directory)?);
    }
    shards.sort_by_key(|shard| shard.shard);
    let Some(first) = shards.first() else {
        return Err(RunError::Other(
            "no directories to merge: name the directories of the shards".to_owned(),
        ));
    };
    check_one_run(&shards, first)?;
    check_complete(&shards, first)?;
    let out = match (out, directories) {
        (Some(out), _) => out,
        (None, [directory]) if directory.join("shards").is_dir() => directory,
        _ => return Err(RunError::Other("no directory for the merged run: use --out DIR".to_owned())),
    };
    write(&shards, first, out)?;
    Ok(out.to_owned())
}

fn no_shards(directory: &Path) -> RunError {
    RunError::Other(format!(
        "{}: no shards: name a directory with shards/0-of-N, or the directories of runs made with --shard",
        directory.display()
    ))
}

/// The shards of a directory: those in `shards/`, or the directory itself.
fn shards_in(directory: &Path) -> Result<Vec<ReadShard>, RunError> {
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(directory.join("shards")) {
        Ok(entries) => {
            let paths: Result<_, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
            paths.map_err(|error| RunError::read(directory, error))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => vec![directory.to_owned()],
        Err(error) => return Err(RunError::read(directory, error)),
    };
    // A shard that was killed before it wrote shard.json counts as missing.
    paths.retain(|path| path == directory || path.join("shard.json").exists());
    paths.sort();
    if paths.is_empty() {
        return Err(no_shards(directory));
    }
    paths
        .into_iter()
        .map(|path| {
            let run = FinishedRun::open(&path)?;
            let Some(shard) = run.manifest.identity.shard else { return Err(no_shards(&path)) };
            Ok(ReadShard { run, shard, indices: ShardSamples::read(&path)?.indices })
        })
        .collect()
}

/// The identity of the whole run that a shard belongs to.
fn whole_identity(shard: &ReadShard) -> Identity {
    Identity { shard: None, ..shard.run.manifest.identity.clone() }
}

fn check_one_run(shards: &[ReadShard], first: &ReadShard) -> Result<(), RunError> {
    let value = serde_json::to_value(whole_identity(first)).unwrap_or(Value::Null);
    for pair in shards.windows(2) {
        let (before, shard) = (&pair[0], &pair[1]);
        let path = shard.run.path.display();
        let mut differences = identity_differences(&value, &whole_identity(shard))?;
        if shard.shard.count != first.shard.count {
            differences.push(format!("  shards: there {}, here {}", first.shard.count, shard.shard.count));
        }
        if !differences.is_empty() {
            let first = first.run.path.display();
            let differences = differences.join("\n");
            return Err(RunError::Other(format!(
                "{path} and {first} belong to different runs:\n{differences}"
            )));
        }
        if before.shard == shard.shard {
            let (shard, first) = (shard.shard, before.run.path.display());
            return Err(RunError::Other(format!(
                "shard {shard} is in {first} and in {path}: name one of them"
            )));
        }
    }
    Ok(())
}

fn check_complete(shards: &[ReadShard], first: &ReadShard) -> Result<(), RunError> {
    let mut missing = Vec::new();
    let count = first.shard.count;
    for index in 0..count {
        let wanted = Shard { index, count };
        match shards.iter().find(|shard| shard.shard == wanted) {
            None => {
                let command = command_for(&first.run.manifest, wanted);
                missing.push(format!("  shard {wanted} is missing; run: {command}"));
            }
            Some(shard) if shard.run.missing() > 0 => missing.push(format!(
                "  shard {wanted} in {} lacks {} samples; run: {}",
                shard.run.path.display(),
                shard.run.missing(),
                command_for(&shard.run.manifest, wanted)
            )),
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(RunError::Incomplete(format!("the run is not complete:\n{}", missing.join("\n"))))
}

/// The command that runs `shard`, from the command of any shard.
fn command_for(manifest: &Manifest, shard: Shard) -> String {
    let mut words = manifest.environment.command.clone();
    for index in 0..words.len() {
        if words[index].starts_with("--shard=") {
            words[index] = format!("--shard={shard}");
        } else if words[index] == "--shard" && index + 1 < words.len() {
            words[index + 1] = shard.to_string();
        }
    }
    command_line(&words)
}

fn write(shards: &[ReadShard], first: &ReadShard, out: &Path) -> Result<(), RunError> {
    let manifest = merged_manifest(shards, first);
    let (tasks, models) = (manifest.tasks.clone(), manifest.identity.models.clone());
    let failed = manifest.failed_samples;
    // A merge writes every file again; an older merge only has to be of the same run.
    let mut directory =
        RunDirectory::open(out, Manifest { status: Status::Started, ..manifest.clone() }, false)?;
    for (number, task) in tasks.iter().enumerate() {
        let prompts = in_order(shards, number, |shard| shard.run.tasks[number].prompts.clone())?;
        for (index, model) in models.iter().enumerate() {
            let records = in_order(shards, number, |shard| shard.run.tasks[number].records[index].clone())?;
            // Equal numbers of results and samples do not mean equal samples.
            if !records.iter().map(|record| &record.id).eq(prompts.iter().map(|prompt| &prompt.id)) {
                return Err(mismatch(first, &task.journal));
            }
            write_lines(&out.join("samples").join(&model.label), &task.journal, &records)?;
        }
        let mut baselines = Vec::new();
        // A shard without a sample of the task has no methods in its file.
        let mut methods: Vec<&str> = Vec::new();
        for baseline in shards.iter().flat_map(|shard| &shard.run.tasks[number].baselines) {
            if !methods.contains(&baseline.name.as_str()) {
                methods.push(&baseline.name);
            }
        }
        for name in methods {
            let values = in_order(shards, number, |shard| {
                let mut baselines = shard.run.tasks[number].baselines.iter();
                baselines.find(|baseline| baseline.name == name).map_or_else(Vec::new, |all| {
                    all.values.iter().cloned().zip(all.clusters.iter().cloned()).collect()
                })
            })?;
            baselines.extend(prompts.iter().zip(values).map(|(prompt, (values, cluster))| HeuristicResult {
                method: name.to_owned(),
                id: prompt.id.clone(),
                cluster,
                values,
            }));
        }
        write_lines(&out.join("prompts"), &task.journal, &prompts)?;
        if !baselines.is_empty() {
            write_lines(&out.join("baselines"), &task.journal, &baselines)?;
        }
    }
    directory.replace(manifest)?;
    directory.end(Status::Complete, failed, None)?;
    Ok(())
}

/// The values that the shards have of a task, in the order of the data.
fn in_order<T: Serialize>(
    shards: &[ReadShard],
    number: usize,
    mut of: impl FnMut(&ReadShard) -> Vec<T>,
) -> Result<Vec<T>, RunError> {
    let mut all: Vec<(usize, T)> = Vec::new();
    for shard in shards {
        let journal = &shard.run.tasks[number].measured.journal;
        let values = of(shard);
        let indices = shard.indices.get(journal).map_or(&[][..], Vec::as_slice);
        if indices.len() != values.len() {
            return Err(mismatch(shard, journal));
        }
        all.extend(indices.iter().copied().zip(values));
    }
    all.sort_by_key(|(index, _)| *index);
    let is_complete = all.iter().enumerate().all(|(expected, (index, _))| expected == *index);
    if let Some(shard) = shards.first().filter(|_| !is_complete) {
        return Err(mismatch(shard, &shard.run.tasks[number].measured.journal));
    }
    Ok(all.into_iter().map(|(_, value)| value).collect())
}

fn mismatch(shard: &ReadShard, journal: &str) -> RunError {
    RunError::Other(format!(
        "{}: shard.json does not match the results of {journal}: run this shard again with --fresh",
        shard.run.path.display()
    ))
}

/// The manifest of a run without shards that did the work of all shards.
fn merged_manifest(shards: &[ReadShard], first: &ReadShard) -> Manifest {
    let mut manifest = first.run.manifest.clone();
    let manifests = || shards.iter().map(|shard| &shard.run.manifest);
    manifest.plan.shard = None;
    manifest.identity.shard = None;
    for (number, task) in manifest.tasks.iter_mut().enumerate() {
        task.label.options.remove("shard");
        task.samples = shards.iter().map(|shard| shard.run.tasks[number].measured.samples).sum();
    }
    manifest.usage = manifests().flat_map(|manifest| manifest.usage.clone()).collect();
    manifest.failed_samples = shards.iter().map(|shard| shard.run.failed()).sum();
    manifest.started = manifests().map(|manifest| manifest.started.clone()).min().unwrap_or_default();
    manifest.shards = shards
        .iter()
        .map(|ReadShard { run: FinishedRun { manifest, .. }, shard, .. }| ShardSummary {
            shard: *shard,
            host: manifest.environment.host.clone(),
            cpu: manifest.environment.cpu.clone(),
            started: manifest.started.clone(),
            ended: manifest.ended.clone(),
        })
        .collect();
    for fingerprint in manifests().flat_map(|manifest| &manifest.environment.files) {
        if !manifest.environment.files.contains(fingerprint) {
            manifest.environment.files.push(fingerprint.clone());
        }
    }
    manifest
}
