//! Computes the summary from scores.

use super::columns::{GROUPS, Known, OTHER};
use super::{Summary, SummaryCell, SummaryColumn, SummaryGroup};
use crate::record::Score;
use crate::report::distinct::distinct;
use crate::report::table::best;
use crate::report::uncertainty::UNKNOWN_ERROR;
use crate::report::uncertainty::value_text;
use crate::report::{Caveat, Heading, core, is_reading};

/// Symbol of values under options other than the protocol's own.
const OPTIONS: &str = "◊";

impl Summary {
    /// The summary of scores under their headings.
    pub fn new(headings: &[Heading], scores: &[Score]) -> Self {
        // CORE has a table of its own.
        let is_shown = |heading: &&Heading| heading.is_default && !core::is_part(&heading.task);
        let defaults: Vec<&Heading> = headings.iter().filter(is_shown).collect();
        let models = models(scores);
        let mut used = Vec::new();
        let mut groups = Vec::new();
        let mut add = |title: &str, columns: Vec<SummaryColumn>| {
            if !columns.is_empty() {
                groups.push(SummaryGroup { title: title.to_owned(), columns });
            }
        };
        for (title, known) in GROUPS {
            let of_task = |known: &Known| {
                let wanted = Wanted { name: known.name, unit: known.unit, metric: known.metric };
                wanted.columns(&of_task(&defaults, known.task), scores, &models, &mut used)
            };
            add(title, known.iter().flat_map(of_task).collect());
        }
        let is_known = |task: &str| GROUPS.iter().any(|(_, known)| known.iter().any(|k| k.task == task));
        let tasks = distinct(defaults.iter().map(|heading| heading.task.as_str()));
        let first_metric = |task: &str| {
            let headings = of_task(&defaults, task);
            let first = headings.first().copied()?;
            let metric = first.metrics.first()?;
            let wanted = Wanted { name: &first.title, unit: metric, metric };
            Some(wanted.columns(&headings, scores, &models, &mut used))
        };
        let others = tasks.into_iter().filter(|task| !is_known(task));
        add(OTHER, others.filter_map(first_metric).flatten().collect());
        let footnotes = footnotes(&groups, &used);
        Self { groups, footnotes }
    }
}

fn of_task<'a>(headings: &[&'a Heading], task: &str) -> Vec<&'a Heading> {
    headings.iter().filter(|heading| heading.task == task).copied().collect()
}

/// Labels of models, by increasing size.
fn models(scores: &[Score]) -> Vec<&str> {
    let mut models: Vec<(u64, &str)> = Vec::new();
    for score in scores {
        if let Some(parameters) = score.parameters
            && !models.iter().any(|(_, known)| *known == score.model)
        {
            models.push((parameters, &score.model));
        }
    }
    models.sort_by_key(|(parameters, _)| *parameters);
    models.into_iter().map(|(_, model)| model).collect()
}

/// Task and metric of a column, by the paper's names.
struct Wanted<'a> {
    name: &'a str,
    unit: &'a str,
    metric: &'a str,
}

