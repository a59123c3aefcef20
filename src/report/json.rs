//! `report.json`: all scores of a run, or of several, as one document.

use serde::Serialize;

use super::exporter::{Export, ExportedFile, ExportedRun, Exporter};
use super::{Heading, Summary};
use crate::record::{GroupScore, SCHEMA_VERSION, Score, Status};

pub(super) struct Json;

impl Exporter for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn description(&self) -> &'static str {
        "All scores as one JSON document"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        let mut json = serde_json::to_vec_pretty(&Document::new(export))?;
        json.push(b'\n');
        Ok(vec![ExportedFile::new("report.json", json)])
    }
}

/// `report.json`: the scores of a run, or of several, with their caveats.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Document<'a> {
    /// Version of the files of a run directory; raised when a field changes its meaning.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    pub schema_version: u32,
    /// Program, precision and device.
    pub made_by: &'a str,
    /// Status of the run; of several runs that of the first incomplete one.
    pub status: Status,
    /// When the run last started, RFC 3339, UTC; of several runs the first.
    pub started: &'a str,
    /// When it ended; of several runs the last.
    pub ended: Option<&'a str>,
    /// Samples that failed, over all runs, models and tasks.
    pub failed_samples: usize,
    pub runs: Vec<RunSummary<'a>>,
    /// Differences between runs that measured the same task.
    pub warnings: &'a [String],
    /// Notes on several runs, such as scores that two runs share.
    pub notes: &'a [String],
    /// The paper's table with our numbers.
    pub summary: Summary,
    /// The tasks with their protocols, in the plan's order; `task` and `protocol` are those of the scores.
    pub headings: &'a [Heading],
    /// The rows of `scores.csv`.
    pub scores: &'a [Score],
    /// The rows of `breakdowns.csv`.
    pub breakdowns: &'a [GroupScore],
}

/// A run of a report.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RunSummary<'a> {
    /// Name of its directory.
    pub name: &'a str,
    /// Program, precision and device.
    pub made_by: &'a str,
    pub status: Status,
    /// When it last started, RFC 3339, UTC.
    pub started: &'a str,
    /// When it ended.
    pub ended: Option<&'a str>,
    /// Samples that failed.
    pub failed_samples: usize,
}

impl<'a> Document<'a> {
    pub fn new(export: &'a Export<'_>) -> Self {
        let results = &export.results;
        let runs: Vec<RunSummary<'a>> = export.runs.iter().map(RunSummary::new).collect();
        let statuses = || runs.iter().map(|run| run.status);
        let status = statuses().find(|status| *status != Status::Complete).or_else(|| statuses().next());
        let ends: Option<Vec<&str>> = runs.iter().map(|run| run.ended).collect();
        Self {
            schema_version: SCHEMA_VERSION,
            made_by: results.made_by(),
            status: status.unwrap_or(Status::Started),
            started: runs.iter().map(|run| run.started).min().unwrap_or_default(),
            ended: ends.and_then(|ends| ends.into_iter().max()),
            failed_samples: runs.iter().map(|run| run.failed_samples).sum(),
            runs,
            warnings: results.warnings(),
            notes: results.notes(),
            summary: results.summary(),
            headings: results.headings(),
            scores: results.scores(),
            breakdowns: results.groups(),
        }
    }
}

impl<'a> RunSummary<'a> {
    fn new(run: &'a ExportedRun<'_>) -> Self {
        Self {
            name: &run.name,
            made_by: run.results.made_by(),
            status: run.manifest.status,
            started: &run.manifest.started,
            ended: run.manifest.ended.as_deref(),
            failed_samples: run.manifest.failed_samples,
        }
    }
}
