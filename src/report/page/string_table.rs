//! Strings stored once, however many samples have them.

use std::collections::HashMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// Distinct strings in the order of their first use.
#[derive(Debug, Default)]
pub(super) struct StringTable {
    strings: Vec<String>,
    indices: HashMap<String, usize>,
}

impl StringTable {
    /// The index of `text`, which is added if it is new.
    pub fn index(&mut self, text: &str) -> usize {
        if let Some(&index) = self.indices.get(text) {
            return index;
        }
        let index = self.strings.len();
        self.strings.push(text.to_owned());
        self.indices.insert(text.to_owned(), index);
        index
    }

    /// The string at `index`; empty if there is none.
    pub fn get(&self, index: usize) -> &str {
        self.strings.get(index).map_or("", String::as_str)
    }
}

impl Serialize for StringTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.strings.serialize(serializer)
    }
}

/// Shortest shared prefix worth storing once.
const MIN_PREFIX: usize = 32;

/// A table of prompts, most of which share a prefix with the one before: a story with several questions, or few-shot
/// examples. Serialized as the number of UTF-16 units of that prefix and the rest.
#[derive(Debug, Default)]
pub(super) struct PromptTable(pub StringTable);

impl Serialize for PromptTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.strings.len()))?;
        let mut previous = "";
        for text in &self.0.strings {
            let shared = shared_bytes(previous, text);
            match text.split_at_checked(shared) {
                Some((prefix, rest)) if shared >= MIN_PREFIX => {
                    list.serialize_element(&(prefix.encode_utf16().count(), rest))?;
                }
                _ => list.serialize_element(text)?,
            }
            previous = text;
        }
        list.end()
    }
}

/// Length of the shared prefix of whole characters.
fn shared_bytes(a: &str, b: &str) -> usize {
    let alike = a.as_bytes().iter().zip(b.as_bytes()).take_while(|(a, b)| a == b).count();
    (0..=alike).rev().find(|&end| b.is_char_boundary(end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_an_index() {
        let mut table = StringTable::default();
        assert_eq!((table.index("a"), table.index("b"), table.index("a")), (0, 1, 0));
        assert_eq!((table.get(1), table.get(9)), ("b", ""));
        assert_eq!(serde_json::to_string(&table).unwrap(), r#"["a","b"]"#);
    }

    #[test]
    fn prefixes_of_prompts_are_in_utf_16() {
        let story = format!("{}😀", "ab".repeat(20));
        let mut prompts = PromptTable::default();
        for text in
            [format!("{story} Q"), format!("{story} R"), "ab".to_owned(), format!("{}😁", &story[..40])]
        {
            prompts.0.index(&text);
        }
        assert_eq!(
            serde_json::to_value(&prompts).unwrap(),
            serde_json::json!([format!("{story} Q"), [43, "R"], "ab", format!("{}😁", &story[..40])])
        );
        assert_eq!(shared_bytes("x😀", "x😁"), 1, "a character is not cut");
    }
}
