//! Histograms of the log-probabilities of scored and generated tokens.

use super::chart::{Axis, Chart, Panel, Point, Series};
use super::labels::file_name;
use super::scale::linear_axis;
use super::style::Look;
use crate::record::{MeasuredTask, SampleResult};
use crate::report::numbers::number;
use crate::report::{Caveat, ExportedRun};
use gpt2_model::request::Response;
use untrusted_input::thousands;

/// Range of the number of bins; within it, three times the cube root of the number of values.
const MIN_BINS: f64 = 12.0;
const MAX_BINS: f64 = 60.0;
/// The first bin has all values below this, nats.
const MIN_VALUE: f64 = -25.0;
/// Allowed widths of bins, nats.
const WIDTHS: [f64; 9] = [0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 4.0];

/// A model's records of a task, over all runs.
struct ModelRecords<'a> {
    model: &'a str,
    records: Vec<&'a [SampleResult]>,
}

/// A task under a protocol, over all runs.
struct TaskRecords<'a> {
    measured: &'a MeasuredTask,
    title: &'a str,
    models: Vec<ModelRecords<'a>>,
}

/// One histogram for every task and protocol.
pub(super) fn charts(runs: &[ExportedRun<'_>]) -> Vec<Chart> {
    let mut tasks: Vec<TaskRecords<'_>> = Vec::new();
    for run in runs {
        for task in run.tasks {
            let measured = &task.measured;
            let is_it = |other: &TaskRecords<'_>| {
                other.measured.task == measured.task && other.measured.label == measured.label
            };
            let index = tasks.iter().position(is_it).unwrap_or_else(|| {
                tasks.push(TaskRecords { measured, title: &task.config.title, models: Vec::new() });
                tasks.len() - 1
            });
            let Some(own) = tasks.get_mut(index) else { continue };
            for (model, records) in run.manifest.identity.models.iter().zip(&task.records) {
                match own.models.iter_mut().find(|known| known.model == model.label) {
                    Some(known) => known.records.push(records),
                    None => own.models.push(ModelRecords { model: &model.label, records: vec![records] }),
                }
            }
        }
    }
    tasks.iter().filter_map(chart).collect()
}

/// The log-probabilities of a record: one per token, or the mean of a window of a long text.
fn log_probs(record: &SampleResult) -> impl Iterator<Item = f64> {
    let responses: &[Response] = if record.error.is_none() { &record.responses } else { &[] };
    responses
        .iter()
        .flat_map(|response| {
            let (tokens, mean) = match response {
                Response::LogLikelihood(score) => (score.token_log_probs.as_slice(), None),
                Response::Generate(text) => (text.token_log_probs.as_slice(), None),
                Response::Rolling(window) => {
                    (&[][..], (window.tokens > 0).then(|| window.log_likelihood / window.tokens as f64))
                }
            };
            tokens.iter().map(|&log_prob| f64::from(log_prob)).chain(mean)
        })
        .filter(|value| value.is_finite())
}

impl ModelRecords<'_> {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.records.iter().copied().flatten().flat_map(log_probs)
    }
}

fn chart(task: &TaskRecords<'_>) -> Option<Chart> {
    let all = || task.models.iter().flat_map(ModelRecords::values);
    let lowest = all().fold(f64::INFINITY, f64::min);
    let highest = all().fold(f64::NEG_INFINITY, f64::max);
    if !lowest.is_finite() {
        return None;
    }
    let mut answered = task.models.iter().flat_map(|known| known.records.iter().copied().flatten());
    let first = answered.find(|record| record.error.is_none()).map_or(&[][..], |record| &record.responses);
    let choices = first.len() > 1 && matches!(first[0], Response::LogLikelihood(_));
    let (what, unit) = match first.first() {
        Some(Response::Rolling(_)) => {
            ("mean log-probability per token of a part of the text", "parts of the text")
        }
        Some(Response::Generate(_)) => ("log-probability of a generated token", "generated tokens"),
        _ => ("log-probability of a scored token", "scored tokens"),
    };
    let (low, high) = (lowest.max(MIN_VALUE), highest.max(MIN_VALUE + 1.0));
    let values = task.models.iter().map(|known| known.values().count()).max().unwrap_or_default();
    let max_bins = (3.0 * (values as f64).cbrt()).clamp(MIN_BINS, MAX_BINS);
    let width = WIDTHS.into_iter().find(|width| (high - low) / width <= max_bins).unwrap_or(WIDTHS[8]);
    let start = (low / width).floor() * width;
    let bins = (((high - start) / width).floor() as usize + 1).min(200);
    let mut series = Vec::new();
    let mut highest_share = 0.0f64;
    let caveats = Caveat::of_label(&task.measured.label, task.measured.records);
    let symbols: String = caveats.iter().map(|caveat| caveat.symbol).collect();
    let mut words = Vec::new();
    for known in &task.models {
        let mut counts = vec![0u64; bins];
        let mut sum = 0.0;
        for value in known.values() {
            let bin = ((value - start) / width).floor().max(0.0) as usize;
            counts[bin.min(bins - 1)] += 1;
            sum += value;
        }
        let total: u64 = counts.iter().sum();
        if total == 0 {
            continue;
        }
        let share = |count: u64| 100.0 * count as f64 / total as f64;
        highest_share = counts.iter().map(|&count| share(count)).fold(highest_share, f64::max);
        let corner = |x, y| Point { x, y, interval: None, tooltip: String::new() };
        let mut points = vec![corner(start, 0.0)];
        for (bin, &count) in counts.iter().enumerate() {
            let left = start + bin as f64 * width;
            points.extend([corner(left, share(count)), corner(left + width, share(count))]);
        }
        points.push(corner(start + bins as f64 * width, 0.0));
        let mean = sum / total as f64;
        words.push(format!("{}: mean {}", known.model, number(mean)));
        series.push(Series {
            class: "measured",
            label: format!("{}{symbols}: {} {unit}, mean {}", known.model, thousands(total), number(mean)),
            look: Look::measured(series.len()),
            points,
            joined: true,
            band: false,
            markers: false,
        });
    }
    let (scale, ticks) = linear_axis(start, start + bins as f64 * width);
    let x = Axis { label: format!("{what} (nats), → more probable"), scale, ticks, grid: false };
    let (scale, ticks) = linear_axis(0.0, highest_share);
    let y = Axis { label: format!("share of {unit} (%)"), scale, ticks, grid: true };
    let title = format!("{}: {what}", task.title);
    let protocol = task.measured.label.to_string();
    let below = if lowest < MIN_VALUE { " The first bin also counts all lower values." } else { "" };
    let mut footnotes = vec![format!("Bins of {width} nats.{below}")];
    if choices {
        footnotes.push(
            "Tokens of all choices of a sample are counted, not only those of the correct one.".to_owned(),
        );
    }
    footnotes.extend(caveats.iter().map(|caveat| format!("{} {}", caveat.symbol, caveat.explanation)));
    Some(Chart {
        name: file_name(&task.measured.task, "log-probabilities", &protocol),
        description: format!("Histogram of the {what}, in nats, protocol {protocol}. {}.", words.join("; ")),
        title,
        subtitle: format!("protocol {protocol}"),
        panels: vec![Panel { title: None, x, y, height: 300.0, diagonal: None, levels: Vec::new(), series }],
        footnotes,
    })
}
