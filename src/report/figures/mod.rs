//! Figures as SVG and PNG, drawn by this program alone: no browser, no fonts of the machine.
//!
//! A [`Figure`] is made in two steps: a chart says what is shown (values, looks, labels), and `draw` puts it into SVG,
//! byte for byte the same wherever the same numbers are drawn. PNGs come from the SVG with the one font that is part of
//! the program (`font/`, a part of `DejaVu Sans`).

mod calibration;
mod chart;
mod draw;
mod drawing;
mod legend;
mod log_probs;
mod overview;
mod panel;
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
mod words;

pub use png::FigureError;

use super::{ExportedRun, Results};
use chart::Chart;

/// A figure, drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// File name without its ending, such as `lambada-perplexity`; no two figures of a report have the same.
    pub name: String,
    /// Above it.
    pub title: String,
    /// One or two sentences for people who do not see it.
    pub description: String,
    /// The picture.
    pub svg: String,
}

impl Figure {
    /// The picture as PNG, two pixels to each of the SVG's.
    ///
    /// `Err` if the SVG cannot be drawn, which no score brings about.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        png::png(&self.name, &self.svg)
    }
}

/// Every figure that the scores in `results` and the records and times of `runs` give: first the paper's own, then one a
/// task and main metric, calibration curves, log-probabilities, and what the computing took. Empty without scores.
pub fn figures(results: &Results, runs: &[ExportedRun<'_>]) -> Vec<Figure> {
    let mut charts: Vec<Chart> = overview::chart(results).into_iter().collect();
    charts.extend(sizes::charts(results));
    charts.extend(calibration::charts(results));
    charts.extend(log_probs::charts(runs));
    charts.extend(throughput::chart(runs));
    let mut taken: Vec<String> = Vec::new();
    charts
        .into_iter()
        .map(|mut chart| {
            chart.name = free(&chart.name, &taken);
            taken.push(chart.name.clone());
            draw::draw(&chart)
        })
        .collect()
}

/// `name`, or with a number behind it if it is taken.
fn free(name: &str, taken: &[String]) -> String {
    let name = if name.is_empty() { "figure" } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|candidate| !taken.contains(candidate))
        .unwrap_or_default()
}
