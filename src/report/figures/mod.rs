//! Figures as SVG and PNG, without a browser or fonts of the machine.
//!
//! A chart says what to show (values, styles, labels); `layout` draws it as SVG. The same numbers give the same bytes on
//! every machine. PNGs are rendered from the SVG with the bundled font (`font/`, a subset of `DejaVu Sans`).
//!
//! The drawing code is our own: plotters only guesses the widths of SVG texts, so that labels would overlap or be cut.

mod calibration;
mod chart;
mod curves;
pub(super) mod exporters;
mod labels;
mod layout;
mod legend;
mod log_probs;
mod overview;
mod png;
mod published;
mod scale;
mod sizes;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod text;
mod throughput;

use super::{ExportedRun, Results};
use chart::Chart;

/// A drawn figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// File name without extension, such as `lambada-perplexity`; unique in a report.
    pub name: String,
    pub title: String,
    /// One or two sentences for screen readers.
    pub description: String,
    pub svg: String,
}

impl Figure {
    /// Renders it as PNG, two pixels per SVG unit.
    ///
    /// `Err` if the SVG cannot be rendered, which would be a bug.
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        png::png(&self.name, &self.svg)
    }
}

/// All figures of `results` and `runs`: the paper's Figure 1, one per task and main metric, calibration curves,
/// log-probabilities, and throughput.
pub(crate) fn figures(results: &Results, runs: &[ExportedRun<'_>]) -> Vec<Figure> {
    let mut charts: Vec<Chart> = overview::chart(results).into_iter().collect();
    charts.extend(sizes::charts(results));
    charts.extend(calibration::charts(results));
    charts.extend(log_probs::charts(runs));
    charts.extend(throughput::chart(runs));
    let mut taken: Vec<String> = Vec::new();
    charts
        .into_iter()
        .map(|mut chart| {
            chart.name = unique(&chart.name, &taken);
            taken.push(chart.name.clone());
            layout::draw(&chart)
        })
        .collect()
}

/// `name`, with a number appended if it is taken.
fn unique(name: &str, taken: &[String]) -> String {
    let name = if name.is_empty() { "figure" } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|candidate| !taken.contains(candidate))
        .unwrap_or_default()
}
