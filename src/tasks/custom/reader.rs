//! From a user's data file to its records.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::data::CustomData;
use super::raw::Format;
use super::record::{Record, text_of};
use crate::data::{DataError, DataFile, read_json_lines, read_parquet};
use crate::tasks::Item;

/// The samples of a file in its order, each with its name and cluster.
///
/// `Err` names file and line: a record that cannot be read or lacks a field, and a name that another has.
pub(super) fn samples(file: &DataFile, data: &CustomData) -> Result<Vec<Item<Record>>, DataError> {
    let records = match data.format {
        Format::Csv => csv_records(file)?,
        Format::Parquet => read_parquet(file)?,
        // A file that is one text has no records, and none are asked for.
        Format::Jsonl | Format::Text => read_json_lines(file)?,
    };
    let mut items: Vec<Item<Record>> = Vec::new();
    let mut known = HashSet::new();
    // Whether every sample has a name of its own, not only its record.
    let is_each = data.id.as_ref().is_some_and(|path| data.each.contains(&path.field));
    for (number, (line, fields)) in records.into_iter().enumerate() {
        let wrong = |reason: String| file.record_error(line, reason);
        let samples = Record::of(fields).split(&data.each).map_err(wrong)?;
        for (place, sample) in samples.into_iter().enumerate() {
            let text = |path| -> Result<String, DataError> {
                let value = sample.find(path).and_then(|value| text_of(path, value)).map_err(wrong)?;
                Ok(value.into_owned())
            };
            let record = data.id.as_ref().map_or_else(|| Ok(format!("{number:05}")), text)?;
            // Samples of one record share its text, and are not independent.
            let cluster = match &data.cluster {
                Some(path) => Some(text(path)?),
                None if data.each.is_empty() => None,
                None if is_each => Some(format!("{number:05}")),
                None => Some(record.clone()),
            };
            let id = if data.each.is_empty() || is_each { record } else { format!("{record}-{place}") };
            if id.trim().is_empty() {
                return Err(wrong("the field of `id` is empty: a sample needs a name".to_owned()));
            }
            if !known.insert(id.clone()) {
                return Err(wrong(format!(
                    "`{id}` is the name of another sample too: `id` must tell all apart"
                )));
            }
            items.push(Item { id, cluster, line, doc: sample });
        }
    }
    Ok(items)
}

/// A record's fields, with its line.
type Line = (usize, Map<String, Value>);

/// The records of comma-separated values, by the names of the header.
fn csv_records(file: &DataFile) -> Result<Vec<Line>, DataError> {
    let mut reader = csv::Reader::from_reader(file.text()?.as_bytes());
    let wrong = |error: csv::Error, line: u64| {
        let line = error.position().map_or(line, csv::Position::line);
        file.record_error(line as usize, format!("malformed CSV record: {error}"))
    };
    let header = reader.headers().map_err(|error| wrong(error, 1))?.clone();
    let names: Vec<&str> = header.iter().collect();
    for (place, name) in names.iter().enumerate() {
        if names[..place].contains(name) {
            return Err(file.record_error(1, format!("two columns have the name `{name}`")));
        }
    }
    let mut records = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        if !reader.read_record(&mut record).map_err(|error| wrong(error, line))? {
            break;
        }
        // Blank lines before a record are passed over.
        let line = record.position().map_or(line, csv::Position::line);
        let fields = names.iter().zip(&record);
        let fields = fields.map(|(&name, value)| (name.to_owned(), Value::String(value.to_owned())));
        records.push((line as usize, fields.collect()));
    }
    if records.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(records)
}
