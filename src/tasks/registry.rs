//! The tasks of a run: built-in and custom ones.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::custom::{CustomTask, CustomTaskConfig, TaskConfigError};
use super::{AnyTask, REGISTRY, find};
use crate::plan::{CustomTaskFile, PlannedTask};
use untrusted_input::read_bounded;

/// Maximum size of a task file.
const MAX_BYTES: u64 = 1_000_000;

/// The tasks of a run.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    custom: Vec<(CustomTaskFile, &'static CustomTask)>,
}

impl Registry {
    /// The built-in tasks and those of the task files at `paths`.
    ///
    /// `Err` names the file, line and column.
    pub fn read(paths: &[PathBuf]) -> Result<Self, TaskConfigError> {
        let files: Result<Vec<CustomTaskFile>, TaskConfigError> =
            paths.iter().map(|path| read(path)).collect();
        Self::new(&files?)
    }

    /// The built-in tasks and those of `files`, which a run directory or baseline has kept.
    pub fn new(files: &[CustomTaskFile]) -> Result<Self, TaskConfigError> {
        let mut custom: Vec<(CustomTaskFile, &'static CustomTask)> = Vec::new();
        for file in files {
            let found = hex::encode(Sha256::digest(file.text.as_bytes()));
            if found != file.sha256 {
                let (task, expected) = (file.task.clone(), file.sha256.clone());
                return Err(TaskConfigError::Changed { task, found, expected });
            }
            if let Some((other, _)) = custom.iter().find(|(other, _)| other.task == file.task) {
                let name = |file: &CustomTaskFile| file.path.display().to_string();
                return Err(TaskConfigError::Twice {
                    task: file.task.clone(),
                    first: name(other),
                    second: name(file),
                });
            }
            custom.push((file.clone(), task_of(file)?));
        }
        Ok(Self { custom })
    }

    /// The task of this name.
    pub fn find(&self, name: &str) -> Option<&'static dyn AnyTask> {
        let custom = || self.custom.iter().find(|(file, _)| file.task == name);
        find(name).or_else(|| custom().map(|(_, task)| *task as &'static dyn AnyTask))
    }

    /// The built-in tasks in the order of the paper's tables, then the custom tasks in the order of their files.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn AnyTask> {
        let custom = self.custom.iter().map(|(_, task)| *task as &'static dyn AnyTask);
        REGISTRY.iter().copied().chain(custom)
    }

    /// Whether this is the name of a custom task.
    pub fn is_custom(&self, name: &str) -> bool {
        self.custom.iter().any(|(file, _)| file.task == name)
    }

    pub fn files_of(&self, planned: &[PlannedTask]) -> Vec<CustomTaskFile> {
        let files = self.custom.iter().map(|(file, _)| file);
        files.filter(|file| planned.iter().any(|task| task.task == file.task)).cloned().collect()
    }
}

fn read(path: &Path) -> Result<CustomTaskFile, TaskConfigError> {
    let read_error = |source| TaskConfigError::Read { path: path.to_owned(), source };
    let bytes = read_bounded(path, MAX_BYTES).map_err(read_error)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        read_error(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
    })?;
    let config = CustomTaskConfig::parse(&path.display().to_string(), &text)?;
    let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
    Ok(CustomTaskFile { task: config.name, path: path.to_owned(), sha256, text })
}

/// The task of a file, built once per process and leaked: tasks are `'static`, and a command reads few of them.
fn task_of(file: &CustomTaskFile) -> Result<&'static CustomTask, TaskConfigError> {
    static BUILT: Mutex<Vec<(CustomTaskFile, &'static CustomTask)>> = Mutex::new(Vec::new());
    let config = CustomTaskConfig::parse(&file.path.display().to_string(), &file.text)?;
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, task)) = built.iter().find(|(known, _)| known == file) {
        return Ok(task);
    }
    if config.name != file.task {
        let reason = format!("`name` is `{}`, but the run has it as `{}`", config.name, file.task);
        let file = file.path.display().to_string();
        return Err(TaskConfigError::Invalid { file, line: 1, column: 1, reason });
    }
    let task: &'static CustomTask = Box::leak(Box::new(CustomTask::new(config, &file.path)));
    built.push((file.clone(), task));
    Ok(task)
}
