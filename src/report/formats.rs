//! The values of `--format`.

use std::fmt;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::core::NanochatCsv;
use super::csv::Csv;
use super::every_eval_ever::EveryEvalEver;
use super::exporter::Exporter;
use super::figures::exporters::{Png, Svg};
use super::json::Json;
use super::latex::Latex;
use super::markdown::Markdown;
use super::page::Html;
use super::terminal::Terminal;
use super::{Export, ExportedFile, Results, Screen};

/// In the order of `--help`.
const FORMATS: [Format; 10] = [
    Format(&Terminal),
    Format(&Markdown),
    Format(&Latex),
    Format(&Csv),
    Format(&Json),
    Format::HTML,
    Format(&EveryEvalEver),
    Format(&NanochatCsv),
    Format(&Svg),
    Format(&Png),
];

/// An exporter, as chosen by `--format`.
#[derive(Clone, Copy)]
pub struct Format(&'static dyn Exporter);

impl Format {
    /// The page.
    pub const HTML: Self = Self(&Html);

    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The files of an export. No two formats use the same path.
    pub fn files(self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        self.0.files(export)
    }

    /// An export as one document, for standard output or a file.
    ///
    /// `Err` for figures, which need a directory.
    pub fn document(self, export: &Export<'_>, screen: Screen) -> anyhow::Result<Vec<u8>> {
        self.0.document(export, screen)
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.description()))
    }
}

/// The tables in every run directory: `scores.csv`, `breakdowns.csv` and `table.md`.
pub fn run_tables(results: &Results) -> anyhow::Result<Vec<ExportedFile>> {
    let export = Export { results: results.clone(), runs: Vec::new() };
    let mut files = Csv.files(&export)?;
    files.extend(Markdown.files(&export)?);
    Ok(files)
}
