//! The formats in which the scores of a finished run are written.

use super::figures::{Figure, figures};
use super::{
    Document, PageError, PageFigure, Results, Screen, every_eval_ever, group_scores_csv, merge, page,
    scores_csv,
};
use crate::record::Manifest;
use crate::run::FinishedTask;

/// Why a run cannot be written in a format.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A time of the manifest is none.
    #[error(
        "manifest.json: `{field}` is `{value}`, expected a time such as 2026-01-31T12:00:00Z: run it again"
    )]
    Time {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// Values that JSON cannot hold.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Values that CSV cannot hold.
    #[error("cannot write CSV: {0}")]
    Csv(#[from] csv::Error),
    /// Several files, and no directory to write them into.
    #[error("--format {0}: figures need a directory: --out DIR")]
    NeedsDirectory(&'static str),
    /// No model has a score yet.
    #[error("--format {0}: there is nothing to draw: no task is finished on any model")]
    NothingToDraw(&'static str),
    /// A figure cannot be rendered.
    #[error(transparent)]
    Figure(#[from] anyhow::Error),
    /// The page.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// A finished run as exporters see it.
#[derive(Debug, Clone)]
pub struct ExportedRun<'a> {
    /// What it is called beside other runs: the name of its directory.
    pub name: String,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its scores.
    pub results: &'a Results,
    /// In the plan's order.
    pub tasks: &'a [FinishedTask],
    /// Who made the run.
    pub organization: &'a str,
}

/// What exporters write: one run, or several in one table.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// The scores of all runs together.
    pub results: Results,
    /// Each run by itself.
    pub runs: Vec<ExportedRun<'a>>,
}

impl<'a> Export<'a> {
    /// One run, or several that are merged; their names differ.
    pub fn new(runs: Vec<ExportedRun<'a>>) -> Self {
        Self { results: merge(&runs), runs }
    }
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// Path below the directory of the export, with `/`.
    pub path: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// An export format. A new one is a variant, its name, and an arm of [`Self::text`] and [`Self::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The tables of the terminal
    Table,
    /// The tables in Markdown
    Markdown,
    /// The tables as a LaTeX document
    Latex,
    /// scores.csv and breakdowns.csv
    Csv,
    /// All scores as one JSON document
    Json,
    /// One page with tables, manifest and every sample, for a browser (docs/page.md)
    Html,
    /// The schema of Every Eval Ever, with every sample (docs/results.md)
    #[value(name = "eee")]
    EveryEvalEver,
    /// Figures as SVG (docs/figures.md)
    Svg,
    /// Figures as PNG
    Png,
}

impl Format {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Markdown => "markdown",
            Self::Latex => "latex",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Html => "html",
            Self::EveryEvalEver => "eee",
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The runs as one text, for standard output or a file: of CSV the scores without their breakdowns, of Every Eval
    /// Ever one line a model, without the samples, for which there would be no file to name. `Err` for figures, which
    /// are several.
    pub fn text(self, export: &Export<'_>, screen: Screen) -> Result<Vec<u8>, ExportError> {
        let content = match self {
            Self::Table => export.results.terminal(screen).into_bytes(),
            Self::Markdown => export.results.markdown().into_bytes(),
            Self::Latex => export.results.latex().into_bytes(),
            Self::Csv => scores_csv(export.results.scores())?,
            Self::Json => json(export)?,
            Self::Html => html(export)?,
            Self::EveryEvalEver => {
                let mut lines = Vec::new();
                for run in &export.runs {
                    for model in every_eval_ever(run)? {
                        serde_json::to_writer(&mut lines, &model.log)?;
                        lines.push(b'\n');
                    }
                }
                lines
            }
            Self::Svg | Self::Png => return Err(ExportError::NeedsDirectory(self.as_str())),
        };
        Ok(content)
    }

    /// The runs as files, whose names no other format has.
    pub fn files(self, export: &Export<'_>) -> Result<Vec<ExportedFile>, ExportError> {
        let file = |path: &str, content| ExportedFile { path: path.to_owned(), content };
        let files = match self {
            Self::Table => vec![file("table.txt", export.results.terminal(Screen::FILE).into_bytes())],
            Self::Markdown => vec![file("table.md", export.results.markdown().into_bytes())],
            Self::Latex => vec![file("table.tex", export.results.latex().into_bytes())],
            Self::Csv => vec![
                file("scores.csv", scores_csv(export.results.scores())?),
                file("breakdowns.csv", group_scores_csv(export.results.groups())?),
            ],
            Self::Json => vec![file("report.json", json(export)?)],
            Self::Html => vec![file("report.html", html(export)?)],
            Self::EveryEvalEver => {
                let mut files = Vec::new();
                for run in &export.runs {
                    for model in every_eval_ever(run)? {
                        files.extend(model.files()?);
                    }
                }
                files
            }
            Self::Svg | Self::Png => self.figures(export)?,
        };
        Ok(files)
    }

    /// The figures below `figures/`.
    fn figures(self, export: &Export<'_>) -> Result<Vec<ExportedFile>, ExportError> {
        let figures = figures(&export.results, &export.runs);
        if figures.is_empty() {
            return Err(ExportError::NothingToDraw(self.as_str()));
        }
        let file = |figure: Figure| {
            let path = format!("figures/{}.{}", figure.name, self.as_str());
            let content = if self == Self::Png { figure.png()? } else { figure.svg.into_bytes() };
            Ok(ExportedFile { path, content })
        };
        figures.into_iter().map(file).collect()
    }
}

/// With its figures.
fn html(export: &Export<'_>) -> Result<Vec<u8>, PageError> {
    let figures = figures(&export.results, &export.runs);
    let figures: Vec<PageFigure<'_>> = figures
        .iter()
        .map(|figure| PageFigure { title: &figure.title, description: &figure.description, svg: &figure.svg })
        .collect();
    page(&export.results, &export.runs, &figures)
}

fn json(export: &Export<'_>) -> Result<Vec<u8>, ExportError> {
    let mut json = serde_json::to_vec_pretty(&Document::new(export))?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn formats_have_the_names_of_the_command_line() {
        for format in Format::value_variants() {
            assert_eq!(format.to_possible_value().unwrap().get_name(), format.as_str());
        }
    }
}
