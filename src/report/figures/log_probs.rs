//! How probable a model finds what it reads or writes.

use super::chart::{Axis, Chart, Panel, Point, Series};
use super::scale::linear_axis;
use super::style::Look;
use super::words::file_name;
use crate::record::{MeasuredTask, SampleResult};
use crate::report::format::number;
use crate::report::{Caveat, ExportedRun};
use gpt2_model::request::Response;
use untrusted_input::thousands;

/// Fewest and most bins of a histogram of many values; between them three times the cube root of their number.
const BINS: (f64, f64) = (12.0, 60.0);
/// Nothing below this has a bin of its own, nats.
const LOWEST: f64 = -25.0;
/// Widths that bins may have, nats.
const WIDTHS: [f64; 9] = [0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 4.0];

/// What a model said on a task.
struct Said<'a> {
    model: &'a str,
    records: Vec<&'a [SampleResult]>,
}

/// A task under a protocol, over all runs.
struct Asked<'a> {
    measured: &'a MeasuredTask,
    title: &'a str,
    models: Vec<Said<'a>>,
}

/// One histogram for every task and protocol.
pub(super) fn charts(runs: &[ExportedRun<'_>]) -> Vec<Chart> {
    let mut asked: Vec<Asked<'_>> = Vec::new();
    for run in runs {
        for task in run.tasks {
            let measured = &task.measured;
            let is_it = |other: &Asked<'_>| {
                other.measured.task == measured.task && other.measured.label == measured.label
            };
            let place = asked.iter().position(is_it).unwrap_or_else(|| {
                asked.push(Asked { measured, title: &task.config.title, models: Vec::new() });
                asked.len() - 1
            });
            let Some(own) = asked.get_mut(place) else { continue };
            for (model, records) in run.manifest.identity.models.iter().zip(&task.records) {
                match own.models.iter_mut().find(|said| said.model == model.label) {
                    Some(said) => said.records.push(records),
                    None => own.models.push(Said { model: &model.label, records: vec![records] }),
                }
            }
        }
    }
    asked.iter().filter_map(chart).collect()
}

/// The log-probabilities of a record: of every token, or of the tokens of a part of a document their mean.
fn log_probs(record: &SampleResult) -> impl Iterator<Item = f64> {
    let good: &[Response] = if record.error.is_none() { &record.responses } else { &[] };
    good.iter()
        .flat_map(|response| {
            let (tokens, mean) = match response {
                Response::LogLikelihood(score) => (score.token_log_probs.as_slice(), None),
                Response::Generate(text) => (text.token_log_probs.as_slice(), None),
                Response::Rolling(part) => {
                    (&[][..], (part.tokens > 0).then(|| part.log_likelihood / part.tokens as f64))
                }
            };
            tokens.iter().map(|&log_prob| f64::from(log_prob)).chain(mean)
        })
        .filter(|value| value.is_finite())
}

impl Said<'_> {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.records.iter().copied().flatten().flat_map(log_probs)
    }
}

fn chart(asked: &Asked<'_>) -> Option<Chart> {
    let all = || asked.models.iter().flat_map(Said::values);
    let lowest = all().fold(f64::INFINITY, f64::min);
    let highest = all().fold(f64::NEG_INFINITY, f64::max);
    if !lowest.is_finite() {
        return None;
    }
    let mut answered = asked.models.iter().flat_map(|said| said.records.iter().copied().flatten());
    let first = answered.find(|record| record.error.is_none()).map_or(&[][..], |record| &record.responses);
    let choices = first.len() > 1 && matches!(first[0], Response::LogLikelihood(_));
    let (what, unit) = match first.first() {
        Some(Response::Rolling(_)) => {
            ("mean log-probability per token of a part of the text", "parts of the text")
        }
        Some(Response::Generate(_)) => ("log-probability of a written token", "written tokens"),
        _ => ("log-probability of a scored token", "scored tokens"),
    };
    let (low, high) = (lowest.max(LOWEST), highest.max(LOWEST + 1.0));
    let values = asked.models.iter().map(|said| said.values().count()).max().unwrap_or_default();
    let most_bins = (3.0 * (values as f64).cbrt()).clamp(BINS.0, BINS.1);
    let width = WIDTHS.into_iter().find(|width| (high - low) / width <= most_bins).unwrap_or(WIDTHS[8]);
    let start = (low / width).floor() * width;
    let bins = (((high - start) / width).floor() as usize + 1).min(200);
    let mut series = Vec::new();
    let mut most = 0.0f64;
    let caveats = Caveat::of_label(&asked.measured.label, asked.measured.records);
    let symbols: String = caveats.iter().map(|caveat| caveat.symbol).collect();
    let mut words = Vec::new();
    for said in &asked.models {
        let mut counts = vec![0u64; bins];
        let mut sum = 0.0;
        for value in said.values() {
            let bin = ((value - start) / width).floor().max(0.0) as usize;
            counts[bin.min(bins - 1)] += 1;
            sum += value;
        }
        let total: u64 = counts.iter().sum();
        if total == 0 {
            continue;
        }
        let share = |count: u64| 100.0 * count as f64 / total as f64;
        most = counts.iter().map(|&count| share(count)).fold(most, f64::max);
        let corner = |x, y| Point { x, y, interval: None, tooltip: String::new() };
        let mut points = vec![corner(start, 0.0)];
        for (bin, &count) in counts.iter().enumerate() {
            let left = start + bin as f64 * width;
            points.extend([corner(left, share(count)), corner(left + width, share(count))]);
        }
        points.push(corner(start + bins as f64 * width, 0.0));
        let mean = sum / total as f64;
        words.push(format!("{}: mean {}", said.model, number(mean)));
        series.push(Series {
            class: "measured",
            label: format!("{}{symbols}: {} {unit}, mean {}", said.model, thousands(total), number(mean)),
            look: Look::measured(series.len()),
            points,
            joined: true,
            band: false,
            markers: false,
        });
    }
    let (scale, ticks) = linear_axis(start, start + bins as f64 * width);
    let x = Axis { label: format!("{what} (nats), → more probable"), scale, ticks, grid: false };
    let (scale, ticks) = linear_axis(0.0, most);
    let y = Axis { label: format!("share of {unit} (%)"), scale, ticks, grid: true };
    let title = format!("{}: {what}", asked.title);
    let protocol = asked.measured.label.to_string();
    let below = if lowest < LOWEST { " The first bin has all that is below it." } else { "" };
    let mut footnotes = vec![format!("Bins of {width} nats.{below}")];
    if choices {
        footnotes.push("The tokens of all choices of a sample count, not of the right one alone.".to_owned());
    }
    footnotes.extend(caveats.iter().map(|caveat| format!("{} {}", caveat.symbol, caveat.explanation)));
    Some(Chart {
        name: file_name(&asked.measured.task, "log-probabilities", &protocol),
        description: format!("Histogram of the {what}, in nats, protocol {protocol}. {}.", words.join("; ")),
        title,
        subtitle: format!("protocol {protocol}"),
        panels: vec![Panel { title: None, x, y, height: 300.0, diagonal: None, levels: Vec::new(), series }],
        footnotes,
    })
}
