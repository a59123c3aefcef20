//! `report.html`: tables, figures, manifest and every sample on one page that needs nothing beside itself.
//!
//! Tables, figures and the manifest are plain HTML. The samples are data, one JSON document in a script element that is
//! never run; the scripts in `assets/` show them as text and nothing else. The page forbids every request by its
//! Content-Security-Policy, which allows its own script and style by their sha256.

mod answers;
mod browser;
mod html;
mod manifest;
mod pieces;
mod pools;

use super::{ExportedRun, Results};
use browser::Browser;
use gpt2_model::tokenizer::TokenizerError;
use html::{element, escape, sha256_source, table};

const TEMPLATE: &str = include_str!("assets/page.html");
const STYLE: &str = concat!(include_str!("assets/page.css"), include_str!("assets/samples.css"));
/// In this order, as one module: each uses what stands before it.
const SCRIPT: &str = concat!(
    include_str!("assets/dom.js"),
    include_str!("assets/data.js"),
    include_str!("assets/select.js"),
    include_str!("assets/list.js"),
    include_str!("assets/tokens.js"),
    include_str!("assets/sample.js"),
    include_str!("assets/main.js"),
);

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Values that JSON cannot hold.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The bundled tokenizer, which turns scored text into tokens.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// A figure of the page.
#[derive(Debug, Clone, Copy)]
pub struct PageFigure<'a> {
    /// Above it.
    pub title: &'a str,
    /// What is to be seen in one or two sentences: its caption, and what a screen reader reads.
    pub description: &'a str,
    /// The picture.
    pub svg: &'a str,
}

/// The page of `runs`, whose scores together are `results`.
pub fn page(
    results: &Results,
    runs: &[ExportedRun<'_>],
    figures: &[PageFigure<'_>],
) -> Result<Vec<u8>, PageError> {
    let browser = Browser::new(runs)?;
    let mut page = String::new();
    for (index, part) in TEMPLATE.split("{{").enumerate() {
        // What is filled in is never searched for names again.
        let (name, text) = if index == 0 { ("", part) } else { part.split_once("}}").unwrap_or(("", part)) };
        match name {
            "policy" => page.push_str(&policy()),
            "style" => page.push_str(STYLE),
            "script" => page.push_str(SCRIPT),
            "title" => page.push_str(&escape(&title(runs))),
            "made by" => page.push_str(&escape(&results.byline())),
            "tables" => page.push_str(&tables(results)),
            "figures" => page.push_str(&pictures(figures)),
            "manifests" => {
                for run in runs {
                    page.push_str(&manifest::manifest(run.manifest)?);
                }
            }
            // In a script element only `<` could end it; in JSON it is the same as its escape.
            "data" => page.push_str(&serde_json::to_string(&browser)?.replace('<', "\\u003c")),
            _ => {}
        }
        page.push_str(text);
    }
    Ok(page.into_bytes())
}

/// Nothing may be fetched from anywhere; style and script are the page's own.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        sha256_source(SCRIPT),
        sha256_source(STYLE)
    )
}

/// The models.
fn title(runs: &[ExportedRun<'_>]) -> String {
    let mut labels: Vec<&str> = Vec::new();
    for model in runs.iter().flat_map(|run| &run.manifest.identity.models) {
        if !labels.contains(&model.label.as_str()) {
            labels.push(&model.label);
        }
    }
    labels.join(", ")
}

fn tables(results: &Results) -> String {
    let sections = results.tables();
    if sections.is_empty() {
        return "<p>No results yet.</p>".to_owned();
    }
    let preface = results.preface();
    let preface = preface.iter().map(|line| element("p", line));
    let tables = sections
        .iter()
        .map(|section| table(&section.title, &section.header, &section.rows, &section.footnotes));
    preface.chain(tables).collect()
}

/// As images: a picture in an image can neither run anything nor load anything.
fn pictures(figures: &[PageFigure<'_>]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let figures: String = figures
        .iter()
        .map(|figure| {
            format!(
                "<figure><h3>{}</h3><img alt=\"{}\" src=\"data:image/svg+xml;base64,{}\">{}</figure>",
                escape(figure.title),
                escape(figure.description),
                html::base64(figure.svg.as_bytes()),
                element("figcaption", figure.description)
            )
        })
        .collect();
    format!(
        "<section id=\"figures\" aria-labelledby=\"figures-title\"><h2 id=\"figures-title\">Figures</h2>{figures}</section>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[test]
    fn a_page_without_runs_has_all_its_parts() {
        let figure = PageFigure { title: "T < U", description: "It \"rises\".", svg: "<svg/>" };
        let page = page(&Results::new("made {{title}} by <b>".to_owned()), &[], &[figure]).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("made {{title}} by &lt;b&gt;"), "what is filled in is not a template");
        assert_eq!(page.matches("{{").count(), 1 + SCRIPT.matches("{{").count());
        let image = "<img alt=\"It &quot;rises&quot;.\" src=\"data:image/svg+xml;base64,PHN2Zy8+\">";
        assert!(page.contains(&format!("<figure><h3>T &lt; U</h3>{image}")), "{page}");
        let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
        let script = between(&page, "<script type=\"module\">", "</script>");
        assert!(policy.starts_with("default-src 'none'; "));
        assert!(policy.contains(&format!("script-src '{}';", sha256_source(script))));
        assert!(
            policy
                .contains(&format!("style-src '{}';", sha256_source(between(&page, "<style>", "</style>"))))
        );
        let data = between(&page, "id=\"data\">", "</script>");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["blocks"], serde_json::json!([]));
    }

    #[test]
    fn scripts_never_make_markup_of_data() {
        for forbidden in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "</script"]
        {
            assert!(!SCRIPT.contains(forbidden), "{forbidden}");
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
