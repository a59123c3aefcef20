//! How often answers are right that a model is so and so sure of (Radford et al. 2019, §3.8).

use super::chart::{Axis, Chart, Panel, Point, Series};
use super::scale::{drawable, linear_axis};
use super::style::Look;
use super::words::{axis_label, file_name, metric_words, reservations, symbols};
use crate::record::GroupScore;
use crate::report::format::number;
use crate::report::{Heading, Results};

/// The metric that says how sure a model is: the mean probability of its answers, in percent.
const CONFIDENCE: &str = "confidence";

/// One figure for every task whose groups have a confidence and a share of right answers.
pub(super) fn charts(results: &Results) -> Vec<Chart> {
    results.headings().iter().filter_map(|heading| chart(results, heading)).collect()
}

/// Bins of one model: mean confidence with the share of right answers.
fn bins<'a>(groups: &[&'a GroupScore], model: &str) -> Vec<(f64, &'a GroupScore)> {
    let own = |score: &&&GroupScore| score.model == model;
    let mut bins: Vec<(f64, &GroupScore)> = groups
        .iter()
        .filter(own)
        .filter(|score| score.metric == CONFIDENCE && drawable(score.value))
        .filter_map(|sure| {
            let right = groups.iter().filter(own).find(|score| {
                score.metric != CONFIDENCE && score.group == sure.group && score.breakdown == sure.breakdown
            })?;
            drawable(right.value).then_some((sure.value, *right))
        })
        .collect();
    bins.sort_by(|a, b| a.0.total_cmp(&b.0));
    bins
}

fn chart(results: &Results, heading: &Heading) -> Option<Chart> {
    let groups: Vec<&GroupScore> = results
        .groups()
        .iter()
        .filter(|score| score.task == heading.task && score.protocol == heading.protocol)
        .collect();
    let mut models: Vec<&str> = Vec::new();
    for score in &groups {
        if !models.contains(&score.model.as_str()) {
            models.push(&score.model);
        }
    }
    let scores = results.scores().iter().filter(|s| s.task == heading.task && s.protocol == heading.protocol);
    let symbols = symbols(heading, scores);
    let mut series = Vec::new();
    let mut metric = "";
    let mut words = Vec::new();
    for model in models {
        let bins = bins(&groups, model);
        let Some((_, first)) = bins.first() else { continue };
        metric = &first.metric;
        let fewest = bins.iter().map(|(_, score)| score.n).min().unwrap_or_default();
        let most = bins.iter().map(|(_, score)| score.n).max().unwrap_or_default();
        let count = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
        let count = format!("{} bins of {count} answers", bins.len());
        words.push(format!("{model}: {count}"));
        series.push(Series {
            class: "measured",
            label: format!("{model}{symbols}: {count}"),
            look: Look::measured(series.len()),
            points: bins.iter().map(|(sure, right)| point(*sure, right)).collect(),
            joined: bins.len() > 1,
            band: false,
            markers: true,
        });
    }
    let points = || series.iter().flat_map(|series| &series.points);
    let widest = points().map(|point| point.x).fold(0.0, f64::max);
    let highest = points()
        .flat_map(|point| [Some(point.y), point.interval.map(|(_, high)| high)])
        .flatten()
        .fold(0.0, f64::max);
    if series.is_empty() {
        return None;
    }
    let (name, unit) = metric_words(metric);
    let axis = |label: String, high: f64| {
        let (scale, ticks) = linear_axis(0.0, if high > 0.0 { high.min(100.0) } else { 1.0 });
        Axis { label, scale, ticks, grid: true }
    };
    let title = format!("{}: calibration", heading.title);
    let mut footnotes = vec![
        "Answers sorted by confidence, in bins of equal size; bars: 95 % intervals. Confidence is the product of the \
         probabilities of an answer's tokens."
            .to_owned(),
    ];
    footnotes.extend(reservations(heading, None));
    Some(Chart {
        name: file_name(&heading.task, "calibration", &heading.protocol),
        description: format!(
            "{title}: {name} against the mean confidence of bins of answers, protocol {}. {}.",
            heading.protocol,
            words.join("; ")
        ),
        title,
        subtitle: format!("protocol {} · {}", heading.protocol, results.made_by()),
        panels: vec![Panel {
            title: None,
            x: axis("mean confidence of the bin (%)".to_owned(), widest),
            y: axis(axis_label(&name, unit, true), highest),
            height: 360.0,
            diagonal: Some("as often right as sure".to_owned()),
            levels: Vec::new(),
            series,
        }],
        footnotes,
    })
}

fn point(sure: f64, right: &GroupScore) -> Point {
    let interval =
        right.ci95_low.zip(right.ci95_high).filter(|(low, high)| low.is_finite() && high.is_finite());
    Point {
        x: sure,
        y: right.value,
        interval,
        tooltip: format!(
            "{}, {}: confidence {}, {} {}, n = {}",
            right.model,
            right.group,
            number(sure),
            right.metric,
            number(right.value),
            right.n
        ),
    }
}
