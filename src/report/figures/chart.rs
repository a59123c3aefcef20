//! The content of a figure, before layout.

use super::scale::{Scale, Tick};
use super::style::Look;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Quantity and unit.
    pub label: String,
    pub scale: Scale,
    /// In the order of the axis; labels that would overlap go to further rows.
    pub ticks: Vec<Tick>,
    /// Whether grid lines cross the plot at the ticks.
    pub grid: bool,
}

/// A data point.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
    /// Interval of `y`.
    pub interval: Option<(f64, f64)>,
    /// Empty for corners of a line.
    pub tooltip: String,
}

/// A series of points with one style.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// Class of its SVG group: `paper`, `measured`, `reported`.
    pub class: &'static str,
    /// In the legend.
    pub label: String,
    pub look: Look,
    /// In the order of the line.
    pub points: Vec<Point>,
    /// Whether a line joins the points.
    pub joined: bool,
    /// Whether an area between the points shows their intervals.
    pub band: bool,
    pub markers: bool,
}

/// A horizontal line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    /// Class of its SVG group: `paper` or `measured`.
    pub class: &'static str,
    /// In the legend.
    pub label: String,
    pub look: Look,
    /// On the vertical axis.
    pub value: f64,
}

/// Axes with series and lines.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panel {
    /// `None` where the figure's title suffices.
    pub title: Option<String>,
    pub x: Axis,
    pub y: Axis,
    /// Height of the plot in pixels.
    pub height: f64,
    /// Label of the line where both axes have the same value; `None` without such a line.
    pub diagonal: Option<String>,
    pub levels: Vec<Level>,
    /// Drawn over the levels.
    pub series: Vec<Series>,
}

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    /// File name without extension: ASCII letters, digits, `-` and `_`.
    pub name: String,
    pub title: String,
    pub subtitle: String,
    /// For screen readers.
    pub description: String,
    /// A single panel, or several in two columns.
    pub panels: Vec<Panel>,
    pub footnotes: Vec<String>,
}
