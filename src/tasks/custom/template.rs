//! Templates of a task config: text with the fields of a record in braces, as `{question}`, `{options[0]}` or
//! `{answer.text}`, and filters, as `{question|strip}`; `{{` and `}}` are braces.

use std::ops::Range;

use toml::Spanned;

use super::error::Problem;
use super::filter::Filter;
use super::raw::{RawTaskConfig, Texts};
use super::record::{FieldPath, Record, text_of, texts_of};

/// Text with fields to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A field whose text filters change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub path: FieldPath,
    filters: Vec<Filter>,
}

impl Field {
    /// Reads `path|filter|filter:argument`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('|');
        let path = FieldPath::parse(parts.next().unwrap_or_default())?;
        let filters = Filter::parse_all(parts).map_err(|reason| format!("`{{{text}}}`: {reason}"))?;
        Ok(Self { path, filters })
    }

    fn filtered(&self, text: &str) -> Result<String, String> {
        let changed = |text: String, filter: &Filter| {
            filter.apply(&text).map_err(|reason| format!("`{}`: {reason}", self.path.text))
        };
        self.filters.iter().try_fold(text.to_owned(), changed)
    }
}

/// A name with a text of its own that is not a field: `choice` or `reference`.
type Bound<'a> = Option<(&'static str, &'a str)>;

impl Template {
    /// Reads a template. `Err` says what is wrong with its braces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else if let Some((inside, after)) = from.strip_prefix('{').and_then(closed) {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(Field::parse(inside)?));
                rest = after;
            } else {
                let (brace, twice) = if from.starts_with('{') { ('{', "{{") } else { ('}', "}}") };
                return Err(format!("unbalanced `{brace}`; write `{twice}` for a literal brace"));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// Reads a template from a task config.
    pub(super) fn spanned(text: &Spanned<String>) -> Result<Self, Problem> {
        Self::parse(text.get_ref()).map_err(|reason| Problem::new(text.span(), reason))
    }

    /// Fills in the fields of a record. `Err` names a field that the record lacks.
    pub fn render(&self, record: &Record, bound: Bound<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match (part, bound) {
                (Part::Text(literal), _) => text.push_str(literal),
                (Part::Field(field), Some((name, value))) if field.path.is(name) => {
                    text.push_str(&field.filtered(value)?);
                }
                (Part::Field(field), _) => {
                    text.push_str(&field.filtered(&text_of(&field.path, &*record.find(&field.path)?)?)?);
                }
            }
        }
        Ok(text)
    }

    /// Whether the template contains `{name}`.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field(field) if field.path.is(name)))
    }
}

/// Splits at the closing brace, unless another brace opens before it.
fn closed(text: &str) -> Option<(&str, &str)> {
    text.split_once('}').filter(|(inside, _)| !inside.contains('{'))
}

/// The text before a target.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Once, before everything else.
    pub preamble: String,
    /// For each record.
    pub template: Template,
    /// After each few-shot example.
    pub separator: String,
}

impl Prompt {
    pub(super) fn of_config(raw: &RawTaskConfig) -> Result<Self, Problem> {
        let text = |text: &Option<Spanned<String>>, default: &str| {
            text.as_ref().map_or_else(|| default.to_owned(), |text| text.get_ref().clone())
        };
        let template =
            raw.prompt.as_ref().map_or_else(|| Ok(Template { parts: Vec::new() }), Template::spanned)?;
        Ok(Self { preamble: text(&raw.preamble, ""), template, separator: text(&raw.separator, "\n\n") })
    }
}

/// A list of texts for each record: choices or references.
#[derive(Debug, Clone)]
pub enum TextList {
    Field(Field),
    Templates(Vec<Template>),
}

