//! The layout that all table exporters share: one section a task, one row a model and protocol.

use serde::Serialize;

use super::format::{difference, number};
use crate::record::{GroupScore, Protocol, Score};
use crate::text::thousands;

/// Why a number cannot stand beside the paper's without a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        if label.name == Protocol::OWN {
            marks.push(mark(
                "‖",
                "a task of the user's own, whose card is in manifest.json: the paper has no number for it"
                    .to_owned(),
            ));
        }
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
        if let Some(shard) = label.options.get("shard") {
            marks.push(mark(
                "¶",
                format!("only the samples of shard {shard}; `gpt2-eval merge` puts the shards together"),
            ));
        }
        if let Some(limit) = label.options.get("limit") {
            marks.push(mark("‡", format!("measured on {limit} of {records} records (--limit)")));
        }
        marks
    }
}

/// A task under a protocol, as it stands in tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Heading {
    /// Task.
    pub task: String,
    /// Its name in tables.
    pub title: String,
    /// Protocol with `data=` and `limit=`, as in the scores.
    pub protocol: String,
    /// What is computed; protocols of a task that compute the same share a table.
    pub metrics: Vec<String>,
    /// Reservations.
    pub marks: Vec<Mark>,
    /// Further remarks.
    pub notes: Vec<String>,
}

impl Heading {
    /// Whether a note under the table tells of what failed.
    fn has_failures(&self) -> bool {
        self.notes.iter().any(|note| note.starts_with('§'))
    }
}

/// A table of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `LAMBADA (paper)`.
    pub title: String,
    /// Column names; the first is the model.
    pub header: Vec<String>,
    /// One a model, and one a method without a model.
    pub rows: Vec<Vec<String>>,
    /// Under the table.
    pub notes: Vec<String>,
}

/// One section a task and set of metrics, so that zero-, one- and few-shot rows stand in one table; headings with
/// neither scores nor failures are left out.
pub fn sections(headings: &[Heading], scores: &[Score], groups: &[GroupScore]) -> Vec<Section> {
    let mut sections = Vec::new();
    for (index, first) in headings.iter().enumerate() {
        let alike = |other: &Heading| other.task == first.task && other.metrics == first.metrics;
        if headings[..index].iter().any(alike) {
            continue;
        }
        let together: Vec<(&Heading, Vec<&Score>)> = headings[index..]
            .iter()
            .filter(|heading| alike(heading))
            .map(|heading| {
                let is_own =
                    |score: &&Score| score.task == heading.task && score.protocol == heading.protocol;
                (heading, scores.iter().filter(is_own).collect::<Vec<_>>())
            })
            .filter(|(heading, own)| !own.is_empty() || heading.has_failures())
            .collect();
        if together.is_empty() {
            continue;
        }
        sections.push(section(&together));
        for (heading, _) in together {
            sections.extend(group_sections(heading, groups));
        }
    }
    sections
}

