//! One style for all figures, readable in black and white and with colour blindness.

/// Text and axes.
pub(super) const INK: &str = "#222222";
/// Subtitles and footnotes.
pub(super) const PALE_INK: &str = "#555555";
/// Grid lines.
pub(super) const GRID: &str = "#dddddd";

/// Colours of Okabe and Ito's palette (2008) that are dark enough on white.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// Dashes that differ without colour; the first is a solid line.
const DASHES: [&str; 6] = ["", "7 3", "2 3", "9 3 2 3", "12 4", "5 2 2 2 2 2"];
/// Dashes of horizontal lines.
const LEVEL_DASHES: [&str; 9] =
    ["7 3", "2 3", "9 3 2 3", "14 4", "5 2 2 2 2 2", "5 6", "14 3 4 3", "2 7", "10 3 2 3 2 3 2 3"];
/// Colours of measured horizontal lines; the first two curves have others.
const LEVEL_COLOURS: [&str; 3] = ["#009e73", "#cc79a7", "#e69f00"];
const MARKERS: [Marker; 7] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::TriangleDown,
    Marker::Hexagon,
    Marker::Star,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    /// ●
    Circle,
    /// ■
    Square,
    /// ▲
    Triangle,
    /// ◆
    Diamond,
    /// ▼
    TriangleDown,
    /// ⬢
    Hexagon,
    /// ✦
    Star,
}

/// Style of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Colour of line and marker.
    pub colour: &'static str,
    /// SVG's `stroke-dasharray`; empty for a solid line.
    pub dash: &'static str,
    pub marker: Marker,
    /// Whether markers are filled: measured ones are, published ones are not.
    pub filled: bool,
}

impl Look {
    /// The `number`th measured series.
    pub fn measured(number: usize) -> Self {
        Self {
            colour: COLOURS[number % COLOURS.len()],
            // Six dashes and seven shapes: the first 42 pairs differ.
            dash: DASHES[number % DASHES.len()],
            marker: MARKERS[number % MARKERS.len()],
            filled: true,
        }
    }

    /// The paper's numbers for the `number`th measured series: the same shape, hollow, black and dashed.
    pub fn published(number: usize) -> Self {
        Self { colour: "#000000", dash: "4 3", filled: false, ..Self::measured(number) }
    }

    /// The `number`th series of numbers of others: hollow, the shapes in another order than those of measured series.
    pub fn reported(number: usize) -> Self {
        let marker = MARKERS[(number + 3) % MARKERS.len()];
        Self { colour: PALE_INK, dash: "", marker, filled: false }
    }

    /// The `number`th horizontal line.
    pub fn level(number: usize, measured: bool) -> Self {
        let colour = if measured { LEVEL_COLOURS[number % LEVEL_COLOURS.len()] } else { PALE_INK };
        let dash = LEVEL_DASHES[number % LEVEL_DASHES.len()];
        Self { colour, dash, marker: Marker::Circle, filled: measured }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_differ_without_colour() {
        let looks: Vec<(&str, Marker)> =
            (0..40).map(|number| (Look::measured(number).dash, Look::measured(number).marker)).collect();
        for (index, look) in looks.iter().enumerate() {
            assert!(!looks[..index].contains(look), "{index}: {look:?}");
        }
    }
}
