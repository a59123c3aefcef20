//! Tables of tasks: a row per model and protocol, or per group of a breakdown.

use super::distinct::{add_new, distinct};
use super::numbers::{arrow, difference, number};
use super::table::{Cell, Section, Tone, best};
use super::uncertainty::{UNKNOWN_ERROR, value_text, with_error};
use super::{Heading, published_footnotes};
use crate::record::{GroupScore, Score};
use untrusted_input::thousands;

/// One section per task and set of metrics, so that zero-, one- and few-shot rows share a table. Headings with neither
/// scores nor failures are left out.
pub(super) fn sections(headings: &[Heading], scores: &[Score], groups: &[GroupScore]) -> Vec<Section> {
    let mut sections = Vec::new();
    for (index, first) in headings.iter().enumerate() {
        let alike = |other: &Heading| other.task == first.task && other.metrics == first.metrics;
        if headings[..index].iter().any(alike) {
            continue;
        }
        let together: Vec<(&Heading, Vec<&Score>)> = headings[index..]
            .iter()
            .filter(|heading| alike(heading))
            .map(|heading| (heading, scores.iter().filter(|score| heading.covers(score)).collect::<Vec<_>>()))
            .filter(|(heading, own)| !own.is_empty() || !heading.unmeasured.is_empty())
            .collect();
        if together.is_empty() {
            continue;
        }
        sections.push(section(&together));
        for (heading, _) in together {
            sections.extend(breakdown_sections(heading, groups));
        }
    }
    sections
}

fn section(together: &[(&Heading, Vec<&Score>)]) -> Section {
    let all: Vec<&Score> = together.iter().flat_map(|(_, scores)| scores).copied().collect();
    let metrics = distinct(all.iter().map(|score| score.metric.as_str()));
    // The numbers of others that a metric has, each a column with another one for the difference.
    let beside = |metric: &str| {
        let own = all.iter().filter(|score| score.metric == metric);
        let is_known = |others: &&Others| own.clone().any(|score| (others.value)(score).is_some());
        OTHERS.iter().filter(is_known).collect::<Vec<_>>()
    };
    let several = together.len() > 1;

    let mut header = vec!["model".to_owned()];
    if several {
        header.push("protocol".to_owned());
    }
    let keys = header.len();
    header.extend(["parameters".to_owned(), "n".to_owned()]);
    let mut spans = vec![1, 1];
    for metric in &metrics {
        let better = all.iter().any(|score| score.metric == *metric && score.higher_is_better);
        header.push(format!("{metric} {}", arrow(better)));
        let beside = beside(metric);
        header.extend(beside.iter().flat_map(|others| [others.name.to_owned(), "Δ".to_owned()]));
        spans.push(1 + 2 * beside.len());
    }
    // Models before heuristic baselines, each under its protocols.
    let with_model = |is_model: bool| {
        let all = all.iter().filter(move |score| score.parameters.is_some() == is_model);
        distinct(all.map(|score| score.model.as_str()))
    };
    let mut rows = Vec::new();
    for model in with_model(true).into_iter().chain(with_model(false)) {
        for (heading, scores) in together {
            let own: Vec<&Score> = scores.iter().filter(|score| score.model == model).copied().collect();
            let Some(first) = own.first() else { continue };
            let mut row = vec![Cell::from(model)];
            if several {
                row.push(heading.protocol.as_str().into());
            }
            row.push(first.parameters.map(thousands).unwrap_or_default().into());
            row.push(thousands(own.iter().map(|score| score.n).max().unwrap_or_default() as u64).into());
            for metric in &metrics {
                let score = own.iter().find(|score| score.metric == *metric).copied();
                let is_best = score.is_some_and(|score| is_best(score, scores));
                cells(&mut row, score, &beside(metric), is_best, heading);
            }
            rows.push(row);
        }
    }
    let mut footnotes = Vec::new();
    for (heading, _) in together {
        let caveats =
            heading.caveats.iter().map(|caveat| format!("{} {}", caveat.symbol, caveat.explanation));
        let prefix = if several { format!("{}: ", heading.protocol) } else { String::new() };
        let own = heading.footnotes.iter().map(|footnote| format!("{prefix}{footnote}"));
        add_new(&mut footnotes, caveats.chain(own));
    }
    add_new(&mut footnotes, published_footnotes(all.iter().copied()));
    if all.iter().any(|score| score.stderr.is_none()) {
        footnotes.push(UNKNOWN_ERROR.to_owned());
    }
    let title = match together {
        [(heading, _)] => format!("{} ({})", heading.title, heading.protocol),
        _ => together.first().map(|(heading, _)| heading.title.clone()).unwrap_or_default(),
    };
    let terms = together.iter().map(|(heading, scores)| {
        let n = scores.iter().map(|score| score.n).max().unwrap_or_default() as u64;
        let own = [heading.terms(), format!("n = {}", thousands(n))];
        let own: Vec<String> = own.into_iter().filter(|words| !words.is_empty()).collect();
        if several { format!("{}: {}", heading.protocol, own.join(", ")) } else { own.join(", ") }
    });
    let terms = terms.collect::<Vec<_>>().join("; ");
    Section { title, terms, header, keys, spans, rows, footnotes }
}

