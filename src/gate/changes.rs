//! Finds the samples that changed most between two runs, and their text.

use std::collections::HashMap;

use serde::Serialize;

use super::pairing::{Common, Pair};
use super::side::Side;
use crate::record::{PromptRecord, SampleResult};
use text_metrics::{Aggregate, Columns, Metric};

/// Maximum characters of a text to keep, from its end.
const MAX_SHOWN: usize = 200;

/// Samples that changed in a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    pub metric: String,
    /// Meaning of the samples' `base` and `new`.
    pub what: &'static str,
    /// Whether `base` and `new` are 1 for a correct and 0 for an incorrect sample.
    #[serde(skip)]
    pub is_accuracy: bool,
    /// Number of samples that changed, shown or not.
    pub changed: usize,
    /// The samples that changed most, worst first.
    pub samples: Vec<ChangedSample>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedSample {
    pub id: String,
    /// File and line of its record in the data, where the run has its prompt.
    pub location: Option<String>,
    pub base: f64,
    /// Value in the new run.
    pub new: f64,
    /// Requests and responses.
    pub answers: Vec<ChangedAnswer>,
}

/// A request and its responses; long texts are cut to their end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedAnswer {
    /// The context, where it differs from the previous request's.
    pub prompt: Option<String>,
    /// The scored continuation.
    pub target: Option<String>,
    /// Log-likelihood of the target in the base.
    pub base_log_likelihood: Option<f64>,
    /// Log-likelihood of the target in the new run.
    pub new_log_likelihood: Option<f64>,
    /// Completion in the base.
    pub base_text: Option<String>,
    /// Completion in the new run.
    pub new_text: Option<String>,
}

/// The number by which a sample is compared.
#[derive(Clone, Copy)]
enum View {
    Correct(&'static str),
    LogLikelihood(&'static str),
    Score(Metric),
}

impl View {
    fn of(metric: Metric) -> Option<Self> {
        match metric.aggregate {
            Aggregate::Accuracy { correct } => Some(Self::Correct(correct)),
            Aggregate::Perplexity { log_likelihood, .. } | Aggregate::Bits { log_likelihood, .. } => {
                Some(Self::LogLikelihood(log_likelihood))
            }
            Aggregate::Mean { .. } | Aggregate::Bleu { .. } => Some(Self::Score(metric)),
            Aggregate::CenteredAccuracy { .. }
            | Aggregate::MostConfident { .. }
            | Aggregate::SeedDeviation { .. } => None,
        }
    }

    /// Whether both are accuracies, or neither is.
    fn is_like(self, other: Self) -> bool {
        matches!((self, other), (Self::Correct(_), Self::Correct(_)))
            || !matches!(self, Self::Correct(_)) && !matches!(other, Self::Correct(_))
    }

    fn what(self) -> &'static str {
        match self {
            Self::Correct(_) => "1 correct, 0 incorrect",
            Self::LogLikelihood(_) => "log-likelihood, nats",
            Self::Score(_) => "score of the sample",
        }
    }

    /// One number per sample; higher is better.
    fn values(self, columns: &Columns, count: usize) -> Vec<f64> {
        match self {
            Self::Correct(name) | Self::LogLikelihood(name) => columns.get(name).cloned().unwrap_or_default(),
            Self::Score(metric) => (0..count)
                .map(|row| {
                    let own = columns
                        .iter()
                        .filter_map(|(name, column)| Some((name.clone(), vec![*column.get(row)?])))
                        .collect();
                    metric.value(&own, 1).unwrap_or_default()
                })
                .collect(),
        }
    }
}

/// The samples that changed most by a task's first accuracy and by its first other metric: up to `max_shown` lost and
/// `max_shown` won samples, or the `max_shown` largest changes of log-likelihood or score.
pub(super) fn changes(
    pair: &Pair<'_>,
    (base, new): (&Side, &Side),
    common: &Common,
    metrics: &[Metric],
    max_shown: usize,
) -> Vec<Changes> {
    let mut views: Vec<(&'static str, View)> = Vec::new();
    for (metric, view) in metrics.iter().filter_map(|metric| Some((metric, View::of(*metric)?))) {
        if !views.iter().any(|(_, known)| known.is_like(view)) {
            views.push((metric.name, view));
        }
    }
    if max_shown == 0 {
        return Vec::new();
    }
    let texts = Texts::of(pair, base, new);
    let count = common.indices.len();
    let names = pair.base_task.samples.names();
    let mut found = Vec::new();
    for (metric, view) in views {
        let (old, now) = (view.values(&common.base, count), view.values(&common.new, count));
        let change = |row: &usize| now[*row] - old[*row];
        let mut rows: Vec<usize> = (0..old.len().min(now.len())).filter(|row| change(row) != 0.0).collect();
        let changed = rows.len();
        if matches!(view, View::Correct(_)) {
            let (lost, won): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| change(row) < 0.0);
            rows = lost.into_iter().take(max_shown).chain(won.into_iter().take(max_shown)).collect();
        } else {
            rows.sort_by(|a, b| change(b).abs().total_cmp(&change(a).abs()));
            rows.truncate(max_shown);
            rows.sort_by(|a, b| change(a).total_cmp(&change(b)));
        }
        let sample = |row: usize| {
            let id = common.indices.get(row).and_then(|&index| names.get(index)).cloned().unwrap_or_default();
            let (location, answers) = texts.sample(&id);
            ChangedSample { id, location, base: old[row], new: now[row], answers }
        };
        let samples: Vec<ChangedSample> = rows.into_iter().map(sample).collect();
        if !samples.is_empty() {
            let (metric, is_accuracy) = (metric.to_owned(), matches!(view, View::Correct(_)));
            found.push(Changes { metric, what: view.what(), is_accuracy, changed, samples });
        }
    }
    found
}

/// Prompts and results of the samples, by id.
#[derive(Default)]
struct Texts<'a> {
    prompts: HashMap<&'a str, &'a PromptRecord>,
    base: HashMap<&'a str, &'a SampleResult>,
    new: HashMap<&'a str, &'a SampleResult>,
}

