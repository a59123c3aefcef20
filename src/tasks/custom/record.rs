//! A record of a user's data file, and one of several samples that it may have.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::template::{FieldPath, Step};
use untrusted_input::did_you_mean;

/// Names that a message lists at most.
const MAX_NAMES: usize = 30;

/// The fields of a record, as one of its samples sees them.
#[derive(Debug, Clone)]
pub struct Record {
    fields: Arc<Map<String, Value>>,
    /// Fields that are lists with one element a sample, and the place of this sample's.
    element: Option<(Arc<[String]>, usize)>,
}

impl Record {
    /// A record that is one sample.
    pub fn of(fields: Map<String, Value>) -> Self {
        Self { fields: Arc::new(fields), element: None }
    }

    /// The record once for every element of the lists `each`, which must be of one length; itself if there are none.
    pub fn split(self, each: &Arc<[String]>) -> Result<Vec<Self>, String> {
        let mut count: Option<(&str, usize)> = None;
        for name in each.iter() {
            let value = self.fields.get(name).ok_or_else(|| self.no_field(name))?;
            let Value::Array(elements) = value else {
                return Err(format!(
                    "`{name}` is no list, and `each` names it: expected one element a sample"
                ));
            };
            match count {
                Some((first, expected)) if expected != elements.len() => {
                    let found = elements.len();
                    return Err(format!(
                        "`{first}` has {expected} elements and `{name}` {found}: those of `each` must have equally many"
                    ));
                }
                _ => count = Some((name, elements.len())),
            }
        }
        let Some((name, count)) = count else { return Ok(vec![self]) };
        if count == 0 {
            return Err(format!("`{name}` is an empty list, and `each` names it: the record has no sample"));
        }
        let of = |index| Self { fields: Arc::clone(&self.fields), element: Some((Arc::clone(each), index)) };
        Ok((0..count).map(of).collect())
    }

    /// The value of a field. `Err` lists those that there are.
    pub fn find(&self, path: &FieldPath) -> Result<&Value, String> {
        let name = &path.field;
        let mut value = self.fields.get(name).ok_or_else(|| self.no_field(name))?;
        if let Some((each, index)) = &self.element
            && each.contains(name)
        {
            value = value.get(*index).unwrap_or(&Value::Null);
        }
        for step in &path.inside {
            let missing = |why: String| format!("`{}` is not there{why}", path.text);
            value = match (step, value) {
                (Step::Index(index), Value::Array(elements)) => elements.get(*index).ok_or_else(|| {
                    missing(format!(": the list has {} elements, counted from 0", elements.len()))
                })?,
                (Step::Index(_), _) => return Err(missing(": it is no list".to_owned())),
                (Step::Name(name), Value::Object(fields)) => fields
                    .get(name)
                    .ok_or_else(|| missing(format!("; the object has {}", listed(fields.keys()))))?,
                (Step::Name(_), _) => return Err(missing(": it is no object".to_owned())),
            };
        }
        Ok(value)
    }

    fn no_field(&self, name: &str) -> String {
        let hint = did_you_mean(name, self.fields.keys().map(String::as_str));
        format!("the record has no field `{name}`{hint}; its fields are {}", listed(self.fields.keys()))
    }
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    let shown: Vec<&str> = names.take(MAX_NAMES).map(String::as_str).collect();
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if shown.is_empty() { "none".to_owned() } else { format!("{}{and_more}", shown.join(", ")) }
}

/// A value as text: texts as they are, numbers and truth values as JSON writes them.
pub fn text_of<'a>(path: &FieldPath, value: &'a Value) -> Result<Cow<'a, str>, String> {
    let name = &path.text;
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(value) => Ok(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null => Err(format!("`{name}` is null, where a text was expected")),
        Value::Array(_) => {
            Err(format!("`{name}` is a list: name one of its elements, such as {{{name}[0]}}"))
        }
        Value::Object(_) => {
            Err(format!("`{name}` is an object: name a field of it, such as {{{name}.text}}"))
        }
    }
}

/// A value as texts: those of a list, else the one that it is.
pub fn texts_of(path: &FieldPath, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(elements) => {
            elements.iter().map(|element| text_of(path, element).map(Cow::into_owned)).collect()
        }
        other => Ok(vec![text_of(path, other)?.into_owned()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(json: &str, each: &[&str]) -> Result<Vec<String>, String> {
        let each: Vec<String> = each.iter().map(|&name| name.to_owned()).collect();
        let path = FieldPath::parse("q").unwrap();
        let samples = Record::of(serde_json::from_str(json).unwrap()).split(&each.into())?;
        samples.iter().map(|sample| Ok(text_of(&path, sample.find(&path)?)?.into_owned())).collect()
    }

    #[test]
    fn a_record_has_a_sample_for_each_element() {
        assert_eq!(split(r#"{"q": ["a", "b"], "o": [[1], [2]]}"#, &["q", "o"]).unwrap(), ["a", "b"]);
        assert_eq!(split(r#"{"q": "a"}"#, &[]).unwrap(), ["a"]);
        for (json, part) in [
            (r#"{"q": ["a"], "o": [1, 2]}"#, "`q` has 1 elements and `o` 2"),
            (r#"{"q": ["a"], "o": 3}"#, "`o` is no list"),
            (r#"{"q": [], "o": []}"#, "`q` is an empty list"),
            (r#"{"q": []}"#, "no field `o`"),
        ] {
            let message = split(json, &["q", "o"]).unwrap_err();
            assert!(message.contains(part) || message.contains("empty list"), "{message}");
        }
    }
}
