//! JSON: one value a line, or a list of values.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::file::not_utf8;
use super::parquet::{self, read_parquet};
use super::{DataError, DataFile};

/// The records of `file` with their line numbers, from 1. A Parquet table is read as if its rows were such lines.
///
/// `Err` names file and line of invalid UTF-8 or JSON, a missing or unknown field, or a blank line before the end. A file
/// without records is an error.
pub fn read_json_lines<T: DeserializeOwned>(file: &DataFile) -> Result<Vec<(usize, T)>, DataError> {
    if file.bytes.starts_with(parquet::MAGIC) {
        return read_parquet(file)?
            .into_iter()
            .map(|(row, fields)| {
                let record = serde_json::from_value(Value::Object(fields))
                    .map_err(|error| file.record_error(row, format!("unexpected columns: {error}")))?;
                Ok((row, record))
            })
            .collect();
    }
    lines(file, |number| Err(file.record_error(number, "blank line; expected a JSON object")))
}

/// [`read_json_lines`] that skips blank lines.
pub fn read_json_lines_but_blank<T: DeserializeOwned>(file: &DataFile) -> Result<Vec<(usize, T)>, DataError> {
    lines(file, |_| Ok(()))
}

fn lines<T: DeserializeOwned>(
    file: &DataFile,
    at_blank: impl Fn(usize) -> Result<(), DataError>,
) -> Result<Vec<(usize, T)>, DataError> {
    // No capacity for all lines is reserved, because a file may consist of line ends.
    let mut records = Vec::new();
    let mut rest: &[u8] = &file.bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|error| {
            file.record_error(number, not_utf8(line.get(error.valid_up_to()).copied().unwrap_or_default()))
        })?;
        if text.trim().is_empty() {
            at_blank(number)?;
            continue;
        }
        let record = serde_json::from_str(text)
            .map_err(|error| file.record_error(number, malformed(&error, text, rest.is_empty())))?;
        records.push((number, record));
    }
    if records.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(records)
}

/// What is wrong with a line, and what to do.
fn malformed(error: &serde_json::Error, text: &str, is_last: bool) -> String {
    let shown: String = text.chars().take(60).collect();
    let cut = if shown.len() < text.len() { "…" } else { "" };
    let hint = if text.trim_start().starts_with('[') {
        "; the file is a JSON list, expected an object a line: `jq -c '.[]' FILE > NEW.jsonl`"
    } else if error.is_eof() && is_last {
        "; the file ends within this record: it is truncated, get it again"
    } else if error.is_eof() {
        "; the record continues on the next line, expected one record a line: `jq -c . FILE > NEW.jsonl`"
    } else {
        ""
    };
    format!("malformed JSON record: {error}, in `{shown}{cut}`{hint}")
}

