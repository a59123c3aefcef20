//! The three kinds of records of CORE, and nanochat's prompts for them (`nanochat/core_eval.py`, `render_prompts_*`).

use std::sync::Arc;

use serde::Deserialize;

use crate::data::{DataError, DataFile, read_json_lines};
use gpt2_model::request::{Overflow, Request, Span};
use untrusted_input::strip;

/// The kind of a task's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A query with choices.
    MultipleChoice,
    /// Contexts with one continuation.
    Schema,
    /// A context whose continuation must be the most probable one.
    LanguageModeling,
}

/// A record of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    MultipleChoice { query: String, choices: Arc<[String]>, gold: usize },
    Schema { contexts: Vec<String>, continuation: String, gold: usize },
    LanguageModeling { context: String, continuation: String },
}

#[derive(Deserialize)]
struct MultipleChoice {
    query: String,
    choices: Vec<String>,
    gold: usize,
}

#[derive(Deserialize)]
struct Schema {
    context_options: Vec<String>,
    continuation: String,
    gold: usize,
}

#[derive(Deserialize)]
struct LanguageModeling {
    context: String,
    continuation: String,
}

/// The records of a file with their lines. `Err` names file and line of a record without candidates, with an index `gold`
/// that has no candidate, or with an empty candidate or continuation.
pub(super) fn read(file: &DataFile, kind: Kind) -> Result<Vec<(usize, Record)>, DataError> {
    let records = match kind {
        Kind::MultipleChoice => read_json_lines::<MultipleChoice>(file)?
            .into_iter()
            .map(|(line, MultipleChoice { query, choices, gold })| {
                (line, Record::MultipleChoice { query, choices: choices.into(), gold })
            })
            .collect::<Vec<_>>(),
        Kind::Schema => read_json_lines::<Schema>(file)?
            .into_iter()
            .map(|(line, Schema { context_options: contexts, continuation, gold })| {
                (line, Record::Schema { contexts, continuation, gold })
            })
            .collect(),
        Kind::LanguageModeling => read_json_lines::<LanguageModeling>(file)?
            .into_iter()
            .map(|(line, LanguageModeling { context, continuation })| {
                (line, Record::LanguageModeling { context, continuation })
            })
            .collect(),
    };
    for (line, record) in &records {
        record.check().map_err(|reason| file.record_error(*line, reason))?;
    }
    Ok(records)
}

impl Record {
    fn check(&self) -> Result<(), String> {
        let candidates = |name: &str, candidates: &[String], gold: usize| {
            if candidates.is_empty() {
                return Err(format!("`{name}` is an empty list; expected at least one text"));
            }
            if gold >= candidates.len() {
                let last = candidates.len() - 1;
                return Err(format!("`gold` is {gold}; expected the index of one of `{name}`, 0 to {last}"));
            }
            match candidates.iter().position(String::is_empty) {
                Some(index) => Err(format!("text {index} of `{name}` is empty; expected some text")),
                None => Ok(()),
            }
        };
        let continuation = |text: &str| {
            if text.is_empty() {
                Err("`continuation` is empty; expected some text".to_owned())
            } else {
                Ok(())
            }
        };
        match self {
            Self::MultipleChoice { choices, gold, .. } => candidates("choices", choices, *gold),
            Self::Schema { contexts, continuation: text, gold } => {
                candidates("context_options", contexts, *gold).and_then(|()| continuation(text))
            }
            Self::LanguageModeling { continuation: text, .. } => continuation(text),
        }
    }

    /// Index of the correct candidate and the number of candidates, for a choice.
    pub fn gold(&self) -> Option<(usize, usize)> {
        match self {
            Self::MultipleChoice { choices, gold, .. } => Some((*gold, choices.len())),
            Self::Schema { contexts, gold, .. } => Some((*gold, contexts.len())),
            Self::LanguageModeling { .. } => None,
        }
    }

    /// The text of the answer: the correct choice or context, or the continuation.
    pub fn answer(&self) -> &str {
        match self {
            Self::MultipleChoice { choices, gold, .. } => choices.get(*gold).map_or("", String::as_str),
            Self::Schema { contexts, gold, .. } => contexts.get(*gold).map_or("", String::as_str),
            Self::LanguageModeling { continuation, .. } => continuation,
        }
    }