impl<'a> Texts<'a> {
    fn of(pair: &Pair<'_>, base: &'a Side, new: &'a Side) -> Self {
        let Some((new_task, new_model)) = pair.new else {
            return Self::default();
        };
        let mut prompts = HashMap::new();
        for (side, task) in [(base, pair.base_task), (new, new_task)] {
            if let Some(task) = side.task(task) {
                prompts.extend(task.prompts.iter().map(|prompt| (prompt.id.as_str(), prompt)));
            }
        }
        let by_id = |side: &'a Side, task, label: &str| -> HashMap<&'a str, &'a SampleResult> {
            let records = side.records(task, label).unwrap_or_default();
            records.iter().map(|record| (record.id.as_str(), record)).collect()
        };
        Self {
            prompts,
            base: by_id(base, pair.base_task, &pair.base.model),
            new: by_id(new, new_task, &new_model.model),
        }
    }

    /// Location and answers of a sample.
    fn sample(&self, id: &str) -> (Option<String>, Vec<ChangedAnswer>) {
        let prompt = self.prompts.get(id);
        let responses = |records: &HashMap<&'a str, &'a SampleResult>| {
            records.get(id).map(|record| record.responses.as_slice()).unwrap_or_default()
        };
        let (old, now) = (responses(&self.base), responses(&self.new));
        let answers = old.iter().zip(now).enumerate().map(|(index, (old, now))| {
            let request = prompt.and_then(|prompt| prompt.requests.get(index));
            let text = |text: Option<&String>| text.map(|text| end(text));
            ChangedAnswer {
                prompt: text(request.and_then(|request| request.context.as_ref())),
                target: text(request.and_then(|request| request.target.as_ref())),
                base_log_likelihood: old.log_likelihood(),
                new_log_likelihood: now.log_likelihood(),
                base_text: old.text().map(end),
                new_text: now.text().map(end),
            }
        });
        (prompt.map(|prompt| prompt.location.clone()), answers.collect())
    }
}

/// The last [`MAX_SHOWN`] characters, after `…` where there are more.
fn end(text: &str) -> String {
    match text.char_indices().rev().nth(MAX_SHOWN - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &text[start..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_end() {
        assert_eq!(end("short"), "short");
        let long = format!("{}{}", "a".repeat(300), "é".repeat(MAX_SHOWN));
        assert_eq!(end(&long), format!("…{}", "é".repeat(MAX_SHOWN)));
        assert_eq!(end(&"é".repeat(MAX_SHOWN)), "é".repeat(MAX_SHOWN));
    }
}
