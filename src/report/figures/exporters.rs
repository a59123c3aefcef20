//! `--format svg` and `--format png`.

use anyhow::bail;

use super::{Figure, figures};
use crate::report::Screen;
use crate::report::exporter::{Export, ExportedFile, Exporter};

pub(in crate::report) struct Svg;
pub(in crate::report) struct Png;

impl Exporter for Svg {
    fn name(&self) -> &'static str {
        "svg"
    }

    fn description(&self) -> &'static str {
        "Figures as SVG (docs/figures.md)"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        files(self, export, |figure| Ok(figure.svg.clone().into_bytes()))
    }

    fn document(&self, _: &Export<'_>, _: Screen) -> anyhow::Result<Vec<u8>> {
        needs_directory(self)
    }
}

impl Exporter for Png {
    fn name(&self) -> &'static str {
        "png"
    }

    fn description(&self) -> &'static str {
        "Figures as PNG"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        files(self, export, Figure::png)
    }

    fn document(&self, _: &Export<'_>, _: Screen) -> anyhow::Result<Vec<u8>> {
        needs_directory(self)
    }
}

fn files(
    exporter: &dyn Exporter,
    export: &Export<'_>,
    content: impl Fn(&Figure) -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<ExportedFile>> {
    let figures = figures(&export.results, &export.runs);
    if figures.is_empty() {
        bail!("--format {}: no figures: no task is finished on any model", exporter.name());
    }
    let files = figures.iter().map(|figure| {
        let path = format!("figures/{}.{}", figure.name, exporter.name());
        Ok(ExportedFile::new(path, content(figure)?))
    });
    files.collect()
}

fn needs_directory(exporter: &dyn Exporter) -> anyhow::Result<Vec<u8>> {
    bail!("--format {}: figures need a directory: add --out DIR", exporter.name())
}
