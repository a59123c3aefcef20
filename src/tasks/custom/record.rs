//! Records of a custom task's data file, and the paths that name values in them.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use toml::Spanned;

use super::error::Problem;
use untrusted_input::did_you_mean;

/// Most field names that a message lists.
const MAX_NAMES: usize = 30;

/// The location of a value in a record: a field, and steps into its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    /// As the task config has it.
    pub text: String,
    pub field: String,
    /// From the outside in.
    pub inside: Vec<Step>,
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field of an object.
    Name(String),
    /// An element of a list, from 0.
    Index(usize),
    /// Every element of a list: the steps behind it are taken in each.
    Each,
}

impl FieldPath {
    /// Reads `field`, `field[0]`, `field.inside`, `field[].inside`…
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "`{{{text}}}`: {what}; expected a field, such as {{question}}, {{options[0]}} or {{answer.text}}"
            )
        };
        let is_end = |character: char| matches!(character, '.' | '[' | ']' | '{' | '}');
        let (field, mut rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
        if field.is_empty() {
            return Err(wrong("the field name is missing"));
        }
        let mut inside = Vec::new();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix('.') {
                let (name, after) = name.split_at(name.find(is_end).unwrap_or(name.len()));
                if name.is_empty() {
                    return Err(wrong("the name after a full stop is missing"));
                }
                inside.push(Step::Name(name.to_owned()));
                rest = after;
            } else if let Some(after) = rest.strip_prefix("[]") {
                inside.push(Step::Each);
                rest = after;
            } else if let Some((index, after)) =
                rest.strip_prefix('[').and_then(|index| index.split_once(']'))
            {
                let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
                let index = index.parse().ok().filter(|_| digits);
                inside.push(Step::Index(
                    index.ok_or_else(|| wrong("an index in brackets must be a whole number from 0"))?,
                ));
                rest = after;
            } else {
                return Err(wrong("misplaced bracket or brace"));
            }
        }
        Ok(Self { text: text.to_owned(), field: field.to_owned(), inside })
    }

    /// Reads a path from a task config.
    pub(super) fn spanned(text: &Spanned<String>) -> Result<Self, Problem> {
        Self::parse(text.get_ref()).map_err(|reason| Problem::new(text.span(), reason))
    }

    /// Whether the path is just this field.
    pub(super) fn is(&self, field: &str) -> bool {
        self.field == field && self.inside.is_empty()
    }
}

/// The fields of a record, as one of its samples sees them.
#[derive(Debug, Clone)]
pub struct Record {
    fields: Arc<Map<String, Value>>,
    /// The fields named by `each`, which are lists with one element a sample, and the index of this sample's element.
    element: Option<(Arc<[String]>, usize)>,
    /// Fields that the task config adds; they take the place of the record's own.
    added: Map<String, Value>,
}

impl Record {
    /// A record that is one sample.
    pub fn of(fields: Map<String, Value>) -> Self {
        Self { fields: Arc::new(fields), element: None, added: Map::new() }
    }

    /// The record with these fields added.
    pub(super) fn with(mut self, fields: Map<String, Value>) -> Self {
        self.added.extend(fields);
        self
    }

    /// One sample for every element of the lists named by `each`, which must have the same length. Without `each` the
    /// record is one sample.
    pub(super) fn split(self, each: &Arc<[String]>) -> Result<Vec<Self>, String> {
        let mut count: Option<(&str, usize)> = None;
        for name in each.iter() {
            let value = self.fields.get(name).ok_or_else(|| self.no_field(name))?;
            let Value::Array(elements) = value else {
                return Err(format!("`{name}` is not a list; `each` needs lists with one element a sample"));
            };
            match count {
                Some((first, expected)) if expected != elements.len() => {
                    let found = elements.len();
                    return Err(format!(
                        "`{first}` has {expected} elements, but `{name}` has {found}; lists named by `each` must have \
                         the same length"
                    ));
                }
                _ => count = Some((name, elements.len())),
            }
        }
        let Some((name, count)) = count else { return Ok(vec![self]) };
        if count == 0 {
            return Err(format!(
                "`{name}` is an empty list, but `each` names it, so the record has no sample"
            ));
        }
        let of = |index| Self {
            fields: Arc::clone(&self.fields),
            element: Some((Arc::clone(each), index)),
            added: Map::new(),
        };
        Ok((0..count).map(of).collect())
    }

