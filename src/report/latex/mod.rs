//! `table.tex`: a complete LaTeX document whose tables can be copied into others.

mod escape;

use super::exporter::{Export, ExportedFile, Exporter};
use super::split::{Widths, split};
use super::{Cell, Section, Tone};
use escape::{escape, escape_running};

/// Characters that fit on a line of the page.
const LINE: usize = 130;
/// Space between two columns, in characters.
const COLUMN_GAP: usize = 3;
/// Maximum rows of a table including headers, so that it fits on a page with caption and footnotes.
const MAX_ROWS: usize = 42;
/// Floats between two `\clearpage`: LaTeX fails with too many unplaced floats.
const MAX_FLOATS: usize = 16;

const PREAMBLE: &str = r"\documentclass[10pt,a4paper]{article}
\usepackage[margin=20mm]{geometry}
\usepackage{booktabs} % for the tables
\usepackage{graphicx} % for the tables: \resizebox
\setlength{\belowcaptionskip}{4pt}
\makeatletter
\setlength{\@fptop}{0pt}
% Set without LaTeX's one-line trial, which overflows for very long captions.
\long\def\@makecaption#1#2{\vskip\abovecaptionskip #1: #2\par\vskip\belowcaptionskip}
\makeatother
\setcounter{topnumber}{9}
\setcounter{totalnumber}{9}
\renewcommand{\topfraction}{0.98}
\renewcommand{\textfraction}{0.01}
\renewcommand{\floatpagefraction}{0.6}
\begin{document}
";

/// Shrinks tables that are wider than the line.
const FIT: &str = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%";

pub(super) struct Latex;

impl Exporter for Latex {
    fn name(&self) -> &'static str {
        "latex"
    }

    fn description(&self) -> &'static str {
        "The tables as a LaTeX document"
    }

    fn files(&self, export: &Export<'_>) -> anyhow::Result<Vec<ExportedFile>> {
        let results = &export.results;
        let text = latex(&results.tables(), &results.byline(), &results.preface());
        Ok(vec![ExportedFile::new("table.tex", text)])
    }
}

/// The sections as a document. Comments mark the begin and end of each table for copying; a table needs only the packages
/// `booktabs` and `graphicx`.
pub fn latex(sections: &[Section], made_by: &str, preface: &[String]) -> String {
    let mut text =
        "% Written by gpt2-eval. The tables between the comments need booktabs and graphicx.\n".to_owned();
    text.push_str(PREAMBLE);
    text.push_str(&format!("\\noindent {}\n", escape_running(made_by)));
    if sections.is_empty() {
        text.push_str("\nNo results yet.\n");
    }
    for line in preface {
        text.push_str(&format!("\n\\noindent {}\n", escape_running(line)));
    }
    let mut floats = 0;
    for (number, section) in sections.iter().enumerate() {
        let pages = pages(section);
        let count = pages.len();
        for (page, tabulars) in pages.into_iter().enumerate() {
            let caption = caption(section, made_by, page);
            let footnotes = if page + 1 == count { section.footnotes.as_slice() } else { &[] };
            text.push_str(&table(number + 1, &caption, &tabulars, footnotes));
            floats += 1;
            if floats % MAX_FLOATS == 0 {
                text.push_str("\\clearpage\n");
            }
        }
    }
    text.push_str("\\end{document}\n");
    text
}

fn table(number: usize, caption: &str, tabulars: &[String], footnotes: &[String]) -> String {
    let mut text =
        format!("\n% begin of table {number}\n\\begin{{table}}[!htbp]\n  \\centering\\footnotesize\n");
    text.push_str(&format!("  \\caption[]{{{caption}}}\n"));
    for (index, tabular) in tabulars.iter().enumerate() {
        let space = if index > 0 { "  \\par\\medskip\n" } else { "" };
        text.push_str(&format!("{space}  {FIT}\n{tabular}  }}\n"));
    }
    if !footnotes.is_empty() {
        text.push_str("  \\par\\smallskip\n  \\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\n");
        text.extend(footnotes.iter().map(|footnote| format!("    {}\\par\n", escape_running(footnote))));
        text.push_str("  \\end{minipage}\n");
    }
    text.push_str(&format!("\\end{{table}}\n% end of table {number}\n"));
    text
}

/// Title, terms and origin of the table.
fn caption(section: &Section, made_by: &str, page: usize) -> String {
    let mut words = vec![escape_running(&section.title)];
    words.extend((page > 0).then(|| "continued".to_owned()));
    words.extend(Some(escape_running(&section.terms)).filter(|terms| !terms.is_empty()));
    words.push(escape_running(made_by));
    if section.rows.iter().flatten().any(|cell| cell.is_best) {
        words.push("the best model of a column is bold".to_owned());
    }
    if section.header.iter().any(|name| name.contains(['↑', '↓'])) {
        words.push(r"$\uparrow$ more, $\downarrow$ less is better".to_owned());
    }
    format!("{}.", words.join("; "))
}

/// The section's tabulars by page: columns that do not fit on the line go below, rows that do not fit on the page go to the
/// next.
fn pages(section: &Section) -> Vec<Vec<String>> {
    let widths: Vec<usize> = (0..section.header.len()).map(|column| width(section, column)).collect();
    let parts = split(section, Widths { columns: &widths, padding: COLUMN_GAP, frame: 0, available: LINE });
    let mut pages: Vec<Vec<String>> = vec![Vec::new()];
    let mut rows = 0;
    for rows_of_page in section.rows.chunks(MAX_ROWS) {
        for part in &parts {
            let height = rows_of_page.len() + 3;
            if rows > 0 && rows + height > MAX_ROWS {
                pages.push(Vec::new());
                rows = 0;
            }
            rows += height;
            if let Some(page) = pages.last_mut() {
                page.push(tabular(section, part, rows_of_page));
            }
        }
    }
    pages.retain(|page| !page.is_empty());
    pages
}

