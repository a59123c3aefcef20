//! The samples that changed most between two runs, with their text.

use std::collections::HashMap;

use serde::Serialize;

use super::exact::records;
use super::pairing::{Common, Pair};
use super::{GateError, Side};
use crate::record::{PromptRecord, SampleResult};
use text_metrics::{Aggregate, Columns, Metric};

/// Characters of a text that are kept, from its end.
const SHOWN: usize = 200;

/// Samples that changed in one respect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// The metric that they changed.
    pub metric: String,
    /// What `base` and `new` of the samples are.
    pub what: &'static str,
    /// Samples that changed, all of them.
    pub changed: usize,
    /// Those that changed most, worst first.
    pub samples: Vec<ChangedSample>,
}

/// A sample that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedSample {
    /// Its name.
    pub id: String,
    /// File and line of its record in the data, where the run says.
    pub location: Option<String>,
    /// What it is in the base.
    pub base: f64,
    /// What it is in the new run.
    pub new: f64,
    /// What was asked and answered.
    pub answers: Vec<ChangedAnswer>,
}

/// A request and its answers; of long texts the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedAnswer {
    /// What the model has read, where it is not that of the request before.
    pub prompt: Option<String>,
    /// What is scored.
    pub target: Option<String>,
    /// The base's log-likelihood, where the target is scored.
    pub base_log_likelihood: Option<f64>,
    /// The new run's.
    pub new_log_likelihood: Option<f64>,
    /// What the base's model wrote.
    pub base_text: Option<String>,
    /// What the new run's model wrote.
    pub new_text: Option<String>,
}

/// How a sample is seen.
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
            Aggregate::MostConfident { .. } | Aggregate::SeedDeviation { .. } => None,
        }
    }

    fn is_like(self, other: Self) -> bool {
        matches!((self, other), (Self::Correct(_), Self::Correct(_)))
            || !matches!(self, Self::Correct(_)) && !matches!(other, Self::Correct(_))
    }

    fn what(self) -> &'static str {
        match self {
            Self::Correct(_) => "1 right, 0 wrong",
            Self::LogLikelihood(_) => "log-likelihood, nats",
            Self::Score(_) => "the sample's own score",
        }
    }

    /// One number a sample, all of which rise with quality.
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

/// The samples that changed most by the first accuracy and by the first other metric of a task, up to `most` of each
/// kind: lost ones and won ones, or those with the largest change of their log-likelihood or score.
pub(super) fn changes(
    pair: &Pair<'_>,
    (base, new): (&Side, &Side),
    common: &Common,
    metrics: &[Metric],
    most: usize,
) -> Result<Vec<Changes>, GateError> {
    let mut views: Vec<(&'static str, View)> = Vec::new();
    for (metric, view) in metrics.iter().filter_map(|metric| Some((metric, View::of(*metric)?))) {
        if !views.iter().any(|(_, known)| known.is_like(view)) {
            views.push((metric.name, view));
        }
    }
    if most == 0 {
        return Ok(Vec::new());
    }
    let texts = Texts::read(pair, base, new)?;
    let count = common.places.len();
    let names = pair.base_task.samples.names();
    let mut found = Vec::new();
    for (metric, view) in views {
        let (old, now) = (view.values(&common.base, count), view.values(&common.new, count));
        let change = |row: &usize| now[*row] - old[*row];
        let mut rows: Vec<usize> = (0..old.len().min(now.len())).filter(|row| change(row) != 0.0).collect();
        let changed = rows.len();
        if matches!(view, View::Correct(_)) {
            let (lost, won): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| change(row) < 0.0);
            rows = lost.into_iter().take(most).chain(won.into_iter().take(most)).collect();
        } else {
            rows.sort_by(|a, b| change(b).abs().total_cmp(&change(a).abs()));
            rows.truncate(most);
            rows.sort_by(|a, b| change(a).total_cmp(&change(b)));
        }
        let sample = |row: usize| {
            let id = common.places.get(row).and_then(|&place| names.get(place)).cloned().unwrap_or_default();
            let (location, answers) = texts.of(&id);
            ChangedSample { id, location, base: old[row], new: now[row], answers }
        };
        let samples: Vec<ChangedSample> = rows.into_iter().map(sample).collect();
        if !samples.is_empty() {
            found.push(Changes { metric: metric.to_owned(), what: view.what(), changed, samples });
        }
    }
    Ok(found)
}

/// What the runs have of every sample, by its name.
struct Texts<'a> {
    prompts: HashMap<String, PromptRecord>,
    base: HashMap<&'a str, &'a SampleResult>,
    new: HashMap<&'a str, &'a SampleResult>,
}

impl<'a> Texts<'a> {
    fn read(pair: &Pair<'_>, base: &'a Side, new: &'a Side) -> Result<Self, GateError> {
        let Some((new_task, new_model)) = pair.new else {
            return Ok(Self { prompts: HashMap::new(), base: HashMap::new(), new: HashMap::new() });
        };
        let mut prompts = HashMap::new();
        for (side, task) in [(base, pair.base_task), (new, new_task)] {
            if let Some((run, task)) = side.run.as_ref().zip(side.task(task)) {
                prompts.extend(run.prompts(task)?.into_iter().map(|prompt| (prompt.id.clone(), prompt)));
            }
        }
        let by_id = |side: &'a Side, task, label: &str| -> HashMap<&'a str, &'a SampleResult> {
            let records = records(side, task, label).unwrap_or_default();
            records.iter().map(|record| (record.id.as_str(), record)).collect()
        };
        Ok(Self {
            prompts,
            base: by_id(base, pair.base_task, &pair.base.model),
            new: by_id(new, new_task, &new_model.model),
        })
    }

    /// Place and answers of a sample.
    fn of(&self, id: &str) -> (Option<String>, Vec<ChangedAnswer>) {
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

/// The last [`SHOWN`] characters, behind `…` where there are more.
fn end(text: &str) -> String {
    match text.char_indices().rev().nth(SHOWN - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &text[start..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text() {
        assert_eq!(end("short"), "short");
        let long = format!("{}{}", "a".repeat(300), "é".repeat(SHOWN));
        assert_eq!(end(&long), format!("…{}", "é".repeat(SHOWN)));
        assert_eq!(end(&"é".repeat(SHOWN)), "é".repeat(SHOWN));
    }
}
