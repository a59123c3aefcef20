//! Texts that stand once, however many samples have them.

use std::collections::HashMap;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// Different texts in the order of their first use.
#[derive(Debug, Default)]
pub(super) struct Pool {
    texts: Vec<String>,
    places: HashMap<String, usize>,
}

impl Pool {
    /// The place of a text.
    pub fn place(&mut self, text: &str) -> usize {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = self.texts.len();
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }

    /// The text at a place.
    pub fn text(&self, place: usize) -> &str {
        self.texts.get(place).map_or("", String::as_str)
    }
}

impl Serialize for Pool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts.serialize(serializer)
    }
}

/// What it takes for two texts to be written as one and a half.
const MIN_SHARED: usize = 32;

/// A pool whose texts mostly begin as the one before, as the questions about a story and solved examples do: such a
/// text is written as the number of UTF-16 units that it shares with the one before, and the rest.
#[derive(Debug, Default)]
pub(super) struct Prompts(pub Pool);

impl Serialize for Prompts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.texts.len()))?;
        let mut before = "";
        for text in &self.0.texts {
            let shared = shared_bytes(before, text);
            match text.split_at_checked(shared) {
                Some((beginning, rest)) if shared >= MIN_SHARED => {
                    list.serialize_element(&(beginning.encode_utf16().count(), rest))?;
                }
                _ => list.serialize_element(text)?,
            }
            before = text;
        }
        list.end()
    }
}

/// Bytes of the characters that both begin with.
fn shared_bytes(a: &str, b: &str) -> usize {
    let alike = a.as_bytes().iter().zip(b.as_bytes()).take_while(|(a, b)| a == b).count();
    (0..=alike).rev().find(|&end| b.is_char_boundary(end)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_once() {
        let mut pool = Pool::default();
        assert_eq!((pool.place("a"), pool.place("b"), pool.place("a")), (0, 1, 0));
        assert_eq!((pool.text(1), pool.text(9)), ("b", ""));
        assert_eq!(serde_json::to_string(&pool).unwrap(), r#"["a","b"]"#);
    }

    #[test]
    fn prompts_share_their_beginnings_in_utf_16() {
        let story = format!("{}😀", "ab".repeat(20));
        let mut prompts = Prompts::default();
        for text in
            [format!("{story} Q"), format!("{story} R"), "ab".to_owned(), format!("{}😁", &story[..40])]
        {
            prompts.0.place(&text);
        }
        assert_eq!(
            serde_json::to_value(&prompts).unwrap(),
            serde_json::json!([format!("{story} Q"), [43, "R"], "ab", format!("{}😁", &story[..40])])
        );
        assert_eq!(shared_bytes("x😀", "x😁"), 1, "a character is not halved");
    }
}
