//! Files of the hub, and what the files that tasks read are made of them.
//!
//! The hub has most test sets as tables (Parquet, or one JSON object a line), often not in the form in which they were
//! published. They are turned back into that form: the readers stay few, and where the published file's sha256 is known,
//! it shows whether nothing was lost on the way.

use serde::Deserialize;
use serde_json::Value;

use super::rows::{Row, rows};

/// A file of a repository of data on the hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// The repository, if it is not the card's.
    pub repository: Option<String>,
    /// Branch, tag or commit; `main` without it.
    pub revision: Option<String>,
    /// Path in the repository.
    pub path: String,
    /// sha256 of the hub's file, where it is known for certain.
    pub sha256: Option<String>,
    /// What it is turned into.
    #[serde(default)]
    pub form: Form,
    /// The column that is taken, with a dot before a part of it: `translation.fr`.
    pub column: Option<String>,
}

/// How a file of the hub becomes one that a task reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As it is.
    #[default]
    File,
    /// A row becomes a JSON object on a line, as Python writes it.
    JsonLines,
    /// The texts of a column one after the other: they have their line ends.
    Text,
    /// A text of a column a line.
    Lines,
    /// The same with a space before and behind: the Penn Treebank.
    PaddedLines,
    /// The Children's Book Test's questions.
    ChildrensBooks,
    /// `CoQA`'s stories.
    Coqa,
}

impl Form {
    /// Its name in cards.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::JsonLines => "json_lines",
            Self::Text => "text",
            Self::Lines => "lines",
            Self::PaddedLines => "padded_lines",
            Self::ChildrensBooks => "childrens_books",
            Self::Coqa => "coqa",
        }
    }
}

impl HubConfig {
    /// What the task reads, from the content of the hub's file. `Err` says what is wrong with that.
    pub fn convert(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        if self.form == Form::File {
            return Ok(bytes);
        }
        let rows = rows(bytes)?;
        if rows.is_empty() {
            return Err("the table has no rows".to_owned());
        }
        let mut text = String::new();
        if self.form == Form::Coqa {
            let stories: Result<Vec<Value>, String> =
                rows.iter().enumerate().map(|(index, row)| story(row).map_err(at(index))).collect();
            let file = serde_json::json!({ "version": "1.0", "data": stories? });
            return serde_json::to_vec(&file).map_err(|error| error.to_string());
        }
        for (index, row) in rows.iter().enumerate() {
            self.write(row, &mut text).map_err(at(index))?;
        }
        Ok(text.into_bytes())
    }

    fn write(&self, row: &Row, text: &mut String) -> Result<(), String> {
        match self.form {
            Form::JsonLines => {
                python_object(row.iter().map(|(name, value)| (name, value)), text);
                text.push('\n');
            }
            Form::Text => text.push_str(self.text(row)?),
            Form::Lines => text.push_str(&format!("{}\n", one_line(self.text(row)?))),
            Form::PaddedLines => text.push_str(&format!(" {} \n", one_line(self.text(row)?))),
            Form::ChildrensBooks => question(row, text)?,
            Form::File | Form::Coqa => {}
        }
        Ok(())
    }

    /// The text of the card's column.
    fn text<'a>(&self, row: &'a Row) -> Result<&'a str, String> {
        let column = self.column.as_deref().unwrap_or("text");
        let mut parts = column.split('.');
        let mut value = field(row, parts.next().unwrap_or_default())?;
        for part in parts {
            value = value.get(part).ok_or_else(|| format!("no `{column}`"))?;
        }
        value.as_str().ok_or_else(|| format!("`{column}` is no text"))
    }
}

fn at(index: usize) -> impl Fn(String) -> String {
    move |reason| format!("row {}: {reason}", index + 1)
}

fn field<'a>(row: &'a Row, name: &str) -> Result<&'a Value, String> {
    row.iter().find(|(known, _)| known == name).map(|(_, value)| value).ok_or_else(|| {
        let known: Vec<&str> = row.iter().map(|(known, _)| known.as_str()).collect();
        format!("no column `{name}`; there are {}", known.join(", "))
    })
}

fn string<'a>(row: &'a Row, name: &str) -> Result<&'a str, String> {
    field(row, name)?.as_str().ok_or_else(|| format!("`{name}` is no text"))
}

fn strings<'a>(value: &'a Value, name: &str) -> Result<Vec<&'a str>, String> {
    let texts = value.as_array().and_then(|values| values.iter().map(Value::as_str).collect());
    texts.ok_or_else(|| format!("`{name}` is no list of texts"))
}

/// A line has no line end in it.
fn one_line(text: &str) -> String {
    text.trim_end().replace(['\n', '\r'], " ")
}

/// A question of the Children's Book Test in the form of its own files.
fn question(row: &Row, text: &mut String) -> Result<(), String> {
    let sentences = strings(field(row, "sentences")?, "sentences")?;
    let options = strings(field(row, "options")?, "options")?;
    for (index, sentence) in sentences.iter().enumerate() {
        text.push_str(&format!("{} {}\n", index + 1, one_line(sentence)));
    }
    let (query, answer) = (one_line(string(row, "question")?), string(row, "answer")?);
    text.push_str(&format!("{} {query}\t{answer}\t\t{}\n\n", sentences.len() + 1, options.join("|")));
    Ok(())
}

