//! Lays the summary out as tables of text.

use super::{Summary, SummaryCell, SummaryColumn, SummaryGroup};
use crate::report::distinct::distinct;
use crate::report::numbers::{arrow, difference, number, or_dash};
use crate::report::uncertainty::with_error;
use crate::report::{Cell, Section, Tone};
use untrusted_input::thousands;

impl Summary {
    /// One table per group; the last has the footnotes.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> = self.groups.iter().map(SummaryGroup::section).collect();
        if let Some(last) = sections.last_mut() {
            last.footnotes.clone_from(&self.footnotes);
        }
        sections
    }
}

impl SummaryGroup {
    fn section(&self) -> Section {
        let mut header = vec!["model".to_owned()];
        header.extend(self.columns.iter().map(SummaryColumn::heading));
        let cells = || self.columns.iter().flat_map(|column| &column.cells);
        // All columns have the models in the same order, but each may lack some.
        let longest = self.columns.iter().max_by_key(|column| column.cells.len());
        let models = longest.into_iter().flat_map(|column| &column.cells).chain(cells());
        let mut rows = Vec::new();
        for model in distinct(models.map(|cell| cell.model.as_str())) {
            let own: Vec<Option<&SummaryCell>> =
                self.columns.iter().map(|column| column.cells.iter().find(|c| c.model == model)).collect();
            let row = |name: &str, tone, shown: &dyn Fn(&SummaryCell, &SummaryColumn) -> Cell| {
                let cells = own.iter().zip(&self.columns).map(|(cell, column)| {
                    cell.map_or_else(|| Cell::toned("–", tone), |cell| shown(cell, column))
                });
                std::iter::once(Cell::toned(name, tone)).chain(cells).collect::<Vec<Cell>>()
            };
            rows.push(row(model, Tone::Plain, &|cell, _| value(cell)));
            if own.iter().flatten().any(|cell| cell.paper.is_some()) {
                rows.push(row("  paper", Tone::Published, &|cell, _| paper(cell)));
                rows.push(row("  Δ", Tone::Plain, &|cell, column| change(cell, cell.difference, column)));
            }
            if own.iter().flatten().any(|cell| cell.published.is_some()) {
                let published = |cell: &SummaryCell| or_dash(cell.published, as_published);
                let from_ours = |cell: &SummaryCell| Some(cell.value? - cell.published?);
                rows.push(row("  published", Tone::Published, &|cell, _| {
                    Cell::toned(published(cell), Tone::Published)
                }));
                rows.push(row("  Δ", Tone::Plain, &|cell, column| change(cell, from_ours(cell), column)));
            }
        }
        let columns: Vec<&SummaryColumn> = self.columns.iter().collect();
        let title = format!("Summary: {}", self.title);
        Section { title, terms: terms(&columns), header, keys: 1, rows, ..Section::default() }
    }
}

impl SummaryColumn {
    fn heading(&self) -> String {
        let options =
            if self.other_options.is_empty() { String::new() } else { format!("\n{}", self.other_options) };
        format!("{}\n{} {}{options}", self.name, self.unit, arrow(self.higher_is_better))
    }
}

fn value(cell: &SummaryCell) -> Cell {
    let Some(value) = cell.value else { return format!("–{}", cell.symbols).into() };
    let shown = with_error(value, cell.stderr, cell.ci95_low.zip(cell.ci95_high));
    Cell { is_best: cell.is_best, ..format!("{shown}{}", cell.symbols).into() }
}

fn paper(cell: &SummaryCell) -> Cell {
    let reading = if cell.paper_is_reading { "≈ " } else { "" };
    let text = or_dash(cell.paper, |paper| format!("{reading}{}", as_published(paper)));
    Cell::toned(text, Tone::Published)
}

/// A published number, with more than two decimals if it has them.
fn as_published(value: f64) -> String {
    let exact = value.to_string();
    let decimals = exact.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals > 2 { exact } else { number(value) }
}

