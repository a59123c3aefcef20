//! Parallel text: two files that are translations of each other, line by line, or segment by segment in the SGML format of
//! the WMT evaluations.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{DataError, DataFile};

/// A sentence and its translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentencePair {
    /// Line of the sentence in its file, from 1.
    pub line: usize,
    /// The document of the sentence, in SGML.
    pub document: Option<Arc<str>>,
    pub source: String,
    pub target: String,
}

struct Segment {
    line: usize,
    /// Document and segment number, in SGML.
    key: Option<(Arc<str>, String)>,
    text: String,
}

/// Reads all pairs of a file and its companion.
///
/// The text of an SGML file is not unescaped: newstest2014 has raw `&`. `Err` names file and line of an empty or unclosed
/// segment, a segment that the file has twice, two segments on a line, mark-up without segments, files of different lengths, or segments of different documents or numbers.
pub fn read_parallel(file: &DataFile) -> Result<Vec<SentencePair>, DataError> {
    let Some(companion) = file.companion.as_deref() else {
        return Err(file.record_error(1, "the companion file with the translations is missing"));
    };
    let sources = segments(file)?;
    let targets = segments(companion)?;
    if sources.len() != targets.len() {
        let shorter = if sources.len() < targets.len() { file } else { companion };
        let line = if sources.len() < targets.len() { &sources } else { &targets }.last();
        let reason = format!(
            "{} has {} segments, but {} has {}",
            file.name,
            sources.len(),
            companion.name,
            targets.len()
        );
        return Err(shorter.record_error(line.map_or(1, |segment| segment.line), reason));
    }
    sources
        .into_iter()
        .zip(targets)
        .map(|(source, target)| {
            if source.key != target.key {
                let shown = |segment: &Segment| match &segment.key {
                    Some((document, number)) => format!("segment {number} of {document}"),
                    None => "a plain line".to_owned(),
                };
                let reason = format!("{}, but {} has {}", shown(&target), file.name, shown(&source));
                return Err(companion.record_error(target.line, reason));
            }
            let document = source.key.map(|(document, _)| document).filter(|document| !document.is_empty());
            Ok(SentencePair { line: source.line, document, source: source.text, target: target.text })
        })
        .collect()
}

fn segments(file: &DataFile) -> Result<Vec<Segment>, DataError> {
    let text = file.text()?;
    let is_sgm = is_mark_up(text);
    let mut found = Vec::new();
    // Shared by its segments, because its name may be long.
    let mut document: Arc<str> = Arc::default();
    let mut first_lines: BTreeMap<(Arc<str>, String), usize> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let mut segment = |key, text: &str| {
            if text.trim().is_empty() {
                return Err(file.record_error(number, "empty segment; expected text"));
            }
            found.push(Segment { line: number, key, text: text.trim().to_owned() });
            Ok(())
        };
        if !is_sgm {
            segment(None, line)?;
            continue;
        }
        if let Some((inside, _)) = tag(line, "doc") {
            document = attribute(inside, "docid").unwrap_or_default().into();
        }
        let Some((inside, rest)) = tag(line, "seg") else { continue };
        let end = find_ignoring_case(rest, "</seg>")
            .ok_or_else(|| file.record_error(number, "the segment is not closed by `</seg>` on its line"))?;
        let (text, rest) = (rest.get(..end).unwrap_or_default(), rest.get(end + 6..).unwrap_or_default());
        if tag(text, "seg").or(tag(rest, "seg")).is_some() {
            return Err(file.record_error(number, "two segments on one line; expected one"));
        }
        let id = attribute(inside, "id").unwrap_or_default().to_owned();
        let key = (Arc::clone(&document), id);
        if !key.1.is_empty()
            && let Some(first) = first_lines.insert(key.clone(), number)
        {
            let reason =
                format!("segment {} of {} is also in line {first}: the data are doubled", key.1, key.0);
            return Err(file.record_error(number, reason));
        }
        segment(Some(key), text)?;
    }
    if is_sgm && found.is_empty() {
        return Err(
            file.record_error(1, "the file begins with mark-up, but has no segment `<seg id=\"…\">…</seg>`")
        );
    }
    if found.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(found)
}

/// Whether a text begins with a tag, a declaration or a comment.
fn is_mark_up(text: &str) -> bool {
    let after = text.trim_start().strip_prefix('<');
    after.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphabetic() || "!?".contains(first))
    })
}

/// The byte offset of `lower`, which is in lower case, in a text in either case.
fn find_ignoring_case(text: &str, lower: &str) -> Option<usize> {
    text.as_bytes().windows(lower.len()).position(|part| part.eq_ignore_ascii_case(lower.as_bytes()))
}

