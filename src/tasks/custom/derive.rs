//! Fields that a task config adds to each record: `[fields]`, texts made by templates, and `derive`, what templates cannot
//! make.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::Spanned;

use super::error::Problem;
use super::python_literal;
use super::raw::{Derive, RawTaskConfig};
use super::record::{FieldPath, Record};
use super::template::Template;

/// The added fields of a task config.
#[derive(Debug, Clone, Default)]
pub struct AddedFields {
    derive: Option<Derive>,
    /// Each sees the fields of the record and of `derive`.
    templates: Vec<(String, Template)>,
}

impl AddedFields {
    pub(super) fn of_config(raw: &RawTaskConfig) -> Result<Self, Problem> {
        let mut templates = Vec::new();
        let none = BTreeMap::new();
        for (name, text) in raw.fields.as_ref().map_or(&none, Spanned::get_ref) {
            if !FieldPath::parse(name).is_ok_and(|path| path.is(name)) {
                let reason =
                    format!("{name:?} in [fields]: expected a name without brackets, braces and full stops");
                return Err(Problem::new(text.span(), reason));
            }
            templates.push((name.clone(), Template::spanned(text)?));
        }
        Ok(Self { derive: raw.derive.as_ref().map(|derive| *derive.get_ref()), templates })
    }

    /// The record with the added fields. `Err` names a field that the record lacks, or says what is wrong with its text.
    pub(super) fn add_to(&self, mut record: Record) -> Result<Record, String> {
        if self.derive.is_some() {
            let fields = race(&record)?;
            record = record.with(fields);
        }
        if self.templates.is_empty() {
            return Ok(record);
        }
        let mut fields = Map::new();
        for (name, template) in &self.templates {
            fields.insert(name.clone(), Value::String(template.render(&record, None)?));
        }
        Ok(record.with(fields))
    }
}

/// `context`, `options` and `answer` of the last problem of a RACE article, as lm-evaluation-harness's task `race` has them:
/// earlier problems stand solved before it.
fn race(record: &Record) -> Result<Map<String, Value>, String> {
    let text = |name: &str| -> Result<String, String> {
        Template::parse(&format!("{{{name}}}"))?.render(record, None)
    };
    let problems = match &*record.find(&FieldPath::parse("problems")?)? {
        Value::String(literal) => {
            python_literal::parse(literal).map_err(|reason| format!("`problems`: {reason}"))?
        }
        list => list.clone(),
    };
    let problems: Vec<Problems> =
        serde_json::from_value(problems).map_err(|error| format!("`problems`: {error}"))?;
    let Some((last, earlier)) = problems.split_last() else {
        return Err("`problems` is an empty list; expected at least one".to_owned());
    };
    let mut context = format!("Article: {}\n\n", text("article")?);
    for problem in earlier {
        let answer = problem.answer()?;
        // One of the two spaces before the blank stays.
        match problem.question.strip_suffix(" _  .").filter(|before| before.ends_with(' ')) {
            Some(before) => context.push_str(&format!("{before}{answer}\n")),
            None => context.push_str(&format!("Question: {}\nAnswer: {answer}\n", problem.question)),
        }
    }
    context.push_str(&last.question);
    let options = last.options.iter().cloned().map(Value::String).collect();
    Ok(Map::from_iter([
        ("context".to_owned(), Value::String(context)),
        ("options".to_owned(), Value::Array(options)),
        ("answer".to_owned(), Value::String(last.answer.clone())),
    ]))
}

/// A problem of RACE.
#[derive(serde::Deserialize)]
struct Problems {
    question: String,
    /// A letter.
    answer: String,
    options: Vec<String>,
}

impl Problems {
    /// The text of the answer.
    fn answer(&self) -> Result<&str, String> {
        let index = match self.answer.as_bytes() {
            [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
            _ => None,
        };
        let option = index.and_then(|index| self.options.get(index));
        option.map(String::as_str).ok_or_else(|| {
            let (answer, count) = (untrusted_input::clipped(&self.answer), self.options.len());
            format!(
                "`answer` of a problem is {answer:?}; expected a letter, A for the first of {count} options"
            )
        })
    }
}