fn change(cell: &SummaryCell, change: Option<f64>, column: &SummaryColumn) -> Cell {
    let Some(change) = change else { return "–".into() };
    Cell::toned(
        format!("{}{}", difference(change), cell.symbols),
        Tone::of_difference(change, column.higher_is_better),
    )
}

/// Protocols, stride, shots and samples of columns.
fn terms(columns: &[&SummaryColumn]) -> String {
    let each = |value: &dyn Fn(&SummaryColumn) -> Option<u64>| {
        let pairs: Vec<(&str, String)> = columns
            .iter()
            .filter_map(|column| Some((column.name.as_str(), thousands(value(column)?))))
            .collect();
        by_value(&pairs)
    };
    let protocols: Vec<(&str, String)> = columns
        .iter()
        .flat_map(|column| {
            column.cells.iter().map(|cell| (column.name.as_str(), protocol_name(&cell.protocol)))
        })
        .collect();
    let n = |column: &SummaryColumn| column.cells.iter().map(|cell| cell.n as u64).max();
    let parts = [
        ("protocol ", by_value(&protocols)),
        ("stride ", each(&|column| column.stride.map(|stride| stride as u64))),
        ("shots ", each(&|column| column.shots.map(|shots| shots as u64))),
        ("n = ", each(&n)),
    ];
    let parts = parts.iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("{name}{text}"));
    parts.collect::<Vec<_>>().join("; ")
}

/// `paper` of `paper,data=sample`.
fn protocol_name(label: &str) -> String {
    label.split(',').next().unwrap_or(label).to_owned()
}

/// `32` if all have the same value, otherwise `32 (PTB, 1BW), 1,024 (WikiText2)`.
fn by_value(pairs: &[(&str, String)]) -> String {
    let values = distinct(pairs.iter().map(|(_, value)| value.as_str()));
    if let [value] = values.as_slice() {
        return (*value).to_owned();
    }
    let of_value = |value: &str| {
        let names = distinct(pairs.iter().filter(|(_, own)| own == value).map(|(name, _)| *name));
        format!("{value} ({})", names.join(", "))
    };
    values.into_iter().map(of_value).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::build::tests::{paper_scores, paper_table};

    #[test]
    fn models_of_the_paper_have_three_rows() {
        let sections = paper_table();
        let [table_3, figures] = sections.as_slice() else { panic!("two groups") };
        assert_eq!(table_3.header[1], "LAMBADA\nPPL ↓");
        let names: Vec<&str> = table_3.rows.iter().map(|row| row[0].text.as_str()).collect();
        assert_eq!(names, ["tiny-3M", "117M", "  paper", "  Δ", "1542M", "  paper", "  Δ"]);
        let lambada: Vec<&str> = table_3.rows.iter().map(|row| row[1].text.as_str()).collect();
        assert_eq!(lambada[..4], ["2.347e6 ± 4.7e4", "35.50 ± 0.70", "35.13", "+0.37"]);
        assert_eq!((table_3.rows[3][1].tone, table_3.rows[3][2].tone), (Tone::Worse, Tone::Better));
        assert!(table_3.rows[4][1].is_best && !table_3.rows[1][1].is_best);
        assert_eq!(figures.rows[2][1].text, "≈ 25.50");
        assert!(
            table_3.footnotes.is_empty()
                && figures.footnotes.iter().any(|footnote| footnote.starts_with("‡ "))
        );
        let (headings, scores) = paper_scores();
        let summary = Summary::new(&headings, &scores);
        let columns: Vec<&SummaryColumn> = summary.groups.iter().flat_map(|group| &group.columns).collect();
        assert_eq!(terms(&columns), "protocol paper; stride 32; shots 0; n = 5,153");
    }

    #[test]
    fn differing_values_name_their_columns() {
        assert_eq!(
            by_value(&[("a", "1".to_owned()), ("b", "2".to_owned()), ("a", "1".to_owned())]),
            "1 (a), 2 (b)"
        );
        assert_eq!(by_value(&[]), "");
    }
}
