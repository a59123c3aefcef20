//! The journal of one task and model: one line a finished sample, only ever appended to while the run goes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{RunError, write_atomically};
use crate::record::SampleRecord;

/// What can be wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A line before the last is no record.
    #[error("{path}:{line}: the journal is damaged: {reason}; delete the file to run this task again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A record was made with other weights or another request.
    #[error(
        "{path}:{line}: sample {id} was answered by another model, engine or prompt; delete the file to run this \
         task again"
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The sample.
        id: String,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl Journal {
    /// Opens or creates the journal at `path` and returns what it holds, by sample id. A torn last line, left by a
    /// process that was killed while it wrote, is dropped. `expected_key` gives the key that a sample must have, or
    /// `None` for a sample that the run does not have.
    ///
    /// `Err` names file and line.
    pub fn open<'a>(
        path: &Path,
        expected_key: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(Self, BTreeMap<String, SampleRecord>), RunError> {
        let write_error = |source| RunError::Write { path: path.to_owned(), source };
        let existing = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(RunError::Read { path: path.to_owned(), reason: error.to_string() }),
        };
        let whole_lines = existing.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut records = BTreeMap::new();
        for (index, line) in existing[..whole_lines].split(|&byte| byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let record: SampleRecord = serde_json::from_slice(line).map_err(|error| {
                JournalError::Damaged { path: path.to_owned(), line: index + 1, reason: error.to_string() }
            })?;
            if expected_key(&record.id) != Some(record.key.as_str()) {
                let (path, id) = (path.to_owned(), record.id);
                return Err(JournalError::OtherKey { path, line: index + 1, id }.into());
            }
            records.insert(record.id.clone(), record);
        }
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(write_error)?;
        if whole_lines < existing.len() {
            file.set_len(whole_lines as u64).map_err(write_error)?;
        }
        Ok((Self { path: path.to_owned(), writer: BufWriter::new(file) }, records))
    }

    /// Appends a record.
    pub fn append(&mut self, record: &SampleRecord) -> Result<(), RunError> {
        let line = serde_json::to_vec(record).map_err(std::io::Error::from);
        line.and_then(|mut line| {
            line.push(b'\n');
            self.writer.write_all(&line)
        })
        .map_err(|source| RunError::Write { path: self.path.clone(), source })
    }

    /// Hands everything appended so far to the system.
    pub fn flush(&mut self) -> Result<(), RunError> {
        self.writer.flush().map_err(|source| RunError::Write { path: self.path.clone(), source })
    }

    /// Closes the journal of a finished task with its records in the order of the data, so that the file does not
    /// depend on the order in which they were computed.
    pub fn finish<'a>(mut self, records: impl Iterator<Item = &'a SampleRecord>) -> Result<(), RunError> {
        self.flush()?;
        let mut content = Vec::new();
        for record in records {
            serde_json::to_writer(&mut content, record)
                .map_err(|error| RunError::Write { path: self.path.clone(), source: error.into() })?;
            content.push(b'\n');
        }
        write_atomically(&self.path, &content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> SampleRecord {
        SampleRecord {
            id: id.to_owned(),
            cluster: None,
            key: format!("key-{id}"),
            prompt_sha256: String::new(),
            context_tokens: 1,
            target_tokens: 1,
            truncated_tokens: 0,
            responses: vec![],
            statistics: BTreeMap::from([("log_likelihood".to_owned(), -0.1 - f64::EPSILON)]),
            error: None,
        }
    }

    fn key_of(id: &str) -> Option<&'static str> {
        match id {
            "a" => Some("key-a"),
            "b" => Some("key-b"),
            _ => None,
        }
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_the_rest_comes_back_bit_for_bit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.jsonl");
        let (mut journal, records) = Journal::open(&path, key_of).unwrap();
        assert!(records.is_empty());
        journal.append(&record("b")).unwrap();
        journal.flush().unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn.extend(&whole[..whole.len() / 2]);
        std::fs::write(&path, torn).unwrap();

        let (mut journal, mut records) = Journal::open(&path, key_of).unwrap();
        assert_eq!(records["b"], record("b"));
        journal.append(&record("a")).unwrap();
        records.insert("a".to_owned(), record("a"));
        journal.finish(records.values()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("{\"id\":\"a\""), "in the order of the data: {text}");
    }

    #[test]
    fn other_keys_and_damage_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.jsonl");
        let mut line = serde_json::to_string(&record("a")).unwrap();
        line.push('\n');
        std::fs::write(&path, line.replace("key-a", "key-x")).unwrap();
        let error = Journal::open(&path, key_of).unwrap_err().to_string();
        assert!(error.contains("t.jsonl:1: sample a was answered by another model"), "{error}");
        std::fs::write(&path, format!("{{\n{line}")).unwrap();
        let error = Journal::open(&path, key_of).unwrap_err().to_string();
        assert!(error.contains("t.jsonl:1: the journal is damaged"), "{error}");
    }
}
