//! Throughput: tokens per second by task and model.

use super::chart::{Axis, Chart, Panel, Point, Series};
use super::scale::{Scale, Tick, drawable, logarithmic_axis};
use super::style::Look;
use crate::record::{Environment, TaskUsage};
use crate::report::ExportedRun;
use crate::report::distinct::distinct;
use untrusted_input::thousands;

/// Maximum rows; further tasks are left out.
const MAX_ROWS: usize = 60;
/// Height of a row in pixels.
const ROW: f64 = 26.0;

/// Tokens and seconds of a task on a model, summed over all sessions.
struct Cost {
    model: String,
    task: String,
    protocol: String,
    tokens: u64,
    seconds: f64,
}

impl Cost {
    /// Tokens per second.
    fn rate(&self) -> f64 {
        self.tokens as f64 / self.seconds
    }
}

/// The costs of all runs. `machines` become part of the models' names.
fn costs(runs: &[ExportedRun<'_>], machines: Option<&[String]>) -> Vec<Cost> {
    let mut costs: Vec<Cost> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let machine = machines.and_then(|machines| machines.get(index));
        for TaskUsage { model, task, protocol, seconds, read_tokens, .. } in &run.manifest.usage {
            let model = machine.map_or_else(|| model.clone(), |machine| format!("{model} on {machine}"));
            let is_it =
                |cost: &&mut Cost| cost.model == model && cost.task == *task && cost.protocol == *protocol;
            match costs.iter_mut().find(is_it) {
                Some(cost) => {
                    cost.tokens += read_tokens;
                    cost.seconds += seconds;
                }
                None => costs.push(Cost {
                    model,
                    task: task.clone(),
                    protocol: protocol.clone(),
                    tokens: *read_tokens,
                    seconds: *seconds,
                }),
            }
        }
    }
    costs.retain(|cost| cost.tokens > 0 && cost.seconds > 0.0 && drawable(cost.rate()));
    costs
}

/// The series of a model; `tasks` are the rows from the top.
fn series(costs: &[Cost], model: &str, index: usize, tasks: &[(&str, &str)]) -> Series {
    let point = |cost: &Cost| {
        let row = tasks.iter().position(|task| *task == (&*cost.task, &*cost.protocol))?;
        let tooltip = format!(
            "{}, {}: {} tokens in {:.1} s, {} tokens per second",
            cost.task,
            cost.model,
            thousands(cost.tokens),
            cost.seconds,
            thousands(cost.rate().round() as u64)
        );
        Some(Point { x: cost.rate(), y: (tasks.len() - row) as f64, interval: None, tooltip })
    };
    Series {
        class: "measured",
        label: model.to_owned(),
        look: Look::measured(index),
        points: costs.iter().filter(|cost| cost.model == model).filter_map(point).collect(),
        joined: false,
        band: false,
        markers: true,
    }
}

/// The figure; `None` if the manifests have no times.
pub(super) fn chart(runs: &[ExportedRun<'_>]) -> Option<Chart> {
    let machines: Vec<String> = runs.iter().map(|run| machine(&run.manifest.environment)).collect();
    let differ = machines.windows(2).any(|pair| pair[0] != pair[1]);
    let costs = costs(runs, differ.then_some(&machines));
    let mut tasks = distinct(costs.iter().map(|cost| (&*cost.task, &*cost.protocol)));
    let hidden = tasks.len().saturating_sub(MAX_ROWS);
    tasks.truncate(MAX_ROWS);
    let rates: Vec<f64> = costs.iter().map(Cost::rate).collect();
    let (low, high) =
        (rates.iter().copied().fold(f64::INFINITY, f64::min), rates.iter().copied().fold(0.0, f64::max));
    if tasks.is_empty() {
        return None;
    }
    let models = distinct(costs.iter().map(|cost| &*cost.model));
    let series =
        models.iter().enumerate().map(|(index, model)| series(&costs, model, index, &tasks)).collect();
    let (scale, ticks) = logarithmic_axis(low, high);
    let x =
        Axis {
            label: "tokens read per second, logarithmic, → better".to_owned(), scale, ticks, grid: true
        };
    let rows = tasks.len() as f64;
    let ticks = tasks
        .iter()
        .enumerate()
        .map(|(row, &(task, protocol))| {
            // The protocol only where the task has several rows.
            let alone = tasks.iter().filter(|(other, _)| *other == task).count() == 1;
            let label = if alone { task.to_owned() } else { format!("{task} ({protocol})") };
            Tick { at: rows - row as f64, label }
        })
        .collect();
    let y = Axis { label: "task".to_owned(), scale: Scale::linear(0.4, rows + 0.6), ticks, grid: true };
    let mut footnotes = vec![
        "Tokens read or generated per second, without the time to load the model. Shared prefixes and identical requests \
         count once."
            .to_owned(),
    ];
    if hidden > 0 {
        footnotes.push(format!("{hidden} more tasks are not shown."));
    }
    let machine = if differ { "several machines".to_owned() } else { machines.into_iter().next()? };
    Some(Chart {
        name: "throughput".to_owned(),
        title: "Throughput by task and model".to_owned(),
        subtitle: machine.clone(),
        description: format!(
            "Tokens per second of {} tasks on {}, from {low:.0} to {high:.0}, by model.",
            tasks.len(),
            machine
        ),
        panels: vec![Panel {
            title: None,
            x,
            y,
            height: ROW * (rows + 0.5),
            diagonal: None,
            levels: Vec::new(),
            series,
        }],
        footnotes,
    })
}

fn machine(environment: &Environment) -> String {
    let Environment { device, cpu, threads, .. } = environment;
    format!("{device}, {cpu}, {threads} {}", if *threads == 1 { "thread" } else { "threads" })
}
