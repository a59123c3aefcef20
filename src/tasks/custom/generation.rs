//! Custom tasks of kind `generate`: a greedy completion, scored against references.

use super::record::Record;
use super::template::{Prompt, Template, TextList};
use gpt2_model::request::{Decoding, Request, Trim};

/// Keys of a task config of this kind.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The text before the completion.
    pub prompt: Prompt,
    /// The end of a few-shot example.
    pub target: Template,
    pub references: TextList,
    /// Strings that end a completion.
    pub stop: Vec<String>,
    /// Maximum tokens of a completion.
    pub max_new_tokens: usize,
}

impl Generation {
    /// Checks a record by rendering every template for it.
    pub(super) fn check(&self, record: &Record) -> Result<(), String> {
        if self.prompt.template.render(record, None)?.trim().is_empty() {
            return Err("`prompt` is empty for this record".to_owned());
        }
        let references = self.references.of(record)?;
        self.target.render(record, references.first().map(|text| ("reference", text.as_str())))?;
        Ok(())
    }

    /// The references of a record that was checked.
    pub(super) fn references(&self, record: &Record) -> Vec<String> {
        self.references.of(record).unwrap_or_default()
    }

    /// Prompt and target.
    pub(super) fn few_shot_example(&self, record: &Record) -> String {
        let references = self.references(record);
        let bound = references.first().map(|text| ("reference", text.as_str()));
        let prompt = self.prompt.template.render(record, None).unwrap_or_default();
        format!("{prompt}{}", self.target.render(record, bound).unwrap_or_default())
    }

    pub(super) fn requests(&self, record: &Record, before: &str) -> Vec<Request> {
        let prompt = self.prompt.template.render(record, None).unwrap_or_default();
        vec![Request::Generate {
            prompt: format!("{before}{prompt}"),
            trim: Trim::left(),
            stop: self.stop.clone(),
            max_new_tokens: self.max_new_tokens,
            decoding: Decoding::Greedy,
        }]
    }
}
