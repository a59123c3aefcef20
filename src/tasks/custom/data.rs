//! `[data]` of a custom task's config, and the samples of its files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::Spanned;

use super::error::Problem;
use super::raw::{Format, Kind, RawData, span};
use super::record::{FieldPath, Record, text_of};
use super::tables::{Separated, separated_records};
use crate::data::{DataError, DataFile, read_json_lines_but_blank, read_json_list, read_parquet};
use crate::tasks::Item;
use untrusted_input::{did_you_mean, path_below, thousands};

/// `[data]`, checked.
#[derive(Debug, Clone)]
pub struct CustomData {
    /// The measured file.
    pub file: CustomFile,
    /// Source of the few-shot examples.
    pub train: Option<CustomFile>,
    /// Format of both files.
    pub format: Format,
    /// How the fields of a line are separated, if it is CSV or TSV.
    pub separated: Separated,
    /// The field with a record's name.
    pub id: Option<FieldPath>,
    /// The field with the name of a record's story or article.
    pub cluster: Option<FieldPath>,
    /// Fields that are lists with one element a sample.
    pub each: Arc<[String]>,
}

/// A data file of a custom task.
#[derive(Debug, Clone)]
pub struct CustomFile {
    /// Path below the task config's directory.
    pub name: String,
    /// Expected sha256.
    pub sha256: Option<String>,
}

impl CustomData {
    pub(super) fn checked(raw: &RawData, kind: Kind) -> Result<Self, Problem> {
        let file = file(&raw.file, raw.sha256.as_ref())?;
        let format = match &raw.format {
            Some(format) => *format.get_ref(),
            None => format_of(&raw.file)?,
        };
        let is_text = format == Format::Text;
        if is_text && kind != Kind::Perplexity {
            let at = raw.format.as_ref().map_or(raw.file.span(), Spanned::span);
            let reason = "format \"text\" is only supported by kind `perplexity`; use jsonl, json, csv, tsv or parquet";
            return Err(Problem::new(at, reason));
        }
        let is_separated = matches!(format, Format::Csv | Format::Tsv);
        for (key, at) in [("delimiter", span(raw.delimiter.as_ref())), ("quotes", span(raw.quotes.as_ref()))]
        {
            if let Some(at) = at.filter(|_| !is_separated) {
                return Err(Problem::new(
                    at,
                    format!("`{key}` is only supported by formats \"csv\" and \"tsv\"; remove it"),
                ));
            }
        }
        let delimiter = match (&raw.delimiter, format) {
            (Some(given), _) => Some(
                u8::try_from(*given.get_ref())
                    .ok()
                    .filter(|byte| byte.is_ascii() && !b"\"\r\n".contains(byte))
                    .ok_or_else(|| {
                        Problem::new(given.span(), "expected an ASCII character, such as \";\" or \"\\t\"")
                    })?,
            ),
            (None, Format::Tsv) => Some(b'\t'),
            (None, _) => None,
        };
        let separated =
            Separated { delimiter, has_quotes: raw.quotes.as_ref().is_none_or(|quotes| *quotes.get_ref()) };
        for (key, at) in [
            ("id", span(raw.id.as_ref())),
            ("cluster", span(raw.cluster.as_ref())),
            ("each", span(raw.each.as_ref())),
        ] {
            if let Some(at) = at.filter(|_| is_text) {
                let reason =
                    format!("`{key}` is not supported by format \"text\", which has no fields; remove it");
                return Err(Problem::new(at, reason));
            }
        }
        let train = match (&raw.train, &raw.train_sha256) {
            (Some(train), _) if kind == Kind::Perplexity => {
                let reason = "`train` is not supported by kind `perplexity`, which has no few-shot examples; remove it";
                return Err(Problem::new(train.span(), reason));
            }
            (Some(train), sha256) => Some(self::file(train, sha256.as_ref())?),
            (None, Some(sha256)) => {
                return Err(Problem::new(sha256.span(), "`train_sha256` needs the key `train`"));
            }
            (None, None) => None,
        };
        let mut each: Vec<String> = Vec::new();
        for name in raw.each.iter().flat_map(Spanned::get_ref) {
            let is_field = FieldPath::parse(name.get_ref()).is_ok_and(|path| path.inside.is_empty());
            if !is_field || each.contains(name.get_ref()) {
                let reason = format!("{:?} in `each`: expected field names, each once", name.get_ref());
                return Err(Problem::new(name.span(), reason));
            }
            each.push(name.get_ref().clone());
        }
        let id = raw.id.as_ref().map(FieldPath::spanned).transpose()?;
        let cluster = raw.cluster.as_ref().map(FieldPath::spanned).transpose()?;
        Ok(Self { file, train, format, separated, id, cluster, each: each.into() })
    }

