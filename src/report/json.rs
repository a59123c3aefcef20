//! `report.json`: all scores of a run as one document.

use serde::Serialize;

use super::{Heading, Results};
use crate::record::{GroupScore, Manifest, SCHEMA_VERSION, Score, Status};

/// `report.json`: the scores of a run with the reservations under which they stand.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Document<'a> {
    /// Version of the files of a run directory; raised when a field changes its meaning.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA_VERSION)))]
    pub schema_version: u32,
    /// Program, precision and device.
    pub made_by: &'a str,
    /// How far the run has come.
    pub status: Status,
    /// When the last run into the directory began, RFC 3339, UTC.
    pub started: &'a str,
    /// When it ended.
    pub ended: Option<&'a str>,
    /// Samples that have an error instead of statistics, over all models and tasks.
    pub failed_samples: usize,
    /// The tasks with their protocols, in the plan's order; `task` and `protocol` are those of the scores.
    pub headings: &'a [Heading],
    /// The rows of `scores.csv`.
    pub scores: &'a [Score],
    /// The rows of `breakdowns.csv`.
    pub breakdowns: &'a [GroupScore],
}

impl<'a> Document<'a> {
    /// The document of a run.
    pub fn new(manifest: &'a Manifest, results: &'a Results) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            made_by: results.made_by(),
            status: manifest.status,
            started: &manifest.started,
            ended: manifest.ended.as_deref(),
            failed_samples: manifest.failed_samples,
            headings: results.headings(),
            scores: results.scores(),
            breakdowns: results.groups(),
        }
    }
}
