//! The run directory and its `manifest.json`.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{RunError, write_atomically};
use crate::record::{Environment, Identity, Manifest, MeasuredTask, SCHEMA_VERSION, Status, TaskUsage};
use untrusted_input::clipped;
use untrusted_input::{is_plain_name, read_bounded};

/// Maximum size of a `manifest.json`; that of a run with all tasks and models takes about 30,000 bytes.
pub(super) const MAX_MANIFEST_BYTES: u64 = 50_000_000;

/// Maximum number of differences in a message.
const MAX_DIFFERENCES: usize = 20;

/// The current time as RFC 3339 in UTC, in seconds.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A run directory, locked by this process.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    manifest: Manifest,
    /// The operating system releases the lock when the process ends, even after `kill -9`.
    _lock: File,
}

impl RunDirectory {
    /// Opens or creates the directory at `path` for the run that `manifest` describes, and writes the manifest. The results
    /// and the usage of a run with the same identity are kept and continued. With `fresh`, any run there is deleted first.
    ///
    /// `Err` if the directory cannot be written, is in use, or has a run with another identity.
    pub fn open(path: &Path, mut manifest: Manifest, fresh: bool) -> Result<Self, RunError> {
        let samples = path.join("samples");
        let unusable = |path: &Path, error| {
            RunError::Other(format!("cannot write {}: {error}; use another --out", path.display()))
        };
        std::fs::create_dir_all(&samples).map_err(|error| unusable(&samples, error))?;
        let lock_path = path.join(".lock");
        let lock = File::create(&lock_path).map_err(|error| unusable(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Other(format!(
                    "{} is in use by another gpt2-eval: wait until it ends, or use another --out",
                    path.display()
                )));
            }
            // Some network file systems have no locks; runs there go without.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(RunError::write(&lock_path, &error)),
        }
        let manifest_path = path.join("manifest.json");
        if fresh {
            delete_run(path)?;
            std::fs::create_dir_all(&samples).map_err(|error| RunError::write(&samples, &error))?;
        } else if manifest_path.exists() {
            let old = old_manifest(path, &manifest_path, &manifest.identity)?;
            manifest.usage = old.usage;
        }
        let directory = Self { path: path.to_owned(), manifest, _lock: lock };
        directory.write()?;
        Ok(directory)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the journal of a model and task. `Err` for names that could lead out of the run directory.
    pub fn journal(&self, model: &str, file_name: &str) -> Result<PathBuf, RunError> {
        if let Some(name) = [model, file_name].into_iter().find(|name| !is_plain_name(name)) {
            let reason = format!("{name:?} is not a plain file name and could lead out of the directory");
            return Err(RunError::Other(format!("{}: {reason}", self.path.display())));
        }
        let directory = self.path.join("samples").join(model);
        std::fs::create_dir_all(&directory).map_err(|error| RunError::write(&directory, &error))?;
        Ok(directory.join(file_name))
    }

    pub fn add_usage(&mut self, usage: TaskUsage) {
        self.manifest.usage.push(usage);
    }

    /// Replaces the manifest.
    pub(super) fn replace(&mut self, manifest: Manifest) -> Result<(), RunError> {
        self.manifest = manifest;
        self.write()
    }

    /// Records how the run ended.
    pub fn end(
        &mut self,
        status: Status,
        failed_samples: usize,
        error: Option<String>,
    ) -> Result<(), RunError> {
        self.manifest.status = status;
        self.manifest.failed_samples = failed_samples;
        self.manifest.ended = Some(now());
        self.manifest.error = error;
        self.write()
    }

    fn write(&self) -> Result<(), RunError> {
        let path = self.path.join("manifest.json");
        let mut json = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| RunError::write(&path, &error.into()))?;
        json.push(b'\n');
        write_atomically(&path, &json)
    }
}

impl Manifest {
    /// The manifest of a run that starts now.
    pub fn begin(
        plan: crate::plan::Plan,
        identity: Identity,
        tasks: Vec<MeasuredTask>,
        environment: Environment,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            status: Status::Started,
            plan,
            identity,
            tasks,
            environment,
            usage: Vec::new(),
            shards: Vec::new(),
            failed_samples: 0,
            started: now(),
            ended: None,
            error: None,
        }
    }
}