    /// The samples of a file, in its order, and notes for the user on how it was read.
    ///
    /// `Err` names file and line of a record that cannot be read, lacks a field, or repeats a name.
    pub(super) fn samples(&self, file: &DataFile) -> Result<(Vec<Item<Record>>, Vec<String>), DataError> {
        let mut notes = Vec::new();
        let records: Vec<(usize, Map<String, Value>)> = match self.format {
            Format::Csv | Format::Tsv => {
                let (records, note) = separated_records(file, self.separated)?;
                notes.extend(note);
                records
            }
            Format::Parquet => read_parquet(file)?,
            // A built-in task also reads the hub's table.
            Format::Jsonl if file.bytes.starts_with(b"PAR1") => read_parquet(file)?,
            Format::Json => read_json_list(file)?,
            // A `text` file has no records; its task never calls this.
            Format::Jsonl | Format::Text => {
                notes.extend(skipped(file.blank_lines(), "blank line", "blank lines"));
                read_json_lines_but_blank(file)?
            }
        };
        let mut items: Vec<Item<Record>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        // Whether `id` names samples, not records.
        let id_of_sample = self.id.as_ref().is_some_and(|path| self.each.contains(&path.field));
        for (number, (line, fields)) in records.into_iter().enumerate() {
            let wrong = |reason: String| file.record_error(line, reason);
            let samples = Record::of(fields).split(&self.each).map_err(wrong)?;
            for (index, sample) in samples.into_iter().enumerate() {
                let text = |path| -> Result<String, DataError> {
                    let found = sample.find(path).map_err(wrong)?;
                    Ok(text_of(path, &found).map_err(wrong)?.into_owned())
                };
                let record = self.id.as_ref().map_or_else(|| Ok(format!("{number:05}")), text)?;
                // Samples of one record share its text, and are not independent.
                let cluster = match &self.cluster {
                    Some(path) => Some(text(path)?),
                    None if self.each.is_empty() => None,
                    None if id_of_sample => Some(format!("{number:05}")),
                    None => Some(record.clone()),
                };
                let id =
                    if self.each.is_empty() || id_of_sample { record } else { format!("{record}-{index}") };
                if id.trim().is_empty() {
                    return Err(wrong("the field of `id` is empty; every sample needs a name".to_owned()));
                }
                if let Some(first) = known.insert(id.clone(), line) {
                    return Err(wrong(format!(
                        "`{id}` is also the name of an earlier sample, in line {first}; `id` must be unique"
                    )));
                }
                items.push(Item { id, cluster, line, doc: sample });
            }
        }
        Ok((items, notes))
    }
}

/// The note on skipped records or lines, if there are some.
pub(super) fn skipped(count: usize, one: &str, several: &str) -> Option<String> {
    let what = if count == 1 { one } else { several };
    (count > 0).then(|| format!("{} {what} skipped", thousands(count as u64)))
}

fn file(name: &Spanned<String>, sha256: Option<&Spanned<String>>) -> Result<CustomFile, Problem> {
    path_below(Path::new(""), name.get_ref()).map_err(|reason| {
        let reason = format!("{reason}; data files are beside the task config or below --data");
        Problem::new(name.span(), reason)
    })?;
    if let Some(sha256) = sha256 {
        let text = sha256.get_ref();
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Problem::new(sha256.span(), "a sha256 has 64 digits from 0 to 9 and a to f"));
        }
    }
    Ok(CustomFile { name: name.get_ref().clone(), sha256: sha256.map(|sha256| sha256.get_ref().clone()) })
}

/// The format by the file's extension.
fn format_of(name: &Spanned<String>) -> Result<Format, Problem> {
    let extension = name.get_ref().rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        "json" => Ok(Format::Json),
        "csv" => Ok(Format::Csv),
        "tsv" | "tab" => Ok(Format::Tsv),
        "parquet" => Ok(Format::Parquet),
        "txt" => Ok(Format::Text),
        other => {
            let hint = did_you_mean(other, ["jsonl", "json", "csv", "tsv", "parquet", "txt"]);
            let reason = format!(
                "cannot tell the format of {:?} from its extension{hint}; add format = \"jsonl\", \"json\", \"csv\", \
                 \"tsv\", \"parquet\" or \"text\"",
                name.get_ref()
            );
            Err(Problem::new(name.span(), reason))
        }
    }
}
