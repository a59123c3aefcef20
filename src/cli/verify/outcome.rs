//! The line of a check.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    NotChecked,
}

/// Outcome of a check of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub outcome: Outcome,
    model: String,
    what: String,
    /// What was expected and found, or why it could not be checked.
    finding: String,
}

impl Line {
    pub fn of(passed: bool, model: &str, what: &str, finding: String) -> Self {
        let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
        Self { outcome, model: model.to_owned(), what: what.to_owned(), finding }
    }

    pub fn failed(model: &str, what: &str, finding: String) -> Self {
        Self::of(false, model, what, finding)
    }

    pub fn not_checked(model: &str, what: &str, reason: String) -> Self {
        Self { outcome: Outcome::NotChecked, ..Self::of(true, model, what, reason) }
    }
}

impl fmt::Display for Line {
    /// One line, whatever the finding.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Passed => "pass",
            Outcome::Failed => "FAIL",
            Outcome::NotChecked => "-",
        };
        let text = format!("{outcome:<5}{:<8} {}: {}", self.model, self.what, self.finding);
        formatter.write_str(&text.replace(char::is_control, " "))
    }
}
