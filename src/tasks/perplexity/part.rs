//! A part of a text: the sample of a perplexity task.

use std::ops::Range;

use crate::record::Protocol;
use crate::tasks::{Item, UnexpectedResponse};
use gpt2_model::request::{Document, Request, Response, Window};
use text_metrics::SampleValues;

/// Positions of GPT-2.
const CONTEXT: usize = 1024;

/// The stride of the paper's numbers: Radford, quoted in karpathy/llm.c#276.
pub const PAPER_STRIDE: usize = 32;

/// Bytes of a part where the text has no articles: small enough to resume, large enough not to matter.
const PART_BYTES: usize = 2048;

/// Units of a whole text that its log-likelihood is divided by, each with its name in the sample values.
pub(in crate::tasks) type Units = Vec<(&'static str, f64)>;

/// A part of a document, or all of it.
#[derive(Debug, Clone)]
pub(in crate::tasks) struct Part {
    document: Document,
    bytes: Range<usize>,
    units: Units,
}

impl Part {
    /// All of `text`.
    pub fn whole(text: &str, units: Units) -> Self {
        Self { document: Document::new(text), bytes: 0..text.len(), units }
    }

    #[cfg(test)]
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// One request: the part in windows.
    pub fn requests(&self, protocol: &Protocol) -> Vec<Request> {
        vec![Request::Rolling {
            document: self.document.clone(),
            part: self.bytes.clone(),
            window: Window { context: CONTEXT, stride: stride(protocol) },
        }]
    }

    /// The log-likelihood and the part's share of the document's units.
    pub fn score(&self, responses: &[Response]) -> Result<SampleValues, UnexpectedResponse> {
        let [Response::Rolling(score)] = responses else {
            let found = responses.first().map_or("nothing", Response::kind);
            return Err(UnexpectedResponse { index: 0, expected: "one rolling", found });
        };
        let share = self.share(score.bytes);
        let mut values = SampleValues::from([
            ("log_likelihood".to_owned(), score.log_likelihood),
            ("tokens".to_owned(), score.tokens as f64),
        ]);
        values.extend(self.units.iter().map(|&(name, units)| (name.to_owned(), units * share)));
        Ok(values)
    }

    /// The share that the bytes scored in the part's windows have of the document's bytes. Windows and parts end at
    /// different offsets, so counting the part's own units would divide a log-likelihood by units of another text. The
    /// shares of all parts add up to 1.
    fn share(&self, scored_bytes: usize) -> f64 {
        let whole = self.document.text().len();
        if self.bytes == (0..whole) { 1.0 } else { scored_bytes as f64 / whole as f64 }
    }
}

/// The stride in tokens that the protocol names.
fn stride(protocol: &Protocol) -> usize {
    if protocol.name == "harness" {
        return CONTEXT;
    }
    protocol.options.get("stride").and_then(|stride| stride.parse().ok()).unwrap_or(PAPER_STRIDE)
}

/// Where a stream is cut. The cuts decide only which sample a window is counted in, never what a window sees.
#[derive(Clone, Copy)]
pub(in crate::tasks) enum Cut {
    /// Before each level-1 heading of WikiText.
    Articles,
    /// After the first line end, else space, past [`PART_BYTES`].
    Lines,
}

/// The field's standard count of a file's units: words, and one end of line a line.
pub(in crate::tasks) fn canonical_words(original: &str) -> usize {
    original.split_whitespace().count() + original.matches('\n').count()
}

/// Whether a line is ` = Title = `, with or without the spaces around it.
fn is_article_heading(line: &str) -> bool {
    let line = line.trim();
    line.strip_prefix("= ")
        .and_then(|rest| rest.strip_suffix(" ="))
        .is_some_and(|title| !title.is_empty() && !title.starts_with('=') && !title.ends_with('='))
}

/// Byte ranges of the parts of `text`, without gaps or overlaps.
pub(super) fn cut(text: &str, cut: Cut) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    let mut has_heading = false;
    // text8 is one line.
    let separator = if text.contains('\n') { '\n' } else { ' ' };
    for piece in text.split_inclusive(separator) {
        let heading = is_article_heading(piece);
        let is_cut = match cut {
            Cut::Articles => heading && has_heading,
            Cut::Lines => offset - start >= PART_BYTES,
        };
        if is_cut {
            ranges.push(start..offset);
            start = offset;
        }
        has_heading |= heading;
        offset += piece.len();
    }
    if start < text.len() {
        ranges.push(start..text.len());
    }
    ranges
}

/// The samples of one stream. The model reads `text`; `units` are counted in the original.
pub(in crate::tasks) fn stream(text: &str, units: &Units, at: Cut) -> Vec<Item<Part>> {
    let document = Document::new(text);
    let mut line = 1;
    cut(text, at)
        .into_iter()
        .enumerate()
        .map(|(index, bytes)| {
            let first_line = line;
            line += text[bytes.clone()].matches('\n').count();
            let doc = Part { document: document.clone(), bytes, units: units.clone() };
            Item { id: format!("{index:05}"), cluster: None, line: first_line, doc }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIKI: &str = " \n = One = \n \n Text . \n = = Part = = \n \n More . \n \n = Two = \n \n End . \n";

    #[test]
    fn articles_begin_at_level_1_headings() {
        let parts = cut(WIKI, Cut::Articles);
        assert_eq!(parts.len(), 2);
        assert!(WIKI[parts[1].clone()].starts_with(" = Two = "));
        assert_eq!(parts[0].start, 0);
    }

    #[test]
    fn words_and_line_ends_are_units() {
        assert_eq!(canonical_words(" the cat \n sat \n"), 5);
    }

    proptest! {
        #[test]
        fn parts_cover_the_text(text in "([a-zé=]{1,9}[ \n]){0,3000}", articles in any::<bool>()) {
            let at = if articles { Cut::Articles } else { Cut::Lines };
            let mut next = 0;
            for part in cut(&text, at) {
                prop_assert_eq!(part.start, next);
                prop_assert!(!part.is_empty() && text.is_char_boundary(part.end));
                next = part.end;
            }
            prop_assert_eq!(next, text.len());
        }
    }
}
