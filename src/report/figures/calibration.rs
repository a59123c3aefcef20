//! Calibration: accuracy of answers against the model's confidence (Radford et al. 2019, §3.8).

use super::chart::{Axis, Chart, Panel, Point, Series};
use super::labels::{axis_label, file_name, metric_name, symbols, task_footnotes};
use super::scale::{drawable, linear_axis};
use super::style::Look;
use crate::record::GroupScore;
use crate::report::distinct::distinct;
use crate::report::numbers::number;
use crate::report::{Heading, Results};

/// Name of the metric: mean probability of the answers, in percent.
const CONFIDENCE: &str = "confidence";

/// One figure for every task whose groups have a confidence and an accuracy.
pub(super) fn charts(results: &Results) -> Vec<Chart> {
    results.headings().iter().filter_map(|heading| chart(results, heading)).collect()
}

/// Bins of a model: mean confidence and accuracy.
fn bins<'a>(groups: &[&'a GroupScore], model: &str) -> Vec<(f64, &'a GroupScore)> {
    let own = |score: &&&GroupScore| score.model == model;
    let mut bins: Vec<(f64, &GroupScore)> = groups
        .iter()
        .filter(own)
        .filter(|score| score.metric == CONFIDENCE && drawable(score.value))
        .filter_map(|confidence| {
            let correct = groups.iter().filter(own).find(|score| {
                score.metric != CONFIDENCE
                    && score.group == confidence.group
                    && score.breakdown == confidence.breakdown
            })?;
            drawable(correct.value).then_some((confidence.value, *correct))
        })
        .collect();
    bins.sort_by(|a, b| a.0.total_cmp(&b.0));
    bins
}

fn chart(results: &Results, heading: &Heading) -> Option<Chart> {
    let groups: Vec<&GroupScore> =
        results.groups().iter().filter(|score| heading.covers_group(score)).collect();
    let models = distinct(groups.iter().map(|score| score.model.as_str()));
    let scores = results.scores().iter().filter(|score| heading.covers(score));
    let symbols = symbols(heading, scores);
    let mut series = Vec::new();
    let mut metric = "";
    let mut words = Vec::new();
    for model in models {
        let bins = bins(&groups, model);
        let Some((_, first)) = bins.first() else { continue };
        metric = &first.metric;
        let min = bins.iter().map(|(_, score)| score.n).min().unwrap_or_default();
        let max = bins.iter().map(|(_, score)| score.n).max().unwrap_or_default();
        let count = if min == max { max.to_string() } else { format!("{min} to {max}") };
        let count = format!("{} bins of {count} answers", bins.len());
        words.push(format!("{model}: {count}"));
        series.push(Series {
            class: "measured",
            label: format!("{model}{symbols}: {count}"),
            look: Look::measured(series.len()),
            points: bins.iter().map(|(confidence, correct)| point(*confidence, correct)).collect(),
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
    let (name, unit) = metric_name(metric);
    let axis = |label: String, high: f64| {
        let (scale, ticks) = linear_axis(0.0, if high > 0.0 { high.min(100.0) } else { 1.0 });
        Axis { label, scale, ticks, grid: true }
    };
    let title = format!("{}: calibration", heading.title);
    let mut footnotes = vec![
        "Answers are sorted by confidence into bins of equal size; bars are 95 % intervals. Confidence is the product of the \
         probabilities of an answer's tokens."
            .to_owned(),
    ];
    footnotes.extend(task_footnotes(heading, None));
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
            diagonal: Some("perfect calibration: accuracy equals confidence".to_owned()),
            levels: Vec::new(),
            series,
        }],
        footnotes,
    })
}

fn point(confidence: f64, correct: &GroupScore) -> Point {
    let interval =
        correct.ci95_low.zip(correct.ci95_high).filter(|(low, high)| low.is_finite() && high.is_finite());
    Point {
        x: confidence,
        y: correct.value,
        interval,
        tooltip: format!(
            "{}, {}: confidence {}, {} {}, n = {}",
            correct.model,
            correct.group,
            number(confidence),
            correct.metric,
            number(correct.value),
            correct.n
        ),
    }
}
