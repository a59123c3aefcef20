//! The tasks of a run: those of the program, and the user's own.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::own::{CardError, OwnCard, OwnTask};
use super::{AnyTask, REGISTRY, find};
use crate::files::read_at_most;
use crate::plan::{OwnTaskCard, PlannedTask};
use crate::text::hexadecimal;

/// Most bytes of a user's card.
const MOST_BYTES: u64 = 1_000_000;

/// The tasks of a run.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    own: Vec<(OwnTaskCard, &'static OwnTask)>,
}

impl Registry {
    /// The program's tasks and those of the cards in the files at `paths`.
    ///
    /// `Err` names the file, and the line and column of what is wrong in it.
    pub fn read(paths: &[PathBuf]) -> Result<Self, CardError> {
        let cards: Result<Vec<OwnTaskCard>, CardError> = paths.iter().map(|path| read(path)).collect();
        Self::new(&cards?)
    }

    /// The program's tasks and those of `cards`, which a run directory or baseline has kept.
    pub fn new(cards: &[OwnTaskCard]) -> Result<Self, CardError> {
        let mut own: Vec<(OwnTaskCard, &'static OwnTask)> = Vec::new();
        for card in cards {
            let found = hexadecimal(&Sha256::digest(card.text.as_bytes()));
            if found != card.sha256 {
                let (task, expected) = (card.task.clone(), card.sha256.clone());
                return Err(CardError::Changed { task, found, expected });
            }
            if let Some((other, _)) = own.iter().find(|(other, _)| other.task == card.task) {
                let name = |card: &OwnTaskCard| card.path.display().to_string();
                return Err(CardError::Twice {
                    task: card.task.clone(),
                    first: name(other),
                    second: name(card),
                });
            }
            own.push((card.clone(), task_of(card)?));
        }
        Ok(Self { own })
    }

    /// The task of this name.
    pub fn find(&self, name: &str) -> Option<&'static dyn AnyTask> {
        let own = || self.own.iter().find(|(card, _)| card.task == name);
        find(name).or_else(|| own().map(|(_, task)| *task as &'static dyn AnyTask))
    }

    /// The program's tasks in the order of the paper's tables, then the user's own in theirs.
    pub fn all(&self) -> impl Iterator<Item = &'static dyn AnyTask> {
        let own = self.own.iter().map(|(_, task)| *task as &'static dyn AnyTask);
        REGISTRY.iter().copied().chain(own)
    }

    /// Whether there is a card of this name.
    pub fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|(card, _)| card.task == name)
    }

    /// The cards of the tasks that are planned.
    pub fn cards_of(&self, planned: &[PlannedTask]) -> Vec<OwnTaskCard> {
        let cards = self.own.iter().map(|(card, _)| card);
        cards.filter(|card| planned.iter().any(|task| task.task == card.task)).cloned().collect()
    }
}

fn read(path: &Path) -> Result<OwnTaskCard, CardError> {
    let read_error = |source| CardError::Read { path: path.to_owned(), source };
    let bytes = read_at_most(path, MOST_BYTES).map_err(read_error)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        read_error(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
    })?;
    let card = OwnCard::parse(&path.display().to_string(), &text)?;
    let sha256 = hexadecimal(&Sha256::digest(text.as_bytes()));
    Ok(OwnTaskCard { task: card.name, path: path.to_owned(), sha256, text })
}

/// The task of a card, made once: tasks live as long as the program, as its own do, and one command reads few cards.
fn task_of(card: &OwnTaskCard) -> Result<&'static OwnTask, CardError> {
    static MADE: Mutex<Vec<(OwnTaskCard, &'static OwnTask)>> = Mutex::new(Vec::new());
    let own = OwnCard::parse(&card.path.display().to_string(), &card.text)?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, task)) = made.iter().find(|(known, _)| known == card) {
        return Ok(task);
    }
    if own.name != card.task {
        let reason = format!("its `name` is `{}`, and it was kept as `{}`", own.name, card.task);
        let file = card.path.display().to_string();
        return Err(CardError::Invalid { file, line: 1, column: 1, reason });
    }
    let task: &'static OwnTask = Box::leak(Box::new(OwnTask::new(own, &card.path)));
    made.push((card.clone(), task));
    Ok(task)
}