impl Wanted<'_> {
    /// One column if the task was measured under its protocol's own options, else one per set of options. Adds their
    /// headings to `used`.
    fn columns<'a>(
        &self,
        headings: &[&'a Heading],
        scores: &[Score],
        models: &[&str],
        used: &mut Vec<&'a Heading>,
    ) -> Vec<SummaryColumn> {
        let has_scores = |heading: &&&Heading| {
            scores.iter().any(|score| is_of(score, heading) && score.metric == self.metric)
        };
        let measured: Vec<&Heading> = headings.iter().filter(has_scores).copied().collect();
        let mut options = distinct(measured.iter().map(|heading| heading.other_options.as_str()));
        if options.contains(&"") {
            options = vec![""];
        }
        let mut columns = Vec::new();
        for options in options {
            let own: Vec<&Heading> =
                measured.iter().filter(|heading| heading.other_options == options).copied().collect();
            let Some(first) = own.first() else { continue };
            let mut cells: Vec<SummaryCell> =
                models.iter().filter_map(|model| self.cell(model, &own, scores)).collect();
            let mut all = scores.iter().filter(|score| own.iter().any(|heading| is_of(score, heading)));
            let higher_is_better = all.any(|score| score.metric == self.metric && score.higher_is_better);
            let measured: Vec<usize> =
                (0..cells.len()).filter(|&index| cells[index].value.is_some()).collect();
            let values: Vec<(f64, String)> = cells
                .iter()
                .filter_map(|cell| {
                    let value = cell.value?;
                    Some((value, value_text(value, cell.stderr, cell.ci95_low.zip(cell.ci95_high))))
                })
                .collect();
            if let Some(index) = best(&values, higher_is_better).and_then(|best| measured.get(best)) {
                cells[*index].is_best = true;
            }
            if cells.is_empty() {
                continue;
            }
            columns.push(SummaryColumn {
                task: first.task.clone(),
                metric: self.metric.to_owned(),
                name: self.name.to_owned(),
                unit: self.unit.to_owned(),
                higher_is_better,
                other_options: options.to_owned(),
                stride: first.stride,
                shots: first.shots,
                cells,
            });
            used.extend(headings.iter().filter(|h| h.other_options == options));
        }
        columns
    }

    /// A model's cell. Of several values, such as on the sample and on the test set, it has the one with fewest caveats.
    fn cell(&self, model: &str, headings: &[&Heading], scores: &[Score]) -> Option<SummaryCell> {
        let found = headings.iter().filter_map(|heading| {
            let is_own =
                |score: &&Score| score.model == model && score.metric == self.metric && is_of(score, heading);
            scores.iter().find(is_own).map(|score| (*heading, score))
        });
        let Some((heading, score)) = found.min_by_key(|(heading, _)| heading.caveats.len()) else {
            let heading = headings.iter().find(|heading| heading.unmeasured.iter().any(|m| m == model))?;
            return Some(SummaryCell {
                model: model.to_owned(),
                protocol: heading.protocol.clone(),
                value: None,
                stderr: None,
                ci95_low: None,
                ci95_high: None,
                n: 0,
                paper: None,
                paper_is_reading: false,
                difference: None,
                published: None,
                symbols: "§".to_owned(),
                is_best: false,
            });
        };
        let symbols = heading.symbols_of(score);
        let is_known = heading.other_options.is_empty() || symbols.contains(OPTIONS);
        let options = if is_known { "" } else { OPTIONS };
        Some(SummaryCell {
            model: model.to_owned(),
            protocol: heading.protocol.clone(),
            value: Some(score.value),
            stderr: score.stderr,
            ci95_low: score.ci95_low,
            ci95_high: score.ci95_high,
            n: score.n,
            paper: score.paper,
            paper_is_reading: score.paper.is_some_and(|paper| is_reading(&score.task, &score.metric, paper)),
            difference: score.paper.map(|paper| score.value - paper),
            published: score.published,
            symbols: format!("{symbols}{options}"),
            is_best: false,
        })
    }
}

/// Whether a score belongs to a heading and has a model.
fn is_of(score: &Score, heading: &Heading) -> bool {
    score.parameters.is_some() && heading.covers(score)
}

