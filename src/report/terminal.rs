//! The table on the terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::Section;

/// Columns of the terminal that standard output is; `None` if it is none.
pub fn terminal_width() -> Option<u16> {
    Table::new().width()
}

/// The sections one under the other, each at most `width` columns wide (as wide as needed where `None`).
pub fn terminal(sections: &[Section], width: Option<u16>) -> String {
    let mut text = String::new();
    for section in sections {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width {
            table.set_width(width);
        } else {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        table.set_header(&section.header);
        for row in &section.rows {
            table.add_row(row.iter().enumerate().map(|(column, cell)| {
                let alignment = if column == 0 { CellAlignment::Left } else { CellAlignment::Right };
                Cell::new(cell).set_alignment(alignment)
            }));
        }
        text.push_str(&format!("{}\n{}\n", section.title, table.trim_fmt()));
        for note in &section.notes {
            text.push_str(&format!("  {note}\n"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::section::{sections, tests::example};

    #[test]
    fn terminal_table() {
        let (headings, scores) = example();
        insta::assert_snapshot!(terminal(&sections(&headings, &scores, &[]), None));
    }

    #[test]
    fn narrow_terminals_wrap() {
        let (headings, scores) = example();
        let text = terminal(&sections(&headings, &scores, &[]), Some(60));
        let table_lines = text.lines().filter(|line| line.starts_with(['│', '┌', '╞', '└']));
        assert!(table_lines.map(|line| line.chars().count()).all(|width| width <= 60), "{text}");
    }
}
