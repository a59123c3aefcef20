//! From a chart to its picture: title, panels, remarks.

use super::Figure;
use super::chart::{Chart, Panel};
use super::panel::Layout;
use super::style::{INK, PALE_INK};
use super::svg::{Anchor, Svg};
use super::text::{clip, wrap};

/// Width of every figure of one panel.
const WIDTH: f64 = 800.0;
/// Width of figures whose panels stand in two columns.
const WIDE: f64 = 1120.0;
const MARGIN: f64 = 18.0;
/// Between columns.
const GAP: f64 = 26.0;
/// Under a row of panels.
const ROW_GAP: f64 = 18.0;
const FOOTNOTE_SIZE: f64 = 11.0;
/// Most lines of a footnote.
const MAX_FOOTNOTE_LINES: usize = 4;

/// The chart as a figure.
pub(super) fn draw(chart: &Chart) -> Figure {
    let columns = if chart.panels.len() > 1 { 2 } else { 1 };
    let width = if columns == 2 { WIDE } else { WIDTH };
    let inner = width - 2.0 * MARGIN;
    let cell = (inner - GAP * (columns - 1) as f64) / columns as f64;
    let title = clip(&chart.title, 17.0, inner);
    let subtitle = clip(&chart.subtitle, 12.0, inner);
    let mut top = MARGIN + 48.0;

    let rows: Vec<Vec<(&Panel, Layout)>> = chart
        .panels
        .chunks(columns)
        .map(|row| row.iter().map(|panel| (panel, Layout::of(panel, cell, columns == 2))).collect())
        .collect();
    let heights: Vec<f64> = rows
        .iter()
        .map(|row| row.iter().map(|(_, layout)| layout.height()).fold(0.0, f64::max) + ROW_GAP)
        .collect();
    let footnotes: Vec<String> = chart
        .footnotes
        .iter()
        .flat_map(|footnote| wrap(footnote, FOOTNOTE_SIZE, inner, MAX_FOOTNOTE_LINES))
        .collect();
    let height = top + heights.iter().sum::<f64>() + footnotes.len() as f64 * 15.0 + MARGIN - 8.0;

    let mut svg = Svg::new(&chart.name, (width, height), &title, &chart.description);
    svg.text((MARGIN, MARGIN + 14.0), Anchor::Start, 17.0, INK, &title);
    svg.text((MARGIN, MARGIN + 32.0), Anchor::Start, 12.0, PALE_INK, &subtitle);
    for (row, height) in rows.iter().zip(heights) {
        for (column, (panel, layout)) in row.iter().enumerate() {
            layout.draw(panel, (MARGIN + column as f64 * (cell + GAP), top), &mut svg);
        }
        top += height;
    }
    for (index, footnote) in footnotes.iter().enumerate() {
        svg.text((MARGIN, top + 8.0 + 15.0 * index as f64), Anchor::Start, FOOTNOTE_SIZE, PALE_INK, footnote);
    }
    Figure {
        name: chart.name.clone(),
        title: chart.title.clone(),
        description: chart.description.clone(),
        svg: svg.finish(),
    }
}
