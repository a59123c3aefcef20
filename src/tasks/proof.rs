//! Whether a data file holds the published set: by its sha256, or by the checksum over its records.

use std::collections::BTreeSet;

use super::{Item, Task};
use crate::data::{DataFile, Proof, Provenance, Split, records_sha256};
use crate::record::Protocol;
use untrusted_input::thousands;

/// What proves that the samples of `file` are the published set. A file with another sha256 is complete if the checksum
/// over its records is a published one; otherwise `notes` say how its records differ.
pub(super) fn prove<T: Task>(
    task: &T,
    (protocol, split): (&Protocol, Split),
    file: &mut DataFile,
    items: &[Item<T::Doc>],
    notes: &mut Vec<String>,
) -> Option<Proof> {
    let data = &task.config().data;
    match file.provenance {
        Provenance::Complete => return Some(Proof::File),
        Provenance::Unverified | Provenance::Subset => {}
        Provenance::Sample | Provenance::Custom => return None,
    }
    let records: Vec<Vec<String>> =
        items.iter().map(|item| task.content(&item.doc)).collect::<Option<_>>()?;
    let found = records_sha256(records.iter().cloned());
    let mut published = data.published_records(split).peekable();
    let is_known = published.peek().is_some();
    if published.any(|known| known == found) {
        file.provenance = Provenance::Complete;
        let count = thousands(items.len() as u64);
        notes.push(format!(
            "the file is not the published one, but its {count} records are, by their checksum"
        ));
        return Some(Proof::Records);
    }
    if file.provenance == Provenance::Unverified {
        let count = items.len();
        let is_default = protocol.name == task.config().default_protocol();
        match data.published_count(split) {
            // Another protocol may measure a part of the records.
            Some(expected) if expected != count && is_default => notes.push(format!(
                "the file has {} records, the published set has {}",
                thousands(count as u64),
                thousands(expected as u64)
            )),
            _ if is_known => notes
                .push(format!("the records are not those of the published set: their checksum is {found}")),
            _ => {}
        }
        notes.extend(repeated_note(&file.name, items, &records));
    }
    None
}

/// The number of records that repeat earlier ones, with the line of the first.
fn repeated_note<Doc>(file: &str, items: &[Item<Doc>], records: &[Vec<String>]) -> Option<String> {
    let mut known = BTreeSet::new();
    let repeated = items.iter().zip(records).filter(|(_, record)| !known.insert(*record));
    let lines: Vec<usize> = repeated.map(|(item, _)| item.line).collect();
    let first = lines.first()?;
    let count = thousands(lines.len() as u64);
    Some(format!("records that equal an earlier one: {count}, the first is {file}:{first}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BundledFile, DataError};
    use crate::tasks::{Setting, TaskConfig, UnexpectedResponse};
    use gpt2_model::request::{Request, Response};
    use text_metrics::{Metric, SampleValues};

    /// A task whose records are the lines of its file.
    struct Lines(TaskConfig);

    impl Task for Lines {
        type Doc = String;

        fn config(&self) -> &TaskConfig {
            &self.0
        }

        fn samples(&self) -> &'static [BundledFile] {
            &[]
        }

        fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<String>>, DataError> {
            let lines = file.text()?.lines().map(str::to_owned).enumerate();
            Ok(lines
                .map(|(index, doc)| Item { id: index.to_string(), cluster: None, line: index + 1, doc })
                .collect())
        }

        fn content(&self, doc: &String) -> Option<Vec<String>> {
            Some(vec![doc.clone()])
        }

        fn requests(&self, _: &String, _: &Setting<'_>) -> Vec<Request> {
            Vec::new()
        }

        fn score(
            &self,
            _: &String,
            _: &Protocol,
            _: &[Response],
        ) -> Result<SampleValues, UnexpectedResponse> {
            Ok(SampleValues::new())
        }

        fn metrics(&self, _: &Protocol) -> Vec<Metric> {
            Vec::new()
        }
    }

    fn proved(text: &'static [u8], provenance: Provenance) -> (Option<Proof>, Provenance, Vec<String>) {
        let published = records_sha256(["one", "two"].map(|line| vec![line.to_owned()]).into_iter());
        let config = format!(
            "name = 't'\ntitle = 't'\nmeasures = 'm'\ngroups = []\ncitation = 'c'\n\n[[protocols]]\nname = 'paper'\ndescription = 'd'\n[data]\nsamples = \
             []\n[[data.files]]\nname = 't.txt'\nrecords = 2\nrecords_sha256 = '{published}'\n[[data.files]]\nname = \
             'u.txt'\nsplit = 'train'\nrecords_sha256 = '0'\n"
        );
        let task = Lines(toml::from_str(&config).unwrap());
        let mut file = DataFile { provenance, ..DataFile::bundled("t.txt", text) };
        let items = task.docs(&file, &Protocol::new("paper")).unwrap();
        let mut notes = Vec::new();
        let proof = prove(&task, (&Protocol::new("paper"), Split::Test), &mut file, &items, &mut notes);
        (proof, file.provenance, notes)
    }

    #[test]
    fn records_in_another_file_are_the_published_ones() {
        for text in [&b"one\ntwo"[..], b"\xef\xbb\xbfone\r\ntwo\r\n", b"two\none\n"] {
            for provenance in [Provenance::Unverified, Provenance::Subset] {
                let (proof, provenance, notes) = proved(text, provenance);
                assert_eq!((proof, provenance), (Some(Proof::Records), Provenance::Complete));
                assert!(notes[0].contains("its 2 records are, by their checksum"), "{notes:?}");
            }
        }
        let (proof, _, notes) = proved(b"anything", Provenance::Complete);
        assert_eq!((proof, notes.len()), (Some(Proof::File), 0), "its sha256 is the published one");
    }

    #[test]
    fn other_records_are_not() {
        for (text, parts) in [
            (&b"one"[..], &["the file has 1 records, the published set has 2"][..]),
            (b"one\nTwo", &["not those of the published set: their checksum is "]),
            (b"one\ntwo\none\ntwo", &["has 4 records", "equal an earlier one: 2, the first is t.txt:3"]),
        ] {
            let (proof, provenance, notes) = proved(text, Provenance::Unverified);
            assert_eq!((proof, provenance), (None, Provenance::Unverified));
            assert_eq!(notes.len(), parts.len(), "{notes:?}");
            for (note, part) in notes.iter().zip(parts) {
                assert!(note.contains(part), "{note}");
            }
        }
        for provenance in [Provenance::Sample, Provenance::Custom] {
            assert_eq!(proved(b"one\ntwo", provenance), (None, provenance, Vec::new()));
        }
    }
}