/// The manifest of the existing run, if it has the same identity.
fn old_manifest(directory: &Path, manifest_path: &Path, identity: &Identity) -> Result<Manifest, RunError> {
    let read_error = |reason: String| RunError::read(manifest_path, reason);
    let bytes =
        read_bounded(manifest_path, MAX_MANIFEST_BYTES).map_err(|error| read_error(error.to_string()))?;
    let remedy = "use another --out, or --fresh to delete it and start over";
    let old: Value = serde_json::from_slice(&bytes).map_err(|error| {
        read_error(format!("{}; it is not the manifest of a run: {remedy}", clipped(&error.to_string())))
    })?;
    let version = old.get("schema_version").and_then(Value::as_u64);
    if version != Some(u64::from(SCHEMA_VERSION)) {
        return Err(read_error(format!("another version of gpt2-eval wrote it: {remedy}")));
    }
    let differences = identity_differences(old.get("identity").unwrap_or(&Value::Null), identity)?;
    if !differences.is_empty() {
        return Err(RunError::Other(format!(
            "{} was made by a different run:\n{}\n{remedy}",
            directory.display(),
            differences.join("\n")
        )));
    }
    serde_json::from_value(old).map_err(|error| {
        read_error(format!("{}; it is not the manifest of a run: {remedy}", clipped(&error.to_string())))
    })
}

/// The fields in which a manifest's identity differs from `new`, one line each.
pub(super) fn identity_differences(old: &Value, new: &Identity) -> Result<Vec<String>, RunError> {
    let new =
        serde_json::to_value(new).map_err(|error| RunError::Other(format!("manifest.json: {error}")))?;
    let mut differences = Vec::new();
    differing_fields("", old, &new, &mut differences);
    let more = differences.len().saturating_sub(MAX_DIFFERENCES);
    if more > 0 {
        differences.truncate(MAX_DIFFERENCES);
        differences.push(format!("  and {more} more"));
    }
    Ok(differences)
}

/// Deletes the files of a run from its directory, and no others.
fn delete_run(directory: &Path) -> Result<(), RunError> {
    let delete = |name: &str| {
        let path = directory.join(name);
        let deleted =
            if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match deleted {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(RunError::write(&path, &error)),
            _ => Ok(()),
        }
    };
    // The manifest last: files must not stay without it.
    [
        "samples",
        "prompts",
        "baselines",
        "shard.json",
        "scores.csv",
        "breakdowns.csv",
        "table.md",
        "manifest.json",
    ]
    .into_iter()
    .try_for_each(delete)
}

/// Lists the fields in which two JSON values differ, as `  field: there X, now Y`.
fn differing_fields(path: &str, old: &Value, new: &Value, differences: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                differing_fields(&below(name), old.get(name).unwrap_or(&Value::Null), value, differences);
            }
            for (name, value) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
                differing_fields(&below(name), value, &Value::Null, differences);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differing_fields(&below(&index.to_string()), old, new, differences);
            }
        }
        _ if old == new => {}
        _ => differences.push(format!("  {}: there {}, now {}", clipped(path), brief(old), brief(new))),
    }
}

/// A value on one line; a list as the names of its elements.
fn brief(value: &Value) -> String {
    let name = |value: &Value| {
        ["label", "task"].into_iter().find_map(|field| Some(value.get(field)?.as_str()?.to_owned()))
    };
    match value {
        Value::Array(values) => {
            let names: Vec<String> =
                values.iter().map(|v| name(v).unwrap_or_else(|| v.to_string())).collect();
            clipped(&format!("[{}]", names.join(", ")))
        }
        Value::Null => "nothing".to_owned(),
        other => clipped(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_name_the_field() {
        let old = json!({"seed": 1, "models": [{"label": "a", "sha": "x"}], "tasks": [{"task": "t"}]});
        let new = json!({"seed": 1, "models": [{"label": "a", "sha": "y"}], "tasks": [{"task": "t"}, {"task": "u"}]});
        let mut differences = Vec::new();
        differing_fields("", &old, &new, &mut differences);
        assert_eq!(differences, ["  models.0.sha: there \"x\", now \"y\"", "  tasks: there [t], now [t, u]"]);
    }
}
