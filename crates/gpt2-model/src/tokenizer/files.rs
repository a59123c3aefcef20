//! Reads the files of a tokenizer and checks that they are those of a GPT-2.
//!
//! The `tokenizers` crate does not read them, because it accepts tokenizers that change the text, and panics on merges whose
//! result is not in the vocabulary.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokenizers::AddedToken;
use tokenizers::models::bpe::{Merges, Vocab};

use crate::error::CheckpointError;
use untrusted_input::clipped;

/// Upper bound of token ids, far above every vocabulary: a damaged file must not cause a large allocation.
const MAX_IDS: u32 = 1 << 24;

/// A checked byte-level BPE.
pub(super) struct Vocabulary {
    /// For messages.
    pub path: PathBuf,
    pub tokens: Vocab,
    pub merges: Merges,
    /// Added tokens with their ids. They may be part of the vocabulary.
    pub added: Vec<(u32, AddedToken)>,
    /// Whether a word that is a token is taken without merges.
    pub ignore_merges: bool,
    /// Whether a space is put before a text.
    pub add_prefix_space: bool,
    /// Whether GPT-2's regular expression splits the text into words.
    pub use_regex: bool,
}

impl Vocabulary {
    /// GPT-2's rules with these tokens.
    pub fn new(path: &Path, tokens: Vocab, merges: Merges) -> Self {
        let path = path.to_owned();
        Self {
            path,
            tokens,
            merges,
            added: vec![],
            ignore_merges: false,
            add_prefix_space: false,
            use_regex: true,
        }
    }

    /// Ids must be unique and below [`MAX_IDS`].
    fn check_ids(&self) -> Result<(), CheckpointError> {
        let added = self.added.iter().map(|(id, token)| (*id, token.content.as_str()));
        let mut tokens: Vec<(u32, &str)> =
            self.tokens.iter().map(|(token, id)| (*id, token.as_str())).chain(added).collect();
        tokens.sort_unstable();
        tokens.dedup();
        if let Some((id, token)) = tokens.last().filter(|(id, _)| *id >= MAX_IDS) {
            let reason = format!("the token {token:?} has the id {id}, expected ids below {MAX_IDS}");
            return Err(malformed(&self.path, None, &reason));
        }
        if let Some([(id, one), (_, other)]) = tokens.array_windows().find(|[one, other]| one.0 == other.0) {
            let reason = format!("the tokens {one:?} and {other:?} have the same id, {id}");
            return Err(malformed(&self.path, None, &reason));
        }
        Ok(())
    }

    /// Both parts of a merge and its result must be in the vocabulary. `location` gives file and line of a merge.
    fn check_merges(
        &self,
        location: impl Fn(usize) -> (PathBuf, Option<usize>),
    ) -> Result<(), CheckpointError> {
        for (index, (left, right)) in self.merges.iter().enumerate() {
            let joined = format!("{left}{right}");
            if let Some(token) =
                [left, right, &joined].into_iter().find(|token| !self.tokens.contains_key(*token))
            {
                let (path, line) = location(index);
                let reason = format!(
                    "the merge of {left:?} and {right:?} needs the token {token:?}, which the vocabulary lacks"
                );
                return Err(malformed(&path, line, &reason));
            }
        }
        Ok(())
    }
}

/// Reads `vocab.json` and `merges.txt`.
pub(super) fn vocabulary_files(
    (vocab_path, vocab): (&Path, &[u8]),
    (merges_path, merges): (&Path, &[u8]),
) -> Result<Vocabulary, CheckpointError> {
    let tokens: HashMap<String, u32> = serde_json::from_slice(vocab)
        .map_err(|error| malformed(vocab_path, Some(error.line()), &error.to_string()))?;
    let text = std::str::from_utf8(merges)
        .map_err(|error| malformed(merges_path, None, &format!("not UTF-8: {error}")))?;
    let (lines, merges): (Vec<usize>, Merges) = parse_merges(merges_path, text)?.into_iter().unzip();
    let vocabulary = Vocabulary::new(vocab_path, tokens.into_iter().collect(), merges);
    vocabulary.check_ids()?;
    vocabulary.check_merges(|index| (merges_path.to_owned(), lines.get(index).copied()))?;
    Ok(vocabulary)
}

/// The line of a merge, from 1, and the two tokens.
pub(super) type NumberedMerge = (usize, (String, String));

