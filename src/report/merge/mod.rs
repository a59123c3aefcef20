//! Merges several runs into common tables, such as models that were evaluated on different days or machines.

mod differences;
mod names;

use super::distinct::{add_new, distinct};
use super::{Export, ExportedRun, Heading, Results};
use crate::record::{GroupScore, Score};
use differences::differences;
pub(crate) use differences::{Arithmetic, arithmetic_differences};
use names::Names;

impl<'a> Export<'a> {
    /// One run, or several with different names, whose scores are merged.
    pub fn new(runs: Vec<ExportedRun<'a>>) -> Self {
        Self { results: merge(&runs), runs }
    }
}

/// Merges the scores of all runs under common headings, by task and protocol.
///
/// A model with the same scores in two runs has one row. If its scores or its weights differ, each run has its own rows,
/// named after the run.
fn merge(runs: &[ExportedRun<'_>]) -> Results {
    if let [run] = runs {
        return run.results.clone();
    }
    let names = Names::new(runs);
    let mut merged = Results {
        made_by: made_by(runs),
        warnings: differences(runs).into_iter().chain(names.warnings()).collect(),
        notes: names.notes(),
        ..Results::default()
    };
    for run in runs {
        for heading in run.results.headings() {
            add_heading(&mut merged.headings, heading, run, &names);
        }
        for score in run.results.scores() {
            let model = names.of_score(run, score);
            let is_known = |other: &Score| {
                other.model == model
                    && (&other.task, &other.protocol, &other.metric)
                        == (&score.task, &score.protocol, &score.metric)
            };
            if !merged.scores.iter().any(is_known) {
                merged.scores.push(Score { model, ..score.clone() });
            }
        }
        for group in run.results.groups() {
            let model = names.of_model(run, &group.model);
            let is_known = |other: &GroupScore| {
                other.model == model
                    && (&other.task, &other.protocol, &other.metric)
                        == (&group.task, &group.protocol, &group.metric)
                    && (&other.breakdown, &other.group) == (&group.breakdown, &group.group)
            };
            if !merged.groups.iter().any(is_known) {
                merged.groups.push(GroupScore { model, ..group.clone() });
            }
        }
    }
    // The order of a single run of all models: heuristic baselines, then models by size.
    merged.scores.sort_by_key(|score| score.parameters);
    for heading in &mut merged.headings {
        let scores: Vec<&Score> = merged.scores.iter().filter(|score| heading.covers(score)).collect();
        heading.unmeasured.retain(|model| !scores.iter().any(|score| score.model == *model));
    }
    merged
}

/// Adds a heading, or merges it into the one with the same task and protocol.
fn add_heading(headings: &mut Vec<Heading>, heading: &Heading, run: &ExportedRun<'_>, names: &Names) {
    let rename =
        |models: &[String]| models.iter().map(|model| names.of_model(run, model)).collect::<Vec<_>>();
    let footnotes = heading.footnotes.iter().map(|footnote| of_run(footnote, &run.name));
    let own = Heading {
        footnotes: footnotes.collect(),
        truncated: rename(&heading.truncated),
        unmeasured: rename(&heading.unmeasured),
        ..heading.clone()
    };
    let same = headings.iter_mut().find(|known| (&known.task, &known.protocol) == (&own.task, &own.protocol));
    let Some(known) = same else {
        headings.push(own);
        return;
    };
    add_new(&mut known.metrics, own.metrics);
    add_new(&mut known.caveats, own.caveats);
    add_new(&mut known.footnotes, own.footnotes);
    add_new(&mut known.truncated, own.truncated);
    add_new(&mut known.unmeasured, own.unmeasured);
}

/// A footnote with the run's name after its symbol.
fn of_run(note: &str, run: &str) -> String {
    let symbol = ["§ ", "* "].into_iter().find(|symbol| note.starts_with(symbol)).unwrap_or_default();
    format!("{symbol}{run}: {}", note.strip_prefix(symbol).unwrap_or(note))
}

/// Program, precision and device of the runs, once if they agree.
fn made_by(runs: &[ExportedRun<'_>]) -> String {
    let all = distinct(runs.iter().map(|run| run.results.made_by()));
    let count = format!("{} runs", runs.len());
    match all.as_slice() {
        [one] => format!("{count}: {one}"),
        _ => {
            let each = runs.iter().map(|run| format!("{}: {}", run.name, run.results.made_by()));
            format!("{count}: {}", each.collect::<Vec<_>>().join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footnotes_keep_their_symbol_first() {
        assert_eq!(of_run("§ m: not measured", "a"), "§ a: m: not measured");
        assert_eq!(of_run("a footnote", "a"), "a: a footnote");
    }
}
