//! The heading of a task's table, with the caveats of its numbers.

use serde::Serialize;

use super::distinct::distinct;
use crate::record::{GroupScore, Protocol, Score};

/// A reason why a number is not comparable with the paper's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Caveat {
    /// Follows every value that it concerns.
    pub symbol: &'static str,
    /// The footnote.
    pub explanation: String,
    /// The footnote of a table of many tasks, without numbers.
    #[serde(skip)]
    pub brief: &'static str,
}

impl Caveat {
    /// The caveats of a protocol label, for a data file of `records` records.
    pub fn of_label(label: &Protocol, records: usize) -> Vec<Self> {
        let mut caveats = Vec::new();
        let caveat = |symbol, explanation: String, brief| Self { symbol, explanation, brief };
        if label.name == Protocol::CUSTOM {
            let text = "a custom task, whose config is in manifest.json: the paper has no number for it";
            caveats.push(caveat("‖", text.to_owned(), text));
        }
        match label.options.get("data").map(String::as_str) {
            Some("sample") => caveats.push(caveat(
                "†",
                format!("measured on the bundled sample of {records} records, not on the test set: not comparable \
                         with the paper"),
                "measured on the bundled sample, not on the test set: not comparable with the paper",
            )),
            Some("subset") => {
                let text = "measured on a part of the test set, according to the data file's name";
                caveats.push(caveat("†", text.to_owned(), text));
            }
            Some(_) => {
                let text = "the data file is not verified as the published test set (its sha256 differs, or none is \
                            pinned): not comparable with the paper";
                caveats.push(caveat("†", text.to_owned(), text));
            }
            None => {}
        }
        if label.options.get("sentences").map(String::as_str) == Some("rules") {
            let text = "sentences made by rules from pronouns or blanks, not the published ones \
                        (winograd/winograd_wsc.jsonl): not comparable with the paper";
            caveats.push(caveat("†", text.to_owned(), text));
        }
        if let Some(shard) = label.options.get("shard") {
            caveats.push(caveat(
                "¶",
                format!("only the samples of shard {shard}; `gpt2-eval merge` puts the shards together"),
                "only the samples of one shard; `gpt2-eval merge` puts the shards together",
            ));
        }
        if let Some(limit) = label.options.get("limit") {
            caveats.push(caveat(
                "‡",
                format!("measured on {limit} of {records} records (--limit)"),
                "measured on a part of the records (--limit)",
            ));
        }
        if let Some(window) = label.options.get("window") {
            caveats.push(caveat(
                "◊",
                format!("windows of {window} tokens, because the model's context is not GPT-2's 1024"),
                "the model's context is not GPT-2's 1024 tokens; the task's table has the length of the windows",
            ));
        }
        caveats
    }
}

/// A task under a protocol, as tables show it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Heading {
    /// Name of the task.
    pub task: String,
    /// Its name in tables.
    pub title: String,
    /// Protocol with `data=` and `limit=`, as in the scores.
    pub protocol: String,
    /// Whether it is the task's default protocol; the summary has only these.
    pub is_default: bool,
    /// Options that differ from the protocol's own, such as `shots=2`.
    pub other_options: String,
    /// Stride of the windows in tokens, for tasks that read windows.
    pub stride: Option<usize>,
    /// Number of few-shot examples, for tasks that take them.
    pub shots: Option<usize>,
    /// Names of the metrics; protocols of a task with the same metrics share a table.
    pub metrics: Vec<String>,
    /// Reasons why its numbers are not comparable with the paper's.
    pub caveats: Vec<Caveat>,
    /// Further footnotes of its table.
    pub footnotes: Vec<String>,
    /// Models that truncated samples longer than their window.
    #[serde(skip)]
    pub truncated: Vec<String>,
    /// Models without scores because the task failed or is unfinished.
    #[serde(skip)]
    pub unmeasured: Vec<String>,
}

impl Heading {
    /// Whether a score is of this task and protocol.
    pub fn covers(&self, score: &Score) -> bool {
        score.task == self.task && score.protocol == self.protocol
    }

    /// Whether a score of a group is of this task and protocol.
    pub fn covers_group(&self, score: &GroupScore) -> bool {
        score.task == self.task && score.protocol == self.protocol
    }

    /// The distinct symbols of its caveats.
    pub fn symbols(&self) -> String {
        distinct(self.caveats.iter().map(|mark| mark.symbol)).concat()
    }

    /// The symbols that follow a score.
    pub fn symbols_of(&self, score: &Score) -> String {
        let truncated = if self.truncated.contains(&score.model) { "*" } else { "" };
        let failed = if score.failed > 0 { "§" } else { "" };
        format!("{}{truncated}{failed}", self.symbols())
    }

    /// Stride and shots in words.
    pub fn terms(&self) -> String {
        let stride = self.stride.map(|stride| format!("stride {stride}"));
        let shots = self.shots.map(|shots| format!("{shots} shots"));
        stride.into_iter().chain(shots).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_made_by_rules_have_a_caveat() {
        let mut label = Protocol::new("paper");
        assert_eq!(Caveat::of_label(&label, 273), []);
        label.options.insert("sentences".to_owned(), "rules".to_owned());
        let [caveat] = &Caveat::of_label(&label, 273)[..] else { panic!() };
        assert!(caveat.symbol == "†" && caveat.explanation.contains("winograd_wsc.jsonl"));
    }

    #[test]
    fn limits_and_unverified_data_have_caveats() {
        let mut label = Protocol::new("paper");
        assert!(Caveat::of_label(&label, 5).is_empty());
        label.options.insert("limit".to_owned(), "3".to_owned());
        label.options.insert("data".to_owned(), "unverified".to_owned());
        let symbols: Vec<_> = Caveat::of_label(&label, 5).into_iter().map(|mark| mark.symbol).collect();
        assert_eq!(symbols, ["†", "‡"]);
    }
}
