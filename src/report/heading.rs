//! A task under a protocol, as it stands in tables, and the reservations under which it stands there.

use serde::Serialize;

use super::section::in_order;
use crate::record::{Protocol, Score};

/// Why a number cannot stand beside the paper's without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Caveat {
    /// Behind every value that it concerns.
    pub symbol: &'static str,
    /// Under the table.
    pub explanation: String,
    /// Under a table of many tasks.
    #[serde(skip)]
    pub brief: &'static str,
}

impl Caveat {
    /// The marks of a protocol label's `data=` and `limit=`, for a data file of `records` records.
    pub fn of_label(label: &Protocol, records: usize) -> Vec<Self> {
        let mut marks = Vec::new();
        let mark = |symbol, explanation: String, brief| Self { symbol, explanation, brief };
        if label.name == Protocol::CUSTOM {
            let text =
                "a task of the user's own, whose card is in manifest.json: the paper has no number for it";
            marks.push(mark("‖", text.to_owned(), text));
        }
        match label.options.get("data").map(String::as_str) {
            Some("sample") => marks.push(mark(
                "†",
                format!("measured on the bundled sample of {records} records, not on the test set: not comparable \
                         with the paper"),
                "measured on the bundled sample, not on the test set: not comparable with the paper",
            )),
            Some("subset") => {
                let text = "measured on a part of the test set, by the data file's name";
                marks.push(mark("†", text.to_owned(), text));
            }
            Some(_) => {
                let text = "the data file is not known to be the published test set (its sha256 differs, or none is \
                            known): not comparable with the paper";
                marks.push(mark("†", text.to_owned(), text));
            }
            None => {}
        }
        if let Some(shard) = label.options.get("shard") {
            marks.push(mark(
                "¶",
                format!("only the samples of shard {shard}; `gpt2-eval merge` puts the shards together"),
                "only the samples of one shard; `gpt2-eval merge` puts the shards together",
            ));
        }
        if let Some(limit) = label.options.get("limit") {
            marks.push(mark(
                "‡",
                format!("measured on {limit} of {records} records (--limit)"),
                "measured on a part of the records (--limit)",
            ));
        }
        marks
    }
}

/// A task under a protocol, as it stands in tables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Heading {
    /// Task.
    pub task: String,
    /// Its name in tables.
    pub title: String,
    /// Protocol with `data=` and `limit=`, as in the scores.
    pub protocol: String,
    /// Whether it is what the task's bare name means: the summary is made of these.
    pub is_default: bool,
    /// Options that are not the protocol's own, such as `shots=2`.
    pub other_options: String,
    /// Tokens between two windows, where the task reads windows.
    pub stride: Option<usize>,
    /// Solved examples in the prompt, where the task takes them.
    pub shots: Option<usize>,
    /// What is computed; protocols of a task that compute the same share a table.
    pub metrics: Vec<String>,
    /// Reservations.
    pub caveats: Vec<Caveat>,
    /// Further remarks.
    pub footnotes: Vec<String>,
    /// Models some of whose samples were longer than the window.
    #[serde(skip)]
    pub truncated: Vec<String>,
    /// Models that have no scores although they should.
    #[serde(skip)]
    pub unmeasured: Vec<String>,
}

impl Heading {
    /// The symbols of its marks, each once.
    pub fn symbols(&self) -> String {
        in_order(self.caveats.iter().map(|mark| mark.symbol)).concat()
    }

    /// The symbols behind a score.
    pub fn symbols_of(&self, score: &Score) -> String {
        let truncated = if self.truncated.contains(&score.model) { "*" } else { "" };
        let failed = if score.failed > 0 { "§" } else { "" };
        format!("{}{truncated}{failed}", self.symbols())
    }

    /// Stride and shots in words, where the task has them.
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
    fn limits_and_strange_files_are_marked() {
        let mut label = Protocol::new("paper");
        assert!(Caveat::of_label(&label, 5).is_empty());
        label.options.insert("limit".to_owned(), "3".to_owned());
        label.options.insert("data".to_owned(), "unverified".to_owned());
        let symbols: Vec<_> = Caveat::of_label(&label, 5).into_iter().map(|mark| mark.symbol).collect();
        assert_eq!(symbols, ["†", "‡"]);
    }
}