    /// The value of a field. `Err` lists the fields of the record.
    pub fn find(&self, path: &FieldPath) -> Result<Cow<'_, Value>, String> {
        let name = &path.field;
        if let Some(value) = self.added.get(name) {
            return taken(value, &path.inside, &path.text);
        }
        let mut value = self.fields.get(name).ok_or_else(|| self.no_field(name))?;
        if let Some((each, index)) = &self.element
            && each.contains(name)
        {
            value = value.get(*index).unwrap_or(&Value::Null);
        }
        taken(value, &path.inside, &path.text)
    }

    fn no_field(&self, name: &str) -> String {
        let hint = did_you_mean(name, self.fields.keys().map(String::as_str));
        format!("the record has no field `{name}`{hint}; its fields are {}", listed(self.fields.keys()))
    }
}

/// The value that steps lead to, or the list of the values in each element of a list.
fn taken<'a>(mut value: &'a Value, steps: &[Step], path: &str) -> Result<Cow<'a, Value>, String> {
    for (index, step) in steps.iter().enumerate() {
        let missing = |why: String| format!("the record has no `{path}`: {why}");
        value = match (step, value) {
            (Step::Index(index), Value::Array(elements)) => elements.get(*index).ok_or_else(|| {
                missing(format!("the list has {} elements, counted from 0", elements.len()))
            })?,
            (Step::Each, Value::Array(elements)) => {
                let rest = steps.get(index + 1..).unwrap_or_default();
                let of_each = elements.iter().map(|element| Ok(taken(element, rest, path)?.into_owned()));
                return Ok(Cow::Owned(Value::Array(of_each.collect::<Result<_, String>>()?)));
            }
            (Step::Index(_) | Step::Each, _) => {
                return Err(missing("the value before `[` is not a list".to_owned()));
            }
            (Step::Name(name), Value::Object(fields)) => fields
                .get(name)
                .ok_or_else(|| missing(format!("the object has the fields {}", listed(fields.keys()))))?,
            (Step::Name(name), Value::Array(_)) => {
                return Err(missing(format!(
                    "the value before `.{name}` is a list; write `[].{name}` for this field of every element"
                )));
            }
            (Step::Name(_), _) => {
                return Err(missing("the value before `.` is not an object".to_owned()));
            }
        };
    }
    Ok(Cow::Borrowed(value))
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    let shown: Vec<&str> = names.take(MAX_NAMES).map(String::as_str).collect();
    let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if shown.is_empty() { "none".to_owned() } else { format!("{}{and_more}", shown.join(", ")) }
}

/// A value as text: a string as it is, a number or boolean as in JSON.
pub(super) fn text_of<'a>(path: &FieldPath, value: &'a Value) -> Result<Cow<'a, str>, String> {
    let name = &path.text;
    match value {
        Value::String(text) => Ok(Cow::Borrowed(text)),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(value) => Ok(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null => Err(format!("`{name}` is null; expected text")),
        Value::Array(_) => Err(format!("`{name}` is a list; name one element of it, such as {{{name}[0]}}")),
        Value::Object(_) => {
            Err(format!("`{name}` is an object; name one field of it, such as {{{name}.text}}"))
        }
    }
}

/// A value as a list of texts; a single text is a list of one.
pub(super) fn texts_of(path: &FieldPath, value: &Value) -> Result<Vec<String>, String> {
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
        samples.iter().map(|sample| Ok(text_of(&path, &*sample.find(&path)?)?.into_owned())).collect()
    }

    #[test]
    fn a_field_of_every_element() {
        let json = r#"{"q": {"c": [{"t": "a", "l": "1"}, {"t": "b", "l": 2}]}, "n": [[1, 2], [3]]}"#;
        let record = Record::of(serde_json::from_str(json).unwrap());
        let texts = |path: &str| {
            let path = FieldPath::parse(path)?;
            texts_of(&path, &*record.find(&path)?)
        };
        assert_eq!(texts("q.c[].t").unwrap(), ["a", "b"]);
        assert_eq!(texts("q.c[].l").unwrap(), ["1", "2"]);
        assert_eq!(texts("n[][0]").unwrap(), ["1", "3"]);
        for (path, part) in [
            ("q.c.t", "the value before `.t` is a list; write `[].t`"),
            ("q[].t", "the value before `[` is not a list"),
            ("q.c[].x", "no `q.c[].x`: the object has the fields l, t"),
        ] {
            let message = texts(path).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_record_has_a_sample_for_each_element() {
        assert_eq!(split(r#"{"q": ["a", "b"], "o": [[1], [2]]}"#, &["q", "o"]).unwrap(), ["a", "b"]);
        assert_eq!(split(r#"{"q": "a"}"#, &[]).unwrap(), ["a"]);
        for (json, part) in [
            (r#"{"q": ["a"], "o": [1, 2]}"#, "`q` has 1 elements, but `o` has 2"),
            (r#"{"q": ["a"], "o": 3}"#, "`o` is not a list"),
            (r#"{"q": [], "o": []}"#, "is an empty list"),
            (r#"{"q": []}"#, "no field `o`"),
        ] {
            let message = split(json, &["q", "o"]).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