/// The records of a file that is one JSON list, with the line numbers of their beginnings, from 1.
///
/// `Err` names file and line of malformed JSON, also of a list without its end.
pub fn read_json_list<T: DeserializeOwned>(file: &DataFile) -> Result<Vec<(usize, T)>, DataError> {
    let text = file.text()?;
    let mut at = text.len() - text.trim_start().len();
    let line_of = |at: usize| 1 + text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count();
    let truncated = "the file ends within its list of records: it is truncated, get it again";
    if !text.get(at..).is_some_and(|rest| rest.starts_with('[')) {
        let reason =
            "expected a JSON list of records, `[{…}, {…}]`; for an object a line use format = \"jsonl\"";
        return Err(file.record_error(line_of(at), reason));
    }
    at += 1;
    let mut records = Vec::new();
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if records.is_empty() && rest.starts_with(']') {
            return Err(DataError::Empty { file: file.name.clone() });
        }
        let line = line_of(at);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<T>();
        match values.next() {
            Some(Ok(record)) => records.push((line, record)),
            Some(Err(error)) if !error.is_eof() => {
                let line = line + error.line().saturating_sub(1);
                return Err(file.record_error(line, format!("malformed JSON record: {error}")));
            }
            _ => return Err(file.record_error(line, truncated)),
        }
        at += values.byte_offset();
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        match rest.trim_start().chars().next() {
            Some(',') => at += 1,
            Some(']') => return Ok(records),
            Some(other) => {
                let reason = format!("found `{other}` after a record, expected `,` or `]`");
                return Err(file.record_error(line_of(at), reason));
            }
            None => return Err(file.record_error(line_of(at), truncated)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Passage {
        text: String,
    }

    fn read(bytes: &'static [u8]) -> Result<Vec<String>, String> {
        read_json_lines::<Passage>(&DataFile::bundled("x.jsonl", bytes))
            .map(|records| records.into_iter().map(|(_, passage)| passage.text).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn reads_lines_of_either_ending() {
        assert_eq!(read(b"{\"text\":\"a\"}\r\n{\"text\":\"b\"}").unwrap(), ["a", "b"]);
        assert_eq!(read(b"\xef\xbb\xbf{\"text\":\"a\"}\n").unwrap(), ["a"]);
    }

    #[test]
    fn errors_name_the_line() {
        assert!(
            read(b"{\"text\":\"a\"}\n{\"text\":\n").unwrap_err().starts_with("x.jsonl:2: malformed JSON")
        );
        assert!(
            read(b"{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n").unwrap_err().contains("x.jsonl:2: blank line")
        );
        assert!(read(b"{\"txt\":\"a\"}\n").unwrap_err().contains("unknown field `txt`"));
        assert!(read(b"{\"text\":\"\xff\"}\n").unwrap_err().contains("not UTF-8"));
        assert!(read(b"").unwrap_err().contains("no records"));
    }

    #[test]
    fn hints_for_files_that_are_no_json_lines() {
        assert!(read(b"[{\"text\":\"a\"},\n{\"text\":\"b\"}]\n").unwrap_err().contains("jq -c '.[]'"));
        assert!(read(b"{\n\"text\":\"a\"\n}\n").unwrap_err().contains("x.jsonl:1: malformed JSON record"));
        assert!(read(b"{\n\"text\":\"a\"\n}\n").unwrap_err().contains("jq -c . FILE"));
        let cut = read(b"{\"text\":\"a\"}\n{\"text\":\"b").unwrap_err();
        assert!(cut.starts_with("x.jsonl:2:") && cut.contains("it is truncated"), "{cut}");
        assert!(read(b"{\"text\":\"caf\xe9\"}\n").unwrap_err().contains("byte 0xe9; if the file is Latin-1"));
    }

    #[test]
    fn blank_lines_can_be_skipped() {
        let file = DataFile::bundled("x.jsonl", b"\n{\"text\":\"a\"}\n \r\n{\"text\":\"b\"}\n\n");
        let lines: Vec<(usize, Passage)> = read_json_lines_but_blank(&file).unwrap();
        assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(file.blank_lines(), 3);
        let blank = read_json_lines_but_blank::<Passage>(&DataFile::bundled("x", b"\n\n"));
        assert!(blank.unwrap_err().to_string().contains("no records"));
    }

    #[test]
    fn lists_and_the_lines_of_their_records() {
        let list = |bytes: &'static [u8]| {
            read_json_list::<Passage>(&DataFile::bundled("x.json", bytes))
                .map(|records| {
                    records.into_iter().map(|(line, record)| (line, record.text)).collect::<Vec<_>>()
                })
                .map_err(|error| error.to_string())
        };
        let records = list(b"\xef\xbb\xbf[\n {\"text\": \"a]\"},\n {\"text\":\n \"b\"}\n]\n").unwrap();
        assert_eq!(records, [(2, "a]".to_owned()), (3, "b".to_owned())]);
        for (bytes, part) in [
            (&b"[{\"text\":\"a\"},\n{\"text\":"[..], "x.json:2: the file ends within its list"),
            (b"[{\"text\":\"a\"}\n", "x.json:2: the file ends within its list"),
            (b"[{\"text\":\"a\"},\n", "x.json:2: the file ends within its list"),
            (b"[{\"text\":\"a\"}\n{\"text\":\"b\"}]", "x.json:2: found `{` after a record"),
            (b"{\"text\":\"a\"}", "expected a JSON list"),
            (b"[\n{\"txt\":\"a\"}]", "x.json:2: malformed JSON record: unknown field `txt`"),
            (b"[]", "no records"),
        ] {
            let message = list(bytes).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
