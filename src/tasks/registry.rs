//! The tasks of a run: those of the program, and the user's own.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::custom::{CustomTask, CustomTaskConfig, TaskConfigError};
use super::{AnyTask, REGISTRY, find};
use crate::plan::{CustomTaskFile, PlannedTask};
use untrusted_input::read_bounded;

/// Most bytes of a user's card.
const MAX_BYTES: u64 = 1_000_000;

/// The tasks of a run.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    own: Vec<(CustomTaskFile, &'static CustomTask)>,
}

impl Registry {
    /// The program's tasks and those of the cards in the files at `paths`.
    ///
    /// `Err` names the file, and the line and column of what is wrong in it.
    pub fn read(paths: &[PathBuf]) -> Result<Self, TaskConfigError> {
        let configs: Result<Vec<CustomTaskFile>, TaskConfigError> =
            paths.iter().map(|path| read(path)).collect();
        Self::new(&configs?)
    }

    /// The program's tasks and those of `cards`, which a run directory or baseline has kept.
    pub fn new(configs: &[CustomTaskFile]) -> Result<Self, TaskConfigError> {
        let mut own: Vec<(CustomTaskFile, &'static CustomTask)> = Vec::new();
        for config in configs {
            let found = hex::encode(Sha256::digest(config.text.as_bytes()));
            if found != config.sha256 {
                let (task, expected) = (config.task.clone(), config.sha256.clone());
                return Err(TaskConfigError::Changed { task, found, expected });
            }
            if let Some((other, _)) = own.iter().find(|(other, _)| other.task == config.task) {
                let name = |config: &CustomTaskFile| config.path.display().to_string();
                return Err(TaskConfigError::Twice {
                    task: config.task.clone(),
                    first: name(other),
                    second: name(config),
                });
            }
            own.push((config.clone(), task_of(config)?));
        }
        Ok(Self { own })
    }

    /// The task of this name.
    pub fn find(&self, name: &str) -> Option<&'static dyn AnyTask> {
        let own = || self.own.iter().find(|(config, _)| config.task == name);
        find(name).or_else(|| own().map(|(_, task)| *task as &'static dyn AnyTask))
    }

    /// The program's tasks in the order of the paper's tables, then the user's own in theirs.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn AnyTask> {
        let own = self.own.iter().map(|(_, task)| *task as &'static dyn AnyTask);
        REGISTRY.iter().copied().chain(own)
    }

    /// Whether there is a card of this name.
    pub fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|(config, _)| config.task == name)
    }

    /// The cards of the tasks that are planned.
    pub fn configs_of(&self, planned: &[PlannedTask]) -> Vec<CustomTaskFile> {
        let configs = self.own.iter().map(|(config, _)| config);
        configs.filter(|config| planned.iter().any(|task| task.task == config.task)).cloned().collect()
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

/// The task of a card, made once: tasks live as long as the program, as its own do, and one command reads few cards.
fn task_of(config: &CustomTaskFile) -> Result<&'static CustomTask, TaskConfigError> {
    static MADE: Mutex<Vec<(CustomTaskFile, &'static CustomTask)>> = Mutex::new(Vec::new());
    let own = CustomTaskConfig::parse(&config.path.display().to_string(), &config.text)?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, task)) = made.iter().find(|(known, _)| known == config) {
        return Ok(task);
    }
    if own.name != config.task {
        let reason = format!("its `name` is `{}`, and it was kept as `{}`", own.name, config.task);
        let file = config.path.display().to_string();
        return Err(TaskConfigError::Invalid { file, line: 1, column: 1, reason });
    }
    let task: &'static CustomTask = Box::leak(Box::new(CustomTask::new(own, &config.path)));
    made.push((config.clone(), task));
    Ok(task)
}