/// Explanations of the symbols in the columns.
fn footnotes(groups: &[SummaryGroup], used: &[&Heading]) -> Vec<String> {
    let cells = || groups.iter().flat_map(|group| &group.columns).flat_map(|column| &column.cells);
    let has = |symbol: &str| cells().any(|cell| cell.symbols.contains(symbol));
    let mut caveats: Vec<&Caveat> = used.iter().flat_map(|heading| &heading.caveats).collect();
    caveats.sort_by_key(|caveat| {
        ["†", "‡", "¶", "‖", OPTIONS].iter().position(|symbol| *symbol == caveat.symbol)
    });
    let caveats = caveats.into_iter().filter(|caveat| has(caveat.symbol));
    let mut footnotes = distinct(caveats.map(|caveat| format!("{} {}", caveat.symbol, caveat.brief)));
    let others = [
        ("*", "some samples are longer than the context and were truncated"),
        ("§", "samples failed and count in no score, or nothing was measured; see the footnotes below"),
        (OPTIONS, "measured under options other than the paper's; the column's header names them"),
    ];
    let has_options =
        groups.iter().flat_map(|group| &group.columns).any(|column| !column.other_options.is_empty());
    let has_other = |symbol: &str| has(symbol) && (symbol != OPTIONS || has_options);
    footnotes.extend(
        others
            .iter()
            .filter(|(symbol, _)| has_other(symbol))
            .map(|(symbol, text)| format!("{symbol} {text}")),
    );
    if cells().any(|cell| cell.value.is_some() && cell.stderr.is_none()) {
        footnotes.push(UNKNOWN_ERROR.to_owned());
    }
    if cells().any(|cell| cell.paper_is_reading) {
        footnotes.push("≈ read off a curve of the paper".to_owned());
    }
    if cells().any(|cell| cell.paper.is_some()) {
        footnotes.push("paper: Radford et al. 2019; Δ: ours minus the paper's".to_owned());
    }
    if cells().any(|cell| cell.published.is_some()) {
        footnotes.push(
            "published: measured by others, whom the footnotes of the tasks' tables name; Δ: ours minus theirs"
                .to_owned(),
        );
    }
    footnotes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::Protocol;
    use crate::report::{Section, paper_value};

    /// All columns of the paper for a bundled model and two of the paper's models, with made-up values near the paper's.
    pub fn paper_scores() -> (Vec<Heading>, Vec<Score>) {
        let mut headings: Vec<Heading> = Vec::new();
        let mut scores = Vec::new();
        for known in GROUPS.iter().flat_map(|(_, columns)| *columns) {
            let mut label = Protocol::new("paper");
            if known.task == "1bw" {
                label.options.insert("limit".to_owned(), "100".to_owned());
            }
            if !headings.iter().any(|heading| heading.task == known.task) {
                headings.push(Heading {
                    task: known.task.to_owned(),
                    title: known.name.to_owned(),
                    protocol: label.to_string(),
                    is_default: true,
                    stride: (known.unit.starts_with(['P', 'B']) && !known.unit.starts_with("BL"))
                        .then_some(32),
                    shots: matches!(known.unit, "ACC" | "F1" | "BLEU" | "ROUGE avg").then_some(0),
                    metrics: Vec::new(),
                    caveats: Caveat::of_label(&label, 6075),
                    ..Heading::default()
                });
            }
            if let Some(heading) = headings.iter_mut().find(|heading| heading.task == known.task) {
                heading.metrics.push(known.metric.to_owned());
            }
            for (model, parameters) in
                [("1542M", 1_557_611_200), ("117M", 124_439_808), ("tiny-3M", 3_432_064)]
            {
                let paper = paper_value(model, known.task, "paper", known.metric);
                let higher_is_better = known.unit != "PPL" && !known.unit.starts_with("BP");
                scores.push(Score {
                    model: model.to_owned(),
                    parameters: Some(parameters),
                    task: known.task.to_owned(),
                    protocol: label.to_string(),
                    metric: known.metric.to_owned(),
                    value: paper
                        .map_or(if higher_is_better { 1.25 } else { 2_346_902.6 }, |paper| paper + 0.37),
                    stderr: Some(match paper {
                        Some(paper) => paper / 50.0,
                        None if higher_is_better => 0.125,
                        None => 46_938.0,
                    }),
                    ci95_low: None,
                    ci95_high: None,
                    n: 5153,
                    higher_is_better,
                    paper,
                    failed: usize::from(known.task == "ptb" && model == "117M"),
                    published: None,
                });
            }
        }
        (headings, scores)
    }

    /// [`paper_scores`] as tables.
    pub fn paper_table() -> Vec<Section> {
        let (headings, scores) = paper_scores();
        Summary::new(&headings, &scores).sections()
    }

    #[test]
    fn models_are_rows_with_the_papers_numbers_below() {
        let (mut headings, mut scores) = paper_scores();
        headings[0].truncated.push("117M".to_owned());
        // Other protocols and heuristic baselines are left out.
        headings.push(Heading { is_default: false, protocol: "harness".to_owned(), ..headings[0].clone() });
        scores.push(Score { protocol: "harness".to_owned(), ..scores[0].clone() });
        scores.push(Score { parameters: None, model: "Random".to_owned(), ..scores[0].clone() });
        // The test set takes precedence over the sample.
        let sample = Heading {
            protocol: "paper,data=sample".to_owned(),
            caveats: Caveat::of_label(
                &Protocol {
                    name: "paper".to_owned(),
                    options: [("data".to_owned(), "sample".to_owned())].into(),
                },
                60,
            ),
            ..headings[0].clone()
        };
        scores.insert(0, Score { protocol: sample.protocol.clone(), value: 7.0, ..scores[0].clone() });
        headings.insert(0, sample);
        let summary = Summary::new(&headings, &scores);
        assert_eq!(summary.groups.iter().map(|group| group.columns.len()).collect::<Vec<_>>(), [10, 7]);
        let lambada = &summary.groups[0].columns[0];
        let cells: Vec<(&str, &str, bool)> =
            lambada.cells.iter().map(|cell| (&*cell.model, &*cell.symbols, cell.is_best)).collect();
        assert_eq!(cells, [("tiny-3M", "", false), ("117M", "*", false), ("1542M", "", true)]);
        assert_eq!(lambada.cells[1].paper, Some(35.13));
        assert!((lambada.cells[1].difference.unwrap() - 0.37).abs() < 1e-9);
        assert!(summary.footnotes.iter().any(|footnote| footnote.starts_with("* some samples are longer")));
        assert!(summary.footnotes.iter().any(|footnote| footnote.starts_with("§ ")));
        assert!(summary.footnotes.iter().any(|footnote| footnote.starts_with("≈ ")));
        let of_1bw = summary.groups[0].columns.last().unwrap();
        assert!(of_1bw.cells.iter().all(|cell| cell.symbols == "‡"));
    }

    #[test]
    fn custom_tasks_and_other_options() {
        let (mut headings, mut scores) = paper_scores();
        headings.truncate(1);
        scores.retain(|score| score.task == "lambada");
        headings[0].other_options = "shots=2".to_owned();
        headings[0].unmeasured.push("1542M".to_owned());
        scores.retain(|score| score.model != "1542M" || score.metric != "perplexity");
        let own = Heading {
            task: "poems".to_owned(),
            title: "Poems".to_owned(),
            metrics: vec!["f1".to_owned(), "accuracy".to_owned()],
            other_options: String::new(),
            ..headings[0].clone()
        };
        let score =
            |metric: &str| Score { task: "poems".to_owned(), metric: metric.to_owned(), ..scores[0].clone() };
        scores.extend([score("accuracy"), score("f1")]);
        headings.push(own);
        let summary = Summary::new(&headings, &scores);
        let columns: Vec<(&str, &str, &str)> = summary
            .groups
            .iter()
            .flat_map(|group| group.columns.iter().map(|c| (&*group.title, &*c.name, &*c.unit)))
            .collect();
        let table_3 = "Table 3 of the paper";
        assert_eq!(
            columns,
            [(table_3, "LAMBADA", "PPL"), (table_3, "LAMBADA", "ACC"), (OTHER, "Poems", "f1")]
        );
        assert_eq!(summary.groups[0].columns[0].other_options, "shots=2");
        assert_eq!(summary.groups[0].columns[0].cells[1].symbols, "◊");
        assert_eq!(summary.groups[0].columns[0].cells[2].symbols, "§", "not measured");
        assert_eq!(summary.tasks(), 2);
        // The protocol's own options take precedence.
        let plain = Heading { other_options: String::new(), protocol: "p".to_owned(), ..headings[0].clone() };
        headings.push(plain);
        let more: Vec<Score> =
            scores.iter().map(|s| Score { protocol: "p".to_owned(), ..s.clone() }).collect();
        scores.extend(more);
        let summary = Summary::new(&headings, &scores);
        assert_eq!(summary.groups[0].columns.len(), 2);
        assert_eq!(summary.groups[0].columns[0].other_options, "");
    }
}
