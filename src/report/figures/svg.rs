//! Writes the SVG elements that the figures use.

use super::style::{Look, Marker};
use super::text::clean;
use crate::report::escape;

/// The bundled font of PNGs, then a common one with the same widths.
const FONTS: &str = "DejaVu Sans, Verdana, sans-serif";

/// The point of a text that its position means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An SVG document under construction.
#[derive(Debug)]
pub(super) struct Svg {
    text: String,
}

/// Rounds to a hundredth of a pixel, so that the last bits of a float do not matter.
fn coordinate(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    // No negative zero.
    format!("{}", if rounded == 0.0 { 0.0 } else { rounded })
}

/// Cleans and escapes a label.
fn label(text: &str) -> String {
    escape(&clean(text))
}

fn points(points: &[(f64, f64)]) -> String {
    let pairs: Vec<String> =
        points.iter().map(|&(x, y)| format!("{},{}", coordinate(x), coordinate(y))).collect();
    pairs.join(" ")
}

fn dashes(dash: &str) -> String {
    if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") }
}

impl Svg {
    /// A white picture. `name`, of letters, digits, `-` and `_`, makes ids unique where a page has several pictures.
    pub fn new(name: &str, (width, height): (f64, f64), title: &str, description: &str) -> Self {
        let (width, height) = (coordinate(width), coordinate(height));
        let (title, description) = (label(title), label(description));
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-labelledby=\"{name}-title {name}-desc\" font-family=\"{FONTS}\">\n\
             <title id=\"{name}-title\">{title}</title>\n<desc id=\"{name}-desc\">{description}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        Self { text }
    }

    /// The document.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// Opens a group. `class` has only letters; an empty `tooltip` is left out.
    pub fn open(&mut self, class: &str, tooltip: &str) {
        self.text.push_str(&format!("<g class=\"{class}\">"));
        if !tooltip.is_empty() {
            self.text.push_str(&format!("<title>{}</title>", label(tooltip)));
        }
        self.text.push('\n');
    }

    /// Closes a group.
    pub fn close(&mut self) {
        self.text.push_str("</g>\n");
    }

    /// A line of text with its baseline at `at`.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, size: f64, colour: &str, content: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y) = (coordinate(at.0), coordinate(at.1));
        self.text.push_str(&format!(
            "<text x=\"{x}\" y=\"{y}\"{anchor} font-size=\"{}\" fill=\"{colour}\">{}</text>\n",
            coordinate(size),
            label(content)
        ));
    }

    /// A line through all points.
    pub fn line(&mut self, through: &[(f64, f64)], colour: &str, width: f64, dash: &str) {
        if through.len() < 2 {
            return;
        }
        self.text.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{}\"{}/>\n",
            points(through),
            coordinate(width),
            dashes(dash)
        ));
    }

    /// A translucent polygon.
    pub fn area(&mut self, corners: &[(f64, f64)], colour: &str) {
        self.text.push_str(&format!(
            "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.16\"/>\n",
            points(corners)
        ));
    }

    /// A marker centred at a point.
    pub fn marker(&mut self, (x, y): (f64, f64), look: Look) {
        let Look { colour, filled, .. } = look;
        let fill = if filled { colour } else { "#ffffff" };
        // Hollow markers are larger, to be visible around a filled one.
        let r = if filled { 4.0 } else { 5.2 };
        let paint = format!("fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.6\"");
        let shape = |corners: &[(f64, f64)]| {
            let placed: Vec<(f64, f64)> = corners.iter().map(|&(dx, dy)| (x + dx * r, y + dy * r)).collect();
            format!("<polygon points=\"{}\" {paint}/>\n", points(&placed))
        };
        let element = match look.marker {
            Marker::Circle => {
                let (x, y, r) = (coordinate(x), coordinate(y), coordinate(r));
                format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" {paint}/>\n")
            }
            Marker::Square => shape(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            Marker::Triangle => shape(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            Marker::Diamond => shape(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            Marker::TriangleDown => shape(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            Marker::Hexagon => {
                shape(&[(1.1, 0.0), (0.55, 0.95), (-0.55, 0.95), (-1.1, 0.0), (-0.55, -0.95), (0.55, -0.95)])
            }
            Marker::Star => {
                let (long, short) = (1.4, 0.5);
                shape(&[
                    (0.0, -long),
                    (short, -short),
                    (long, 0.0),
                    (short, short),
                    (0.0, long),
                    (-short, short),
                    (-long, 0.0),
                    (-short, -short),
                ])
            }
        };
        self.text.push_str(&element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        assert_eq!(coordinate(1.0 / 3.0), "0.33");
        assert_eq!(coordinate(-0.001), "0");
        assert_eq!(coordinate(120.0), "120");
    }

    #[test]
    fn markup_in_texts_is_escaped() {
        let mut svg = Svg::new("x", (10.0, 10.0), "<script>", "\"&\u{1}");
        svg.text((0.0, 0.0), Anchor::Start, 12.0, "#000000", "</text><script>alert(1)</script>");
        let text = svg.finish();
        let document = roxmltree::Document::parse(&text).unwrap();
        assert!(document.descendants().all(|node| node.tag_name().name() != "script"));
        let shown = document.descendants().find(|node| node.tag_name().name() == "text").unwrap();
        assert_eq!(shown.text(), Some("</text><script>alert(1)</script>"));
    }
}
