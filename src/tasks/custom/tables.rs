//! Tables of separated values: a header with the names of the columns, then a record a line.

use serde_json::{Map, Value};

use crate::data::{DataError, DataFile, LineNumbers};

/// How the fields of a line are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separated {
    /// The character between two fields; without it a comma, or what the header uses instead.
    pub delimiter: Option<u8>,
    /// Whether a field may stand in quotation marks.
    pub has_quotes: bool,
}

/// A record's line and fields.
type Line = (usize, Map<String, Value>);

/// The records of a table with the names of its header, and a note if the delimiter was found in the header.
///
/// `Err` names file and line of unbalanced quotation marks, a record of another length than the header, two columns with
/// one name, or a value in a column without a name.
pub(super) fn separated_records(
    file: &DataFile,
    separated: Separated,
) -> Result<(Vec<Line>, Option<String>), DataError> {
    let text = file.text()?;
    let (delimiter, note) = match separated.delimiter {
        Some(delimiter) => (delimiter, None),
        None => delimiter_of(text),
    };
    if separated.has_quotes {
        check_quotes(text, delimiter).map_err(|(line, reason)| {
            file.record_error(
                line,
                format!(
                    "{reason}; if the file uses quotation marks as plain text, add `quotes = false` to [data]"
                ),
            )
        })?;
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(separated.has_quotes)
        .flexible(true)
        .from_reader(text.as_bytes());
    let wrong = |error: csv::Error, line: u64| {
        let line = error.position().map_or(line, csv::Position::line);
        file.record_error(line as usize, format!("malformed record: {error}"))
    };
    let header = reader.headers().map_err(|error| wrong(error, 1))?.clone();
    let names: Vec<&str> = header.iter().map(str::trim).collect();
    for (index, name) in names.iter().enumerate() {
        if !name.is_empty() && names[..index].contains(name) {
            return Err(file.record_error(1, format!("two columns have the name `{name}`; rename one")));
        }
    }
    let mut records = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut lines = LineNumbers::new(text);
    loop {
        let line = reader.position().line();
        if !reader.read_record(&mut record).map_err(|error| wrong(error, line))? {
            break;
        }
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if record.len() != names.len() {
            let reason = format!("{} values, but the header names {} columns", record.len(), names.len());
            return Err(file.record_error(line, reason));
        }
        let mut fields = Map::new();
        for (index, (&name, value)) in names.iter().zip(&record).enumerate() {
            // Spreadsheets write empty columns at the end.
            if name.is_empty() && value.trim().is_empty() {
                continue;
            }
            if name.is_empty() {
                return Err(
                    file.record_error(line, format!("column {} has no name in the header", index + 1))
                );
            }
            fields.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        records.push((line, fields));
    }
    if records.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok((records, note))
}

/// The delimiter of a table, with a note if it is not a comma: a semicolon or tab if the header has it and no comma.
fn delimiter_of(text: &str) -> (u8, Option<String>) {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let other = [(b'\t', "tabs"), (b';', "semicolons")];
    let found = other.into_iter().find(|(byte, _)| !header.contains(',') && header.as_bytes().contains(byte));
    match found {
        Some((delimiter, name)) => (delimiter, Some(format!("its columns are separated by {name}"))),
        None => (b',', None),
    }
}

/// Checks that every quotation mark that begins a field is closed, and closed at the end of the field. `Err` has the line.
fn check_quotes(text: &str, delimiter: u8) -> Result<(), (usize, &'static str)> {
    let mut line = 1;
    let mut opened = 1;
    let mut is_quoted = false;
    let mut is_start = true;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if is_quoted && byte == b'"' {
            if bytes.next_if_eq(&b'"').is_none() {
                is_quoted = false;
                let is_end =
                    bytes.peek().is_none_or(|&next| next == delimiter || next == b'\n' || next == b'\r');
                if !is_end {
                    return Err((line, "text follows a closing quotation mark in the same field"));
                }
            }
        } else if !is_quoted && is_start && byte == b'"' {
            (is_quoted, opened) = (true, line);
        }
        is_start = !is_quoted && (byte == delimiter || byte == b'\n');
        line += usize::from(byte == b'\n');
    }
    if is_quoted { Err((opened, "a quotation mark is never closed")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    const CSV: Separated = Separated { delimiter: None, has_quotes: true };

    fn read(text: &str, separated: Separated) -> Result<(String, Option<String>), String> {
        let mut file = DataFile::bundled("t.csv", b"");
        file.bytes = Cow::Owned(text.as_bytes().to_vec());
        let (records, note) = separated_records(&file, separated).map_err(|error| error.to_string())?;
        let shown = records.into_iter().map(|(line, fields)| format!("{line} {}", Value::Object(fields)));
        Ok((shown.collect::<Vec<_>>().join("\n"), note))
    }

    #[test]
    fn commas_semicolons_and_tabs() {
        let expected = "2 {\"a\":\"1, one\",\"b\":\"x\\ny\"}\n4 {\"a\":\"2\",\"b\":\"\\\"\"}";
        let comma = "a,b\n\"1, one\",\"x\ny\"\n2,\"\"\"\"\n";
        assert_eq!(read(comma, CSV).unwrap(), (expected.to_owned(), None));
        let semicolon = "a;b\r\n1, one;\"x\ny\"\r\n2;\"\"\"\"\r\n";
        let (found, note) = read(semicolon, CSV).unwrap();
        assert_eq!(
            (found.as_str(), note.as_deref()),
            (expected, Some("its columns are separated by semicolons"))
        );
        let tab = Separated { delimiter: Some(b'\t'), has_quotes: true };
        assert_eq!(read("a\tb\n1, one\t\"x\ny\"\n2\t\"\"\"\"\n", tab).unwrap(), (expected.to_owned(), None));
        let pipe = Separated { delimiter: Some(b'|'), has_quotes: true };
        assert_eq!(read("a|b\n1|2\n", pipe).unwrap().0, "2 {\"a\":\"1\",\"b\":\"2\"}");
    }

    #[test]
    fn quotation_marks_that_are_text() {
        let text = "a\tb\n\"Oh\" he said\tx\n\"y\tz\n";
        let tab = Separated { delimiter: Some(b'\t'), has_quotes: true };
        let wrong = read(text, tab).unwrap_err();
        assert!(wrong.starts_with("t.csv:2: text follows a closing quotation mark"), "{wrong}");
        assert!(wrong.contains("quotes = false"), "{wrong}");
        let wrong = read("a,b\n1,2\n\"y,z\n3,4\n", CSV).unwrap_err();
        assert!(wrong.starts_with("t.csv:3: a quotation mark is never closed"), "{wrong}");
        let plain = Separated { has_quotes: false, ..tab };
        let expected = "2 {\"a\":\"\\\"Oh\\\" he said\",\"b\":\"x\"}\n3 {\"a\":\"\\\"y\",\"b\":\"z\"}";
        assert_eq!(read(text, plain).unwrap().0, expected);
        assert_eq!(read("a,b\n5\" nail,2\n", CSV).unwrap().0, "2 {\"a\":\"5\\\" nail\",\"b\":\"2\"}");
    }

    #[test]
    fn headers_and_lengths() {
        assert_eq!(read("a, b,,\n1,2,,\n\n3,4,,\n", CSV).unwrap().0.lines().count(), 2, "empty columns");
        for (text, part) in [
            ("a,a\n1,2\n", "t.csv:1: two columns have the name `a`"),
            ("a,b\n1,2,\n", "t.csv:2: 3 values, but the header names 2 columns"),
            ("a,b\n1\n", "t.csv:2: 1 values, but the header names 2 columns"),
            ("a,\n1,2\n", "t.csv:2: column 2 has no name in the header"),
            ("a,b\n", "no records"),
        ] {
            let wrong = read(text, CSV).unwrap_err();
            assert!(wrong.contains(part), "{wrong}");
        }
    }
}
