//! Values written as Python literals, as in a column of the hub's copy of RACE.

use serde_json::{Map, Value};

/// Deepest nesting of lists and dictionaries.
const MAX_DEPTH: usize = 16;

/// Reads a list, dictionary or string as `ast.literal_eval` does. `Err` says what is wrong, and where.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_white_space();
    if reader.rest().is_empty() { Ok(value) } else { Err(reader.wrong("the end")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self, expected: &str) -> String {
        let found = self.rest().chars().next().map_or("the end".to_owned(), |found| format!("{found:?}"));
        format!("not a Python literal: found {found} at byte {}, expected {expected}", self.at)
    }

    fn skip_white_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Skips white space, and `token` if it follows.
    fn takes(&mut self, token: char) -> bool {
        self.skip_white_space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len_utf8() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("not a Python literal: more than {MAX_DEPTH} lists within each other"));
        }
        if self.takes('[') {
            let mut values = Vec::new();
            while !self.takes(']') {
                values.push(self.value(depth + 1)?);
                if !self.takes(',') && !self.rest().starts_with(']') {
                    return Err(self.wrong("`,` or `]`"));
                }
            }
            return Ok(Value::Array(values));
        }
        if self.takes('{') {
            let mut fields = Map::new();
            while !self.takes('}') {
                let name = self.string()?;
                if !self.takes(':') {
                    return Err(self.wrong("`:`"));
                }
                fields.insert(name, self.value(depth + 1)?);
                if !self.takes(',') && !self.rest().starts_with('}') {
                    return Err(self.wrong("`,` or `}`"));
                }
            }
            return Ok(Value::Object(fields));
        }
        self.string().map(Value::String)
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = if self.takes('\'') {
            '\''
        } else if self.takes('"') {
            '"'
        } else {
            return Err(self.wrong("a string, list or dictionary"));
        };
        let mut string = String::new();
        loop {
            let mut characters = self.rest().chars();
            let Some(character) = characters.next() else {
                return Err(self.wrong("a closing quotation mark"));
            };
            self.at += character.len_utf8();
            match character {
                _ if character == quote => return Ok(string),
                '\\' => self.escape(&mut string)?,
                other => string.push(other),
            }
        }
    }

    /// The character after a backslash.
    fn escape(&mut self, string: &mut String) -> Result<(), String> {
        let Some(kind) = self.rest().chars().next() else { return Err(self.wrong("an escape")) };
        self.at += kind.len_utf8();
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        if digits > 0 {
            let code = self.rest().get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            let character = code.and_then(char::from_u32).ok_or_else(|| self.wrong("a character's code"))?;
            self.at += digits;
            string.push(character);
            return Ok(());
        }
        match kind {
            '\\' | '\'' | '"' => string.push(kind),
            'n' => string.push('\n'),
            'r' => string.push('\r'),
            't' => string.push('\t'),
            'a' => string.push('\u{7}'),
            'b' => string.push('\u{8}'),
            'f' => string.push('\u{c}'),
            'v' => string.push('\u{b}'),
            '0' => string.push('\0'),
            '\n' => {}
            other => string.extend(['\\', other]),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_dictionaries_are_read() {
        let text = r#" [{'q': 'It\'s "so"  _  .', "a": "Anna's\n\u00e9\x41\q", 'o': ['x', 'y',]}, {}] "#;
        let expected = serde_json::json!([
            { "q": "It's \"so\"  _  .", "a": "Anna's\né\u{41}\\q", "o": ["x", "y"] },
            {}
        ]);
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn messages_have_the_place() {
        for (text, part) in [
            ("", "found the end at byte 0, expected a string"),
            ("['a' 'b']", "found '\\'' at byte 5, expected `,` or `]`"),
            ("{'a' 1}", "expected `:`"),
            ("{'a': 1}", "found '1' at byte 6"),
            ("['a", "expected a closing quotation mark"),
            ("['\\ud800']", "expected a character's code"),
            ("[] x", "expected the end"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(parse(&"[".repeat(10_000)).unwrap_err().contains("more than 16 lists"));
    }
}
