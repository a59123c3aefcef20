//! Metrics against the size of the model, as Figures 1 to 3 of the paper have them.

use super::chart::{Axis, Chart, Panel};
use super::drawing::Drawing;
use super::published::Published;
use super::scale::drawable;
use super::words::{add_new, axis_label, file_name, metric_words, protocol_name, reservations};
use crate::record::Score;
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
    /// Of which task and protocol.
    pub heading: &'a Heading,
    /// Of what.
    pub metric: &'a str,
    /// What tells it from others in the same panel; empty if it is alone.
    pub name: &'static str,
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
}

/// A panel with the remarks that belong to it.
pub(super) struct Explained {
    pub panel: Panel,
    pub footnotes: Vec<String>,
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
    let Explained { panel, footnotes, values } = panel(results, curves, 330.0)?;
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
        subtitle: format!("protocol {protocol} · {}", results.made_by()),
        panels: vec![panel],
        footnotes,
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
    let mut footnotes = drawing.footnotes();
    for curve in curves {
        let several = curves.iter().any(|other| other.heading != curve.heading);
        add_new(&mut footnotes, reservations(curve.heading, several.then_some(curve.name)));
    }
    let panel =
        Panel { title: None, x, y, height, diagonal: None, levels: drawing.levels, series: drawing.series };
    Some(Explained { panel, footnotes, values: drawing.values.join("; ") })
}
