//! Puts the shards of a run together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::finished::read_places;
use super::inputs::write_lines;
use super::manifest::identity_differences;
use super::{FinishedRun, RunDirectory, RunError};
use crate::record::{HeuristicResult, Identity, Manifest, Shard, ShardSummary, Status};
use crate::text::command_line;

/// Why shards cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A directory has no shard.
    #[error(
        "{0}: no shards are here: name a directory with shards/0-of-N, or the directories of runs made with --shard"
    )]
    NoShards(PathBuf),
    /// Shards of two runs.
    #[error("{second} and {first} are not of one run:\n{}", differences.join("\n"))]
    Different {
        /// A shard.
        first: PathBuf,
        /// Another.
        second: PathBuf,
        /// One line a field.
        differences: Vec<String>,
    },
    /// A shard stands twice.
    #[error("shard {shard} is in {first} and in {second}: name one of them")]
    Duplicate {
        /// Which.
        shard: Shard,
        /// Where.
        first: PathBuf,
        /// And where else.
        second: PathBuf,
    },
    /// Something is left to compute.
    #[error("the run is not complete:\n{}", missing.join("\n"))]
    Incomplete {
        /// For each shard what is missing, and the command that fills it.
        missing: Vec<String>,
    },
    /// The places of the samples do not fit together.
    #[error(
        "{directory}: shard.json does not fit the records of {journal}: run this shard again with --fresh"
    )]
    Places {
        /// Of the shard.
        directory: PathBuf,
        /// Of the task.
        journal: String,
    },
    /// Several directories, and none to write to.
    #[error("say where to write the merged run: --out DIR")]
    NoOut,
    /// A file cannot be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A shard that has been read.
struct ReadShard {
    run: FinishedRun,
    shard: Shard,
    places: BTreeMap<String, Vec<usize>>,
}

/// Puts the shards in `directories` together in `out`, or in the one directory that they share, and returns where. The
/// files in `samples/`, `prompts/` and `baselines/` are those of a run without shards, byte for byte; the scores are the
/// caller's to compute from them.
///
/// `Err` if a shard is missing, incomplete, there twice, or of another run.
pub fn merge(directories: &[PathBuf], out: Option<&Path>) -> Result<PathBuf, MergeError> {
    let mut shards = Vec::new();
    for directory in directories {
        shards.extend(shards_in(directory)?);
    }
    shards.sort_by_key(|shard| shard.shard);
    check_one_run(&shards)?;
    check_complete(&shards)?;
    let out = match (out, directories) {
        (Some(out), _) => out,
        (None, [directory]) if directory.join("shards").is_dir() => directory,
        _ => return Err(MergeError::NoOut),
    };
    write(&shards, out)?;
    Ok(out.to_owned())
}

