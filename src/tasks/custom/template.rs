//! Templates of a user's card: text with the fields of a record in braces, as `{question}`, `{options[0]}` or
//! `{answer.text}`; `{{` and `}}` stand for braces.

use super::record::{Record, text_of};

/// Text with places for fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(FieldPath),
}

/// Where a value stands in a record: a field, and what is inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    /// As the card writes it.
    pub text: String,
    /// The field.
    pub field: String,
    /// What is inside it, from the outside in.
    pub inside: Vec<Step>,
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field of an object.
    Name(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A word that stands for a text of its own, not for a field: `choice` or `reference`.
pub type Bound<'a> = Option<(&'static str, &'a str)>;

impl Template {
    /// Reads a template; `Err` says what is wrong with its braces.
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
                parts.push(Part::Field(FieldPath::parse(inside)?));
                rest = after;
            } else {
                let (brace, twice) = if from.starts_with('{') { ('{', "{{") } else { ('}', "}}") };
                return Err(format!("a `{brace}` without its other: write `{twice}` where a brace is meant"));
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self { parts })
    }

    /// The text for a record. `Err` names a field that it does not have, with those that it has.
    pub fn render(&self, record: &Record, bound: Bound<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match (part, bound) {
                (Part::Text(literal), _) => text.push_str(literal),
                (Part::Field(path), Some((name, value))) if path.is(name) => text.push_str(value),
                (Part::Field(path), _) => text.push_str(&text_of(path, record.find(path)?)?),
            }
        }
        Ok(text)
    }

    /// Whether the text depends on the field, or on the word that is bound.
    pub fn names(&self, word: &str) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field(path) if path.is(word)))
    }
}

/// What stands before the closing brace and behind it, unless another one opens before.
fn closed(text: &str) -> Option<(&str, &str)> {
    text.split_once('}').filter(|(inside, _)| !inside.contains('{'))
}

impl FieldPath {
    /// Reads `field`, `field[0]`, `field.inside`…
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "`{{{text}}}`: {what}; expected a field, such as {{question}}, {{options[0]}} or {{answer.text}}"
            )
        };
        let is_end = |character: char| matches!(character, '.' | '[' | ']' | '{' | '}');
        let (field, mut rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
        if field.is_empty() {
            return Err(wrong("no name of a field"));
        }
        let mut inside = Vec::new();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix('.') {
                let (name, after) = name.split_at(name.find(is_end).unwrap_or(name.len()));
                if name.is_empty() {
                    return Err(wrong("no name behind a full stop"));
                }
                inside.push(Step::Name(name.to_owned()));
                rest = after;
            } else if let Some((index, after)) =
                rest.strip_prefix('[').and_then(|index| index.split_once(']'))
            {
                let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
                let index = index.parse().ok().filter(|_| digits);
                inside.push(Step::Index(index.ok_or_else(|| wrong("no whole number from 0 in brackets"))?));
                rest = after;
            } else {
                return Err(wrong("a bracket or brace out of place"));
            }
        }
        Ok(Self { text: text.to_owned(), field: field.to_owned(), inside })
    }

    /// Whether it is this field as a whole.
    fn is(&self, field: &str) -> bool {
        self.field == field && self.inside.is_empty()
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
        assert_eq!(render("").unwrap(), "");
        assert_eq!(render("}}{{").unwrap(), "}{");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (template, part) in [
            ("a { b", "a `{` without its other"),
            ("a { b {q}", "a `{` without its other"),
            ("a } b", "a `}` without its other"),
            ("{}", "no name of a field"),
            ("{a.}", "no name behind a full stop"),
            ("{a[-1]}", "no whole number"),
            ("{a[+1]}", "no whole number"),
            ("{a[99999999999999999999]}", "no whole number"),
            ("{a]}", "out of place"),
            ("{qq}", "no field `qq`; did you mean `q`?; its fields are n, none, options, q, x, yes"),
            ("{options}", "`options` is a list: name one of its elements, such as {options[0]}"),
            ("{options[2]}", "`options[2]` is not there: the list has 2 elements"),
            ("{q[0]}", "`q[0]` is not there: it is no list"),
            ("{x.w}", "`x.w` is not there; the object has y"),
            ("{x}", "`x` is an object"),
            ("{none}", "`none` is null"),
        ] {
            let message = render(template).unwrap_err();
            assert!(message.contains(part), "{template}: {message}");
        }
    }
}
