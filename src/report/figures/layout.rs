//! Draws a chart: title, panels with axes, series and legend, footnotes.

use super::Figure;
use super::chart::{Axis, Chart, Level, Panel, Series};
use super::legend::{DIAGONAL_DASH, Legend};
use super::style::{GRID, INK, PALE_INK};
use super::svg::{Anchor, Svg};
use super::text::{clip, width, wrap};

/// Width of figures with one panel.
const WIDTH: f64 = 800.0;
/// Width of figures with two columns of panels.
const WIDE: f64 = 1120.0;
const MARGIN: f64 = 18.0;
/// Space between columns.
const GAP: f64 = 26.0;
/// Space below a row of panels.
const ROW_GAP: f64 = 18.0;
const FOOTNOTE_SIZE: f64 = 11.0;
/// Maximum lines of a footnote.
const MAX_FOOTNOTE_LINES: usize = 4;
const TICK_SIZE: f64 = 11.0;
const LABEL_SIZE: f64 = 12.0;
/// Distance of two rows of labels below the horizontal axis.
const ROW: f64 = 15.0;
/// Maximum rows of labels below the horizontal axis; ticks that fit into none have no label.
const MAX_ROWS: usize = 4;
/// Widest label below the horizontal axis.
const MAX_TICK_WIDTH: f64 = 110.0;
/// Space between the plot and its legend.
const LEGEND_GAP: f64 = 18.0;

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

/// A tick of the horizontal axis with its label.
#[derive(Debug, Clone, PartialEq)]
struct PlacedTick {
    /// Position on the axis, from 0 to 1.
    position: f64,
    /// Empty if it fits into no row.
    label: String,
    /// Centre of the label, from the left end of the plot.
    middle: f64,
    row: usize,
}

/// Geometry of a panel, in pixels.
#[derive(Debug)]
struct Layout {
    /// Distance of the plot from the panel's left end.
    left: f64,
    /// Distance of the plot from the panel's upper end.
    above: f64,
    /// Width and height of the plot.
    plot: (f64, f64),
    ticks: Vec<PlacedTick>,
    rows: usize,
    legend: Legend,
}

impl Layout {
    /// The layout of a panel that is `total` pixels wide.
    fn of(panel: &Panel, total: f64, small: bool) -> Self {
        let widest = panel.y.ticks.iter().map(|tick| width(&tick.label, TICK_SIZE)).fold(0.0, f64::max);
        let left = widest.min(total * 0.3).ceil() + 12.0;
        let legend = Legend::of(panel, if small { 200.0 } else { 230.0 });
        let plot_width = total - left - LEGEND_GAP - legend.width();
        let ticks = placed(&panel.x, plot_width, left);
        let rows = ticks.iter().map(|tick| tick.row + 1).max().unwrap_or(1);
        let above = if panel.title.is_some() { 44.0 } else { 24.0 };
        Self { left, above, plot: (plot_width, panel.height), ticks, rows, legend }
    }

    /// Height of the panel with its labels and legend.
    fn height(&self) -> f64 {
        let below = 8.0 + ROW * self.rows as f64 + 20.0;
        (self.above + self.plot.1 + below).max(self.above + self.legend.height())
    }

    /// Draws the panel with its upper left corner at `corner`.
    fn draw(&self, panel: &Panel, corner: (f64, f64), svg: &mut Svg) {
        let origin = (corner.0 + self.left, corner.1 + self.above);
        let (plot_width, plot_height) = self.plot;
        let (right, bottom) = (origin.0 + plot_width, origin.1 + plot_height);
        if let Some(title) = &panel.title {
            let title = clip(title, 14.0, self.left + plot_width + LEGEND_GAP + self.legend.width());
            svg.text((corner.0, corner.1 + 14.0), Anchor::Start, 14.0, INK, &title);
        }
        let label = clip(&panel.y.label, LABEL_SIZE, self.left + plot_width);
        svg.text((corner.0, origin.1 - 10.0), Anchor::Start, LABEL_SIZE, INK, &label);

        svg.open("axes", "");
        for tick in &panel.y.ticks {
            let Some(position) = panel.y.scale.position(tick.at) else { continue };
            let y = bottom - position * plot_height;
            if panel.y.grid {
                svg.line(&[(origin.0, y), (right, y)], GRID, 1.0, "");
            }
            let label = clip(&tick.label, TICK_SIZE, self.left - 10.0);
            svg.text((origin.0 - 7.0, y + 4.0), Anchor::End, TICK_SIZE, INK, &label);
        }
        for tick in &self.ticks {
            let x = origin.0 + tick.position * plot_width;
            if panel.x.grid {
                svg.line(&[(x, origin.1), (x, bottom)], GRID, 1.0, "");
            }
            svg.line(&[(x, bottom), (x, bottom + 5.0)], INK, 1.0, "");
            let at = (origin.0 + tick.middle, bottom + 17.0 + ROW * tick.row as f64);
            svg.text(at, Anchor::Middle, TICK_SIZE, INK, &tick.label);
        }
        svg.line(&[origin, (origin.0, bottom), (right, bottom)], INK, 1.2, "");
        let under = bottom + 17.0 + ROW * self.rows as f64 + 4.0;
        let middle = origin.0 + plot_width / 2.0;
        let label = clip(&panel.x.label, LABEL_SIZE, plot_width + self.left);
        let reach = width(&label, LABEL_SIZE) / 2.0;
        svg.text((middle.max(corner.0 + reach), under), Anchor::Middle, LABEL_SIZE, INK, &label);
        svg.close();

        let to_pixels = |x: f64, y: f64| {
            let (x, y) = (panel.x.scale.position(x)?, panel.y.scale.position(y)?);
            Some((origin.0 + x * plot_width, bottom - y * plot_height))
        };
        if panel.diagonal.is_some() {
            let low = panel.x.scale.low.max(panel.y.scale.low);
            let high = panel.x.scale.high.min(panel.y.scale.high);
            let ends: Vec<(f64, f64)> =
                [low, high].into_iter().filter_map(|value| to_pixels(value, value)).collect();
            svg.line(&ends, PALE_INK, 1.2, DIAGONAL_DASH);
        }
        for level in &panel.levels {
            draw_level(level, panel, (origin.0, right), &to_pixels, svg);
        }
        for series in &panel.series {
            draw_series(series, &to_pixels, svg);
        }
        self.legend.draw((right + LEGEND_GAP, origin.1), svg);
    }
}

