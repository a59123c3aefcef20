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

/// Time between two syncs to disk: a power failure loses at most this much work.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// End of every message about a journal that cannot be used.
const REMEDY: &str = "delete the file to run this task again, or use --fresh to run all of them";

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    writer: BufWriter<File>,
    synced: Instant,
}

impl Journal {
    /// Opens or creates the journal at `path` and returns its results by sample id. Torn lines at the end, from a process
    /// that was killed while it wrote or from a power failure, are dropped. `expected_key` gives the key of a sample, or
    /// `None` for an id that the run does not have.
    ///
    /// `Err` names file and line.
    pub fn open<'a>(
        path: &Path,
        expected_key: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(Self, BTreeMap<String, SampleResult>), RunError> {
        let write_error = |error| RunError::write(path, &error);
        let existing = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(RunError::read(path, error)),
        };
        let (records, good_bytes) = read_records(path, &existing)?;
        let mut by_id: BTreeMap<String, SampleResult> = BTreeMap::new();
        for (line, record) in records {
            if expected_key(&record.id) != Some(record.key.as_str()) {
                return Err(RunError::Journal(format!(
                    "{}:{line}: sample {} is of another model, engine or prompt; {REMEDY}",
                    path.display(),
                    clipped(&record.id)
                )));
            }
            if by_id.get(&record.id).is_some_and(|earlier| earlier.error.is_none()) {
                return Err(second_result(path, line, &record.id));
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

    pub fn append(&mut self, record: &SampleResult) -> Result<(), RunError> {
        let line = serde_json::to_vec(record).map_err(std::io::Error::from);
        line.and_then(|mut line| {
            line.push(b'\n');
            self.writer.write_all(&line)
        })
        .map_err(|error| RunError::write(&self.path, &error))
    }

    /// Hands everything appended so far to the operating system, and from time to time to the disk.
    pub fn flush(&mut self) -> Result<(), RunError> {
        let mut flush = || {
            self.writer.flush()?;
            if self.synced.elapsed() >= SYNC_INTERVAL {
                self.writer.get_ref().sync_data()?;
                self.synced = Instant::now();
            }
            Ok(())
        };
        flush().map_err(|error| RunError::write(&self.path, &error))
    }

    /// Closes the journal of a finished task with its results in the order of the data, so that the file does not depend
    /// on the order in which they were computed.
    pub fn finish<'a>(mut self, records: impl Iterator<Item = &'a SampleResult>) -> Result<(), RunError> {
        self.flush()?;
        let mut content = Vec::new();
        for record in records {
            serde_json::to_writer(&mut content, record)
                .map_err(|error| RunError::write(&self.path, &error.into()))?;
            content.push(b'\n');
        }
        write_atomically(&self.path, &content)
    }
}

/// A line of the journal, or of another file of JSON lines in a run directory, is not valid.
pub(super) fn damaged(path: &Path, line: usize, reason: &str) -> RunError {
    RunError::Journal(format!("{}:{line}: damaged line: {}; {REMEDY}", path.display(), clipped(reason)))
}

/// A sample has a result that is not a retry: only failed samples are computed again.
pub(super) fn second_result(path: &Path, line: usize, id: &str) -> RunError {
    let id = clipped(id);
    RunError::Journal(format!("{}:{line}: a second result of sample {id}; {REMEDY}", path.display()))
}

/// A sample is not one of the run's.
pub(super) fn unknown_sample(path: &Path, line: usize, id: &str) -> RunError {
    let id = clipped(id);
    RunError::Journal(format!("{}:{line}: the run has no sample {id}; {REMEDY}", path.display()))
}

/// The results in a journal's content with their lines, and how many bytes they take.
///
/// An unterminated last line is dropped. A line with zero bytes is where a power failure left blocks unwritten: it is
/// dropped with what follows, unless a valid result follows. Any other invalid line is an error.
fn read_records(path: &Path, content: &[u8]) -> Result<(Vec<(usize, SampleResult)>, usize), RunError> {
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
        // `1e300` is read as an infinite f32, which no run writes.
        let is_finite = |record: &SampleResult| record.responses.iter().all(Response::is_finite);
        let beyond = || "a log-probability is beyond the range of f32".to_owned();
        let record = record.and_then(|record| if is_finite(&record) { Ok(record) } else { Err(beyond()) });
        match (record, &torn) {
            (Ok(record), None) => {
                records.push((index + 1, record));
                good_bytes = position;
            }
            (Ok(_), Some((line, reason))) => return Err(damaged(path, *line, reason)),
            (Err(reason), None) if line.contains(&0) => torn = Some((index + 1, reason)),
            (Err(reason), None) => return Err(damaged(path, index + 1, &reason)),
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
    fn torn_lines_are_dropped_and_results_keep_every_bit() {
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
        // Blocks that a power failure left unwritten, and a line end that was written.
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
        assert!(error.contains("t.jsonl:1: sample a is of another model"), "{error}");
        std::fs::write(&path, format!("{{\n{line}")).unwrap();
        let error = Journal::open(&path, key_of).unwrap_err().to_string();
        assert!(error.contains("t.jsonl:1: damaged line"), "{error}");
    }
}
