//! Names of metrics, axes and files, and footnotes that several figures share.

use crate::record::{Protocol, Score};
use crate::report::{Heading, arrow};

/// A metric's name in titles, and its unit.
pub(super) fn metric_name(metric: &str) -> (String, &'static str) {
    let (name, unit) = match metric {
        "accuracy" => ("accuracy", "%"),
        "accuracy_stop_filter" => ("accuracy with stop-word filter", "%"),
        "accuracy_partial" => ("accuracy, partial scoring", "%"),
        "accuracy_full" => ("accuracy, full scoring", "%"),
        "accuracy_normalized" => ("accuracy, normalized by length", "%"),
        "accuracy_most_confident_1_percent" => ("accuracy on the 1 % most confident", "%"),
        "exact_match" | "coqa_exact_match" => ("exact match", "%"),
        "exact_text" => ("exact text", "%"),
        "f1" | "coqa_f1" => ("F1", "%"),
        "rouge1" => ("ROUGE-1 F1", "%"),
        "rouge2" => ("ROUGE-2 F1", "%"),
        "rougeL" => ("ROUGE-L F1", "%"),
        "rougeLsum" => ("ROUGE-L F1 of summaries", "%"),
        "rouge_average" => ("mean F1 of ROUGE-1, -2 and -L", "%"),
        "bleu" => ("BLEU", "0 to 100"),
        "bleu_tokenized" => ("BLEU of tokenized text", "0 to 100"),
        "perplexity" => ("perplexity", ""),
        "perplexity_stop_filter" => ("perplexity with stop-word filter", ""),
        "token_perplexity" => ("perplexity", "per token"),
        "word_perplexity" => ("perplexity", "per word"),
        "byte_perplexity" => ("perplexity", "per byte"),
        "bits_per_byte" => ("bits per byte", ""),
        other => return (other.replace('_', " "), ""),
    };
    (name.to_owned(), unit)
}

/// `accuracy (%), ↑ better`.
pub(super) fn axis_label(name: &str, unit: &str, higher_is_better: bool) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
    format!("{name}{unit}, {} better", arrow(higher_is_better))
}

/// The protocol's name without its options.
pub(super) fn protocol_name(protocol: &str) -> &str {
    protocol.split(',').next().unwrap_or(protocol)
}

/// The symbols after values that were measured under a heading.
pub(super) fn symbols<'a>(heading: &Heading, scores: impl IntoIterator<Item = &'a Score>) -> String {
    let mut symbols: String = heading.caveats.iter().map(|caveat| caveat.symbol).collect();
    if scores.into_iter().any(|score| score.failed > 0) {
        symbols.push('§');
    }
    symbols
}

/// Footnotes of a figure: the heading's caveats and failures, prefixed with `whose` where a figure has several tasks.
pub(super) fn task_footnotes(heading: &Heading, whose: Option<&str>) -> Vec<String> {
    let whose = whose.map(|whose| format!("{whose}: ")).unwrap_or_default();
    let caveats =
        heading.caveats.iter().map(|caveat| format!("{} {whose}{}", caveat.symbol, caveat.explanation));
    let failures = heading.footnotes.iter().filter_map(|footnote| footnote.strip_prefix('§'));
    caveats.chain(failures.map(|failure| format!("§ {whose}{}", failure.trim_start()))).collect()
}

/// A figure's file name, with the protocol unless that is `paper` or `custom`.
pub(super) fn file_name(task: &str, what: &str, protocol: &str) -> String {
    let name = protocol_name(protocol);
    let parts: Vec<String> =
        [task, what, if name == "paper" || name == Protocol::CUSTOM { "" } else { name }]
            .into_iter()
            .map(slug)
            .collect();
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// `text` as a part of a file name: at most 60 lower-case ASCII letters, digits, `-` and `_`.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars().take(60) {
        match character.to_ascii_lowercase() {
            kept @ ('a'..='z' | '0'..='9' | '_') => slug.push(kept),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(slug("../Étude: <b>n</b>"), "tude-b-n-b");
        assert_eq!(slug("wmt14-fr-en"), "wmt14-fr-en");
        assert_eq!(slug("日本"), "");
    }
}
