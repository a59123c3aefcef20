//! Panels of curves of a metric against model size: measured, published by the paper, and published by others.

use super::chart::{Axis, Level, Panel, Point, Series};
use super::labels::{axis_label, metric_name, protocol_name, symbols, task_footnotes};
use super::published::{Published, SIZES};
use super::scale::{Scale, Tick, drawable, linear_axis, logarithmic_axis};
use super::style::Look;
use crate::record::Score;
use crate::report::distinct::add_new;
use crate::report::numbers::number;
use crate::report::uncertainty::value_and_interval;
use crate::report::{Heading, PaperNumber, Results};

/// Most values in a figure's description.
const MAX_VALUES: usize = 12;

/// A metric of a task under a protocol.
#[derive(Debug, Clone)]
pub(super) struct Curve<'a> {
    /// Task and protocol.
    pub heading: &'a Heading,
    pub metric: &'a str,
    /// Its name in the legend; empty if it is alone in its panel.
    pub name: &'static str,
}

impl<'a> Curve<'a> {
    /// A curve that is alone in its panel.
    pub fn alone(heading: &'a Heading, metric: &'a str) -> Self {
        Self { heading, metric, name: "" }
    }

    /// Its measured scores that can be drawn.
    pub fn scores<'s>(&self, results: &'s Results) -> Vec<&'s Score> {
        let own = |score: &&Score| {
            self.heading.covers(score) && score.metric == self.metric && drawable(score.value)
        };
        results.scores().iter().filter(own).collect()
    }
}

/// A panel with its footnotes and values.
pub(super) struct CurvePanel {
    pub panel: Panel,
    pub footnotes: Vec<String>,
    /// The measured values in words.
    pub values: String,
}