/// Whether every other model's value under the same protocol is worse, and prints otherwise.
fn is_best(score: &Score, scores: &[&Score]) -> bool {
    let alike = scores.iter().filter(|other| other.metric == score.metric && other.parameters.is_some());
    let alike: Vec<&Score> = alike.copied().collect();
    let values: Vec<(f64, String)> = alike
        .iter()
        .map(|other| {
            let interval = other.ci95_low.zip(other.ci95_high);
            (other.value, value_text(other.value, other.stderr, interval))
        })
        .collect();
    let best = best(&values, score.higher_is_better).and_then(|index| alike.get(index));
    score.parameters.is_some() && best.is_some_and(|best| best.model == score.model)
}

/// Numbers of others beside ours.
struct Others {
    name: &'static str,
    value: fn(&Score) -> Option<f64>,
}

const OTHERS: [Others; 2] = [
    Others { name: "paper", value: |score| score.paper },
    Others { name: "published", value: |score| score.published },
];

/// Adds the value with its error, and the numbers of others with the differences.
fn cells(row: &mut Vec<Cell>, score: Option<&Score>, beside: &[&Others], is_best: bool, heading: &Heading) {
    let symbols = score.map(|score| heading.symbols_of(score)).unwrap_or_default();
    let value = score.map(|score| {
        let interval = score.ci95_low.zip(score.ci95_high);
        format!("{}{symbols}", with_error(score.value, score.stderr, interval))
    });
    row.push(Cell { is_best, ..value.map_or_else(|| Cell::from("–"), Cell::from) });
    for others in beside {
        let Some((score, known)) = score.and_then(|score| Some((score, (others.value)(score)?))) else {
            row.extend([Cell::from("–"), Cell::from("–")]);
            continue;
        };
        let change = score.value - known;
        row.push(Cell::toned(known.to_string(), Tone::Published));
        row.push(Cell::toned(
            format!("{}{symbols}", difference(change)),
            Tone::of_difference(change, score.higher_is_better),
        ));
    }
}