impl TextList {
    /// Reads the list from a task config; `key_missing` is where a message points to without it.
    pub(super) fn of_config(
        texts: Option<&Spanned<Texts>>,
        key_missing: Range<usize>,
    ) -> Result<Self, Problem> {
        let Some(texts) = texts else { return Err(Problem::new(key_missing, "a field name is missing")) };
        let wrong = |reason| Problem::new(texts.span(), reason);
        match texts.get_ref() {
            Texts::Field(field) => Field::parse(field).map(Self::Field).map_err(wrong),
            Texts::Templates(templates) if templates.is_empty() => {
                Err(wrong("the list is empty; name a field, or give templates".to_owned()))
            }
            Texts::Templates(templates) => {
                let parsed: Result<_, _> = templates.iter().map(|text| Template::parse(text)).collect();
                parsed.map(Self::Templates).map_err(wrong)
            }
        }
    }

    /// The texts for a record: at least one.
    pub(super) fn of(&self, record: &Record) -> Result<Vec<String>, String> {
        match self {
            Self::Field(field) => {
                let texts = self.of_any_length(record)?;
                if texts.is_empty() {
                    return Err(format!(
                        "`{}` is an empty list; expected at least one text",
                        field.path.text
                    ));
                }
                Ok(texts)
            }
            Self::Templates(_) => self.of_any_length(record),
        }
    }

    /// The texts for a record; a field may be an empty list.
    pub(super) fn of_any_length(&self, record: &Record) -> Result<Vec<String>, String> {
        match self {
            Self::Field(field) => {
                let texts = texts_of(&field.path, &*record.find(&field.path)?)?;
                texts.iter().map(|text| field.filtered(text)).collect()
            }
            Self::Templates(templates) => {
                templates.iter().map(|template| template.render(record, None)).collect()
            }
        }
    }

    /// The name of the field, for messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Field(field) => &field.path.text,
            Self::Templates(_) => "the list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let json =
            r#"{"q": "why", "options": ["a", "b"], "n": 3, "x": {"y": "z"}, "none": null, "yes": true}"#;
        Record::of(serde_json::from_str(json).unwrap())
    }

    fn render(template: &str) -> Result<String, String> {
        Template::parse(template)?.render(&record(), Some(("choice", "{c}")))
    }

    #[test]
    fn fields_and_braces() {
        assert_eq!(
            render("Q: {q}?{{}} {options[1]}{n}{x.y}{yes} {choice}").unwrap(),
            "Q: why?{} b3ztrue {c}"
        );
        assert_eq!(render("{q|before:h|capitalize} {choice|drop_last}").unwrap(), "W {c");
        assert_eq!(render("").unwrap(), "");
        assert_eq!(render("}}{{").unwrap(), "}{");
    }

    #[test]
    fn messages_name_the_mistake() {
        for (template, part) in [
            ("a { b", "unbalanced `{`"),
            ("a { b {q}", "unbalanced `{`"),
            ("a } b", "unbalanced `}`"),
            ("{}", "field name is missing"),
            ("{a.}", "name after a full stop is missing"),
            ("{a[-1]}", "must be a whole number"),
            ("{a[+1]}", "must be a whole number"),
            ("{a[99999999999999999999]}", "must be a whole number"),
            ("{a]}", "misplaced bracket"),
            ("{qq}", "no field `qq`; did you mean `q`?; its fields are n, none, options, q, x, yes"),
            ("{options}", "`options` is a list; name one element of it, such as {options[0]}"),
            ("{options[2]}", "no `options[2]`: the list has 2 elements"),
            ("{q[0]}", "no `q[0]`: the value before `[` is not a list"),
            ("{x.w}", "no `x.w`: the object has the fields y"),
            ("{x}", "`x` is an object"),
            ("{none}", "`none` is null"),
            ("{q|stripp}", "`{q|stripp}`: no filter `stripp`; did you mean `strip`?"),
            ("{q|after:_}", "`q`: there is no `_` in \"why\""),
        ] {
            let message = render(template).unwrap_err();
            assert!(message.contains(part), "{template}: {message}");
        }
    }
}
