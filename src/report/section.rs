//! The layout that all table exporters share: one section a task and protocol, one row a model.

use super::format::{difference, number};
use crate::record::{Protocol, Score};
use crate::text::thousands;

/// Why a number cannot stand beside the paper's without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Behind every value that it concerns.
    pub symbol: &'static str,
    /// Under the table.
    pub explanation: String,
}

impl Mark {
    /// The marks of a protocol label's `data=` and `limit=`, for a data file of `records` records.
    pub fn of_label(label: &Protocol, records: usize) -> Vec<Self> {
        let mut marks = Vec::new();
        let mark = |symbol, explanation: String| Self { symbol, explanation };
        match label.options.get("data").map(String::as_str) {
            Some("sample") => marks.push(mark(
                "†",
                format!("measured on the bundled sample of {records} records, not on the test set: not comparable \
                         with the paper"),
            )),
            Some("subset") => marks.push(mark("†", "measured on a part of the test set, by the data file's name".to_owned())),
            Some(_) => marks.push(mark(
                "†",
                "the data file is not known to be the published test set (its sha256 differs, or none is known): not \
                     comparable with the paper"
                    .to_owned(),
            )),
            None => {}
        }
        if let Some(limit) = label.options.get("limit") {
            marks.push(mark("‡", format!("measured on {limit} of {records} records (--limit)")));
        }
        marks
    }
}

/// What stands over and under a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// Task.
    pub task: String,
    /// Its name in tables.
    pub title: String,
    /// Protocol with `data=` and `limit=`, as in the scores.
    pub protocol: String,
    /// Reservations.
    pub marks: Vec<Mark>,
    /// Further remarks.
    pub notes: Vec<String>,
}

/// A table of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `LAMBADA (paper)`.
    pub title: String,
    /// Column names; the first is the model.
    pub header: Vec<String>,
    /// One a model.
    pub rows: Vec<Vec<String>>,
    /// Under the table.
    pub notes: Vec<String>,
}

/// One section a heading, from the scores that belong to it; headings without scores are left out.
pub fn sections(headings: &[Heading], scores: &[Score]) -> Vec<Section> {
    headings
        .iter()
        .filter_map(|heading| {
            let own: Vec<&Score> = scores
                .iter()
                .filter(|score| score.task == heading.task && score.protocol == heading.protocol)
                .collect();
            (!own.is_empty()).then(|| section(heading, &own))
        })
        .collect()
}

fn section(heading: &Heading, scores: &[&Score]) -> Section {
    let models = in_order(scores.iter().map(|score| score.model.as_str()));
    let metrics = in_order(scores.iter().map(|score| score.metric.as_str()));
    let symbols: String = heading.marks.iter().map(|mark| mark.symbol).collect();
    let find = |model: &str, metric: &str| {
        scores.iter().find(|score| score.model == model && score.metric == metric)
    };
    let has_paper = |metric: &str| scores.iter().any(|score| score.metric == metric && score.paper.is_some());

    let mut header = vec!["model".to_owned(), "parameters".to_owned(), "n".to_owned()];
    for metric in &metrics {
        let better = scores.iter().any(|score| score.metric == *metric && score.higher_is_better);
        header.push(format!("{metric} {}", if better { "↑" } else { "↓" }));
        if has_paper(metric) {
            header.extend(["paper".to_owned(), "Δ".to_owned()]);
        }
    }
    let rows = models
        .iter()
        .map(|model| {
            let of_model = scores.iter().find(|score| score.model == *model);
            let mut row = vec![
                (*model).to_owned(),
                of_model.map(|score| thousands(score.parameters)).unwrap_or_default(),
                of_model.map(|score| thousands(score.n as u64)).unwrap_or_default(),
            ];
            for metric in &metrics {
                let score = find(model, metric);
                row.push(score.map_or_else(|| "–".to_owned(), |score| value_with_error(score, &symbols)));
                if has_paper(metric) {
                    let paper = score.and_then(|score| score.paper.map(|paper| (score.value, paper)));
                    let dash = || "–".to_owned();
                    row.push(paper.map_or_else(dash, |(_, paper)| paper.to_string()));
                    row.push(paper.map_or_else(dash, |(value, paper)| {
                        format!("{}{symbols}", difference(value - paper))
                    }));
                }
            }
            row
        })
        .collect();
    let marks = heading.marks.iter().map(|mark| format!("{} {}", mark.symbol, mark.explanation));
    Section {
        title: format!("{} ({})", heading.title, heading.protocol),
        header,
        rows,
        notes: marks.chain(heading.notes.iter().cloned()).collect(),
    }
}

fn value_with_error(score: &Score, symbols: &str) -> String {
    let error = score.stderr.map(|stderr| format!(" ± {}", number(stderr))).unwrap_or_default();
    format!("{}{error}{symbols}", number(score.value))
}

/// Each value once, in order of first appearance.
fn in_order<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn example() -> (Vec<Heading>, Vec<Score>) {
        let mut label = Protocol::new("paper");
        label.options.insert("data".to_owned(), "sample".to_owned());
        let score = |model: &str, metric: &str, value, paper| Score {
            model: model.to_owned(),
            parameters: 3_432_064,
            task: "lambada".to_owned(),
            protocol: label.to_string(),
            metric: metric.to_owned(),
            value,
            stderr: Some(0.5),
            ci95_low: None,
            ci95_high: None,
            n: 60,
            higher_is_better: metric == "accuracy",
            paper,
        };
        let scores = vec![
            score("tiny-3M", "perplexity", 1234.5, None),
            score("tiny-3M", "accuracy", 0.0, None),
            score("117M", "perplexity", 35.5, Some(35.13)),
            score("117M", "accuracy", 30.0, None),
        ];
        let heading = Heading {
            task: "lambada".to_owned(),
            title: "LAMBADA".to_owned(),
            protocol: label.to_string(),
            marks: Mark::of_label(&label, 60),
            notes: vec!["a remark".to_owned()],
        };
        (vec![heading], scores)
    }

    #[test]
    fn a_sample_never_stands_beside_the_paper_without_its_mark() {
        let (headings, scores) = example();
        let section = sections(&headings, &scores).remove(0);
        assert_eq!(section.header, ["model", "parameters", "n", "perplexity ↓", "paper", "Δ", "accuracy ↑"]);
        assert_eq!(
            section.rows[1],
            ["117M", "3,432,064", "60", "35.50 ± 0.50†", "35.13", "+0.37†", "30.00 ± 0.50†"]
        );
        assert_eq!(section.rows[0][4..6], ["–", "–"]);
        assert!(section.notes[0].starts_with("† measured on the bundled sample of 60 records"));
        assert_eq!(section.notes[1], "a remark");
    }

    #[test]
    fn limits_and_strange_files_are_marked() {
        let mut label = Protocol::new("paper");
        assert!(Mark::of_label(&label, 5).is_empty());
        label.options.insert("limit".to_owned(), "3".to_owned());
        label.options.insert("data".to_owned(), "unverified".to_owned());
        let symbols: Vec<_> = Mark::of_label(&label, 5).into_iter().map(|mark| mark.symbol).collect();
        assert_eq!(symbols, ["†", "‡"]);
    }
}