    /// Its texts, the answer last.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = match self {
            Self::MultipleChoice { query, choices, .. } => {
                std::iter::once(query).chain(choices.iter()).cloned().collect()
            }
            Self::Schema { contexts, continuation, .. } => {
                contexts.iter().chain([continuation]).cloned().collect::<Vec<String>>()
            }
            Self::LanguageModeling { context, .. } => vec![context.clone()],
        };
        texts.push(self.answer().to_owned());
        texts
    }

    /// The text that is scored if the answer is chosen.
    pub fn scored(&self) -> &str {
        match self {
            Self::Schema { continuation, .. } => continuation,
            _ => self.answer(),
        }
    }

    /// The record as a few-shot example, with an empty line after it.
    fn example(&self, delimiter: &str) -> String {
        let (context, continuation) = match self {
            Self::MultipleChoice { query, .. } => (query.as_str(), self.answer()),
            Self::Schema { continuation, .. } => (self.answer(), continuation.as_str()),
            Self::LanguageModeling { context, continuation } => (strip(context), continuation.as_str()),
        };
        format!("{context}{delimiter}{continuation}\n\n")
    }

    /// One request for each row of the item.
    pub fn requests<'a>(&self, shots: impl Iterator<Item = &'a Record>, delimiter: &str) -> Vec<Request> {
        let examples: String = shots.map(|shot| shot.example(delimiter)).collect();
        let request = |context: String, continuation: &str, span: Span| Request::LogLikelihood {
            context,
            continuation: continuation.to_owned(),
            excluded_words: Arc::default(),
            overflow: Overflow::TruncateLeft,
            span,
        };
        match self {
            Self::MultipleChoice { query, choices, .. } => {
                let context = format!("{examples}{query}{delimiter}");
                let span = Span::AfterCommonPrefix { continuations: Arc::clone(choices) };
                choices.iter().map(|choice| request(context.clone(), choice, span.clone())).collect()
            }
            Self::Schema { contexts, continuation, .. } => {
                let rows: Arc<[String]> =
                    contexts.iter().map(|context| format!("{examples}{context}{delimiter}")).collect();
                let span = Span::CommonSuffix { contexts: Arc::clone(&rows) };
                rows.iter().map(|context| request(context.clone(), continuation, span.clone())).collect()
            }
            Self::LanguageModeling { context, continuation } => {
                let context = format!("{examples}{}{delimiter}", strip(context));
                vec![request(context, continuation, Span::AfterTrimmedContext)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(record: &Record, shots: &[Record], delimiter: &str) -> Vec<(String, String)> {
        let requests = record.requests(shots.iter(), delimiter);
        let text = |request: Request| match request {
            Request::LogLikelihood { context, continuation, .. } => (context, continuation),
            other => panic!("{other:?}"),
        };
        requests.into_iter().map(text).collect()
    }

    fn pair(context: &str, continuation: &str) -> (String, String) {
        (context.to_owned(), continuation.to_owned())
    }

    #[test]
    fn prompts_are_nanochats() {
        let choices: Arc<[String]> = ["yes".to_owned(), "no".to_owned()].into();
        let record = Record::MultipleChoice { query: "Is it? ".into(), choices, gold: 1 };
        assert_eq!(
            rows(&record, std::slice::from_ref(&record), "\nAnswer: "),
            [
                pair("Is it? \nAnswer: no\n\nIs it? \nAnswer: ", "yes"),
                pair("Is it? \nAnswer: no\n\nIs it? \nAnswer: ", "no")
            ]
        );
        let record = Record::Schema {
            contexts: vec!["Ann".into(), "Bob".into()],
            continuation: "left.".into(),
            gold: 0,
        };
        assert_eq!(
            rows(&record, std::slice::from_ref(&record), " "),
            [pair("Ann left.\n\nAnn ", "left."), pair("Ann left.\n\nBob ", "left.")]
        );
        let record = Record::LanguageModeling { context: " 1 + 1 = \n".into(), continuation: "2 ".into() };
        assert_eq!(rows(&record, std::slice::from_ref(&record), " "), [pair("1 + 1 = 2 \n\n1 + 1 = ", "2 ")]);
    }

    #[test]
    fn bad_records_are_named() {
        let read = |kind, bytes| read(&DataFile::bundled("f", bytes), kind).unwrap_err().to_string();
        let of = |bytes| read(Kind::MultipleChoice, bytes);
        assert!(of(br#"{"query":"q","choices":[],"gold":0}"#).starts_with("f:1: `choices` is an empty list"));
        assert!(of(br#"{"query":"q","choices":["a"],"gold":1}"#).contains("`gold` is 1; expected"));
        assert!(of(br#"{"query":"q","choices":["a",""],"gold":0}"#).contains("text 1 of `choices` is empty"));
        assert!(of(br#"{"query":"q","choices":["a"],"gold":-1}"#).starts_with("f:1: malformed JSON record"));
        let schema = br#"{"context_options":["a"],"continuation":"","gold":0}"#;
        assert!(read(Kind::Schema, schema).contains("`continuation` is empty"));
        assert!(read(Kind::LanguageModeling, br#"{"context":"c"}"#).contains("continuation"));
    }
}
