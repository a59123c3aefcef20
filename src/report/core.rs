//! The CORE metric over the 22 tasks `core-…`, its table, and nanochat's own CSV file.

use super::distinct::add_new;
use super::exporter::{Export, ExportedFile, Exporter};
use super::numbers::{difference, number};
use super::table::{Cell, Section, Tone};
use super::uncertainty::with_error;
use super::{Heading, published_footnotes, published_value};
use crate::record::Score;
use crate::tasks::{CORE_TASKS, CoreBaselines};
use text_metrics::centered_accuracy;

/// Task of the rows with the metric itself.
const CORE: &str = "core";

/// A model on all tasks of CORE.
#[derive(Debug, Clone, PartialEq)]
struct CoreResult<'a> {
    model: &'a str,
    /// The accuracies in the order of the tasks.
    accuracies: Vec<&'a Score>,
}

/// The models whose scores have all 22 tasks under one set of options.
fn complete<'a>(scores: &'a [Score]) -> Vec<CoreResult<'a>> {
    let of_core: Vec<&Score> =
        scores.iter().filter(|score| score.metric == "accuracy" && is_part(&score.task)).collect();
    let mut results: Vec<CoreResult<'a>> = Vec::new();
    for score in &of_core {
        let options = options_of(&score.protocol);
        let same = |other: &&&Score| other.model == score.model && options_of(&other.protocol) == options;
        let accuracies: Vec<&Score> = CORE_TASKS
            .iter()
            .filter_map(|task| of_core.iter().filter(same).find(|other| other.task == task.name).copied())
            .collect();
        let result = CoreResult { model: &score.model, accuracies };
        if result.accuracies.len() == CORE_TASKS.len() && !results.contains(&result) {
            results.push(result);
        }
    }
    results
}

/// The options of a protocol's label without `data=`, which differs between the tasks of a run.
fn options_of(label: &str) -> Vec<&str> {
    label.split(',').filter(|option| !option.starts_with("data=")).collect()
}

impl CoreResult<'_> {
    /// Whether others published a value of one of its tasks, or of CORE.
    fn is_published(&self) -> bool {
        let mut all = self.accuracies.iter().map(|score| score.published);
        all.any(|published| published.is_some())
            || self.scores().iter().any(|score| score.published.is_some())
    }

    /// The label of the protocol, with `data=` of the first task that has it.
    fn label(&self) -> String {
        let labels = || self.accuracies.iter().map(|score| score.protocol.as_str());
        let partial = labels().find(|label| label.contains(",data="));
        partial.or(labels().next()).unwrap_or_default().to_owned()
    }

    /// The mean of the centered accuracies, a fraction, with its standard error.
    fn core(&self, baseline: impl Fn(&CoreBaselines) -> f64) -> (f64, Option<f64>) {
        let tasks = || self.accuracies.iter().zip(CORE_TASKS.iter());
        let count = self.accuracies.len() as f64;
        let sum: f64 = tasks().map(|(score, task)| centered(score, baseline(task))).sum();
        let variance = tasks().map(|(score, task)| {
            let error = score.stderr? / 100.0 / (1.0 - baseline(task));
            Some(error * error)
        });
        let variance: Option<f64> = variance.sum();
        (sum / count, variance.map(|variance| variance.sqrt() / count))
    }

    /// The rows of `scores.csv`.
    fn scores(&self) -> Vec<Score> {
        let row = |metric: &str, (value, stderr): (f64, Option<f64>)| {
            let label = self.label();
            let published = published_value(self.model, CORE, &label, metric).map(|known| known.value);
            let ci95 = stderr.map(|stderr| (value - 1.96 * stderr, value + 1.96 * stderr));
            Score {
                model: self.model.to_owned(),
                parameters: self.accuracies.first().and_then(|score| score.parameters),
                task: CORE.to_owned(),
                protocol: label,
                metric: metric.to_owned(),
                value,
                stderr,
                ci95_low: ci95.map(|(low, _)| low),
                ci95_high: ci95.map(|(_, high)| high),
                n: self.accuracies.iter().map(|score| score.n).sum(),
                higher_is_better: true,
                paper: None,
                failed: self.accuracies.iter().map(|score| score.failed).sum(),
                published,
            }
        };
        vec![
            row("core", self.core(|task| task.baseline)),
            row("core_v2", self.core(|task| task.corrected_baseline)),
        ]
    }
}

