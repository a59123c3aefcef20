//! Custom tasks of kind `generate`: a greedy completion, scored against references.

use super::metrics::CustomMetric;
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
    /// The first metric that has no value without a reference.
    pub needs_reference: Option<CustomMetric>,
    /// Strings that end a completion.
    pub stop: Vec<String>,
    /// Maximum tokens of a completion.
    pub max_new_tokens: usize,
}

/// The first reference; a record without an answer has an empty one.
fn first_of(references: &[String]) -> &str {
    references.first().map_or("", String::as_str)
}

impl Generation {
    /// Checks a record by rendering every template for it.
    pub(super) fn check(&self, record: &Record) -> Result<(), String> {
        if self.prompt.template.render(record, None)?.trim().is_empty() {
            return Err("`prompt` is empty for this record".to_owned());
        }
        let references = self.references.of_any_length(record)?;
        if let Some(metric) = self.needs_reference.filter(|_| references.is_empty()) {
            return Err(format!(
                "`references` ({}) is an empty list, and the metric `{}` has no value without a reference; leave out the \
                 metric or the record",
                self.references.name(),
                metric.name()
            ));
        }
        self.target.render(record, Some(("reference", first_of(&references))))?;
        Ok(())
    }

    /// The references of a record that was checked.
    pub(super) fn references(&self, record: &Record) -> Vec<String> {
        self.references.of_any_length(record).unwrap_or_default()
    }

    /// Prompt and target.
    pub(super) fn few_shot_example(&self, record: &Record) -> String {
        let references = self.references(record);
        let bound = Some(("reference", first_of(&references)));
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