/// Characters in a column's widest line.
fn width(section: &Section, column: usize) -> usize {
    let header = section.header.get(column).into_iter().flat_map(|name| name.split('\n'));
    let cells = section.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.as_str());
    header.chain(cells).map(|text| text.chars().count()).max().unwrap_or_default()
}

fn tabular(section: &Section, columns: &[usize], rows: &[Vec<Cell>]) -> String {
    let alignments: String =
        columns.iter().map(|&column| if column < section.keys { 'l' } else { 'r' }).collect();
    let mut text = format!("  \\begin{{tabular}}{{@{{}}{alignments}@{{}}}}\n    \\toprule\n");
    let names: Vec<Vec<&str>> = columns
        .iter()
        .map(|&column| section.header.get(column).map_or("", String::as_str).split('\n').collect())
        .collect();
    let lines = names.iter().map(Vec::len).max().unwrap_or_default();
    for line in 0..lines {
        // One-line names align with the last line.
        let names = names.iter().map(|name| {
            let missing = lines - name.len();
            let is_key_or_short = name.len() == 1;
            let index = if is_key_or_short { line.checked_sub(missing) } else { Some(line) };
            index.and_then(|index| name.get(index)).map(|name| escape(name)).unwrap_or_default()
        });
        text.push_str(&format!("    {} \\\\\n", names.collect::<Vec<_>>().join(" & ")));
    }
    text.push_str("    \\midrule\n");
    for (number, row) in rows.iter().enumerate() {
        let is_new_model = row.first().is_some_and(|cell| !cell.text.starts_with(' '));
        let follows_indented_row = number > 0
            && rows
                .get(number - 1)
                .and_then(|row| row.first())
                .is_some_and(|cell| cell.text.starts_with(' '));
        if is_new_model && follows_indented_row {
            text.push_str("    \\addlinespace\n");
        }
        let cells = columns.iter().map(|&column| {
            row.get(column).map(|cell| shown(cell, column < section.keys)).unwrap_or_default()
        });
        text.push_str(&format!("    {} \\\\\n", cells.collect::<Vec<_>>().join(" & ")));
    }
    text.push_str("    \\bottomrule\n  \\end{tabular}%\n");
    text
}

fn shown(cell: &Cell, is_key: bool) -> String {
    let trimmed = cell.text.trim_start();
    let indent = if trimmed.len() < cell.text.len() { r"\quad " } else { "" };
    let text = if is_key { escape(trimmed) } else { escape_number(trimmed) };
    match (cell.is_best, cell.tone) {
        // Only the value is bold, not its error.
        (true, _) => {
            let (value, error) = text
                .split_once(r" $\pm$")
                .map_or((text.as_str(), ""), |(value, _)| (value, &text[value.len()..]));
            format!(r"{indent}\textbf{{{value}}}{error}")
        }
        (false, Tone::Published) => format!(r"{indent}\textit{{{text}}}"),
        _ => format!("{indent}{text}"),
    }
}

/// Escapes a number; an exponent becomes a power of ten.
fn escape_number(text: &str) -> String {
    let escaped = escape(text);
    let mut shown = String::with_capacity(escaped.len());
    let mut rest = escaped.as_str();
    while let Some(index) = rest.find('e') {
        let (before, after) = rest.split_at(index);
        let exponent = after.get(1..).unwrap_or_default();
        let (sign, digits) = exponent.strip_prefix('-').map_or(("", exponent), |digits| ("-", digits));
        let count = digits.chars().take_while(char::is_ascii_digit).count();
        shown.push_str(before);
        if before.ends_with(|c: char| c.is_ascii_digit()) && count > 0 {
            shown.push_str(&format!(r"$\times$10$^{{{sign}{}}}$", &digits[..count]));
            rest = &digits[count..];
        } else {
            shown.push('e');
            rest = exponent;
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::paper_table;
    use crate::report::task_tables::{sections, tests::example};

    #[test]
    fn latex_document() {
        let (headings, scores) = example();
        let mut all = paper_table();
        all.extend(sections(&headings, &scores, &[]));
        insta::assert_snapshot!(latex(&all, "gpt2-eval 0.0.0, f32 on a test", &["a_warning".to_owned()]));
    }

    #[test]
    fn numbers_have_powers_of_ten() {
        assert_eq!(
            escape_number("2.35e6 ± 8.94e-6†"),
            r"2.35$\times$10$^{6}$ $\pm$ 8.94$\times$10$^{-6}$$^{\dagger}$"
        );
        assert_eq!(escape_number("1e"), "1e");
        assert_eq!(escape_number("one e6"), "one e6");
    }

    #[test]
    fn long_and_wide_tables_are_split() {
        let header: Vec<String> = (0..30).map(|column| format!("a wide column {column}")).collect();
        let rows = (0..100).map(|row| vec![format!("{row}"); 30]).collect();
        let section = Section::new("t".to_owned(), 1, header, rows);
        let text = latex(&[section], "m", &[]);
        assert!(text.matches(r"\begin{table}").count() > 3, "{text}");
        assert_eq!(text.matches(r"\begin{table}").count(), text.matches(r"\end{table}").count());
        assert_eq!(text.matches(r"\toprule").count(), text.matches(r"\end{tabular}").count());
        assert_eq!(text.matches("continued").count() + 1, text.matches(r"\begin{table}").count());
    }
}
