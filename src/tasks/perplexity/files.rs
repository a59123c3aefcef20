//! How the files of the perplexity tasks are read: as streams of words, streams of bytes, or pages.

use super::Part;
use super::stream::{Cut, canonical_words, items, parts};
use crate::data::{DataError, DataFile};
use crate::record::Protocol;
use crate::tasks::Item;
use crate::tasks::detokenize::{Rule, WIKITEXT, rewrite};
use gpt2_model::request::Document;

/// The test part of enwik8 and text8.
const LAST_BYTES: usize = 5_000_000;
/// All of enwik8 or text8.
const ALL_BYTES: usize = 100_000_000;

/// One stream of words; `raw` as it is, `detok` after the rules, and `paper` one of the two.
pub fn word_stream(
    file: &DataFile,
    protocol: &Protocol,
    rules: &[Rule],
    cut: Cut,
    paper: &str,
) -> Result<Vec<Item<Part>>, DataError> {
    let original = file.text()?;
    let means = if protocol.name == "paper" { paper } else { &protocol.name };
    let text = if means == "detok" { rewrite(original, rules) } else { original.to_owned() };
    Ok(items(&text, canonical_words(original), original.len(), cut))
}

/// One stream of bytes: the last 5,000,000 of a whole file, else all. A character that the cut splits becomes U+FFFD
/// for the model; the bytes still count.
pub fn byte_stream(file: &DataFile) -> Result<Vec<Item<Part>>, DataError> {
    let bytes = match file.bytes.len() {
        ALL_BYTES => &file.bytes[ALL_BYTES - LAST_BYTES..],
        0 => return Err(DataError::Empty { file: file.name.clone() }),
        _ => &file.bytes,
    };
    let text = String::from_utf8_lossy(bytes);
    Ok(items(&text, canonical_words(&text), bytes.len(), Cut::Lines))
}

/// Articles each by itself, as lm-evaluation-harness's `wikitext` has them: de-tokenized for the model; words split on
/// white space and bytes of the original page.
pub fn harness_pages(file: &DataFile) -> Result<Vec<Item<Part>>, DataError> {
    let original = file.text()?;
    let mut line = 1;
    Ok(parts(original, Cut::Articles)
        .into_iter()
        .enumerate()
        .map(|(index, range)| {
            let first_line = line;
            let lines = &original[range.clone()];
            line += lines.matches('\n').count();
            // A page is the lines from its heading on, without the last line's end where another page follows.
            let page = lines.strip_prefix(" \n").unwrap_or(lines);
            let page =
                if range.end < original.len() { page.strip_suffix('\n').unwrap_or(page) } else { page };
            let text = rewrite(page, &WIKITEXT);
            let document = Document::new(&text);
            let doc = Part {
                document,
                bytes: 0..text.len(),
                is_whole: true,
                words: split_on_white_space(page) as f64,
                original_bytes: page.len() as f64,
            };
            Item { id: format!("{index:05}"), cluster: None, line: first_line, doc }
        })
        .collect())
}

/// `len(re.split(r"\s+", page))`: runs of white space, and one.
fn split_on_white_space(page: &str) -> usize {
    let mut runs = 0;
    let mut inside = false;
    for character in page.chars() {
        let is_space = character.is_whitespace();
        runs += usize::from(is_space && !inside);
        inside = is_space;
    }
    runs + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_as_python_splits() {
        assert_eq!(split_on_white_space(" = A = \n "), 5, "['', '=', 'A', '=', '']");
        assert_eq!(split_on_white_space(""), 1);
        assert_eq!(split_on_white_space("a"), 1);
    }

    #[test]
    fn a_split_character_counts_its_bytes() {
        let file = DataFile::bundled("enwik8", b"\xa9 caf\xc3\xa9");
        let items = byte_stream(&file).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].doc.original_bytes, 7.0);
        assert!(items[0].doc.document.text().starts_with('\u{fffd}'));
    }
}
