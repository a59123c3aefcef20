//! Metrics against the size of the model, as Figures 1 to 3 of the paper have them.

use super::chart::{Axis, Chart, Level, Panel, Point, Series};
use super::published::{Published, SIZES};
use super::scale::{Scale, Tick, drawable, linear_axis, logarithmic_axis};
use super::style::Look;
use super::words::{
    add_new, axis_label, file_name, made_by, metric_words, protocol_name, reservations, symbols,
};
use crate::record::Score;
use crate::report::format::number;
use crate::report::{Heading, Results};

/// Metrics that share axes where a task has all of them: the figure's name, and the metrics with their names in it.
const TOGETHER: [(&str, [(&str, &str); 2]); 2] = [
    ("accuracy", [("accuracy_stop_filter", "with stop-word filter"), ("accuracy", "without filter")]),
    ("accuracy", [("accuracy_partial", "partial scoring"), ("accuracy_full", "full scoring")]),
];
/// Metrics of a task that has an average of them.
const PARTS: [&str; 3] = ["rouge1", "rouge2", "rougeLsum"];
/// Tasks that share axes, as in Figure 2 of the paper.
const BOOKS: [(&str, &str); 2] = [("cbt-cn", "common nouns"), ("cbt-ne", "named entities")];

/// A metric of a task under a protocol.
#[derive(Debug, Clone)]
pub(super) struct Curve<'a> {
    heading: &'a Heading,
    metric: &'a str,
    /// What tells it from others in the same panel; empty if it is alone.
    name: &'static str,
}

impl<'a> Curve<'a> {
    /// A curve with a panel of its own.
    pub fn alone(heading: &'a Heading, metric: &'a str) -> Self {
        Self { heading, metric, name: "" }
    }

    /// What was measured of it and can be drawn.
    fn scores<'s>(&self, results: &'s Results) -> Vec<&'s Score> {
        let own = |score: &&Score| {
            score.task == self.heading.task
                && score.protocol == self.heading.protocol
                && score.metric == self.metric
                && drawable(score.value)
        };
        results.scores().iter().filter(own).collect()
    }

    fn published(&self) -> Published {
        Published::find(&self.heading.task, protocol_name(&self.heading.protocol), self.metric)
    }
}

/// A panel with the remarks that belong to it.
pub(super) struct Explained {
    pub panel: Panel,
    pub notes: Vec<String>,
    /// The measured values in words.
    pub values: String,
}

/// One figure for every task, protocol and main metric of which a model has a score.
pub(super) fn charts(results: &Results) -> Vec<Chart> {
    let mut charts = Vec::new();
    for heading in results.headings() {
        let partner = |task: &str| {
            let is_it = |other: &&Heading| other.task == task && other.protocol == heading.protocol;
            results.headings().iter().find(is_it)
        };
        if let (Some(nouns), Some(names)) = (partner(BOOKS[0].0), partner(BOOKS[1].0))
            && (heading == nouns || heading == names)
        {
            let curve = |heading, name| Curve { heading, metric: "accuracy", name };
            let both = [curve(nouns, BOOKS[0].1), curve(names, BOOKS[1].1)];
            if both.iter().all(|curve| !curve.scores(results).is_empty()) {
                if heading == nouns {
                    charts.extend(chart(results, "Children's Book Test", ("cbt", "accuracy"), &both));
                }
                continue;
            }
        }
        for (what, curves) in main_metrics(heading) {
            charts.extend(chart(results, &heading.title, (&heading.task, what), &curves));
        }
    }
    charts
}

