//! From a file to the parts of one stream.

use std::ops::Range;

use super::Part;
use crate::tasks::Item;
use gpt2_model::request::Document;

/// Bytes of a part where the text has no articles: small enough to resume, large enough not to matter.
const PART_BYTES: usize = 2048;

/// Where a stream is cut. The cuts decide only which sample a window is counted in, never what a window sees.
#[derive(Clone, Copy)]
pub enum Cut {
    /// Before each level-1 heading of WikiText; each article is a cluster.
    Articles,
    /// After the first line end, else space, past [`PART_BYTES`].
    Lines,
}

/// Units of a file in the standard count of the field: words and one end of line a line.
pub fn canonical_words(original: &str) -> usize {
    original.split_whitespace().count() + original.matches('\n').count()
}

/// Whether a line is ` = Title = `, with or without the spaces around it.
fn is_article_heading(line: &str) -> bool {
    let line = line.trim();
    line.strip_prefix("= ")
        .and_then(|rest| rest.strip_suffix(" ="))
        .is_some_and(|title| !title.is_empty() && !title.starts_with('=') && !title.ends_with('='))
}

/// Byte ranges of the parts of `text`, which together are all of it.
pub fn parts(text: &str, cut: Cut) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut position = 0;
    let mut has_heading = false;
    let pieces = match cut {
        _ if text.contains('\n') => text.split_inclusive('\n').collect::<Vec<_>>(),
        // text8 is one line.
        _ => text.split_inclusive(' ').collect(),
    };
    for piece in pieces {
        let heading = is_article_heading(piece);
        let is_cut = match cut {
            Cut::Articles => heading && has_heading,
            Cut::Lines => position - start >= PART_BYTES,
        };
        if is_cut {
            ranges.push(start..position);
            start = position;
        }
        has_heading |= heading;
        position += piece.len();
    }
    if start < text.len() {
        ranges.push(start..text.len());
    }
    ranges
}

/// The samples of a stream: `text` is what the model reads, `original` what the units are counted in.
pub(super) fn items(text: &str, original_words: usize, original_bytes: usize, cut: Cut) -> Vec<Item<Part>> {
    let document = Document::new(text);
    let mut line = 1;
    parts(text, cut)
        .into_iter()
        .enumerate()
        .map(|(index, bytes)| {
            let first_line = line;
            line += text[bytes.clone()].matches('\n').count();
            Item {
                id: format!("{index:05}"),
                cluster: None,
                line: first_line,
                doc: Part {
                    document: document.clone(),
                    bytes,
                    is_whole: false,
                    words: original_words as f64,
                    original_bytes: original_bytes as f64,
                },
            }
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
        let parts = parts(WIKI, Cut::Articles);
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
        fn parts_are_all_of_the_text(text in "([a-zé=]{1,9}[ \n]){0,3000}", articles in any::<bool>()) {
            let cut = if articles { Cut::Articles } else { Cut::Lines };
            let mut next = 0;
            for part in parts(&text, cut) {
                prop_assert_eq!(part.start, next);
                prop_assert!(!part.is_empty() && text.is_char_boundary(part.end));
                next = part.end;
            }
            prop_assert_eq!(next, text.len());
        }
    }
}