/// The shards of a directory: those below `shards/`, or the one that it is.
fn shards_in(directory: &Path) -> Result<Vec<ReadShard>, MergeError> {
    let read_error =
        |error: std::io::Error| RunError::Read { path: directory.to_owned(), reason: error.to_string() };
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(directory.join("shards")) {
        Ok(entries) => {
            let paths: Result<_, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
            paths.map_err(read_error)?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => vec![directory.to_owned()],
        Err(error) => return Err(read_error(error).into()),
    };
    // A shard that was killed before it wrote its places down is one that is missing.
    paths.retain(|path| path == directory || path.join("shard.json").exists());
    paths.sort();
    if paths.is_empty() {
        return Err(MergeError::NoShards(directory.to_owned()));
    }
    paths
        .into_iter()
        .map(|path| {
            let run = FinishedRun::open(&path)?;
            let Some(shard) = run.manifest.identity.shard else { return Err(MergeError::NoShards(path)) };
            let places = read_places(&path)?.places;
            Ok(ReadShard { run, shard, places })
        })
        .collect()
}

/// The identity of the whole run that a shard belongs to.
fn whole_identity(shard: &ReadShard) -> Identity {
    Identity { shard: None, ..shard.run.manifest.identity.clone() }
}

fn check_one_run(shards: &[ReadShard]) -> Result<(), MergeError> {
    let Some(first) = shards.first() else { return Err(MergeError::NoOut) };
    let value = serde_json::to_value(whole_identity(first)).unwrap_or(Value::Null);
    for pair in shards.windows(2) {
        let (before, shard) = (&pair[0], &pair[1]);
        let mut differences = identity_differences(&value, &whole_identity(shard))?;
        if shard.shard.count != first.shard.count {
            differences.push(format!("  shards: there {}, here {}", first.shard.count, shard.shard.count));
        }
        if !differences.is_empty() {
            let (first, second) = (first.run.path.clone(), shard.run.path.clone());
            return Err(MergeError::Different { first, second, differences });
        }
        if before.shard == shard.shard {
            let (first, second) = (before.run.path.clone(), shard.run.path.clone());
            return Err(MergeError::Duplicate { shard: shard.shard, first, second });
        }
    }
    Ok(())
}

fn check_complete(shards: &[ReadShard]) -> Result<(), MergeError> {
    let mut missing = Vec::new();
    let count = shards.first().map_or(0, |first| first.shard.count);
    for index in 0..count {
        let wanted = Shard { index, count };
        match shards.iter().find(|shard| shard.shard == wanted) {
            None => {
                let command = shards.first().map(|first| command_for(&first.run.manifest, wanted));
                missing.push(format!("  shard {wanted} is missing; run: {}", command.unwrap_or_default()));
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
    if missing.is_empty() { Ok(()) } else { Err(MergeError::Incomplete { missing }) }
}

/// The command that runs a shard, from that of any shard.
fn command_for(manifest: &Manifest, shard: Shard) -> String {
    let mut words = manifest.environment.command.clone();
    for place in 0..words.len() {
        if words[place].starts_with("--shard=") {
            words[place] = format!("--shard={shard}");
        } else if words[place] == "--shard" && place + 1 < words.len() {
            words[place + 1] = shard.to_string();
        }
    }
    command_line(&words)
}

fn write(shards: &[ReadShard], out: &Path) -> Result<(), MergeError> {
    let Some(first) = shards.first() else { return Err(MergeError::NoOut) };
    let manifest = merged_manifest(shards, first);
    let (tasks, models) = (manifest.tasks.clone(), manifest.identity.models.clone());
    let failed = manifest.failed_samples;
    // A merge writes everything again: there is nothing of an older one to keep but its claim on the directory.
    let mut directory =
        RunDirectory::open(out, Manifest { status: Status::Started, ..manifest.clone() }, false)?;
    for (number, task) in tasks.iter().enumerate() {
        let prompts = in_order(shards, number, |shard| shard.run.tasks[number].prompts.clone())?;
        for (place, model) in models.iter().enumerate() {
            let records = in_order(shards, number, |shard| shard.run.tasks[number].records[place].clone())?;
            // As many records as samples need not be those of the samples.
            if !records.iter().map(|record| &record.id).eq(prompts.iter().map(|prompt| &prompt.id)) {
                let (directory, journal) = (first.run.path.clone(), task.journal.clone());
                return Err(MergeError::Places { directory, journal });
            }
            write_lines(&out.join("samples").join(&model.label), &task.journal, &records)?;
        }
        let mut baselines = Vec::new();
        // A shard without a sample of the task has no line from which its methods could be known.
        let mut methods: Vec<&str> = Vec::new();
        for baseline in shards.iter().flat_map(|shard| &shard.run.tasks[number].baselines) {
            if !methods.contains(&baseline.name.as_str()) {
                methods.push(&baseline.name);
            }
        }
        for name in methods {
            let values = in_order(shards, number, |shard| {
                let mut baselines = shard.run.tasks[number].baselines.iter();
                baselines
                    .find(|baseline| baseline.name == name)
                    .map_or_else(Vec::new, |all| all.values.clone())
            })?;
            baselines.extend(prompts.iter().zip(values).map(|(prompt, values)| HeuristicResult {
                method: name.to_owned(),
                id: prompt.id.clone(),
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

/// What the shards have of a task, in the order of the data.
fn in_order<T: Serialize>(
    shards: &[ReadShard],
    number: usize,
    mut of: impl FnMut(&ReadShard) -> Vec<T>,
) -> Result<Vec<T>, MergeError> {
    let mut all: Vec<(usize, T)> = Vec::new();
    for shard in shards {
        let journal = &shard.run.tasks[number].measured.journal;
        let values = of(shard);
        let places = shard.places.get(journal).map_or(&[][..], Vec::as_slice);
        if places.len() != values.len() {
            return Err(MergeError::Places { directory: shard.run.path.clone(), journal: journal.clone() });
        }
        all.extend(places.iter().copied().zip(values));
    }
    all.sort_by_key(|(place, _)| *place);
    if let Some(shard) =
        shards.first().filter(|_| all.iter().enumerate().any(|(at, (place, _))| at != *place))
    {
        let journal = shard.run.tasks[number].measured.journal.clone();
        return Err(MergeError::Places { directory: shard.run.path.clone(), journal });
    }
    Ok(all.into_iter().map(|(_, value)| value).collect())
}

/// The manifest of a run without shards that had the work of all.
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