/// A story of `CoQA` in the form of its own file. The table has a list of each thing, not a list of turns.
fn story(row: &Row) -> Result<Value, String> {
    let turns = |value: &Value, name: &str| {
        let texts = strings(value.get("input_text").unwrap_or(&Value::Null), name)?;
        let turns = texts.iter().enumerate();
        let turns =
            turns.map(|(index, text)| serde_json::json!({ "input_text": text, "turn_id": index + 1 }));
        Ok::<Value, String>(turns.collect())
    };
    let mut additional = serde_json::Map::new();
    if let Ok(Value::Object(others)) = field(row, "additional_answers") {
        for (name, value) in others {
            additional.insert(name.clone(), turns(value, "additional_answers")?);
        }
    }
    Ok(serde_json::json!({
        "id": string(row, "id")?,
        "source": string(row, "source")?,
        "story": string(row, "story")?,
        "questions": turns(field(row, "questions")?, "questions")?,
        "answers": turns(field(row, "answers")?, "answers")?,
        "additional_answers": additional,
    }))
}

/// An object as Python's `json.dumps` writes it: spaces behind `,` and `:`, nothing but ASCII.
fn python_object<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, text: &mut String) {
    text.push('{');
    for (index, (name, value)) in fields.enumerate() {
        text.push_str(if index > 0 { ", " } else { "" });
        python_string(name, text);
        text.push_str(": ");
        python_value(value, text);
    }
    text.push('}');
}

fn python_value(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => python_string(string, text),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                python_value(value, text);
            }
            text.push(']');
        }
        Value::Object(fields) => python_object(fields.iter(), text),
        other => text.push_str(&other.to_string()),
    }
}

fn python_string(string: &str, text: &mut String) {
    let quoted = Value::String(string.to_owned()).to_string();
    let mut units = [0; 2];
    for character in quoted.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(form: Form, column: Option<&str>) -> HubConfig {
        let column = column.map(str::to_owned);
        HubConfig { repository: None, revision: None, path: "p".to_owned(), sha256: None, form, column }
    }

    fn convert(form: Form, column: Option<&str>, lines: &str) -> Result<String, String> {
        config(form, column).convert(lines.as_bytes().to_vec()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn tables_become_what_tasks_read() {
        let row = "{\"question\":\"é “\u{1f600}”\",\"answer\":[\"a\",\"b\"]}\n";
        assert_eq!(
            convert(Form::JsonLines, None, row).unwrap(),
            "{\"question\": \"\\u00e9 \\u201c\\ud83d\\ude00\\u201d\", \"answer\": [\"a\", \"b\"]}\n"
        );
        let pages = "{\"text\":\"\"}\n{\"text\":\" = A = \\n\"}\n";
        assert_eq!(convert(Form::Text, None, pages).unwrap(), " = A = \n");
        let pair = "{\"translation\":{\"fr\":\"oui\",\"en\":\"yes\"}}\n";
        assert_eq!(convert(Form::Lines, Some("translation.fr"), pair).unwrap(), "oui\n");
        assert_eq!(convert(Form::PaddedLines, Some("s"), "{\"s\":\"no it\"}\n").unwrap(), " no it \n");
        let question = "{\"sentences\":[\"One .\",\"Two .\"],\"question\":\"XXXXX ?\",\"answer\":\"a\",\"options\":[\"a\",\"b\"]}";
        assert_eq!(
            convert(Form::ChildrensBooks, None, question).unwrap(),
            "1 One .\n2 Two .\n3 XXXXX ?\ta\t\ta|b\n\n"
        );
    }

    #[test]
    fn coqa_is_what_its_reader_expects() {
        let row = "{\"id\":\"i\",\"source\":\"cnn\",\"story\":\"S.\",\"questions\":{\"input_text\":[\"Q?\"]},\
                   \"answers\":{\"input_text\":[\"A\"]},\"additional_answers\":{\"0\":{\"input_text\":[\"B\"]}}}";
        let bytes = config(Form::Coqa, None).convert(row.as_bytes().to_vec()).unwrap();
        let mut file = crate::data::DataFile::bundled("x", b"");
        file.bytes = bytes.into();
        let stories = crate::data::read_coqa(&file).unwrap();
        assert_eq!(stories[0].turns[0].answers, ["A", "B"]);
    }

    #[test]
    fn odd_tables_are_named() {
        let error = convert(Form::Text, None, "{\"a\":\"\"}\n").unwrap_err();
        assert_eq!(error, "row 1: no column `text`; there are a");
        assert!(convert(Form::Text, None, "{\"text\":1}\n").unwrap_err().contains("no text"));
        assert!(convert(Form::Lines, Some("a.b"), "{\"a\":{}}\n").unwrap_err().contains("no `a.b`"));
        assert!(convert(Form::Text, None, "").unwrap_err().contains("no rows"));
        assert!(convert(Form::Text, None, "PAR1").unwrap_err().contains("Parquet"));
    }
}