/// One table per breakdown of a task: a row per group, a column per model and metric.
fn breakdown_sections(heading: &Heading, scores: &[GroupScore]) -> Vec<Section> {
    let own: Vec<&GroupScore> = scores.iter().filter(|score| heading.covers_group(score)).collect();
    let symbols = heading.symbols();
    distinct(own.iter().map(|score| score.breakdown.as_str()))
        .into_iter()
        .map(|breakdown| {
            let own: Vec<&GroupScore> =
                own.iter().filter(|score| score.breakdown == breakdown).copied().collect();
            let models = distinct(own.iter().map(|score| score.model.as_str()));
            let metrics = distinct(own.iter().map(|score| score.metric.as_str()));
            let groups = distinct(own.iter().map(|score| score.group.as_str()));
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
            Section { terms: heading.terms(), ..Section::new(title, 2, header, rows) }
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::Protocol;
    use crate::report::{Caveat, published_value};

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
            published: None,
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
            is_default: true,
            shots: Some(0),
            caveats: Caveat::of_label(&label, 60),
            footnotes: vec!["a footnote".to_owned()],
            ..Heading::default()
        };
        (vec![heading], scores)
    }

    fn texts(row: &[Cell]) -> Vec<&str> {
        row.iter().map(|cell| cell.text.as_str()).collect()
    }

    #[test]
    fn values_on_a_sample_have_its_symbol() {
        let (headings, scores) = example();
        let section = sections(&headings, &scores, &[]).remove(0);
        assert_eq!(section.header, ["model", "parameters", "n", "perplexity ↓", "paper", "Δ", "accuracy ↑"]);
        assert_eq!(
            texts(&section.rows[1]),
            ["117M", "3,432,064", "60", "35.50 ± 0.50†", "35.13", "+0.37†", "30.00 ± 0.50†"]
        );
        assert_eq!(texts(&section.rows[0][4..6]), ["–", "–"]);
        assert_eq!((section.rows[1][4].tone, section.rows[1][5].tone), (Tone::Published, Tone::Worse));
        assert!(section.rows[1][3].is_best && !section.rows[0][3].is_best);
        assert_eq!((section.keys, section.spans.as_slice()), (1, &[1, 1, 3, 1][..]));
        assert_eq!(section.terms, "0 shots, n = 60");
        assert!(section.footnotes[0].starts_with("† measured on the bundled sample of 60 records"));
        assert_eq!(section.footnotes[1], "a footnote");
    }

    #[test]
    fn values_of_others_have_a_column_and_footnotes() {
        let (mut headings, mut scores) = example();
        headings[0].protocol = "harness".to_owned();
        for score in &mut scores {
            score.protocol = "harness".to_owned();
            score.paper = None;
            let known = published_value(&score.model, &score.task, &score.protocol, &score.metric);
            score.published = known.map(|known| known.value);
        }
        let section = sections(&headings, &scores, &[]).remove(0);
        let header = ["perplexity ↓", "published", "Δ", "accuracy ↑", "published", "Δ"];
        assert_eq!(section.header[3..], header);
        assert_eq!(texts(&section.rows[1][4..6]), ["40.0554", "−4.56†"]);
        assert_eq!(texts(&section.rows[1][7..9]), ["32.56", "−2.56†"]);
        assert_eq!((section.rows[1][5].tone, section.rows[1][8].tone), (Tone::Better, Tone::Worse));
        assert_eq!(texts(&section.rows[0][4..6]), ["–", "–"]);
        assert_eq!(section.spans, [1, 1, 3, 3]);
        let own: Vec<&String> =
            section.footnotes.iter().filter(|footnote| footnote.starts_with("published, ")).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert!(own[0].starts_with("published, 117M: lm-evaluation-harness issue 2159, with"), "{own:?}");
    }

    #[test]
    fn values_that_print_the_same_are_not_marked() {
        let (headings, mut scores) = example();
        scores[0].value = 35.504;
        let section = sections(&headings, &scores, &[]).remove(0);
        assert_eq!(
            (&*section.rows[0][3].text, &*section.rows[1][3].text),
            ("35.50 ± 0.50†", "35.50 ± 0.50†")
        );
        assert!(!section.rows[0][3].is_best && !section.rows[1][3].is_best);
    }

    #[test]
    fn protocols_with_the_same_metrics_share_a_table() {
        let (mut headings, mut scores) = example();
        let few =
            Heading { protocol: "paper,shots=2".to_owned(), caveats: Vec::new(), ..headings[0].clone() };
        let other = Heading { metrics: vec!["accuracy".to_owned()], protocol: "x".to_owned(), ..few.clone() };
        headings.extend([few, other]);
        let own = Score { protocol: "paper,shots=2".to_owned(), ..scores[0].clone() };
        let baseline = Score { model: "Random".to_owned(), parameters: None, ..own.clone() };
        scores.splice(0..0, [baseline]);
        scores.push(own);
        let sections = sections(&headings, &scores, &[]);
        assert_eq!(sections.len(), 1);
        let rows: Vec<(&str, &str)> =
            sections[0].rows.iter().map(|row| (&*row[0].text, &*row[1].text)).collect();
        assert_eq!(
            rows,
            [
                ("tiny-3M", "paper,data=sample"),
                ("tiny-3M", "paper,shots=2"),
                ("117M", "paper,data=sample"),
                ("Random", "paper,shots=2"),
            ]
        );
        assert_eq!((&*sections[0].title, &*sections[0].header[1]), ("LAMBADA", "protocol"));
        assert_eq!(sections[0].rows[3][2].text, "", "no parameters without a model");
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
        let rows: Vec<Vec<&str>> = section.rows.iter().map(|row| texts(row)).collect();
        assert_eq!(rows, [["cnn", "7", "1.00†", "3.00†"], ["race", "7", "2.00†", "–"]]);
    }
}
