//! The HTML around the samples.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::manifest::manifest;
use super::tables::{Text, tables};
use crate::report::exporter::{Export, ExportedRun};
use crate::report::figures::Figure;

const STYLE: &str = concat!(include_str!("assets/page.css"), include_str!("assets/samples.css"));
/// One module, in this order: each file uses those before it.
const SCRIPT: &str = concat!(
    include_str!("assets/dom.js"),
    include_str!("assets/data.js"),
    include_str!("assets/select.js"),
    include_str!("assets/list.js"),
    include_str!("assets/tokens.js"),
    include_str!("assets/sample.js"),
    include_str!("assets/main.js"),
);

/// The page of `export`; `samples` is JSON.
pub(super) fn document(
    export: &Export<'_>,
    figures: &[Figure],
    samples: &str,
) -> Result<String, serde_json::Error> {
    let labels = labels(&export.runs);
    let manifests: Vec<Markup> =
        export.runs.iter().map(|run| manifest(run.manifest)).collect::<Result<_, _>>()?;
    // Only `<` could end the script element; in JSON its escape means the same.
    let samples = samples.replace('<', "\\u003c");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="referrer" content="no-referrer";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "gpt2-eval: " (Text(&labels)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#samples" { "Skip to the samples" }
                header {
                    h1 { "gpt2-eval " span class="models" { bdi { (Text(&labels)) } } }
                    p class="made-by" dir="auto" { (Text(&export.results.byline())) }
                    nav aria-label="Parts of the page" {
                        a href="#tables" { "Tables" }
                        @if !figures.is_empty() { a href="#figures" { "Figures" } }
                        a href="#samples" { "Samples" }
                        a href="#manifest" { "Manifest" }
                        button type="button" id="theme" hidden {}
                    }
                }
                main {
                    section id="tables" aria-labelledby="tables-title" {
                        h2 id="tables-title" { "Tables" }
                        (tables(&export.results))
                    }
                    (figure_section(figures))
                    section id="samples" aria-labelledby="samples-title" {
                        h2 id="samples-title" { "Samples" }
                        (browser())
                    }
                    section id="manifest" aria-labelledby="manifest-title" {
                        h2 id="manifest-title" { "Manifest" }
                        @for manifest in &manifests { (manifest) }
                    }
                }
                script type="application/json" id="data" { (PreEscaped(samples)) }
                script type="module" { (PreEscaped(SCRIPT)) }
            }
        }
    };
    Ok(format!("{}\n", page.into_string()))
}

/// The controls that the scripts fill.
fn browser() -> Markup {
    html! {
        noscript { p { "The samples need JavaScript; tables, figures and the manifest do not." } }
        form id="filters" role="search" aria-label="Filter the samples" autocomplete="off" hidden {
            label class="wide" {
                "Search "
                input type="search" id="search" placeholder="prompt, target, completion, id" aria-keyshortcuts="/"
                    spellcheck="false";
            }
            label { "Task " select id="task" {} }
            label { "Model " select id="model" {} }
            label {
                "Result "
                select id="result" {
                    option value="" { "all" }
                    option value="right" { "right" }
                    option value="wrong" { "wrong" }
                    option value="none" { "neither right nor wrong" }
                    option value="flipped" { "flipped between two models" }
                    option value="lost" { "lost: right, then wrong" }
                    option value="won" { "won: wrong, then right" }
                    option value="failed" { "failed" }
                    option value="truncated" { "truncated prompt" }
                }
            }
            label class="pair" hidden { "From " select id="from" {} }
            label class="pair" hidden { "To " select id="to" {} }
            label {
                "Order "
                select id="sort" {
                    option value="data" { "of the data" }
                    option value="confidence-down" { "most confident first" }
                    option value="confidence-up" { "least confident first" }
                    option value="loss-up" { "lowest loss first" }
                    option value="loss-down" { "highest loss first" }
                }
            }
            button type="reset" { "Reset" }
        }
        p id="count" role="status" aria-live="polite" {}
        div id="browser" hidden {
            div id="list" role="listbox" tabindex="0" aria-label="Answers" aria-describedby="keys" {
                div id="rows" role="presentation" {}
            }
            article id="sample" tabindex="-1" aria-label="Sample" {}
        }
        p id="keys" class="hint" hidden {
            "Keys: " kbd { "/" } " search, " kbd { "↑" } " " kbd { "↓" } " " kbd { "Page\u{a0}↑" } " "
            kbd { "Page\u{a0}↓" } " " kbd { "Home" } " " kbd { "End" } " in the list, " kbd { "Enter" }
            " to the sample, " kbd { "Esc" } " back; " kbd { "←" } " " kbd { "→" } " between tokens."
        }
    }
}

/// SVG in an image element can neither run scripts nor load files.
fn figure_section(figures: &[Figure]) -> Markup {
    html! {
        @if !figures.is_empty() {
            section id="figures" aria-labelledby="figures-title" {
                h2 id="figures-title" { "Figures" }
                @for Figure { title, description, svg, .. } in figures {
                    figure {
                        h3 { (Text(title)) }
                        img alt=(Text(description)) src={ "data:image/svg+xml;base64," (BASE64.encode(svg)) };
                        figcaption dir="auto" { (Text(description)) }
                    }
                }
            }
        }
    }
}

/// Forbids every request, and every script and style but the page's own.
fn policy() -> String {
    let sha256 = |content: &str| format!("sha256-{}", BASE64.encode(Sha256::digest(content)));
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        sha256(SCRIPT),
        sha256(STYLE)
    )
}

/// The models of all runs.
fn labels(runs: &[ExportedRun<'_>]) -> String {
    let mut labels: Vec<&str> = Vec::new();
    for model in runs.iter().flat_map(|run| &run.manifest.identity.models) {
        if !labels.contains(&model.label.as_str()) {
            labels.push(&model.label);
        }
    }
    labels.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Results;

    fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
        text.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[test]
    fn a_page_without_runs_has_all_its_parts() {
        let text = |text: &str| text.to_owned();
        let figure = Figure {
            name: text("name"),
            title: text("T < U"),
            description: text("It \"rises\"."),
            svg: text("<svg/>"),
        };
        let export = Export { results: Results::new(text("made by \0 <b>")), runs: Vec::new() };
        let page = document(&export, &[figure], r#"{"blocks":[],"text":"</script>"}"#).unwrap();
        assert!(page.contains("made by \u{fffd} &lt;b&gt;"));
        let image = "<img alt=\"It &quot;rises&quot;.\" src=\"data:image/svg+xml;base64,PHN2Zy8+\">";
        assert!(page.contains(&format!("<figure><h3>T &lt; U</h3>{image}")), "{page}");
        let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
        assert!(policy.starts_with("default-src 'none'; "));
        let hash = |content: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(content)));
        let script = between(&page, "<script type=\"module\">", "</script>");
        assert!(policy.contains(&format!("script-src {};", hash(script))));
        assert!(policy.contains(&format!("style-src {};", hash(between(&page, "<style>", "</style>")))));
        let data = between(&page, "id=\"data\">", "</script>");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["blocks"], &data["text"]), (&serde_json::json!([]), &"</script>".into()));
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
