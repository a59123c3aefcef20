//! A part of a text: the sample of a perplexity task.

use std::ops::Range;

use crate::record::Protocol;
use crate::tasks::detokenize::{Rule, rewrite_with_offsets};
use crate::tasks::{Item, UnexpectedResponse};
use gpt2_model::GPT2_POSITIONS;
use gpt2_model::request::{Document, Request, Response, Window};
use text_metrics::SampleValues;

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

    /// The text of a whole document; `None` for a part of a stream.
    pub fn content(&self) -> Option<Vec<String>> {
        let text = self.document.text();
        (self.bytes == (0..text.len())).then(|| vec![text.to_owned()])
    }

    /// One request: the part in windows.
    pub fn requests(&self, protocol: &Protocol) -> Vec<Request> {
        vec![Request::Rolling {
            document: self.document.clone(),
            part: self.bytes.clone(),
            window: window(protocol),
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

/// The windows of a protocol. `paper` keeps the paper's, whatever the model's context; all others use all of it, and
/// those of `harness` do not overlap.
pub(in crate::tasks) fn window(protocol: &Protocol) -> Window {
    if protocol.name == "harness" {
        return Window { context: None, stride: None };
    }
    let stride = protocol.options.get("stride").and_then(|stride| stride.parse().ok());
    let context = (protocol.name == "paper").then_some(GPT2_POSITIONS);
    Window { context, stride: stride.or(Some(PAPER_STRIDE)) }
}

/// Where a stream is cut. The cuts decide only which sample a window is counted in, never what a window sees.
#[derive(Clone, Copy)]
pub(in crate::tasks) enum Cut {
    /// Before each article of WikiText: a level-1 heading between empty lines.
    Articles,
    /// Before each line that looks like a level-1 heading: lm-evaluation-harness's pages.
    Pages,
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

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Byte ranges of the parts of `text`, the original file, without gaps or overlaps.
pub(super) fn cut(text: &str, cut: Cut) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    let mut has_heading = false;
    let mut after_blank = true;
    // text8 is one line.
    let separator = if text.contains('\n') { '\n' } else { ' ' };
    for piece in text.split_inclusive(separator) {
        let end = offset + piece.len();
        let heading = is_article_heading(piece)
            && match cut {
                // Formulas are lines such as ` = 1 henry and capacitance C = ` among other lines.
                Cut::Articles => after_blank && text[end..].lines().next().is_none_or(is_blank),
                Cut::Pages | Cut::Lines => true,
            };
        let is_cut = match cut {
            Cut::Articles | Cut::Pages => heading && has_heading,
            Cut::Lines => offset - start >= PART_BYTES,
        };
        if is_cut {
            ranges.push(start..offset);
            start = offset;
        }
        has_heading |= heading;
        after_blank = is_blank(piece);
        offset = end;
    }
    if start < text.len() {
        ranges.push(start..text.len());
    }
    ranges
}

/// The samples of one stream. Parts are cut in the `original` file, lines and `units` are counted there, and the model reads
/// it after `rules`.
pub(in crate::tasks) fn stream(original: &str, rules: &[Rule], units: &Units, at: Cut) -> Vec<Item<Part>> {
    let ranges = cut(original, at);
    let starts: Vec<usize> = ranges.iter().map(|range| range.start).collect();
    let (text, mut bounds) = rewrite_with_offsets(original, rules, &starts);
    // What the rules leave of the beginning belongs to the first part.
    if let Some(first) = bounds.first_mut() {
        *first = 0;
    }
    bounds.push(text.len());
    let document = Document::new(&text);
    let mut line = 1;
    ranges
        .into_iter()
        .zip(bounds.windows(2))
        .enumerate()
        .map(|(index, (range, bytes))| {
            let first_line = line;
            line += original[range].matches('\n').count();
            let doc = Part { document: document.clone(), bytes: bytes[0]..bytes[1], units: units.clone() };
            Item { id: format!("{index:05}"), cluster: None, line: first_line, doc }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIKI: &str = " \n = One = \n \n Text (\n a = \n = 1 henry = \n ) . \n = = Part = = \n \n More . \n \n = Two = \n \n End . \n";

    #[test]
    fn articles_begin_at_level_1_headings_between_empty_lines() {
        let parts = cut(WIKI, Cut::Articles);
        assert_eq!(parts.len(), 2);
        assert!(WIKI[parts[1].clone()].starts_with(" = Two = "));
        assert_eq!(parts[0].start, 0);
        let pages = cut(WIKI, Cut::Pages);
        assert_eq!(pages.len(), 3);
        assert!(WIKI[pages[1].clone()].starts_with(" = 1 henry = "));
    }

    #[test]
    fn parts_and_lines_are_those_of_the_original() {
        let rules = &crate::tasks::detokenize::WIKITEXT;
        for (rules, second) in [(&[][..], " = Two = "), (rules, "= Two =\n")] {
            let items = stream(WIKI, rules, &Units::new(), Cut::Articles);
            assert_eq!(items.iter().map(|item| item.line).collect::<Vec<_>>(), [1, 12]);
            let part = &items[1].doc;
            assert!(part.document.text()[part.bytes.clone()].starts_with(second));
            assert_eq!(items[0].doc.bytes.end, part.bytes.start);
            assert_eq!((items[0].doc.bytes.start, part.bytes.end), (0, part.document.text().len()));
        }
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
