//! The legend, beside the plot.

use super::chart::Panel;
use super::style::{INK, Look, Marker, PALE_INK};
use super::svg::{Anchor, Svg};
use super::text::wrap;

const SIZE: f64 = 11.5;
const LINE: f64 = 15.0;
/// Space between two entries.
const GAP: f64 = 7.0;
/// Width of the line before the text.
const KEY_WIDTH: f64 = 34.0;
/// Maximum lines of an entry.
const MAX_LINES: usize = 4;
/// Dashes of the line where both axes have the same value.
pub(super) const DIAGONAL_DASH: &str = "1 4";

#[derive(Debug)]
struct Entry {
    look: Look,
    line: bool,
    marker: bool,
    text: Vec<String>,
}

/// The legend of a panel.
#[derive(Debug)]
pub(super) struct Legend {
    entries: Vec<Entry>,
    width: f64,
}

impl Legend {
    /// The legend of a panel, at most `width` pixels wide: series first, then horizontal lines.
    pub fn of(panel: &Panel, width: f64) -> Self {
        let text = |label: &str| wrap(label, SIZE, width - KEY_WIDTH - 6.0, MAX_LINES);
        let series = panel.series.iter().map(|series| Entry {
            look: series.look,
            line: series.joined,
            marker: series.markers,
            text: text(&series.label),
        });
        let level = |look, label: &str| Entry { look, line: true, marker: false, text: text(label) };
        let levels = panel.levels.iter().map(|line| level(line.look, &line.label));
        let dotted = Look { colour: PALE_INK, dash: DIAGONAL_DASH, marker: Marker::Circle, filled: false };
        let diagonal = panel.diagonal.iter().map(|label| level(dotted, label));
        Self { entries: series.chain(levels).chain(diagonal).collect(), width }
    }

    /// In pixels.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> f64 {
        self.entries.iter().map(|entry| LINE * entry.text.len().max(1) as f64 + GAP).sum()
    }

    /// Draws it with its upper left corner at `(left, top)`.
    pub fn draw(&self, (left, top): (f64, f64), svg: &mut Svg) {
        svg.open("legend", "");
        let mut y = top + 8.0;
        for entry in &self.entries {
            let middle = y - 4.0;
            if entry.line {
                svg.line(
                    &[(left, middle), (left + KEY_WIDTH, middle)],
                    entry.look.colour,
                    1.8,
                    entry.look.dash,
                );
            }
            if entry.marker {
                svg.marker((left + KEY_WIDTH / 2.0, middle), entry.look);
            }
            for line in &entry.text {
                svg.text((left + KEY_WIDTH + 6.0, y), Anchor::Start, SIZE, INK, line);
                y += LINE;
            }
            y += GAP + if entry.text.is_empty() { LINE } else { 0.0 };
        }
        svg.close();
    }
}
