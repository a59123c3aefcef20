//! Curves of a metric against the size of the model, as they come together on one panel.

use super::chart::{Axis, Level, Point, Series};
use super::published::{Published, SIZES};
use super::scale::{Scale, Tick, drawable, linear_axis, logarithmic_axis};
use super::sizes::Curve;
use super::style::Look;
use super::words::{add_new, protocol_name, symbols};
use crate::record::Score;
use crate::report::PublishedNumber;
use crate::report::format::number;

/// Series and lines as they come together.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    /// Published before measured ones, curve by curve.
    pub series: Vec<Series>,
    /// Systems and methods without a size.
    pub levels: Vec<Level>,
    models: Vec<(f64, String)>,
    /// The measured values in words.
    pub values: Vec<String>,
    /// Of the first measured curve.
    pub higher_is_better: Option<bool>,
    sources: Vec<String>,
    has_readings: bool,
}

impl Drawing {
    /// Adds what was published and what was measured of a curve, the `index`th of the panel.
    pub fn add(&mut self, curve: &Curve<'_>, index: usize, scores: &[&Score]) {
        let published =
            Published::find(&curve.heading.task, protocol_name(&curve.heading.protocol), curve.metric);
        let prefix = if curve.name.is_empty() { String::new() } else { format!("{}, ", curve.name) };
        let point = |(x, published): &(f64, &'static PublishedNumber), whose: &str| Point {
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
                // A line between two points would say too much about the sizes between them.
                joined: published.paper.len() > 2,
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
            // A description is no table.
            if self.values.len() < 12 {
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

    /// A horizontal line, one for all curves of which it is the same.
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

    /// From the smallest to the largest model, with room beside them.
    pub fn x_axis(&mut self) -> Option<Axis> {
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
    pub fn y_axis(&self, unit: &str) -> Option<(Scale, Vec<Tick>)> {
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
            // An interval that reaches 0 ends at the axis.
            let low = all.iter().copied().find(|value| *value > lowest / 10.0)?;
            return Some(logarithmic_axis(low, highest));
        }
        let low = *all.first()?;
        let low = if low > 0.0 && low < 0.4 * highest { 0.0 } else { low };
        // Room for the highest marker.
        let room = highest + 0.015 * (highest - low);
        Some(linear_axis(low, if bounded && highest <= 100.0 { room.min(100.0) } else { room }))
    }

    /// What the markers and lines are.
    pub fn footnotes(&self) -> Vec<String> {
        let mut footnotes =
            vec!["Filled markers, bands and their bars: measured here, with 95 % intervals.".to_owned()];
        let published = self.series.iter().any(|series| series.class != "measured")
            || self.levels.iter().any(|level| level.class != "measured");
        if let Some(first) = footnotes.first_mut().filter(|_| published) {
            first.push_str(" Hollow markers, and lines that are not called so: published.");
        }
        if self.has_readings {
            footnotes
                .push("Bars at hollow markers: read off a curve of the paper, within this range.".to_owned());
        }
        if !self.sources.is_empty() {
            footnotes.push(format!("Reported by others: {}.", self.sources.join("; ")));
        }
        footnotes
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