/// Draws one or several curves on common axes. `None` if no model has a score.
pub(super) fn panel(results: &Results, curves: &[Curve<'_>], height: f64) -> Option<CurvePanel> {
    let mut drawing = Drawing::default();
    for (index, curve) in curves.iter().enumerate() {
        drawing.add(curve, index, &curve.scores(results));
    }
    let higher_is_better = drawing.higher_is_better?;
    if !drawing.series.iter().any(|series| series.class == "measured") {
        return None;
    }
    let (name, unit) = match curves {
        [curve] => metric_name(curve.metric),
        _ => ("accuracy".to_owned(), "%"),
    };
    let x = drawing.x_axis()?;
    let (scale, ticks) = drawing.y_axis(unit)?;
    let y = Axis { label: axis_label(&name, unit, higher_is_better), scale, ticks, grid: true };
    let mut footnotes = drawing.footnotes();
    for curve in curves {
        let several = curves.iter().any(|other| other.heading != curve.heading);
        add_new(&mut footnotes, task_footnotes(curve.heading, several.then_some(curve.name)));
    }
    let panel =
        Panel { title: None, x, y, height, diagonal: None, levels: drawing.levels, series: drawing.series };
    Some(CurvePanel { panel, footnotes, values: drawing.values.join("; ") })
}

/// Series and horizontal lines, collected curve by curve.
#[derive(Debug, Default)]
struct Drawing {
    /// Published before measured ones, curve by curve.
    series: Vec<Series>,
    /// Other systems and heuristic baselines.
    levels: Vec<Level>,
    /// Parameters and label of every model, measured or published.
    models: Vec<(f64, String)>,
    /// The measured values in words.
    values: Vec<String>,
    /// Direction of the first measured curve.
    higher_is_better: Option<bool>,
    /// Origins of the numbers of others.
    sources: Vec<String>,
    /// Number of series with numbers of others.
    others: usize,
    /// Whether numbers were read off a curve of the paper.
    has_readings: bool,
}

impl Drawing {
    /// Adds published and measured values of the `index`th curve of the panel.
    fn add(&mut self, curve: &Curve<'_>, index: usize, scores: &[&Score]) {
        let published =
            Published::find(&curve.heading.task, protocol_name(&curve.heading.protocol), curve.metric);
        let prefix = if curve.name.is_empty() { String::new() } else { format!("{}, ", curve.name) };
        let of_paper = |(x, published): &(f64, &'static PaperNumber)| Point {
            x: *x,
            y: published.value,
            interval: published.low.zip(published.high),
            tooltip: format!("{}, {prefix}paper: {}", published.model, published.value),
        };
        if !published.paper.is_empty() {
            self.has_readings |= published.paper.iter().any(|(_, number)| number.precision == "curve");
            self.series.push(Series {
                class: "paper",
                label: format!("{prefix}GPT-2 paper"),
                look: Look::published(index),
                points: published.paper.iter().map(of_paper).collect(),
                // A line between only two points would suggest values for the sizes between them.
                joined: published.paper.len() > 2,
                band: false,
                markers: true,
            });
        }
        self.models.extend(published.paper.iter().map(|(x, number)| (*x, number.model.clone())));
        for (who, values) in &published.others {
            add_new(&mut self.sources, values.iter().map(|(_, value)| value.origin()));
            self.models.extend(values.iter().map(|(x, value)| (*x, value.model.clone())));
            let points = values.iter().map(|(x, value)| Point {
                x: *x,
                y: value.value,
                interval: None,
                tooltip: format!("{}, {prefix}{who}: {}", value.model, value.value),
            });
            self.series.push(Series {
                class: "reported",
                label: format!("{prefix}{who}"),
                look: Look::reported(self.others),
                points: points.collect(),
                joined: false,
                band: false,
                markers: true,
            });
            self.others += 1;
        }
        for system in &published.systems {
            self.add_level("paper", &prefix, format!("{}: {}", system.model, system.value), system.value);
        }
        self.add_measured(curve, index, &prefix, scores);
    }

    fn add_measured(&mut self, curve: &Curve<'_>, index: usize, prefix: &str, scores: &[&Score]) {
        let symbols = symbols(curve.heading, scores.iter().copied());
        let mut models: Vec<(f64, &Score)> =
            scores.iter().filter_map(|score| Some((score.parameters? as f64, *score))).collect();
        models.retain(|(parameters, _)| *parameters >= 1.0);
        models.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.model.cmp(&b.1.model)));
        let twins = |size: f64| models.iter().filter(|(other, _)| *other == size).count() > 1;
        for equal in [false, true] {
            let own: Vec<&(f64, &Score)> = models.iter().filter(|(size, _)| twins(*size) == equal).collect();
            if own.is_empty() {
                continue;
            }
            let suffix = if equal { ", models of equal size" } else { "" };
            self.series.push(Series {
                class: "measured",
                label: format!("{prefix}measured here{symbols}{suffix}"),
                look: Look::measured(index),
                points: own.iter().map(|(x, score)| measured_point(*x, score, prefix)).collect(),
                joined: !equal && own.len() > 1,
                band: !equal,
                markers: true,
            });
        }
        for (x, score) in &models {
            self.models.push((*x, score.model.clone()));
            if self.values.len() < MAX_VALUES {
                let paper = score.paper.map(|paper| format!(" (paper {paper})")).unwrap_or_default();
                self.values.push(format!("{prefix}{} {}{symbols}{paper}", score.model, number(score.value)));
            }
            self.higher_is_better.get_or_insert(score.higher_is_better);
        }
        for score in scores.iter().filter(|score| score.parameters.is_none()) {
            let label = format!("{}, measured here{symbols}: {}", score.model, number(score.value));
            self.add_level("measured", prefix, label, score.value);
        }
    }

    /// Adds a horizontal line. Curves with the same value share one.
    fn add_level(&mut self, class: &'static str, prefix: &str, label: String, value: f64) {
        let same = |level: &&mut Level| {
            level.class == class && level.value == value && level.label.ends_with(&format!(", {label}"))
        };
        if let Some(level) = self.levels.iter_mut().find(same) {
            level.label = label;
            return;
        }
        let look = Look::level(self.levels.len(), class == "measured");
        self.levels.push(Level { class, label: format!("{prefix}{label}"), look, value });
    }

    /// From the smallest to the largest model, with a margin.
    fn x_axis(&mut self) -> Option<Axis> {
        self.models.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| size_rank(&a.1).cmp(&size_rank(&b.1))));
        self.models.dedup();
        let (low, high) = (self.models.first()?.0, self.models.last()?.0);
        let room = (high / low).powf(0.06).max(1.25);
        let ticks = self.models.iter().map(|(at, label)| Tick { at: *at, label: label.clone() }).collect();
        Some(Axis {
            label: "parameters, logarithmic; a tick is a model".to_owned(),
            scale: Scale::logarithmic(low / room, high * room),
            ticks,
            grid: false,
        })
    }

    /// Logarithmic where the range is wide and the unit unbounded.
    fn y_axis(&self, unit: &str) -> Option<(Scale, Vec<Tick>)> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let centres: Vec<f64> =
            points.clone().map(|point| point.y).chain(self.levels.iter().map(|level| level.value)).collect();
        let ends = points.filter_map(|point| point.interval).flat_map(|(low, high)| [low, high]);
        let mut all: Vec<f64> =
            centres.iter().copied().chain(ends).filter(|value| drawable(*value)).collect();
        all.sort_by(f64::total_cmp);
        let lowest = centres.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = *all.last()?;
        let bounded = unit == "%" || unit == "0 to 100";
        if !bounded && lowest > 0.0 && highest > 8.0 * lowest {
            // Intervals that reach 0 end at the axis.
            let low = all.iter().copied().find(|value| *value > lowest / 10.0)?;
            return Some(logarithmic_axis(low, highest));
        }
        let low = *all.first()?;
        let low = if low > 0.0 && low < 0.4 * highest { 0.0 } else { low };
        // Room for the highest marker.
        let room = highest + 0.015 * (highest - low);
        Some(linear_axis(low, if bounded && highest <= 100.0 { room.min(100.0) } else { room }))
    }

    /// Explains markers and lines.
    fn footnotes(&self) -> Vec<String> {
        let mut footnotes =
            vec!["Filled markers, bands and bars: measured here, with 95 % intervals.".to_owned()];
        let published = self.series.iter().any(|series| series.class != "measured")
            || self.levels.iter().any(|level| level.class != "measured");
        if let Some(first) = footnotes.first_mut().filter(|_| published) {
            first.push_str(" Hollow markers, and lines not labelled `measured here`: published.");
        }
        if self.has_readings {
            footnotes
                .push("Bars at hollow markers: read off a curve of the paper, within this range.".to_owned());
        }
        if !self.sources.is_empty() {
            footnotes.push(format!("Measured by others: {}.", self.sources.join(". ")));
        }
        footnotes
    }
}

/// Sorts the paper's sizes first among models of equal size.
fn size_rank(label: &str) -> (bool, &str) {
    (!SIZES.iter().any(|(size, _)| *size == label), label)
}

fn measured_point(x: f64, score: &Score, prefix: &str) -> Point {
    let ends = score.ci95_low.zip(score.ci95_high).filter(|(low, high)| low.is_finite() && high.is_finite());
    let (value, interval) = match ends {
        Some((low, high)) => {
            let [value, low, high] = value_and_interval(score.value, low, high);
            (value, format!(" (95 %: {low} to {high})"))
        }
        None => (number(score.value), " (error unknown)".to_owned()),
    };
    Point {
        x,
        y: score.value,
        interval: ends,
        tooltip: format!("{}, {prefix}measured here: {value}{interval}, n = {}", score.model, score.n),
    }
}
