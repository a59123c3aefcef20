//! Files of the Hugging Face hub, converted to the forms that tasks read.
//!
//! The hub has most test sets as tables (Parquet, or JSON lines), often not in the form in which they were published. They
//! are converted back to that form: it needs few readers, and where the sha256 of the published file is known, it proves
//! that nothing was lost.

use serde::Deserialize;
use serde_json::Value;

use crate::data::parquet::Row;
use crate::data::rows::rows;

/// A file of a dataset repository on the hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// The repository, if not that of the task config.
    pub repository: Option<String>,
    /// Branch, tag or commit; `main` without it.
    pub revision: Option<String>,
    /// Path in the repository.
    pub path: String,
    /// sha256 of the hub's file; another file is refused.
    pub sha256: Option<String>,
    /// Its form after conversion.
    #[serde(default)]
    pub form: Form,
    /// The column to take, or a field of one: `translation.fr`.
    pub column: Option<String>,
}

/// How a file of the hub is converted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Not at all.
    #[default]
    File,
    /// A JSON object a row, as Python's `json.dumps` formats it.
    JsonLines,
    /// The strings of a column, concatenated: they have their line ends.
    Text,
    /// A string of a column a line.
    Lines,
    /// The same with a space before and after: the Penn Treebank.
    PaddedLines,
    /// Questions of the Children's Book Test.
    ChildrensBooks,
    /// Stories of `CoQA`.
    Coqa,
}

impl Form {
    /// Its name in task configs.
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
    /// Converts the content of the hub's file. `Err` says what is wrong with it.
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

    /// The string in the configured column.
    fn text<'a>(&self, row: &'a Row) -> Result<&'a str, String> {
        let column = self.column.as_deref().unwrap_or("text");
        let mut parts = column.split('.');
        let mut value = field(row, parts.next().unwrap_or_default())?;
        for part in parts {
            value = value.get(part).ok_or_else(|| format!("no `{column}`"))?;
        }
        value.as_str().ok_or_else(|| format!("`{column}` is not a string"))
    }
}

fn at(index: usize) -> impl Fn(String) -> String {
    move |reason| format!("row {}: {reason}", index + 1)
}

fn field<'a>(row: &'a Row, name: &str) -> Result<&'a Value, String> {
    row.iter().find(|(known, _)| known == name).map(|(_, value)| value).ok_or_else(|| {
        let known: Vec<&str> = row.iter().map(|(known, _)| known.as_str()).collect();
        format!("no column `{name}`; the columns are {}", known.join(", "))
    })
}

fn string<'a>(row: &'a Row, name: &str) -> Result<&'a str, String> {
    field(row, name)?.as_str().ok_or_else(|| format!("`{name}` is not a string"))
}

fn strings<'a>(value: &'a Value, name: &str) -> Result<Vec<&'a str>, String> {
    let texts = value.as_array().and_then(|values| values.iter().map(Value::as_str).collect());
    texts.ok_or_else(|| format!("`{name}` is not a list of strings"))
}

/// Replaces line ends within `text` by spaces.
fn one_line(text: &str) -> String {
    text.trim_end().replace(['\n', '\r'], " ")
}

/// A question in the published format of the Children's Book Test.
pub(in crate::data) fn question(row: &Row, text: &mut String) -> Result<(), String> {
    let sentences = strings(field(row, "sentences")?, "sentences")?;
    let options = strings(field(row, "options")?, "options")?;
    for (index, sentence) in sentences.iter().enumerate() {
        text.push_str(&format!("{} {}\n", index + 1, one_line(sentence)));
    }
    let (query, answer) = (one_line(string(row, "question")?), string(row, "answer")?);
    text.push_str(&format!("{} {query}\t{answer}\t\t{}\n\n", sentences.len() + 1, options.join("|")));
    Ok(())
}

/// A story in the published format of `CoQA`. The table has parallel lists instead of a list of turns.
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

/// An object as Python's `json.dumps` formats it: a space after `,` and `:`, ASCII only.
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
    fn tables_are_converted_to_published_formats() {
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
    fn converted_coqa_is_readable() {
        let row = "{\"id\":\"i\",\"source\":\"cnn\",\"story\":\"S.\",\"questions\":{\"input_text\":[\"Q?\"]},\
                   \"answers\":{\"input_text\":[\"A\"]},\"additional_answers\":{\"0\":{\"input_text\":[\"B\"]}}}";
        let bytes = config(Form::Coqa, None).convert(row.as_bytes().to_vec()).unwrap();
        let mut file = crate::data::DataFile::bundled("x", b"");
        file.bytes = bytes.into();
        let stories = crate::data::read_coqa(&file).unwrap();
        assert_eq!(stories[0].turns[0].answers, ["A", "B"]);
    }

    #[test]
    fn errors_name_row_and_column() {
        let error = convert(Form::Text, None, "{\"a\":\"\"}\n").unwrap_err();
        assert_eq!(error, "row 1: no column `text`; the columns are a");
        assert!(convert(Form::Text, None, "{\"text\":1}\n").unwrap_err().contains("not a string"));
        assert!(convert(Form::Lines, Some("a.b"), "{\"a\":{}}\n").unwrap_err().contains("no `a.b`"));
        assert!(convert(Form::Text, None, "").unwrap_err().contains("no rows"));
        assert!(convert(Form::Text, None, "PAR1").unwrap_err().contains("Parquet"));
    }
}
