//! `results/published.csv`: what others measured of the paper's checkpoints, source of all "published" columns.

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::distinct::distinct;
use crate::record::Score;

/// A value that others measured. Of several values for one model, task, protocol and metric, tables show the first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedValue {
    /// A paper size, or a heuristic baseline.
    pub model: String,
    pub task: String,
    pub protocol: String,
    pub metric: String,
    /// As published, accuracies in percent.
    pub value: f64,
    /// Who measured it.
    pub who: String,
    /// Software and version.
    pub software: String,
    /// Where it is published.
    pub source: String,
    pub certainty: Certainty,
    /// How the measurement differs from ours; empty if it does not.
    pub note: String,
}

/// How well a value is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Read in its source.
    Certain,
    /// Put together from several sources that agree.
    Reconstructed,
}

static VALUES: LazyLock<Result<Vec<PublishedValue>, String>> =
    LazyLock::new(|| rows("results/published.csv", include_bytes!("../../results/published.csv")));

/// The rows of a CSV file that is part of the program.
pub(super) fn rows<Row: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<Vec<Row>, String> {
    let rows = csv::Reader::from_reader(bytes).into_deserialize().collect::<Result<_, _>>();
    rows.map_err(|error| format!("{name}: {error}"))
}

/// All published values, in the order of the file.
pub fn published_values() -> Result<&'static [PublishedValue], &'static str> {
    VALUES.as_deref().map_err(String::as_str)
}

/// Options of a label that say which records were measured. With any other option, a published value does not apply.
const RECORD_OPTIONS: [&str; 3] = ["data", "limit", "shard"];

/// What others measured for a model, task and metric under the label of a protocol.
pub(super) fn published_value(
    model: &str,
    task: &str,
    label: &str,
    metric: &str,
) -> Option<&'static PublishedValue> {
    let mut parts = label.split(',');
    let protocol = parts.next()?;
    let is_of_records =
        |option: &str| option.split_once('=').is_some_and(|(name, _)| RECORD_OPTIONS.contains(&name));
    if !parts.all(is_of_records) {
        return None;
    }
    published_values().ok()?.iter().find(|value| {
        value.model == model && value.task == task && value.protocol == protocol && value.metric == metric
    })
}

impl PublishedValue {
    /// Who measured, with what, where it is published, and how the measurement differs from ours.
    pub fn origin(&self) -> String {
        let reconstructed = if self.certainty == Certainty::Certain { "" } else { ", reconstructed" };
        let note = if self.note.is_empty() { String::new() } else { format!("; {}", self.note) };
        format!("{}, with {} ({}{reconstructed}){note}", self.who, self.software, self.source)
    }
}

/// Footnotes on the published values beside scores, one per origin.
pub(super) fn published_footnotes<'a>(scores: impl IntoIterator<Item = &'a Score>) -> Vec<String> {
    let of_scores = scores.into_iter().filter(|score| score.published.is_some());
    let found: Vec<(&Score, String)> = of_scores
        .filter_map(|score| {
            let value = published_value(&score.model, &score.task, &score.protocol, &score.metric)?;
            Some((score, value.origin()))
        })
        .collect();
    let origins = distinct(found.iter().map(|(_, origin)| origin.as_str()));
    let footnote = |origin: &str| {
        let own = found.iter().filter(|(_, known)| known == origin);
        let models = distinct(own.map(|(score, _)| score.model.as_str()));
        format!("published, {}: {origin}", models.join(", "))
    };
    origins.into_iter().map(footnote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::REGISTRY;

    fn value(model: &str, task: &str, label: &str, metric: &str) -> Option<f64> {
        published_value(model, task, label, metric).map(|value| value.value)
    }

    #[test]
    fn values_of_others() {
        assert_eq!(value("117M", "lambada", "harness", "accuracy"), Some(32.56));
        assert_eq!(value("117M", "lambada", "harness,data=sample,limit=5", "perplexity"), Some(40.0554));
        assert_eq!(value("117M", "lambada", "paper", "accuracy"), None);
        assert_eq!(value("117M", "lambada", "harness,shots=2", "accuracy"), None, "another measurement");
        assert_eq!(value("117M", "hellaswag", "llm.c", "accuracy_normalized"), Some(29.55));
        assert_eq!(value("1542M", "core", "nanochat", "core"), Some(0.256_525));
        assert_eq!(value("1542M", "core", "nanochat,max_per_task=100", "core"), None);
        let arc = published_value("117M", "arc_easy", "harness", "accuracy").unwrap();
        assert!((arc.value - 100.0 * 1041.0 / 2376.0).abs() < 1e-4);
        assert_eq!(arc.certainty, Certainty::Certain);
    }

    #[test]
    fn core_of_others_is_the_mean_of_their_accuracies() {
        // The values of a port that published all 22 tasks.
        let own: Vec<&PublishedValue> = published_values()
            .unwrap()
            .iter()
            .filter(|value| value.who.starts_with("Tourani") && value.protocol == "nanochat")
            .collect();
        let centered = crate::tasks::CORE_TASKS.iter().map(|task| {
            let value = own.iter().find(|value| value.task == task.name).unwrap();
            (value.value / 100.0 - task.baseline) / (1.0 - task.baseline)
        });
        let core = centered.sum::<f64>() / 22.0;
        let published = own.iter().find(|value| value.task == "core").unwrap().value;
        assert!((core - published).abs() < 2e-6, "{core} {published}");
    }

    #[test]
    fn every_row_is_well_formed() {
        let values = published_values().unwrap();
        assert!(values.len() > 70);
        for (index, value) in values.iter().enumerate() {
            assert!(
                ![&value.who, &value.software, &value.source].iter().any(|text| text.is_empty()),
                "{value:?}"
            );
            let same = |other: &&PublishedValue| {
                (&other.model, &other.task, &other.protocol, &other.metric, &other.who)
                    == (&value.model, &value.task, &value.protocol, &value.metric, &value.who)
            };
            assert_eq!(values.iter().position(|other| same(&other)), Some(index), "twice: {value:?}");
            if value.metric.starts_with("accuracy") {
                assert!((0.0..=100.0).contains(&value.value) && value.value != 0.0, "{value:?}");
            }
        }
    }

    #[test]
    fn tasks_and_protocols_are_ours() {
        // The metric over all tasks of CORE, and ROUGE of another program.
        let others = |value: &&PublishedValue| value.task != "core" && value.protocol != "presumm";
        for value in published_values().unwrap().iter().filter(others) {
            let Some(task) = REGISTRY.iter().find(|task| task.config().name == value.task) else {
                panic!("no task {}", value.task);
            };
            assert!(task.config().protocol(&value.protocol).is_some(), "{value:?}");
        }
    }
}