/// Reads `merges.txt`: an optional `#version` line, then two tokens a line.
pub(super) fn parse_merges(path: &Path, text: &str) -> Result<Vec<NumberedMerge>, CheckpointError> {
    let mut merges = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || (index == 0 && line.starts_with("#version")) {
            continue;
        }
        match line.split_once(' ') {
            Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains(' ') => {
                merges.push((index + 1, (left.to_owned(), right.to_owned())));
            }
            _ => {
                let reason = format!("expected two tokens and one space between them, found {line:?}");
                return Err(malformed(path, Some(index + 1), &reason));
            }
        }
    }
    Ok(merges)
}

#[derive(Deserialize)]
struct Kinds {
    normalizer: Option<Component>,
    pre_tokenizer: Option<Component>,
    model: Kind,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    add_prefix_space: bool,
    use_regex: Option<bool>,
}

#[derive(Deserialize)]
struct TokenizerJson {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
}

/// Older files have one string a merge, newer ones two.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair(String, String),
    Line(String),
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

/// Reads `tokenizer.json`.
pub(super) fn tokenizer_json(path: &Path, bytes: &[u8]) -> Result<Vocabulary, CheckpointError> {
    let wrong = |reason: &str| malformed(path, None, reason);
    let invalid_json = |error: serde_json::Error| malformed(path, Some(error.line()), &error.to_string());
    // The kind is checked first, because other models have other fields.
    let kinds: Kinds = serde_json::from_slice(bytes).map_err(invalid_json)?;
    let kind = kinds.model.kind.as_deref().unwrap_or("BPE");
    if kind != "BPE" {
        return Err(wrong(&format!("the model is {kind:?}, expected \"BPE\"")));
    }
    if let Some(normalizer) = kinds.normalizer {
        let reason = format!("the normalizer {:?} changes the text, expected none", normalizer.kind);
        return Err(wrong(&reason));
    }
    let split = match kinds.pre_tokenizer {
        Some(split) if split.kind == "ByteLevel" => split,
        other => {
            let found = other.map_or("missing".to_owned(), |other| format!("{:?}", other.kind));
            return Err(wrong(&format!("`pre_tokenizer` is {found}, expected \"ByteLevel\"")));
        }
    };
    let TokenizerJson { model, added_tokens } = serde_json::from_slice(bytes).map_err(invalid_json)?;
    let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let unsupported = [
        ("dropout", model.dropout.is_some_and(|dropout| dropout != 0.0)),
        ("continuing_subword_prefix", filled(&model.continuing_subword_prefix)),
        ("end_of_word_suffix", filled(&model.end_of_word_suffix)),
        ("byte_fallback", model.byte_fallback == Some(true)),
    ];
    if let Some((field, _)) = unsupported.into_iter().find(|(_, is_set)| *is_set) {
        return Err(wrong(&format!("`model.{field}` is set, expected it unset")));
    }
    let mut merges = Merges::new();
    for merge in model.merges {
        let (left, right) = match merge {
            Merge::Pair(left, right) => (left, right),
            Merge::Line(line) => match line.split_once(' ') {
                Some((left, right)) => (left.to_owned(), right.to_owned()),
                None => return Err(wrong(&format!("expected a merge of two tokens, found {line:?}"))),
            },
        };
        merges.push((left, right));
    }
    let vocabulary = Vocabulary {
        added: added_tokens.into_iter().map(|Added { id, token }| (id, token)).collect(),
        ignore_merges: model.ignore_merges.unwrap_or(false),
        add_prefix_space: split.add_prefix_space,
        use_regex: split.use_regex.unwrap_or(true),
        ..Vocabulary::new(path, model.vocab.into_iter().collect(), merges)
    };
    vocabulary.check_ids()?;
    vocabulary.check_merges(|_| (path.to_owned(), None))?;
    Ok(vocabulary)
}

/// The error of a file that is not a GPT-2 tokenizer's, at a line if known.
pub(super) fn malformed(path: &Path, line: Option<usize>, reason: &str) -> CheckpointError {
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    CheckpointError::new(Path::new(&format!("{}{line}", path.display())), clipped(reason))
}

#[cfg(test)]
mod tests {
    use super::super::Gpt2Tokenizer;
    use super::*;

    #[test]
    fn malformed_merges_name_the_line() {
        let error = parse_merges(Path::new("merges.txt"), "#version: 0.2\na b\nabc\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "merges.txt:3: expected two tokens and one space between them, found \"abc\""
        );
    }

    const VOCAB: &str = r#"{"a":0,"b":1,"ab":2,"<|endoftext|>":3}"#;

