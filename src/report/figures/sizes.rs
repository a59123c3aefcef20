//! Figures of metrics against model size, as Figures 1 to 3 of the paper.

use super::chart::Chart;
use super::curves::{Curve, CurvePanel, panel};
use super::labels::{file_name, metric_name, protocol_name};
use super::published::Published;
use crate::report::{Heading, Results};

/// Pairs of metrics that share axes if a task has both: the figure's name, then each metric with its name in the legend.
const TOGETHER: [(&str, [(&str, &str); 2]); 2] = [
    ("accuracy", [("accuracy_stop_filter", "with stop-word filter"), ("accuracy", "without filter")]),
    ("accuracy", [("accuracy_partial", "partial scoring"), ("accuracy_full", "full scoring")]),
];
/// Metrics without a figure, because the task has one of their average.
const PARTS: [&str; 3] = ["rouge1", "rouge2", "rougeLsum"];
/// Tasks that share axes, as in Figure 2 of the paper.
const BOOKS: [(&str, &str); 2] = [("cbt-cn", "common nouns"), ("cbt-ne", "named entities")];

/// One figure for every task, protocol and main metric for which a model has a score.
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

/// The metrics to draw: those with published numbers, else the first; each with the metric that shares its axes.
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
    let CurvePanel { panel, footnotes, values } = panel(results, curves, 330.0)?;
    let protocol = &curves.first()?.heading.protocol;
    let (words, _) = metric_name(what);
    let title = format!("{task}: {words}");
    let direction = if panel.y.label.contains('↑') { "Higher is better." } else { "Lower is better." };
    Some(Chart {
        name: file_name(name, what, protocol),
        description: format!(
            "{title} against parameters on a logarithmic axis, protocol {protocol}. {direction} Measured: {values}."
        ),
        title,
        subtitle: format!("protocol {protocol} · {}", results.made_by()),
        panels: vec![panel],
        footnotes,
    })
}
