//! Reads the files of the perplexity tasks: as streams of words, streams of bytes, or pages.

use super::part::{Cut, Part, Units, canonical_words, cut, stream};
use crate::data::{DataError, DataFile};
use crate::record::Protocol;
use crate::tasks::Item;
use crate::tasks::detokenize::{Rule, WIKITEXT, rewrite};

/// Size of the test part of enwik8 and text8.
const LAST_BYTES: usize = 5_000_000;
/// Size of the whole of enwik8 or text8.
const ALL_BYTES: usize = 100_000_000;

/// Units of every built-in perplexity task, counted in the original file.
fn units(words: usize, bytes: usize) -> Units {
    vec![("words", words as f64), ("bytes", bytes as f64)]
}

/// One stream of words. Protocol `raw` leaves it as it is, `detok` de-tokenizes it with `rules`, and `paper` does what
/// the protocol named by `paper` does.
pub(super) fn word_stream(
    file: &DataFile,
    protocol: &Protocol,
    rules: &[Rule],
    at: Cut,
    paper: &str,
) -> Result<Vec<Item<Part>>, DataError> {
    let original = file.text()?;
    let name = if protocol.name == "paper" { paper } else { &protocol.name };
    let rules = if name == "detok" { rules } else { &[] };
    Ok(stream(original, rules, &units(canonical_words(original), original.len()), at))
}

/// One stream of bytes: the last 5,000,000 of a whole file, else all. A character that the cut splits becomes U+FFFD
/// for the model; its bytes still count.
pub(super) fn byte_stream(file: &DataFile) -> Result<Vec<Item<Part>>, DataError> {
    let bytes = match file.bytes.len() {
        ALL_BYTES => &file.bytes[ALL_BYTES - LAST_BYTES..],
        0 => return Err(DataError::Empty { file: file.name.clone() }),
        _ => &file.bytes,
    };
    let text = String::from_utf8_lossy(bytes);
    Ok(stream(&text, &[], &units(canonical_words(&text), bytes.len()), Cut::Lines))
}

/// Each article by itself, as in lm-evaluation-harness's `wikitext`. The model reads the de-tokenized page; words (split
/// at white space) and bytes are counted in the original page.
pub(super) fn harness_pages(file: &DataFile) -> Result<Vec<Item<Part>>, DataError> {
    let original = file.text()?;
    let mut line = 1;
    Ok(cut(original, Cut::Pages)
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
            let units = units(split_on_white_space(page), page.len());
            let doc = Part::whole(&rewrite(page, &WIKITEXT), units);
            Item { id: format!("{index:05}"), cluster: None, line: first_line, doc }
        })
        .collect())
}

/// `len(re.split(r"\s+", page))`: the number of white-space gaps, plus one.
fn split_on_white_space(page: &str) -> usize {
    let mut gaps = 0;
    let mut inside = false;
    for character in page.chars() {
        let is_space = character.is_whitespace();
        gaps += usize::from(is_space && !inside);
        inside = is_space;
    }
    gaps + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt2_model::request::Request;

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
        let part = &items[0].doc;
        assert!(part.units().contains(&("bytes", 7.0)));
        let Request::Rolling { document, .. } = part.requests(&Protocol::new("paper")).remove(0) else {
            panic!()
        };
        assert!(document.text().starts_with('\u{fffd}'));
    }
}
