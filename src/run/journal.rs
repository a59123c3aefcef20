//! The journal of one task and model: one line a finished sample, only ever appended to while the run goes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{RunError, write_atomically};
use crate::record::SampleResult;
use gpt2_model::request::Response;
use untrusted_input::clipped;

/// The most work that a power failure can take: what was written is made durable that often.
const SYNC_EVERY: Duration = Duration::from_secs(10);

/// What can be wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A line before the last is no record.
    #[error(
        "{path}:{line}: the journal is damaged: {reason}; delete the file to run this task again, or use --fresh to run \
         all of them"
    )]
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
         task again, or use --fresh to run all of them"
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
    synced: Instant,
}

impl Journal {
    /// Opens or creates the journal at `path` and returns what it holds, by sample id. Torn lines at the end, left by a
    /// process that was killed while it wrote or by a power failure, are dropped. `expected_key` gives the key that a sample must have, or
    /// `None` for a sample that the run does not have.
    ///
    /// `Err` names file and line.
    pub fn open<'a>(
        path: &Path,
        expected_key: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(Self, BTreeMap<String, SampleResult>), RunError> {
        let write_error = |source| RunError::Write { path: path.to_owned(), source };
        let existing = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(RunError::Read { path: path.to_owned(), reason: error.to_string() }),
        };
        let (records, good_bytes) = read_records(path, &existing)?;
        let mut by_id = BTreeMap::new();
        for (line, record) in records {
            if expected_key(&record.id) != Some(record.key.as_str()) {
                let (path, id) = (path.to_owned(), clipped(&record.id));
                return Err(JournalError::OtherKey { path, line, id }.into());
            }
            by_id.insert(record.id.clone(), record);
        }
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(write_error)?;
        if good_bytes < existing.len() {
            file.set_len(good_bytes as u64).map_err(write_error)?;
        }
        let writer = BufWriter::new(file);
        Ok((Self { path: path.to_owned(), writer, synced: Instant::now() }, by_id))
    }

    /// Appends a record.
    pub fn append(&mut self, record: &SampleResult) -> Result<(), RunError> {
        let line = serde_json::to_vec(record).map_err(std::io::Error::from);
        line.and_then(|mut line| {
            line.push(b'\n');
            self.writer.write_all(&line)
        })
        .map_err(|source| RunError::Write { path: self.path.clone(), source })
    }

    /// Hands everything appended so far to the system, and now and then to the disk.
    pub fn flush(&mut self) -> Result<(), RunError> {
        let mut flush = || {
            self.writer.flush()?;
            if self.synced.elapsed() >= SYNC_EVERY {
                self.writer.get_ref().sync_data()?;
                self.synced = Instant::now();
            }
            Ok(())
        };
        flush().map_err(|source| RunError::Write { path: self.path.clone(), source })
    }

    /// Closes the journal of a finished task with its records in the order of the data, so that the file does not
    /// depend on the order in which they were computed.
    pub fn finish<'a>(mut self, records: impl Iterator<Item = &'a SampleResult>) -> Result<(), RunError> {
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

/// The records of a journal's content with their lines, and how many bytes they are.
///
/// A last line without its end is left out, and so is what follows a line with zero bytes, which are what a power failure
/// leaves of blocks that were not written, unless a record follows. Anything else that is no record is damage.
fn read_records(path: &Path, content: &[u8]) -> Result<(Vec<(usize, SampleResult)>, usize), JournalError> {
    let mut records = Vec::new();
    let mut good_bytes = 0;
    let mut position = 0;
    let mut torn: Option<(usize, String)> = None;
    for (index, line) in content.split_inclusive(|&byte| byte == b'\n').enumerate() {
        position += line.len();
        let Some(line) = line.strip_suffix(b"\n") else { break };
        if line.is_empty() {
            continue;
        }
        let record = serde_json::from_slice(line).map_err(|error| error.to_string());
        // A text such as `1e300` is read as an f32 without end, which no journal can hold.
        let is_finite = |record: &SampleResult| record.responses.iter().all(Response::is_finite);
        let beyond = || "a log-probability is beyond every f32".to_owned();
        let record = record.and_then(|record| if is_finite(&record) { Ok(record) } else { Err(beyond()) });
        match (record, &torn) {
            (Ok(record), None) => {
                records.push((index + 1, record));
                good_bytes = position;
            }
            (Ok(_), Some((line, reason))) => {
                return Err(JournalError::Damaged {
                    path: path.to_owned(),
                    line: *line,
                    reason: reason.clone(),
                });
            }
            (Err(error), None) if line.contains(&0) => torn = Some((index + 1, clipped(&error))),
            (Err(error), None) => {
                let (path, reason) = (path.to_owned(), clipped(&error));
                return Err(JournalError::Damaged { path, line: index + 1, reason });
            }
            (Err(_), Some(_)) => {}
        }
    }
    Ok((records, good_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> SampleResult {
        SampleResult {
            id: id.to_owned(),
            cluster: None,
            key: format!("key-{id}"),
            prompt_sha256: String::new(),
            context_tokens: 1,
            target_tokens: 1,
            truncated_tokens: 0,
            responses: vec![],
            candidate_sets: vec![],
            values: BTreeMap::from([("log_likelihood".to_owned(), -0.1 - f64::EPSILON)]),
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
        // Blocks that a power failure left empty, and a line end that came through.
        torn.extend([0; 100]);
        torn.extend(b"\n}\n{");
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