/// From a point's values to its pixel; `None` for NaN.
type ToPixels<'a> = dyn Fn(f64, f64) -> Option<(f64, f64)> + 'a;

fn draw_level(
    level: &Level,
    panel: &Panel,
    (left, right): (f64, f64),
    to_pixels: &ToPixels<'_>,
    svg: &mut Svg,
) {
    if let Some((_, y)) = to_pixels(panel.x.scale.low, level.value) {
        svg.open(level.class, &level.label);
        svg.line(&[(left, y), (right, y)], level.look.colour, 1.5, level.look.dash);
        svg.close();
    }
}

fn draw_series(series: &Series, to_pixels: &ToPixels<'_>, svg: &mut Svg) {
    let look = series.look;
    svg.open(series.class, "");
    let ends = |pick: fn((f64, f64)) -> f64| -> Vec<(f64, f64)> {
        let interval = |point: &super::chart::Point| point.interval.map(|interval| (point.x, pick(interval)));
        series.points.iter().filter_map(interval).filter_map(|(x, y)| to_pixels(x, y)).collect()
    };
    let mut band = ends(|(low, _)| low);
    let upper = ends(|(_, high)| high);
    if series.band && band.len() > 1 && band.len() == upper.len() {
        band.extend(upper.into_iter().rev());
        svg.area(&band, look.colour);
    }
    if series.joined {
        let line: Vec<(f64, f64)> =
            series.points.iter().filter_map(|point| to_pixels(point.x, point.y)).collect();
        svg.line(&line, look.colour, 1.8, look.dash);
    }
    for point in series.points.iter().filter(|_| series.markers) {
        let Some((x, y)) = to_pixels(point.x, point.y) else { continue };
        svg.open("point", &point.tooltip);
        if let Some((low, high)) = point.interval
            && let (Some((_, low)), Some((_, high))) = (to_pixels(point.x, low), to_pixels(point.x, high))
        {
            for end in [low, high] {
                svg.line(&[(x - 4.0, end), (x + 4.0, end)], look.colour, 1.2, "");
            }
            svg.line(&[(x, low), (x, high)], look.colour, 1.2, "");
        }
        svg.marker((x, y), look);
        svg.close();
    }
    svg.close();
}

/// The labels below the horizontal axis, each in the first row where it overlaps no other.
fn placed(axis: &Axis, plot_width: f64, left: f64) -> Vec<PlacedTick> {
    let mut ends = [f64::NEG_INFINITY; MAX_ROWS];
    let mut placed = Vec::new();
    for tick in &axis.ticks {
        let Some(position) = axis.scale.position(tick.at) else { continue };
        let label = clip(&tick.label, TICK_SIZE, MAX_TICK_WIDTH);
        let reach = width(&label, TICK_SIZE) / 2.0;
        // Within the panel on the left, and clear of the legend on the right.
        let middle =
            (position * plot_width).max(reach - left).min((plot_width + LEGEND_GAP - reach).max(0.0));
        let row = ends.iter().position(|&end| end + 6.0 < middle - reach);
        if let Some(row) = row {
            ends[row] = middle + reach;
        }
        let (label, row) = row.map_or_else(|| (String::new(), 0), |row| (label, row));
        placed.push(PlacedTick { position, label, middle, row });
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::scale::{Scale, Tick};

    #[test]
    fn labels_below_the_axis_never_overlap() {
        let tick = |at: f64, label: &str| Tick { at, label: label.to_owned() };
        let mut ticks = vec![tick(1.0, "117M"), tick(1.0, "a model of mine"), tick(1.01, &"x".repeat(300))];
        ticks.extend((0..6).map(|index| tick(1.02, &format!("copy {index}"))));
        ticks.push(tick(2.0, "345M"));
        let axis = Axis { label: String::new(), scale: Scale::linear(1.0, 2.0), ticks, grid: false };
        let placed = placed(&axis, 300.0, 40.0);
        assert_eq!(placed.len(), 10, "a tick without room for its label stays");
        let shown: Vec<&PlacedTick> = placed.iter().filter(|tick| !tick.label.is_empty()).collect();
        assert_eq!(shown.len(), 5);
        for (index, one) in shown.iter().enumerate() {
            for other in &shown[..index] {
                let apart = f64::midpoint(width(&one.label, TICK_SIZE), width(&other.label, TICK_SIZE));
                assert!(
                    one.row != other.row || (one.middle - other.middle).abs() >= apart,
                    "{one:?} {other:?}"
                );
            }
        }
    }
}
