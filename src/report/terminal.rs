//! Tables for the terminal.

use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width, presets,
};

use super::exporter::{Export, ExportedFile, Exporter};
use super::split::{Widths, split};
use super::{Cell, Results, Screen, Section, Tone};

/// Minimum width of a first column that is wrapped to make room for the others.
const MIN_KEY: u16 = 8;

pub(super) struct Terminal;

impl Exporter for Terminal {
    fn name(&self) -> &'static str {
        "table"
    }

    fn description(&self) -> &'static str {
        "The tables of the terminal"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        Ok(vec![ExportedFile::new("table.txt", terminal_report(&export.results, Screen::FILE))])
    }

    fn document(&self, export: &Export<'_>, screen: Screen) -> anyhow::Result<Vec<u8>> {
        Ok(terminal_report(&export.results, screen).into_bytes())
    }
}

/// Warnings, notes and all tables.
pub fn terminal_report(results: &Results, screen: Screen) -> String {
    let mut text: String = results.preface().iter().map(|line| format!("{line}\n")).collect();
    if !text.is_empty() {
        text.push('\n');
    }
    text + &terminal(&results.tables(), screen)
}

/// Tables one below the other. A table that is wider than the screen is split into several with the same first columns,
/// so that no number wraps.
pub fn terminal(sections: &[Section], screen: Screen) -> String {
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("{}\n", printable(&section.title)));
        let all: Vec<usize> = (0..section.header.len()).collect();
        let widths: Vec<usize> =
            table(section, &all, screen).column_max_content_widths().into_iter().map(usize::from).collect();
        let parts = match screen.width {
            Some(most) => {
                let most = usize::from(most);
                split(section, Widths { columns: &widths, padding: 3, frame: 1, available: most })
            }
            None => vec![all],
        };
        for part in parts {
            let mut table = table(section, &part, screen);
            match screen.width {
                Some(most) => arrange(&mut table, section.keys, &part, &widths, most),
                None => {
                    table.set_content_arrangement(ContentArrangement::Disabled);
                }
            }
            text.push_str(&format!("{}\n", table.trim_fmt()));
        }
        for note in &section.footnotes {
            text.push_str(&format!("  {}\n", printable(note)));
        }
        text.push('\n');
    }
    text
}

/// Text without control characters, which file names and labels could use to control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn table(section: &Section, columns: &[usize], screen: Screen) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).force_no_tty();
    if screen.has_colours {
        table.enforce_styling();
    }
    table.set_header(columns.iter().map(|&column| {
        let lines: Vec<String> =
            section.header.get(column).map_or("", String::as_str).split('\n').map(printable).collect();
        comfy_table::Cell::new(lines.join("\n"))
    }));
    for row in &section.rows {
        table.add_row(columns.iter().map(|&column| {
            let alignment = if column < section.keys { CellAlignment::Left } else { CellAlignment::Right };
            row.get(column).map_or_else(|| comfy_table::Cell::new(""), styled).set_alignment(alignment)
        }));
    }
    table
}

fn styled(cell: &Cell) -> comfy_table::Cell {
    let shown = comfy_table::Cell::new(printable(&cell.text));
    match cell.tone {
        Tone::Plain => shown,
        Tone::Published => shown.add_attribute(Attribute::Dim),
        Tone::Better => shown.fg(Color::Green),
        Tone::Worse => shown.fg(Color::Red),
    }
}

/// Fits a table that is still too wide: wraps the first columns, and numbers only if those are not enough.
fn arrange(table: &mut Table, keys: usize, part: &[usize], widths: &[usize], most: u16) {
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(most);
    let width = |column: &usize| widths.get(*column).copied().unwrap_or(0);
    let numbers: usize = part.iter().skip(keys).map(|column| width(column) + 3).sum();
    let minimum: usize =
        part.iter().take(keys).map(|column| width(column).min(usize::from(MIN_KEY)) + 3).sum();
    if numbers + minimum < usize::from(most) {
        for column in table.column_iter_mut().skip(keys) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        for (column, width) in table.column_iter_mut().zip(part.iter().map(width)).take(keys) {
            let lower = Width::Fixed(MIN_KEY.min(u16::try_from(width).unwrap_or(MIN_KEY)));
            column.set_constraint(ColumnConstraint::LowerBoundary(lower));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::paper_table;
    use crate::report::task_tables::{sections, tests::example};

    fn widest(text: &str) -> usize {
        text.lines()
            .filter(|line| line.starts_with(['│', '┌', '╞', '└']))
            .map(|line| line.chars().count())
            .max()
            .unwrap_or_default()
    }

    #[test]
    fn terminal_table() {
        let (headings, scores) = example();
        insta::assert_snapshot!(terminal(&sections(&headings, &scores, &[]), Screen::FILE));
    }

    #[test]
    fn at_80_and_200_columns() {
        for width in [80, 200] {
            let screen = Screen { width: Some(width), has_colours: false };
            let text = terminal(&paper_table(), screen);
            assert!(widest(&text) <= usize::from(width), "{text}");
            insta::assert_snapshot!(format!("terminal_{width}"), text);
        }
    }

    #[test]
    fn numbers_do_not_wrap_in_narrow_terminals() {
        let (headings, scores) = example();
        for width in [40, 50, 60, 80] {
            let screen = Screen { width: Some(width), has_colours: false };
            let text = terminal(&sections(&headings, &scores, &[]), screen);
            assert!(widest(&text) <= usize::from(width), "{text}");
            assert!(text.contains("1,234.50 ± 0.50†"), "{text}");
        }
    }

    #[test]
    fn long_labels_wrap_and_leave_room_for_numbers() {
        let (headings, mut scores) = example();
        for score in &mut scores {
            score.model = format!("{}/{}", "a-very-long-label".repeat(8), score.model);
        }
        let text =
            terminal(&sections(&headings, &scores, &[]), Screen { width: Some(80), has_colours: false });
        assert!(widest(&text) <= 80, "{text}");
        assert!(text.contains("1,234.50 ± 0.50†"), "{text}");
    }

    #[test]
    fn escape_codes_only_with_colours() {
        let (headings, mut scores) = example();
        scores[0].model = "evil\u{1b}[2J".to_owned();
        let all = sections(&headings, &scores, &[]);
        let plain = terminal(&all, Screen { width: Some(80), has_colours: false });
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        let coloured = terminal(&all, Screen { width: Some(80), has_colours: true });
        assert!(coloured.contains('\u{1b}') && !coloured.contains("\u{1b}[2J"), "{coloured:?}");
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, behind)) = rest.split_once('\u{1b}') {
            stripped.push_str(before);
            rest = behind.split_once('m').map_or("", |(_, behind)| behind);
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain, "colours do not change the text");
    }
}
