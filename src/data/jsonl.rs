//! One JSON value a line.

use serde::de::DeserializeOwned;

use super::{DataError, DataFile};

/// The records of `file` with their line numbers, from 1.
///
/// `Err` names file and line of invalid UTF-8 or JSON, a missing or unknown field, or a blank line before the end. A file
/// without records is an error.
pub fn read_json_lines<T: DeserializeOwned>(file: &DataFile) -> Result<Vec<(usize, T)>, DataError> {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&file.bytes);
    // No capacity for all lines is reserved, because a file may consist of line ends.
    let mut records = Vec::new();
    let mut rest = bytes;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line)
            .map_err(|error| file.record_error(number, format!("not UTF-8: {error}")))?;
        if text.trim().is_empty() {
            return Err(file.record_error(number, "blank line; expected a JSON object"));
        }
        let record = serde_json::from_str(text).map_err(|error| {
            let shown: String = text.chars().take(60).collect();
            let cut = if shown.len() < text.len() { "…" } else { "" };
            file.record_error(number, format!("malformed JSON record: {error}, in `{shown}{cut}`"))
        })?;
        records.push((number, record));
    }
    if records.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(records)
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
}