    fn files(vocab: &str, merges: &str) -> Result<Gpt2Tokenizer, String> {
        let paths = [Path::new("vocab.json"), Path::new("merges.txt")];
        Gpt2Tokenizer::from_vocabulary_files((paths[0], vocab.as_bytes()), (paths[1], merges.as_bytes()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn merges_need_their_tokens() {
        assert_eq!(files(VOCAB, "a b\n").unwrap().encode("abba").unwrap(), [2, 1, 0]);
        // The tokenizers crate panics here: the two are longer together than any token.
        let error = files(VOCAB, "#version: 0.2\na b\n<|endoftext|> ab\n").err().unwrap();
        assert!(
            error.starts_with("merges.txt:3: the merge of \"<|endoftext|>\" and \"ab\" needs"),
            "{error}"
        );
        assert!(
            files(VOCAB, "c a\n")
                .err()
                .unwrap()
                .contains("needs the token \"c\", which the vocabulary lacks")
        );
    }

    #[test]
    fn ids_belong_to_one_token() {
        let wrong = |from: &str, to: &str| files(&VOCAB.replace(from, to), "").err().unwrap();
        assert_eq!(wrong("\"b\":1", "\"b\":0"), "vocab.json: the tokens \"a\" and \"b\" have the same id, 0");
        assert!(
            wrong("1", "4294967295")
                .contains("the token \"b\" has the id 4294967295, expected ids below 16777216")
        );
        assert!(wrong("1", "-1").contains("vocab.json:1: invalid value"));
    }

    #[test]
    fn a_byte_without_a_token_is_an_error() {
        let error = files(VOCAB, "a b\n").unwrap().encode("aéb").unwrap_err().to_string();
        assert!(error.contains("the vocabulary of vocab.json has no token for byte 0xc3"), "{error}");
    }

    const JSON: &str = r#"{"version":"1.0","normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,
        "trim_offsets":true},"post_processor":null,"decoder":{"type":"ByteLevel"},"added_tokens":[{"id":3,"content":
        "<|endoftext|>","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":true}],
        "model":{"type":"BPE","dropout":null,"vocab":{"a":0,"b":1,"ab":2,"<|endoftext|>":3},"merges":["a b"]}}"#;

    fn json(text: &str) -> Result<Gpt2Tokenizer, String> {
        Gpt2Tokenizer::from_tokenizer_json(Path::new("tokenizer.json"), text.as_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn both_forms_of_merges_and_added_tokens() {
        assert_eq!(json(JSON).unwrap().encode("abba").unwrap(), [2, 1, 0]);
        let pairs = json(&JSON.replace("[\"a b\"]", "[[\"a\",\"b\"]]")).unwrap();
        assert_eq!(pairs.encode("abba").unwrap(), [2, 1, 0]);
        let beside = json(&JSON.replace(",\"<|endoftext|>\":3}", "}")).unwrap();
        assert_eq!((beside.end_of_text(), beside.largest_id(), beside.vocab_size()), (3, 3, 4));
    }

    #[test]
    fn unsupported_tokenizers_are_refused_by_name() {
        let wrong = |from: &str, to: &str| {
            let text = JSON.replacen(from, to, 1);
            assert_ne!(text, JSON, "{from}");
            json(&text).err().unwrap()
        };
        let model = r#""model":{"type":"Unigram","vocab":[["a",-1.5]]},"x":{"#;
        assert!(
            wrong("\"model\":{\"type\":\"BPE\",", model)
                .contains("the model is \"Unigram\", expected \"BPE\"")
        );
        assert!(wrong("null", r#"{"type":"NFC"}"#).contains("the normalizer \"NFC\" changes the text"));
        assert!(wrong("ByteLevel", "Metaspace").contains("`pre_tokenizer` is \"Metaspace\""));
        assert!(wrong("\"dropout\":null", "\"dropout\":0.1").contains("`model.dropout` is set"));
        // The crate takes the length of a prefix from that of a token, and its bytes for UTF-8.
        let prefix = wrong("\"dropout\":null", "\"continuing_subword_prefix\":\"#####\"");
        assert!(prefix.contains("`model.continuing_subword_prefix` is set"), "{prefix}");
        assert!(
            wrong("\"id\":3", "\"id\":9").contains("\"<|endoftext|>\" has the id 9, expected the ids of")
        );
        assert!(
            wrong("\"id\":3", "\"id\":1")
                .contains("the tokens \"<|endoftext|>\" and \"b\" have the same id, 1")
        );
        assert!(wrong("\"a b\"", "\"ab\"").contains("expected a merge of two tokens, found \"ab\""));
        assert!(wrong("\"a b\"", "\"b ab\"").contains("needs the token \"bab\""));
    }
}