/// The accuracy of a task as a fraction in f32, as PyTorch computes the mean.
fn accuracy(score: &Score) -> f64 {
    let correct = (score.value / 100.0 * score.n as f64).round();
    f64::from(correct as f32 / score.n as f32)
}

fn centered(score: &Score, baseline: f64) -> f64 {
    centered_accuracy(accuracy(score), baseline)
}

/// The rows of `scores.csv` with CORE, for the models that have all tasks.
fn rows(of_tasks: &[Score]) -> Vec<Score> {
    complete(of_tasks).iter().flat_map(CoreResult::scores).collect()
}

/// Puts the rows with CORE behind the others, in place of earlier ones.
pub(super) fn replace(scores: &mut Vec<Score>) {
    scores.retain(|score| score.task != CORE);
    let core = rows(scores);
    scores.extend(core);
}

/// Whether this is one of the 22 tasks.
pub(super) fn is_part(task: &str) -> bool {
    CORE_TASKS.iter().any(|known| known.name == task)
}

/// The table of CORE: one row per task, and the metric below. Nothing without a complete model.
pub(super) fn section(headings: &[Heading], scores: &[Score]) -> Option<Section> {
    let results = complete(scores);
    if results.is_empty() {
        return None;
    }
    let mut header = vec!["task".to_owned(), "n".to_owned()];
    for result in &results {
        header.extend([format!("{}\naccuracy ↑", result.model), "centered ↑".to_owned()]);
        if result.is_published() {
            header.extend(["published".to_owned(), "Δ".to_owned()]);
        }
    }
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (index, task) in CORE_TASKS.iter().enumerate() {
        let first = results[0].accuracies[index];
        let mut row = vec![Cell::from(task.name.as_str()), Cell::from(first.n.to_string())];
        for result in &results {
            let score = result.accuracies[index];
            let heading = headings.iter().find(|heading| heading.covers(score));
            let symbols = heading.map(|heading| heading.symbols_of(score)).unwrap_or_default();
            // In f32 the accuracy of guessing is not exactly the baseline.
            let centered = (1e4 * centered(score, task.baseline)).round() / 100.0;
            row.extend([
                Cell::from(format!(
                    "{}{symbols}",
                    with_error(score.value, score.stderr, score.ci95_low.zip(score.ci95_high))
                )),
                Cell::from(number(centered)),
            ]);
            if result.is_published() {
                row.extend(published_cells(score, difference));
            }
        }
        rows.push(row);
    }
    for (metric, name) in [("core", "CORE"), ("core_v2", "CORE with corrected baselines (v2)")] {
        let mut row = vec![Cell::from(name), Cell::default()];
        for result in &results {
            let score = result.scores().into_iter().find(|score| score.metric == metric);
            let text = score.as_ref().map(|score| {
                let sign = if score.value < 0.0 { "−" } else { "" };
                let error = score.stderr.map(|stderr| format!(" ± {stderr:.4}")).unwrap_or_default();
                format!("{sign}{:.4}{error}", score.value.abs())
            });
            row.extend([Cell::default(), Cell::from(text.unwrap_or_default())]);
            if let Some(score) = score.filter(|_| result.is_published()) {
                row.extend(published_cells(&score, |value| {
                    format!("{}{:.4}", if value < 0.0 { "−" } else { "+" }, value.abs())
                }));
            }
        }
        rows.push(row);
    }
    let of_core = headings.iter().filter(|heading| is_part(&heading.task));
    let mut footnotes = Vec::new();
    for heading in of_core {
        let caveats = heading.caveats.iter().map(|caveat| format!("{} {}", caveat.symbol, caveat.brief));
        let own = heading.footnotes.iter().map(|footnote| format!("{}: {footnote}", heading.task));
        add_new(&mut footnotes, caveats.chain(own));
    }
    let own = results.iter().map(CoreResult::scores).collect::<Vec<_>>();
    let all = results.iter().flat_map(|result| result.accuracies.iter().copied());
    add_new(&mut footnotes, published_footnotes(all.chain(own.iter().flatten())));
    let title = format!("CORE ({})", results[0].label());
    Some(Section { title, header, keys: 1, rows, footnotes, ..Section::default() })
}

/// The value that others published, and the difference of ours; dashes without one.
fn published_cells(score: &Score, difference: impl Fn(f64) -> String) -> [Cell; 2] {
    let Some(published) = score.published else { return [Cell::from("–"), Cell::from("–")] };
    let change = score.value - published;
    let tone = Tone::of_difference(change, score.higher_is_better);
    [Cell::toned(published.to_string(), Tone::Published), Cell::toned(difference(change), tone)]
}

