//! Reads `tokenizer.json`.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use tokenizers::AddedToken;
use tokenizers::models::bpe::Merges;

use super::files::{Form, Vocabulary, malformed};
use crate::error::CheckpointError;

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
        form: Form::Fast,
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Gpt2Tokenizer;

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
        assert_eq!((beside.begin_of_text().unwrap(), beside.largest_id(), beside.vocab_size()), (3, 3, 4));
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
            wrong("\"id\":3", "\"id\":9")
                .contains("\"<|endoftext|>\" has the id 9, but the vocabulary has it as 3")
        );
        assert!(
            wrong("\"id\":3", "\"id\":1")
                .contains("the tokens \"<|endoftext|>\" and \"b\" have the same id, 1")
        );
        assert!(wrong("\"a b\"", "\"ab\"").contains("expected a merge of two tokens, found \"ab\""));
        assert!(wrong("\"a b\"", "\"b ab\"").contains("needs the token \"bab\""));
    }
}
