//! The run directory and its `manifest.json`.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{RunError, write_atomically};
use crate::record::{Environment, Identity, Manifest, SCHEMA_VERSION, Status, TaskEffort};

/// The present moment, RFC 3339 in UTC, to the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A run directory that this process alone writes to.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    manifest: Manifest,
    /// Held until the process ends; the system lets go of it then, even after `kill -9`.
    _lock: File,
}

impl RunDirectory {
    /// Opens or creates the directory at `path` for the run that `manifest` describes and writes the manifest.
    ///
    /// `Err` if it cannot be written, is in use, or belongs to a run of another identity.
    pub fn open(path: &Path, manifest: Manifest) -> Result<Self, RunError> {
        let samples = path.join("samples");
        std::fs::create_dir_all(&samples)
            .map_err(|source| RunError::Write { path: samples.clone(), source })?;
        let lock_path = path.join(".lock");
        let lock =
            File::create(&lock_path).map_err(|source| RunError::Write { path: lock_path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(RunError::Busy(path.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(RunError::Write { path: lock_path, source });
            }
        }
        let manifest_path = path.join("manifest.json");
        if manifest_path.exists() {
            refuse_other_run(path, &manifest_path, &manifest.identity)?;
        }
        let directory = Self { path: path.to_owned(), manifest, _lock: lock };
        directory.write()?;
        Ok(directory)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Journal of a task and model.
    pub fn journal(&self, model: &str, file_name: &str) -> Result<PathBuf, RunError> {
        let directory = self.path.join("samples").join(model);
        std::fs::create_dir_all(&directory)
            .map_err(|source| RunError::Write { path: directory.clone(), source })?;
        Ok(directory.join(file_name))
    }

    /// Notes what a task cost.
    pub fn add_effort(&mut self, effort: TaskEffort) {
        self.manifest.effort.push(effort);
    }

    /// Writes down how the run ended.
    pub fn end(&mut self, status: Status, error: Option<String>) -> Result<(), RunError> {
        self.manifest.status = status;
        self.manifest.ended = Some(now());
        self.manifest.error = error;
        self.write()
    }

    fn write(&self) -> Result<(), RunError> {
        let path = self.path.join("manifest.json");
        let mut json = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| RunError::Write { path: path.clone(), source: error.into() })?;
        json.push(b'\n');
        write_atomically(&path, &json)
    }
}

impl Manifest {
    /// The manifest of a run that begins now.
    pub fn begin(plan: crate::plan::Plan, identity: Identity, environment: Environment) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            status: Status::Started,
            plan,
            identity,
            environment,
            effort: Vec::new(),
            started: now(),
            ended: None,
            error: None,
        }
    }
}

fn refuse_other_run(directory: &Path, manifest_path: &Path, identity: &Identity) -> Result<(), RunError> {
    let read_error = |reason: String| RunError::Read { path: manifest_path.to_owned(), reason };
    let bytes = std::fs::read(manifest_path).map_err(|error| read_error(error.to_string()))?;
    let old: Value = serde_json::from_slice(&bytes)
        .map_err(|error| read_error(format!("{error}; it is no manifest of a run: use another --out")))?;
    let new = serde_json::to_value(identity).map_err(|error| read_error(error.to_string()))?;
    let mut differences = Vec::new();
    differing_fields("", old.get("identity").unwrap_or(&Value::Null), &new, &mut differences);
    if differences.is_empty() {
        return Ok(());
    }
    Err(RunError::OtherRun { directory: directory.to_owned(), differences })
}

/// Lists the fields in which two JSON values differ, as `  field: there X, now Y`.
fn differing_fields(path: &str, old: &Value, new: &Value, differences: &mut Vec<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                differing_fields(&below(name), old.get(name).unwrap_or(&Value::Null), value, differences);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differing_fields(&below(&index.to_string()), old, new, differences);
            }
        }
        _ if old == new => {}
        _ => differences.push(format!("  {path}: there {}, now {}", brief(old), brief(new))),
    }
}

/// A value on one line: of a list only the names.
fn brief(value: &Value) -> String {
    let name = |value: &Value| {
        ["label", "task"].into_iter().find_map(|field| Some(value.get(field)?.as_str()?.to_owned()))
    };
    match value {
        Value::Array(values) => {
            let names: Vec<String> =
                values.iter().map(|v| name(v).unwrap_or_else(|| v.to_string())).collect();
            format!("[{}]", names.join(", "))
        }
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
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
