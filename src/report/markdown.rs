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
    let mut text = format!("# gpt2-eval\n\n{}\n", escape_markdown(made_by));
    if !preface.is_empty() {
        text.push('\n');
    }
    text.extend(preface.iter().map(|line| format!("- {}\n", escape_markdown(line))));
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
            text.push_str(&format!("- {}\n", escape_markdown(note)));
        }
    }
    text
}

/// Text without the characters that Markdown interprets.
pub fn escape_markdown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        match character {
            '\n' | '\r' => escaped.push(' '),
            '|' | '\\' | '`' | '*' | '[' | ']' | '<' | '>' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
        escaped
    })
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
}