/// The inside of the first tag `<name …>` on a line, without its name, and what follows the tag. SGML ignores the case of
/// names.
fn tag<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let begin = format!("<{name}");
    let mut from = 0;
    loop {
        let at = from + find_ignoring_case(line.get(from..)?, &begin)? + begin.len();
        let rest = line.get(at..)?;
        if rest.starts_with(|next: char| next == '>' || next.is_ascii_whitespace()) {
            return rest.split_once('>');
        }
        from = at;
    }
}

/// The value of an attribute, in double or single quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let name = format!(" {name}=");
    let at = find_ignoring_case(tag, &name)? + name.len();
    let rest = tag.get(at..)?;
    let quote = rest.chars().next().filter(|first| "\"'".contains(*first));
    match quote {
        Some(quote) => rest.get(1..)?.split_once(quote).map(|(value, _)| value),
        None => rest.split_ascii_whitespace().next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    const FRENCH: &str = "<srcset setid=\"x\">\n<doc docid=\"d1\" origlang=\"fr\">\n<seg id=\"1\">R&D\u{a0}: oui</seg>\n\
                          <seg id=\"2\">non</seg>\n</doc>\n</srcset>\n";

    fn file(name: &str, text: &str) -> DataFile {
        let mut file = DataFile::bundled(name, b"");
        file.bytes = Cow::Owned(text.as_bytes().to_vec());
        file
    }

    fn read(source: &str, target: &str) -> Result<Vec<SentencePair>, String> {
        let mut pair = file("a", source);
        pair.companion = Some(Box::new(file("b", target)));
        read_parallel(&pair).map_err(|error| error.to_string())
    }

    #[test]
    fn sgml_text_is_not_unescaped() {
        let english = FRENCH.replace("R&D\u{a0}: oui", "R&D: yes");
        let pairs = read(FRENCH, &english).unwrap();
        assert_eq!(
            pairs[0],
            SentencePair {
                line: 3,
                document: Some("d1".into()),
                source: "R&D\u{a0}: oui".into(),
                target: "R&D: yes".into()
            }
        );
        assert_eq!(pairs.len(), 2);
    }

    #[test]
    fn tags_in_upper_case_and_a_byte_order_mark() {
        let upper = "<REFSET setid='x'>\n<DOC origlang=\"fr\" DOCID='d1'>\n<SEG ID=\"1\">R&D: yes</SEG>\n\
                     <Seg id=2>no</Seg>\n</DOC>\n</REFSET>\n";
        let pairs = read(FRENCH, upper).unwrap();
        let texts: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
        assert_eq!(texts, ["R&D: yes", "no"]);
    }

    #[test]
    fn mark_up_never_becomes_a_sentence() {
        let wrong =
            read("<srcset setid=\"x\">\n<doc docid=\"d\">\nText.\n</doc>\n</srcset>", "a").unwrap_err();
        assert!(wrong.starts_with("a:1: the file begins with mark-up, but has no segment"), "{wrong}");
        assert_eq!(read("<<< a", "b").unwrap().len(), 1, "a line of text may begin with a bracket");
    }

    #[test]
    fn doubled_segments_are_named() {
        let doubled = FRENCH.replace("id=\"2\"", "id=\"1\"");
        let wrong = read(&doubled, &doubled).unwrap_err();
        assert!(wrong.starts_with("a:4: segment 1 of d1 is also in line 3"), "{wrong}");
    }

    #[test]
    fn a_segment_begins_after_its_own_tag() {
        let odd = "<doc docid=\"d\">1\">x</seg><seg id=\"1\">right</seg>";
        assert_eq!(read(odd, odd).unwrap()[0].source, "right");
    }

    #[test]
    fn plain_lines_are_paired() {
        let pairs = read("oui\nnon\r\n", "yes\nno").unwrap();
        assert_eq!((pairs[1].line, pairs[1].source.as_str(), pairs[1].target.as_str()), (2, "non", "no"));
    }

    #[test]
    fn mismatches_name_file_and_line() {
        assert!(read("a\nb", "a").unwrap_err().starts_with("b:1: a has 2 segments, but b has 1"));
        assert!(read("a\n\nb", "a\nc\nb").unwrap_err().starts_with("a:2: empty segment"));
        assert!(
            read(FRENCH, &FRENCH.replace("d1", "d2"))
                .unwrap_err()
                .starts_with("b:3: segment 1 of d2, but a has")
        );
        assert!(
            read(&FRENCH.replace("non</seg>", "non"), FRENCH)
                .unwrap_err()
                .starts_with("a:4: the segment is not closed")
        );
        let both = "<seg id=\"1\">a</seg> <seg id=\"2\">b</seg>";
        assert!(read(both, both).unwrap_err().starts_with("a:1: two segments on one line"));
        assert!(read_parallel(&file("a", "x")).unwrap_err().to_string().contains("companion"));
        assert!(read("", "").unwrap_err().contains("no records"));
    }
}