/// What is drawn of a task: all that is published for it, else its first metric; and what shares axes with that.
fn main_metrics(heading: &Heading) -> Vec<(&str, Vec<Curve<'_>>)> {
    let known = |metric: &&String| {
        !PARTS.contains(&metric.as_str())
            && !Published::find(&heading.task, protocol_name(&heading.protocol), metric).is_empty()
    };
    let mut main: Vec<&str> = heading.metrics.iter().filter(known).map(String::as_str).collect();
    if main.is_empty() {
        main.extend(heading.metrics.first().map(String::as_str));
    }
    let mut figures: Vec<(&str, Vec<Curve<'_>>)> = Vec::new();
    let mut drawn: Vec<&str> = Vec::new();
    for metric in main {
        if drawn.contains(&metric) {
            continue;
        }
        let has = |metric: &str| heading.metrics.iter().any(|own| own == metric);
        let pair = TOGETHER.iter().find(|(_, pair)| {
            pair.iter().any(|(own, _)| *own == metric) && pair.iter().all(|(own, _)| has(own))
        });
        if let Some((what, pair)) = pair {
            drawn.extend(pair.iter().map(|(metric, _)| metric));
            figures
                .push((what, pair.iter().map(|&(metric, name)| Curve { heading, metric, name }).collect()));
        } else {
            drawn.push(metric);
            figures.push((metric, vec![Curve::alone(heading, metric)]));
        }
    }
    figures
}

fn chart(results: &Results, task: &str, (name, what): (&str, &str), curves: &[Curve<'_>]) -> Option<Chart> {
    let Explained { panel, notes, values } = panel(results, curves, 330.0)?;
    let protocol = &curves.first()?.heading.protocol;
    let (words, _) = metric_words(what);
    let title = format!("{task}: {words}");
    let direction = if panel.y.label.contains('↑') { "Higher is better." } else { "Lower is better." };
    Some(Chart {
        name: file_name(name, what, protocol),
        description: format!(
            "{title} against parameters on a logarithmic axis, protocol {protocol}. {direction} Measured: {values}."
        ),
        title,
        subtitle: format!("protocol {protocol} · {}", made_by(results)),
        panels: vec![panel],
        notes,
    })
}

/// The axes on which one or several curves stand; none where no model has a score.
pub(super) fn panel(results: &Results, curves: &[Curve<'_>], height: f64) -> Option<Explained> {
    let mut drawing = Drawing::default();
    for (index, curve) in curves.iter().enumerate() {
        drawing.add(curve, index, &curve.scores(results));
    }
    let higher_is_better = drawing.higher_is_better?;
    if !drawing.series.iter().any(|series| series.class == "measured") {
        return None;
    }
    let (name, unit) = match curves {
        [curve] => metric_words(curve.metric),
        _ => ("accuracy".to_owned(), "%"),
    };
    let x = drawing.x_axis()?;
    let (scale, ticks) = drawing.y_axis(unit)?;
    let y = Axis { label: axis_label(&name, unit, higher_is_better), scale, ticks, grid: true };
    let mut notes = drawing.notes();
    for curve in curves {
        let several = curves.iter().any(|other| other.heading != curve.heading);
        add_new(&mut notes, reservations(curve.heading, several.then_some(curve.name)));
    }
    let panel =
        Panel { title: None, x, y, height, diagonal: None, levels: drawing.levels, series: drawing.series };
    Some(Explained { panel, notes, values: drawing.values.join("; ") })
}

/// Series and lines as they come together.
#[derive(Default)]
struct Drawing {
    series: Vec<Series>,
    levels: Vec<Level>,
    models: Vec<(f64, String)>,
    values: Vec<String>,
    higher_is_better: Option<bool>,
    sources: Vec<String>,
    has_readings: bool,
}

impl Drawing {
    fn add(&mut self, curve: &Curve<'_>, index: usize, scores: &[&Score]) {
        let published = curve.published();
        let prefix = if curve.name.is_empty() { String::new() } else { format!("{}, ", curve.name) };
        let point = |(x, published): &(f64, &'static crate::report::PublishedNumber), whose: &str| Point {
            x: *x,
            y: published.value,
            interval: published.low.zip(published.high),
            tooltip: format!("{}, {prefix}{whose}: {}", published.model, published.value),
        };
        let of = |numbers: &[(f64, &'static _)], whose: &str| -> Vec<Point> {
            numbers.iter().map(|number| point(number, whose)).collect()
        };
        if !published.paper.is_empty() {
            self.has_readings |= published.paper.iter().any(|(_, number)| number.precision == "curve");
            self.series.push(Series {
                class: "paper",
                label: format!("{prefix}GPT-2 paper"),
                look: Look::published(index),
                points: of(&published.paper, "paper"),
                joined: published.paper.len() > 1,
                band: false,
                markers: true,
            });
        }
        if !published.reported.is_empty() {
            add_new(&mut self.sources, published.reported.iter().map(|(_, number)| number.source.clone()));
            self.series.push(Series {
                class: "reported",
                label: format!("{prefix}reported by others"),
                look: Look::reported(),
                points: of(&published.reported, "reported by others"),
                joined: false,
                band: false,
                markers: true,
            });
        }
        self.models.extend(
            published.paper.iter().chain(&published.reported).map(|(x, number)| (*x, number.model.clone())),
        );
        for system in &published.systems {
            let look = Look::level(self.levels.len(), false);
            let label = format!("{prefix}{}: {}", system.model, system.value);
            self.levels.push(Level { class: "paper", label, look, value: system.value });
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
            // A description is no table.
            if self.values.len() < 12 {
                let paper = score.paper.map(|paper| format!(" (paper {paper})")).unwrap_or_default();
                self.values.push(format!("{prefix}{} {}{symbols}{paper}", score.model, number(score.value)));
            }
            self.higher_is_better.get_or_insert(score.higher_is_better);
        }
        for score in scores.iter().filter(|score| score.parameters.is_none()) {
            let look = Look::level(self.levels.len(), true);
            let label = format!("{prefix}{}, measured here{symbols}: {}", score.model, number(score.value));
            self.levels.push(Level { class: "measured", label, look, value: score.value });
        }
    }

    /// From the smallest to the largest model, with room beside them.
    fn x_axis(&mut self) -> Option<Axis> {
        self.models.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| size_rank(&a.1).cmp(&size_rank(&b.1))));
        self.models.dedup();
        let (low, high) = (self.models.first()?.0, self.models.last()?.0);
        let room = (high / low).powf(0.06).max(1.25);
        let ticks = self.models.iter().map(|(at, label)| Tick { at: *at, label: label.clone() }).collect();
        Some(Axis {
            label: "parameters, logarithmic; marked are the models".to_owned(),
            scale: Scale::logarithmic(low / room, high * room),
            ticks,
            grid: false,
        })
    }

    /// Logarithmic where a range is wide and its unit has no upper end.
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
        if unit.is_empty() && lowest > 0.0 && highest > 8.0 * lowest {
            // An interval that reaches 0 ends at the axis.
            let low = all.iter().copied().find(|value| *value > lowest / 10.0)?;
            return Some(logarithmic_axis(low, highest));
        }
        let low = *all.first()?;
        Some(linear_axis(if low > 0.0 && low < 0.4 * highest { 0.0 } else { low }, highest))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes =
            vec!["Filled markers, bands and their bars: measured here, with 95 % intervals.".to_owned()];
        let published = self.series.iter().any(|series| series.class != "measured")
            || self.levels.iter().any(|level| level.class != "measured");
        if let Some(first) = notes.first_mut().filter(|_| published) {
            first.push_str(" Hollow markers and grey lines: published.");
        }
        if self.has_readings {
            notes
                .push("Bars at hollow markers: read off a curve of the paper, within this range.".to_owned());
        }
        if !self.sources.is_empty() {
            notes.push(format!("Reported by others: {}.", self.sources.join("; ")));
        }
        notes
    }
}

/// The paper's sizes come first among models of one size.
fn size_rank(label: &str) -> (bool, &str) {
    (!SIZES.iter().any(|(size, _)| *size == label), label)
}

fn measured_point(x: f64, score: &Score, prefix: &str) -> Point {
    let ends = score.ci95_low.zip(score.ci95_high).filter(|(low, high)| low.is_finite() && high.is_finite());
    let interval = ends.map(|(low, high)| format!(" (95 %: {} to {})", number(low), number(high)));
    Point {
        x,
        y: score.value,
        interval: ends,
        tooltip: format!(
            "{}, {prefix}measured here: {}{}, n = {}",
            score.model,
            number(score.value),
            interval.unwrap_or_default(),
            score.n
        ),
    }
}
