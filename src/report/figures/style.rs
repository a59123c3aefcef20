//! One style for all figures: readable in black and white, and for people who confuse colours.

/// Text and axes.
pub(super) const INK: &str = "#222222";
/// Second thoughts: subtitles, remarks.
pub(super) const PALE_INK: &str = "#555555";
/// Lines of the grid.
pub(super) const GRID: &str = "#dddddd";

/// Colours of Okabe and Ito's palette (2008) that are dark enough on white, blue first.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// Dashes that can be told apart without colour; the first is an unbroken line.
const DASHES: [&str; 6] = ["", "7 3", "2 3", "9 3 2 3", "12 4", "5 2 2 2 2 2"];
/// Dashes of horizontal lines, of which there may be more.
const LEVEL_DASHES: [&str; 9] =
    ["7 3", "2 3", "9 3 2 3", "14 4", "5 2 2 2 2 2", "5 6", "14 3 4 3", "2 7", "10 3 2 3 2 3 2 3"];
/// Colours of horizontal lines that were measured here, none of which a first or second curve has.
const LEVEL_COLOURS: [&str; 3] = ["#009e73", "#cc79a7", "#e69f00"];
/// Shapes of markers.
const MARKERS: [Marker; 7] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::TriangleDown,
    Marker::Hexagon,
    Marker::Star,
];

/// The shape of a marker.
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

/// What a series looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Of line and marker.
    pub colour: &'static str,
    /// As in `stroke-dasharray`; empty for an unbroken line.
    pub dash: &'static str,
    /// Shape of the markers.
    pub marker: Marker,
    /// Whether they are filled: what was measured here is, what was published is not.
    pub filled: bool,
}

impl Look {
    /// Of what was measured here, the `number`th of several: its own colour, dashes and shape.
    pub fn measured(number: usize) -> Self {
        Self {
            colour: COLOURS[number % COLOURS.len()],
            // Six dashes and seven shapes: no pair of them comes back before the 42nd.
            dash: DASHES[number % DASHES.len()],
            marker: MARKERS[number % MARKERS.len()],
            filled: true,
        }
    }

    /// Of what was published beside the `number`th measured series: the same shape, hollow, black and dashed.
    pub fn published(number: usize) -> Self {
        Self { colour: "#000000", dash: "4 3", filled: false, ..Self::measured(number) }
    }

    /// Of what others reported: another shape than the paper's.
    pub fn reported() -> Self {
        Self { colour: PALE_INK, dash: "", marker: Marker::Diamond, filled: false }
    }

    /// Of the `number`th horizontal line, over all kinds of lines.
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
