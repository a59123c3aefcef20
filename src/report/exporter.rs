//! The input of exporters and the trait that they implement.

use super::{Results, Screen};
use crate::record::Manifest;
use crate::run::FinishedTask;

/// A finished run.
#[derive(Debug, Clone)]
pub struct ExportedRun<'a> {
    /// Name among several runs: that of its directory.
    pub name: String,
    pub manifest: &'a Manifest,
    pub results: &'a Results,
    /// In the plan's order.
    pub tasks: &'a [FinishedTask],
    /// Who made the run.
    pub organization: &'a str,
}

/// One run, or several that share tables.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// The scores of all runs.
    pub results: Results,
    pub runs: Vec<ExportedRun<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Path in the output directory, with `/`.
    pub path: String,
    pub content: Vec<u8>,
}

impl ExportedFile {
    pub fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}

/// An export format. A new one is a file with an implementation and an entry of `FORMATS` in `formats.rs`.
pub(super) trait Exporter: Send + Sync {
    /// Value of `--format`.
    fn name(&self) -> &'static str;

    /// Its line in `--help`.
    fn description(&self) -> &'static str;

    /// The files of an export. No two exporters use the same path.
    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>>;

    /// An export as one document, for standard output or a file that the user names: the first of the files, unless the
    /// exporter says otherwise.
    fn document(&self, export: &Export<'_>, _screen: Screen) -> anyhow::Result<Vec<u8>> {
        Ok(self.files(export)?.into_iter().next().map(|file| file.content).unwrap_or_default())
    }
}
