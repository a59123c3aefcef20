//! `table.md`.

use super::Section;
use super::exporter::{Export, ExportedFile, Exporter};

pub(super) struct Markdown;

impl Exporter for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn description(&self) -> &'static str {
        "The tables in Markdown"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        let results = &export.results;
        let text = markdown(&results.tables(), &results.byline(), &results.preface());
        Ok(vec![ExportedFile::new("table.md", text)])
    }
}

/// Tables in Markdown, after a line about the program (`made_by`) and one bullet per line of `preface`.
pub fn markdown(sections: &[Section], made_by: &str, preface: &[String]) -> String {
    let mut text = format!("# gpt2-eval\n\n{}\n", markdown_line(made_by));
    if !preface.is_empty() {
        text.push('\n');
    }
    text.extend(preface.iter().map(|line| format!("- {}\n", markdown_line(line))));
    if sections.is_empty() {
        text.push_str("\nNo results yet.\n");
    }
    for section in sections {
        text.push_str(&format!("\n## {}\n\n", escape_markdown(&section.title)));
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<String> = cells.map(|cell| escape_markdown(cell.trim())).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        text.push_str(&line(&mut section.header.iter().map(String::as_str)));
        let rule: Vec<&str> = (0..section.header.len())
            .map(|column| if column < section.keys { "---" } else { "---:" })
            .collect();
        text.push_str(&format!("| {} |\n", rule.join(" | ")));
        for row in &section.rows {
            text.push_str(&line(&mut row.iter().map(|cell| cell.text.as_str())));
        }
        if !section.footnotes.is_empty() {
            text.push('\n');
        }
        for note in &section.footnotes {
            text.push_str(&format!("- {}\n", markdown_line(note)));
        }
    }
    text
}

/// Text without the characters that Markdown interprets: emphasis, code, links, HTML and its entities, strikethrough,
/// headings, cells, and the formulas of GitHub and GitLab. An underscore inside a word is left alone, as Markdown does.
pub fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut is_in_word = false;
    while let Some(character) = characters.next() {
        match character {
            '_' if is_in_word && characters.peek().is_some_and(|next| next.is_alphanumeric()) => {}
            '|' | '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '$' | '_' | '~' | '#' | '&' => {
                escaped.push('\\');
            }
            _ => {}
        }
        escaped.push(if character.is_control() { ' ' } else { character });
        is_in_word = character.is_alphanumeric();
    }
    escaped
}

/// [`escape_markdown`] for text at the beginning of a paragraph or bullet, where `-`, `+` and `1.` begin a list, and `=`
/// underlines a heading.
pub fn markdown_line(text: &str) -> String {
    let escaped = escape_markdown(text.trim_start());
    let digits = escaped.bytes().take_while(u8::is_ascii_digit).count();
    let sign = match escaped.as_bytes().get(digits..) {
        Some([b'-' | b'+' | b'=', ..]) if digits == 0 => 0,
        Some([b'.' | b')'] | [b'.' | b')', b' ', ..]) if digits > 0 => digits,
        _ => return escaped,
    };
    let (before, after) = escaped.split_at(sign);
    format!("{before}\\{after}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::paper_table;
    use crate::report::task_tables::{sections, tests::example};

    #[test]
    fn markdown_table() {
        let (headings, scores) = example();
        insta::assert_snapshot!(markdown(&sections(&headings, &scores, &[]), "made by a test", &[]));
    }

    #[test]
    fn markdown_summary() {
        let preface = ["a warning with a | in it".to_owned()];
        insta::assert_snapshot!(markdown(&paper_table(), "made by a test", &preface));
    }

    #[test]
    fn labels_cannot_break_the_table() {
        assert_eq!(escape_markdown("a|b\n<script>"), "a\\|b \\<script\\>");
    }

    #[test]
    fn titles_are_text() {
        let title = "$x_1$ costs $5 & #1 ~~no~~ __init__ !AT&amp;T[a](b) perplexity_stop_filter";
        let escaped = "\\$x_1\\$ costs \\$5 \\& \\#1 \\~\\~no\\~\\~ \\_\\_init\\_\\_ !AT\\&amp;T\\[a\\](b) \
                       perplexity_stop_filter";
        assert_eq!(escape_markdown(title), escaped);
        let section = Section::new(title.to_owned(), 1, vec!["$m$".to_owned()], vec![vec!["$1$".to_owned()]]);
        let text = markdown(&[section], "made by a test", &[]);
        assert!(text.contains(&format!("\n## {escaped}\n")), "{text}");
        assert!(text.contains("\n| \\$m\\$ |\n| --- |\n| \\$1\\$ |\n"), "{text}");
    }

    #[test]
    fn text_at_the_beginning_of_a_line_is_no_list() {
        for (text, escaped) in [
            ("- a", "\\- a"),
            ("+ a", "\\+ a"),
            ("12. a", "12\\. a"),
            ("1) a", "1\\) a"),
            ("# a", "\\# a"),
            ("=====", "\\====="),
            ("    code", "code"),
            ("2.5 of 3", "2.5 of 3"),
            ("117M: a", "117M: a"),
            ("", ""),
        ] {
            assert_eq!(markdown_line(text), escaped);
        }
    }
}
