//! Winograd schemas in their four published formats: contexts with the candidates filled in, the XML collection, JSON lines
//! with the pronoun's location, and WinoGrande's with `_`.

use serde::Deserialize;

use super::{DataError, DataFile, read_json_lines};

/// The first schemas of the collection of 285: the usual test set.
const WSC273: usize = 273;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WinogradSchema {
    /// Line of its record, from 1.
    pub line: usize,
    pub form: WinogradForm,
    /// Index of the correct candidate: 0 or 1.
    pub label: usize,
}

impl WinogradSchema {
    /// The fields for the checksum over all records (`docs/data.md`), with white space collapsed.
    pub fn normalized(&self) -> Vec<String> {
        let collapsed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut fields = match &self.form {
            WinogradForm::Pronoun { text, pronoun, location, options } => {
                let before: String = text.chars().take(*location).collect();
                let location = collapsed(&before).chars().count() + usize::from(!before.trim().is_empty());
                let parts = ["pronoun".to_owned(), collapsed(text), collapsed(pronoun), location.to_string()];
                parts.into_iter().chain(options.iter().map(|option| collapsed(option))).collect::<Vec<_>>()
            }
            WinogradForm::Blank { before, after, options } => {
                let sentence = format!("{before}_{after}");
                let parts = std::iter::once(&sentence).chain(options).map(|part| collapsed(part));
                std::iter::once("blank".to_owned()).chain(parts).collect()
            }
            WinogradForm::Substituted { contexts, rest } => {
                let parts = contexts.iter().chain([rest]).map(|part| collapsed(part));
                std::iter::once("substituted".to_owned()).chain(parts).collect()
            }
        };
        fields.push(self.label.to_string());
        fields
    }
}

/// How the data represent the candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WinogradForm {
    /// Candidates that replace a pronoun, with adjustments.
    Pronoun {
        text: String,
        pronoun: String,
        /// Characters before the pronoun.
        location: usize,
        options: [String; 2],
    },
    /// Candidates that replace `_`.
    Blank { before: String, after: String, options: [String; 2] },
    /// The sentence up to and including each candidate, and the rest, as people wrote them.
    Substituted { contexts: [String; 2], rest: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Pronoun { text: String, pronoun: String, pronoun_loc: usize, options: [String; 2], label: usize },
    Blank { sentence: String, option1: String, option2: String, answer: String },
    Contexts { context_options: [String; 2], continuation: String, gold: usize },
}

/// Reads all schemas of a `.xml` or `.jsonl` file. `Err` names file and line.
pub fn read_winograd(file: &DataFile) -> Result<Vec<WinogradSchema>, DataError> {
    let is_xml = file.bytes.trim_ascii_start().starts_with(b"<");
    let schemas = if is_xml { read_xml(file)? } else { read_lines(file)? };
    match schemas.iter().find(|schema| schema.label > 1) {
        Some(schema) => {
            Err(file.record_error(schema.line, format!("`label` is {}, expected 0 or 1", schema.label)))
        }
        None => Ok(schemas),
    }
}

fn read_lines(file: &DataFile) -> Result<Vec<WinogradSchema>, DataError> {
    let lines: Vec<(usize, Line)> = read_json_lines(file)?;
    lines
        .into_iter()
        .map(|(line, record)| {
            let (form, label) = match record {
                Line::Pronoun { text, pronoun, pronoun_loc, options, label } => {
                    let found: String =
                        text.chars().skip(pronoun_loc).take(pronoun.chars().count()).collect();
                    if found != pronoun {
                        let reason = format!("`pronoun_loc` points at {found:?}, expected {pronoun:?}");
                        return Err(file.record_error(line, reason));
                    }
                    (WinogradForm::Pronoun { text, pronoun, location: pronoun_loc, options }, label)
                }
                Line::Blank { sentence, option1, option2, answer } => {
                    let Some((before, after)) = sentence.split_once('_') else {
                        return Err(file.record_error(line, format!("the sentence {sentence:?} has no `_`")));
                    };
                    let label = match answer.as_str() {
                        "1" => 0,
                        "2" => 1,
                        other => {
                            let reason = format!("`answer` is {other:?}, expected \"1\" or \"2\"");
                            return Err(file.record_error(line, reason));
                        }
                    };
                    let (before, after) = (before.to_owned(), after.to_owned());
                    (WinogradForm::Blank { before, after, options: [option1, option2] }, label)
                }
                Line::Contexts { context_options, continuation, gold } => (
                    WinogradForm::Substituted { contexts: context_options, rest: format!(" {continuation}") },
                    gold,
                ),
            };
            Ok(WinogradSchema { line, form, label })
        })
        .collect()
}

