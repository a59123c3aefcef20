//! The tokens that begin and end a text.
//!
//! They are those of transformers 5.24 and lm-evaluation-harness 0.4. The harness begins a text with the tokenizer's
//! `bos_token`, else its `eos_token`. transformers ends a completion with `eos_token_id` of `generation_config.json`, else of
//! `config.json`, and the harness also with the tokenizer's `eos_token`. Where the tokenizer's files say nothing, transformers
//! would take `<|endoftext|>` even against `config.json`; here the configuration comes first.

use std::fmt::Write;

use serde_json::Value;

use super::END_OF_TEXT;
use super::files::Vocabulary;
use super::side_files::SideFiles;
use untrusted_input::clipped;

/// `bos_token_id` and `eos_token_id` of a checkpoint's configuration. The default is a configuration without them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DeclaredBounds {
    begin: Option<u32>,
    ends: Vec<u32>,
}

impl DeclaredBounds {
    /// Reads them from a `config.json` or a `generation_config.json`.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        let json: Value = serde_json::from_slice(json).map_err(|error| clipped(&error.to_string()))?;
        let ids = |field: &str| -> Result<Vec<u32>, String> {
            let id = |value: &Value| {
                let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
                id.ok_or_else(|| format!("{field} is {}, expected a token id", clipped(&value.to_string())))
            };
            match json.get(field) {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(Value::Array(values)) => values.iter().map(id).collect(),
                Some(value) => id(value).map(|id| vec![id]),
            }
        };
        Ok(Self { begin: ids("bos_token_id")?.first().copied(), ends: ids("eos_token_id")? })
    }

    /// These with those of `generation_config.json`, which replace the ends.
    pub fn with_generation(mut self, generation: Self) -> Self {
        self.begin = self.begin.or(generation.begin);
        if !generation.ends.is_empty() {
            self.ends = generation.ends;
        }
        self
    }
}

/// The resolved tokens, and what the tokenizer's files say.
pub(super) struct Bounds {
    /// `bos_token`, or `eos_token` where the tokenizer has no `bos_token`.
    named_begin: Option<u32>,
    /// `eos_token`.
    named_end: Option<u32>,
    /// `<|endoftext|>`.
    default: Option<u32>,
    begin: Option<u32>,
    ends: Vec<u32>,
}

impl Bounds {
    /// Those of a vocabulary whose side files have been applied.
    pub fn new(vocabulary: &Vocabulary, side: &SideFiles) -> Self {
        let id = |content: &str| {
            let added = vocabulary.added.iter().find(|(_, token)| token.content == content);
            added.map(|(id, _)| *id).or_else(|| vocabulary.tokens.get(content).copied())
        };
        let named_end = side.name("eos_token").and_then(id);
        let has_no_begin = side.mentions("bos_token") || !side.has_gpt2_rules();
        let named_begin = side.name("bos_token").and_then(id).or_else(|| named_end.filter(|_| has_no_begin));
        let mut bounds =
            Self { named_begin, named_end, default: id(END_OF_TEXT), begin: None, ends: Vec::new() };
        bounds.declare(usize::MAX, &DeclaredBounds::default());
        bounds
    }

    /// Resolves the tokens with those of the configuration, of which ids without a row do not count.
    pub fn declare(&mut self, rows: usize, declared: &DeclaredBounds) {
        let has_row = |id: &u32| (*id as usize) < rows;
        let mut ends: Vec<u32> = declared.ends.iter().copied().filter(has_row).collect();
        ends.extend(self.named_end.filter(has_row));
        let declared_begin = declared.begin.filter(has_row);
        self.begin = self.named_begin.or(declared_begin).or(self.default).or(ends.first().copied());
        if ends.is_empty() {
            ends.extend(self.default.filter(has_row));
        }
        ends.sort_unstable();
        ends.dedup();
        self.ends = ends;
    }

    pub fn begin(&self) -> Option<u32> {
        self.begin
    }

    /// Ascending.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// For a checksum; empty if both are `<|endoftext|>`.
    pub fn description(&self) -> String {
        let default: Vec<u32> = self.default.into_iter().collect();
        if self.begin == self.default && self.ends == default {
            return String::new();
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(text, "begin {:?} ends {:?}", self.begin, self.ends);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(
        named: [Option<u32>; 3],
        declared: &str,
        generation: &str,
        rows: usize,
    ) -> (Option<u32>, Vec<u32>) {
        let [named_begin, named_end, default] = named;
        let mut bounds = Bounds { named_begin, named_end, default, begin: None, ends: vec![] };
        let parse = |json: &str| DeclaredBounds::parse(json.as_bytes()).unwrap();
        bounds.declare(rows, &parse(declared).with_generation(parse(generation)));
        (bounds.begin, bounds.ends)
    }

    #[test]
    fn the_tokenizer_comes_before_the_configuration() {
        let config = r#"{"bos_token_id": 3, "eos_token_id": 4}"#;
        assert_eq!(resolved([Some(1), Some(2), Some(9)], config, "{}", 10), (Some(1), vec![2, 4]));
        assert_eq!(resolved([None, None, Some(9)], config, "{}", 10), (Some(3), vec![4]));
        assert_eq!(resolved([None, None, Some(9)], "{}", "{}", 10), (Some(9), vec![9]));
        assert_eq!(
            resolved([None, None, None], r#"{"eos_token_id": [7, 5]}"#, "{}", 10),
            (Some(7), vec![5, 7])
        );
        assert_eq!(resolved([None, None, None], "{}", "{}", 10), (None, vec![]));
    }

    #[test]
    fn generation_config_replaces_the_ends() {
        let generation = r#"{"bos_token_id": 8, "eos_token_id": [6, 5, 6]}"#;
        let config = r#"{"bos_token_id": 3, "eos_token_id": 4}"#;
        assert_eq!(resolved([None, None, Some(9)], config, generation, 10), (Some(3), vec![5, 6]));
        assert_eq!(resolved([None, None, Some(9)], "{}", generation, 10), (Some(8), vec![5, 6]));
        assert_eq!(resolved([None, Some(2), Some(9)], config, generation, 10), (Some(3), vec![2, 5, 6]));
    }

    /// transformers writes 50256 into every `config.json` that does not say otherwise.
    #[test]
    fn ids_without_a_row_do_not_count() {
        let config = r#"{"bos_token_id": 50256, "eos_token_id": 50256}"#;
        assert_eq!(resolved([Some(0), Some(1), None], config, "{}", 2000), (Some(0), vec![1]));
        assert_eq!(resolved([None, None, Some(7)], config, "{}", 2000), (Some(7), vec![7]));
        assert_eq!(resolved([None, None, None], config, "{}", 2000), (None, vec![]));
    }

    #[test]
    fn ids_are_numbers_or_lists_of_them() {
        let error = |json: &str| DeclaredBounds::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error(r#"{"bos_token_id": "<s>"}"#), "bos_token_id is \"<s>\", expected a token id");
        assert_eq!(error(r#"{"eos_token_id": [1, -1]}"#), "eos_token_id is -1, expected a token id");
        assert_eq!(DeclaredBounds::parse(br#"{"bos_token_id": null}"#), Ok(DeclaredBounds::default()));
    }
}
