//! What a figure shows, before it is drawn.

use super::scale::{Scale, Tick};
use super::style::Look;

/// One axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// From values to places.
    pub scale: Scale,
    /// Its marks; where they would overlap they stand in several rows.
    pub ticks: Vec<Tick>,
    /// Whether lines go through the plot at the ticks.
    pub grid: bool,
}

/// A value with its interval.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// On the horizontal axis.
    pub x: f64,
    /// On the vertical axis.
    pub y: f64,
    /// The interval of `y`.
    pub interval: Option<(f64, f64)>,
    /// What a pointer over it shows; empty for a corner of a line.
    pub tooltip: String,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// `paper`, `measured`, `reported`: the class of its group.
    pub class: &'static str,
    /// In the legend.
    pub label: String,
    /// Colour, dashes, marker.
    pub look: Look,
    /// In the order of the line.
    pub points: Vec<Point>,
    /// Whether a line joins them.
    pub joined: bool,
    /// Whether an area shows the intervals between the points.
    pub band: bool,
    /// Whether the points have markers.
    pub markers: bool,
}

/// A horizontal line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    /// `paper` or `measured`: the class of its group.
    pub class: &'static str,
    /// In the legend.
    pub label: String,
    /// Colour and dashes.
    pub look: Look,
    /// Its height.
    pub value: f64,
}

/// Axes with what is between them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panel {
    /// Above it; none where the figure's title says it.
    pub title: Option<String>,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Height of the plot in pixels.
    pub height: f64,
    /// Line from the lower left to the upper right along which both values are equal, with its label.
    pub diagonal: Option<String>,
    /// Horizontal lines.
    pub levels: Vec<Level>,
    /// What is drawn over them.
    pub series: Vec<Series>,
}

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    /// File name without its ending, plain.
    pub name: String,
    /// Above it.
    pub title: String,
    /// Under the title, smaller.
    pub subtitle: String,
    /// For people who do not see it.
    pub description: String,
    /// One under the other, two in a row where there are several.
    pub panels: Vec<Panel>,
    /// Under the figure.
    pub footnotes: Vec<String>,
}