/// The first 273 schemas of the collection, read as the hub's `winograd_wsc` does: white space collapsed, parts joined by
/// single spaces.
fn read_xml(file: &DataFile) -> Result<Vec<WinogradSchema>, DataError> {
    // The declaration says ISO-8859-1, in which every byte is the character with that code.
    let text: String = match std::str::from_utf8(&file.bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => file.bytes.iter().copied().map(char::from).collect(),
    };
    let document = roxmltree::Document::parse(&text).map_err(|error| {
        let line = usize::try_from(error.pos().row).unwrap_or(1);
        file.record_error(line, format!("malformed XML: {error}"))
    })?;
    let collapsed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut schemas = Vec::new();
    for schema in document.root_element().children().filter(|node| node.has_tag_name("schema")).take(WSC273) {
        let line = document.text_pos_at(schema.range().start).row as usize;
        let below = |parent: roxmltree::Node<'_, '_>, name: &str| {
            parent.children().find(|node| node.has_tag_name(name)).and_then(|node| node.text()).map(collapsed)
        };
        let missing = |name: &str| file.record_error(line, format!("the schema has no <{name}>"));
        let part = |name: &str| schema.children().find(|node| node.has_tag_name(name));
        let sentence = part("text").ok_or_else(|| missing("text"))?;
        let left = below(sentence, "txt1").unwrap_or_default();
        let right = below(sentence, "txt2").unwrap_or_default();
        let pronoun = below(sentence, "pron").ok_or_else(|| missing("pron"))?;
        let answers = part("answers").ok_or_else(|| missing("answers"))?;
        let options: Vec<String> = answers
            .children()
            .filter(|node| node.has_tag_name("answer"))
            .map(|node| collapsed(node.text().unwrap_or_default()))
            .collect();
        let options = <[String; 2]>::try_from(options)
            .map_err(|found| file.record_error(line, format!("found {} answers, expected 2", found.len())))?;
        let correct = below(schema, "correctAnswer").ok_or_else(|| missing("correctAnswer"))?;
        let location = if left.is_empty() { 0 } else { left.chars().count() + 1 };
        let text = [left.as_str(), &pronoun, &right].join(" ").trim().to_owned();
        let form = WinogradForm::Pronoun { text, pronoun, location, options };
        schemas.push(WinogradSchema { line, form, label: usize::from(correct.contains('B')) });
    }
    if schemas.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(schemas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &'static [u8]) -> Result<Vec<WinogradSchema>, String> {
        read_winograd(&DataFile::bundled("w", bytes)).map_err(|error| error.to_string())
    }

    #[test]
    fn xml_is_joined_with_single_spaces() {
        let schemas = read(
            b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><collection>\n<schema><text><txt1>\nThe caf\xe9  fed Ann because </txt1>\
            <pron> it </pron><txt2> was\nopen. </txt2></text><answers><answer>The caf\xe9 </answer><answer>Ann</answer></answers>\
            <correctAnswer> A. </correctAnswer></schema></collection>",
        )
        .unwrap();
        assert_eq!(schemas[0].line, 2);
        assert_eq!(
            schemas[0].form,
            WinogradForm::Pronoun {
                text: "The café fed Ann because it was open.".to_owned(),
                pronoun: "it".to_owned(),
                location: 25,
                options: ["The café".to_owned(), "Ann".to_owned()],
            }
        );
    }

    #[test]
    fn json_formats() {
        let blank = br#"{"qID":"1","sentence":"Ann fed Bo because _ was hungry.","option1":"Ann","option2":"Bo","answer":"2"}"#;
        let schema = read(blank).unwrap().remove(0);
        assert_eq!(schema.label, 1);
        let expected = WinogradForm::Blank {
            before: "Ann fed Bo because ".to_owned(),
            after: " was hungry.".to_owned(),
            options: ["Ann".to_owned(), "Bo".to_owned()],
        };
        assert_eq!(schema.form, expected);
        let contexts = br#"{"context_options":["Ann fed Bo because Ann","Ann fed Bo because Bo"],"continuation":"was hungry.","gold":1}"#;
        let schema = read(contexts).unwrap().remove(0);
        assert_eq!(schema.label, 1);
        let expected = WinogradForm::Substituted {
            contexts: ["Ann fed Bo because Ann".to_owned(), "Ann fed Bo because Bo".to_owned()],
            rest: " was hungry.".to_owned(),
        };
        assert_eq!(schema.form, expected);
    }

    #[test]
    fn malformed_records_are_refused() {
        let moved = br#"{"text":"Ann fed Bo, she ate","pronoun":"she","pronoun_loc":3,"options":["a","b"],"label":0}"#;
        assert!(read(moved).unwrap_err().contains("w:1: `pronoun_loc` points at \" fe\", expected \"she\""));
        let label = br#"{"context_options":["a","b"],"continuation":"c","gold":2}"#;
        assert!(read(label).unwrap_err().contains("`label` is 2, expected 0 or 1"));
        assert!(read(b"<collection><schema></schema></collection>").unwrap_err().contains("no <text>"));
        assert!(read(b"<collection>").unwrap_err().contains("malformed XML"));
    }
}
