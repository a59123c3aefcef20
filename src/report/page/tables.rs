//! Tables as HTML.

use maud::{Markup, Render, html};

use crate::report::{Cell, Results, Section, Tone, escape};

/// Escaped text without control characters, which HTML forbids; maud alone would keep those.
pub(super) struct Text<'a>(pub &'a str);

impl Render for Text<'_> {
    fn render_to(&self, buffer: &mut String) {
        buffer.push_str(&escape(self.0));
    }
}

/// Warnings, notes and all tables.
pub(super) fn tables(results: &Results) -> Markup {
    let tables = results.tables();
    html! {
        @if tables.is_empty() {
            p { "No results yet." }
        } @else {
            @for line in results.preface() { p dir="auto" { (Text(&line)) } }
            @for section in &tables { (table(section)) }
        }
    }
}

/// The first column names the row.
fn table(section: &Section) -> Markup {
    html! {
        h3 dir="auto" { (Text(&section.title)) }
        div class="scroll" tabindex="0" role="region" aria-label=(Text(&section.title)) {
            table {
                thead { tr { @for name in &section.header { th scope="col" { (isolated(name)) } } } }
                tbody {
                    @for row in &section.rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 {
                                    th scope="row" { (isolated(&cell.text)) }
                                } @else {
                                    td class=[classes(cell)] { (isolated(&cell.text)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !section.footnotes.is_empty() {
            ul class="notes" { @for note in &section.footnotes { li dir="auto" { (Text(note)) } } }
        }
    }
}

fn classes(cell: &Cell) -> Option<&'static str> {
    match (cell.tone, cell.is_best) {
        (Tone::Plain, false) => None,
        (Tone::Plain, true) => Some("best"),
        (Tone::Published, false) => Some("published"),
        (Tone::Published, true) => Some("published best"),
        (Tone::Better, false) => Some("better"),
        (Tone::Better, true) => Some("better best"),
        (Tone::Worse, false) => Some("worse"),
        (Tone::Worse, true) => Some("worse best"),
    }
}

/// Text that cannot change the direction of its surroundings.
fn isolated(text: &str) -> Markup {
    html! {
        @if text.is_ascii() { (Text(text)) } @else { bdi { (Text(text)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let best = Cell { is_best: true, ..Cell::toned("\u{202e}x", Tone::Better) };
        let mut section = Section::new("<T>".to_owned(), 1, vec!["model".to_owned()], Vec::new());
        section.rows = vec![vec!["<b>".into(), "1".into(), best]];
        section.footnotes = vec!["† a note".to_owned()];
        let shown = table(&section).into_string();
        assert!(shown.starts_with("<h3 dir=\"auto\">&lt;T&gt;</h3>"));
        assert!(
            shown
                .contains("<tr><th scope=\"row\">&lt;b&gt;</th><td>1</td><td class=\"better best\"><bdi>\u{202e}x</bdi></td></tr>")
        );
        assert!(shown.contains("<li dir=\"auto\">† a note</li>"));
    }
}