/// nanochat's `base_eval` CSV, one file a model.
pub(super) struct NanochatCsv;

impl Exporter for NanochatCsv {
    fn name(&self) -> &'static str {
        "nanochat-csv"
    }

    fn description(&self) -> &'static str {
        "CORE as nanochat's base_eval prints it, a file per model"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        let results = complete(export.results.scores());
        if results.is_empty() {
            anyhow::bail!("no model has all tasks of CORE; run `gpt2-eval --tasks core` first");
        }
        let file =
            |result: &CoreResult<'_>| ExportedFile::new(format!("core.{}.csv", result.model), csv(result));
        Ok(results.iter().map(file).collect())
    }
}

/// Columns padded to 35, 10 and 10 characters, six decimals.
fn csv(result: &CoreResult<'_>) -> String {
    let mut text = format!("{:<35}, {:<10}, {:<10}\n", "Task", "Accuracy", "Centered");
    for (score, task) in result.accuracies.iter().zip(CORE_TASKS.iter()) {
        let label = task.name.trim_start_matches("core-");
        let centered = centered(score, task.baseline);
        text.push_str(&format!("{label:<35}, {:<10.6}, {centered:<10.6}\n", accuracy(score)));
    }
    text.push_str(&format!("{:<35}, {:<10}, {:<10.6}\n", "CORE", "", result.core(|task| task.baseline).0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accuracies of GPT-2 124M that a port of nanochat's rules reported with their CORE, 0.121646.
    fn reported() -> Vec<Score> {
        let correct = [
            3101, 7, 5743, 994, 261, 62, 290, 1141, 138, 1670, 3083, 162, 654, 155, 53, 559, 19, 1, 612,
            1060, 1813, 2592,
        ];
        let records = [
            10_042, 2117, 20_321, 2376, 1172, 100, 1221, 1838, 500, 5153, 10_042, 273, 1267, 1000, 230, 1320,
            210, 32, 10_570, 7983, 3270, 10_000,
        ];
        let score = |((task, correct), n): ((&CoreBaselines, i32), usize)| Score {
            model: "117M".to_owned(),
            parameters: Some(1),
            task: task.name.clone(),
            protocol: "nanochat".to_owned(),
            metric: "accuracy".to_owned(),
            value: 100.0 * f64::from(correct) / n as f64,
            stderr: Some(1.0),
            ci95_low: None,
            ci95_high: None,
            n,
            higher_is_better: true,
            paper: None,
            failed: 0,
            published: None,
        };
        CORE_TASKS.iter().zip(correct).zip(records).map(score).collect()
    }

    #[test]
    fn core_is_the_mean_of_centered_accuracies() {
        let of_tasks = reported();
        let core = rows(&of_tasks);
        assert!((core[0].value - 0.121_646).abs() < 5e-7, "{}", core[0].value);
        assert!(core[1].value < core[0].value - 0.02, "v2 is about 0.025 lower: {}", core[1].value);
        assert_eq!((core[0].n, core[0].task.as_str(), core[0].metric.as_str()), (91_037, "core", "core"));
        assert!(rows(&of_tasks[1..]).is_empty(), "a task is missing");
        assert!(section(&[], &of_tasks[1..]).is_none());
        let section = section(&[], &of_tasks).unwrap();
        assert_eq!(section.rows.len(), 24);
        assert_eq!(core[0].published, Some(0.113_891));
        assert_eq!(section.header[3..], ["centered ↑", "published", "Δ"]);
        assert_eq!((&*section.rows[22][4].text, &*section.rows[22][5].text), ("0.113891", "+0.0078"));
        assert_eq!(section.rows[23][4].text, "–", "no published value of v2");
        assert!(section.footnotes.iter().any(|note| note.contains("expect CORE within about 0.01")));
        assert!(section.rows[22][3].text.starts_with("0.1216 ± 0."), "{}", section.rows[22][3].text);
    }

    #[test]
    fn csv_is_nanochats() {
        let of_tasks = reported();
        let text = csv(&complete(&of_tasks)[0]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Task                               , Accuracy  , Centered  ");
        assert_eq!(lines[6], "copa                               , 0.620000  , 0.240000  ");
        assert_eq!(lines[23], "CORE                               ,           , 0.121646  ");
    }
}
