//! Parallel text: two files that are translations of each other, line by line, or segment by segment in the SGML format of
//! the WMT evaluations.

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
/// segment, two segments on a line, files of different lengths, or segments of different documents or numbers.
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
    let is_sgm = text.trim_start().starts_with('<') && text.contains("<seg");
    let mut found = Vec::new();
    // Shared by its segments, because its name may be long.
    let mut document: Arc<str> = Arc::default();
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
        let (text, rest) = rest
            .split_once("</seg>")
            .ok_or_else(|| file.record_error(number, "the segment is not closed by `</seg>` on its line"))?;
        if tag(text, "seg").or(tag(rest, "seg")).is_some() {
            return Err(file.record_error(number, "two segments on one line; expected one"));
        }
        let id = attribute(inside, "id").unwrap_or_default().to_owned();
        segment(Some((Arc::clone(&document), id)), text)?;
    }
    if found.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(found)
}

/// The inside of the first tag `<name …>` on a line, without its name, and what follows the tag.
fn tag<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, rest) = line.split_once(&format!("<{name} "))?;
    rest.split_once('>')
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
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
