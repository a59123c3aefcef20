//! `report.html`: tables, figures, manifest and every sample in one file that loads nothing else.
//!
//! Tables, figures and the manifest are plain HTML. The samples are one JSON document in a script element that never
//! runs; the scripts in `assets/` show them as text. The page's Content-Security-Policy forbids every request, and allows
//! its own script and style by their sha256.

mod answers;
mod document;
mod manifest;
mod samples;
mod string_table;
mod tables;
mod vocabulary;

use super::Screen;
use super::exporter::{Export, ExportedFile, Exporter};
use super::figures::figures;
use samples::Samples;

pub(super) struct Html;

impl Exporter for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn description(&self) -> &'static str {
        "One page with tables, manifest and every sample, for a browser (docs/page.md)"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        Ok(vec![ExportedFile::new("report.html", self.document(export, Screen::FILE)?)])
    }

    fn document(&self, export: &Export<'_>, _: Screen) -> anyhow::Result<Vec<u8>> {
        let figures = figures(&export.results, &export.runs);
        let samples = serde_json::to_string(&Samples::new(&export.runs)?)?;
        Ok(document::document(export, &figures, &samples)?.into_bytes())
    }
}