fn section(together: &[(&Heading, Vec<&Score>)]) -> Section {
    let all: Vec<&Score> = together.iter().flat_map(|(_, scores)| scores).copied().collect();
    let metrics = in_order(all.iter().map(|score| score.metric.as_str()));
    let has_paper = |metric: &str| all.iter().any(|score| score.metric == metric && score.paper.is_some());
    let several = together.len() > 1;

    let mut header = vec!["model".to_owned(), "parameters".to_owned()];
    if several {
        header.push("protocol".to_owned());
    }
    header.push("n".to_owned());
    for metric in &metrics {
        let better = all.iter().any(|score| score.metric == *metric && score.higher_is_better);
        header.push(format!("{metric} {}", if better { "↑" } else { "↓" }));
        if has_paper(metric) {
            header.extend(["paper".to_owned(), "Δ".to_owned()]);
        }
    }
    // Models before methods without one, each under its protocols.
    let with_model = |is_model: bool| {
        let all = all.iter().filter(move |score| score.parameters.is_some() == is_model);
        in_order(all.map(|score| score.model.as_str()))
    };
    let mut rows = Vec::new();
    for model in with_model(true).into_iter().chain(with_model(false)) {
        for (heading, scores) in together {
            let own: Vec<&Score> = scores.iter().filter(|score| score.model == model).copied().collect();
            let Some(first) = own.first() else { continue };
            let mut row = vec![model.to_owned(), first.parameters.map(thousands).unwrap_or_default()];
            if several {
                row.push(heading.protocol.clone());
            }
            row.push(thousands(own.iter().map(|score| score.n).max().unwrap_or_default() as u64));
            for metric in &metrics {
                let score = own.iter().find(|score| score.metric == *metric).copied();
                cells(&mut row, score, has_paper(metric), heading);
            }
            rows.push(row);
        }
    }
    let mut notes = Vec::new();
    for (heading, _) in together {
        let marks = heading.marks.iter().map(|mark| format!("{} {}", mark.symbol, mark.explanation));
        let prefix = if several { format!("{}: ", heading.protocol) } else { String::new() };
        let own = heading.notes.iter().map(|note| format!("{prefix}{note}"));
        for note in marks.chain(own) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    let title = match together {
        [(heading, _)] => format!("{} ({})", heading.title, heading.protocol),
        _ => together.first().map(|(heading, _)| heading.title.clone()).unwrap_or_default(),
    };
    Section { title, header, rows, notes }
}

/// The value with its error, and the paper's with the difference where the column has them.
fn cells(row: &mut Vec<String>, score: Option<&Score>, has_paper: bool, heading: &Heading) {
    let mut symbols: String = heading.marks.iter().map(|mark| mark.symbol).collect();
    if score.is_some_and(|score| score.failed > 0) {
        symbols.push('§');
    }
    let dash = || "–".to_owned();
    row.push(score.map_or_else(dash, |score| value_with_error(score, &symbols)));
    if has_paper {
        let paper = score.and_then(|score| score.paper.map(|paper| (score.value, paper)));
        row.push(paper.map_or_else(dash, |(_, paper)| paper.to_string()));
        row.push(paper.map_or_else(dash, |(value, paper)| format!("{}{symbols}", difference(value - paper))));
    }
}

/// One section a breakdown: a row a group, a column a model and metric.
fn group_sections(heading: &Heading, scores: &[GroupScore]) -> Vec<Section> {
    let own: Vec<&GroupScore> = scores
        .iter()
        .filter(|score| score.task == heading.task && score.protocol == heading.protocol)
        .collect();
    let symbols: String = heading.marks.iter().map(|mark| mark.symbol).collect();
    in_order(own.iter().map(|score| score.breakdown.as_str()))
        .into_iter()
        .map(|breakdown| {
            let own: Vec<&GroupScore> =
                own.iter().filter(|score| score.breakdown == breakdown).copied().collect();
            let models = in_order(own.iter().map(|score| score.model.as_str()));
            let metrics = in_order(own.iter().map(|score| score.metric.as_str()));
            let groups = in_order(own.iter().map(|score| score.group.as_str()));
            let columns: Vec<(&str, &str)> =
                models.iter().flat_map(|model| metrics.iter().map(|metric| (*model, *metric))).collect();
            let mut header = vec![breakdown.to_owned(), "n".to_owned()];
            header.extend(columns.iter().map(|(model, metric)| format!("{model} {metric}")));
            let rows = groups
                .into_iter()
                .map(|group| {
                    let of_group: Vec<&GroupScore> =
                        own.iter().filter(|score| score.group == group).copied().collect();
                    let n = of_group.iter().map(|score| score.n).max().unwrap_or_default();
                    let mut row = vec![group.to_owned(), thousands(n as u64)];
                    row.extend(columns.iter().map(|(model, metric)| {
                        let found = of_group.iter().find(|s| s.model == *model && s.metric == *metric);
                        found.map_or_else(|| "–".to_owned(), |s| format!("{}{symbols}", number(s.value)))
                    }));
                    row
                })
                .collect();
            let title = format!("{} ({}) by {breakdown}", heading.title, heading.protocol);
            Section { title, header, rows, notes: Vec::new() }
        })
        .collect()
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
            parameters: Some(3_432_064),
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
            failed: 0,
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
            metrics: vec!["perplexity".to_owned(), "accuracy".to_owned()],
            marks: Mark::of_label(&label, 60),
            notes: vec!["a remark".to_owned()],
        };
        (vec![heading], scores)
    }

    #[test]
    fn a_sample_never_stands_beside_the_paper_without_its_mark() {
        let (headings, scores) = example();
        let section = sections(&headings, &scores, &[]).remove(0);
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
    fn protocols_with_the_same_metrics_and_baselines_share_a_table() {
        let (mut headings, mut scores) = example();
        let few = Heading { protocol: "paper,shots=2".to_owned(), marks: Vec::new(), ..headings[0].clone() };
        let other = Heading { metrics: vec!["accuracy".to_owned()], protocol: "x".to_owned(), ..few.clone() };
        headings.extend([few, other]);
        let own = Score { protocol: "paper,shots=2".to_owned(), ..scores[0].clone() };
        let baseline = Score { model: "Random".to_owned(), parameters: None, ..own.clone() };
        scores.splice(0..0, [baseline]);
        scores.push(own);
        let sections = sections(&headings, &scores, &[]);
        assert_eq!(sections.len(), 1);
        let rows: Vec<(&str, &str)> = sections[0].rows.iter().map(|row| (&*row[0], &*row[2])).collect();
        assert_eq!(
            rows,
            [
                ("tiny-3M", "paper,data=sample"),
                ("tiny-3M", "paper,shots=2"),
                ("117M", "paper,data=sample"),
                ("Random", "paper,shots=2"),
            ]
        );
        assert_eq!((&*sections[0].title, &*sections[0].header[2]), ("LAMBADA", "protocol"));
        assert_eq!(sections[0].rows[3][1], "", "no parameters without a model");
    }

    #[test]
    fn groups_are_rows() {
        let (headings, scores) = example();
        let group = |group: &str, model: &str, value| GroupScore {
            model: model.to_owned(),
            task: "lambada".to_owned(),
            protocol: headings[0].protocol.clone(),
            breakdown: "domain".to_owned(),
            group: group.to_owned(),
            metric: "f1".to_owned(),
            value,
            stderr: None,
            ci95_low: None,
            ci95_high: None,
            n: 7,
        };
        let groups = [group("cnn", "a", 1.0), group("race", "a", 2.0), group("cnn", "b", 3.0)];
        let section = sections(&headings, &scores, &groups).remove(1);
        assert_eq!(section.title, "LAMBADA (paper,data=sample) by domain");
        assert_eq!(section.header, ["domain", "n", "a f1", "b f1"]);
        assert_eq!(section.rows, [["cnn", "7", "1.00†", "3.00†"], ["race", "7", "2.00†", "–"]]);
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
