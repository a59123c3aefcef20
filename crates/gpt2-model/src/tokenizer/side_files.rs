//! Reads the files beside a tokenizer: `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
//!
//! The rules are those of transformers 5.24 (`PreTrainedTokenizerBase._from_pretrained`). If `tokenizer_config.json` has
//! `added_tokens_decoder`, the other two files are not used.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::files::malformed;
use crate::error::CheckpointError;
use untrusted_input::clipped;

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";

/// The special tokens that every tokenizer may name, in the order in which transformers adds them.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What the side files say. The default is a directory without them.
#[derive(Default)]
pub(super) struct SideFiles {
    /// `tokenizer_class`.
    pub class: Option<String>,
    pub add_prefix_space: bool,
    /// Whether special tokens in a text are plain characters.
    pub split_special_tokens: bool,
    /// Special tokens with a name, such as `bos_token`: [`NAMES`] in their order, then those of the model. `None` for `null`.
    pub named: Vec<(String, Option<AddedToken>)>,
    /// Special tokens without a name.
    pub extra: Vec<AddedToken>,
    /// `added_tokens_decoder`.
    pub decoder: Option<Vec<(u32, AddedToken)>>,
    /// The tokens of `added_tokens.json`.
    pub added: Vec<(u32, AddedToken)>,
}

impl SideFiles {
    /// Reads the side files of `directory`; `read` gives a file's content.
    pub fn read(
        directory: &Path,
        read: impl Fn(&Path) -> Result<Vec<u8>, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let file = |name: &str| -> Result<Option<Object>, CheckpointError> {
            let path = directory.join(name);
            if !path.is_file() {
                return Ok(None);
            }
            Object::parse(path.clone(), &read(&path)?).map(Some)
        };
        let config = file(TOKENIZER_CONFIG)?.unwrap_or_default();
        let decoder = config.decoder()?;
        let mut side = Self {
            class: config.text("tokenizer_class")?,
            add_prefix_space: config.switch("add_prefix_space")?,
            split_special_tokens: config.switch("split_special_tokens")?,
            ..Self::default()
        };
        let mut names = config.named()?;
        side.extra = config.extra(&mut names)?.unwrap_or_default();
        if decoder.is_none() {
            if let Some(map) = file(SPECIAL_TOKENS_MAP)? {
                for (name, token) in map.named()? {
                    names.retain(|(known, _)| *known != name);
                    names.push((name, token));
                }
                let more = map.extra(&mut names)?.unwrap_or_default();
                let is_new =
                    |token: &AddedToken| side.extra.iter().all(|known| known.content != token.content);
                let more: Vec<AddedToken> = more.into_iter().filter(is_new).collect();
                side.extra.extend(more);
            }
            if let Some(added) = file(ADDED_TOKENS)? {
                side.added = added.added(|content| {
                    let mut named = names.iter().filter_map(|(_, token)| token.as_ref());
                    named.any(|token| token.content == content)
                        || side.extra.iter().any(|token| token.content == content)
                })?;
            }
        }
        side.decoder = decoder;
        let rank = |name: &str| NAMES.iter().position(|known| *known == name).unwrap_or(NAMES.len());
        names.sort_by_key(|(name, _)| rank(name));
        side.named = names;
        Ok(side)
    }

    /// Whether transformers builds the tokenizer from vocabulary and merges with the rules of its `GPT2Tokenizer`. For another
    /// class it takes `tokenizer.json` as it is.
    pub fn has_gpt2_rules(&self) -> bool {
        self.class
            .as_deref()
            .is_none_or(|class| class.strip_suffix("Fast").unwrap_or(class) == "GPT2Tokenizer")
    }

    /// The content of a special token with a name.
    pub fn name(&self, name: &str) -> Option<&str> {
        let token = self.named.iter().find(|(known, _)| known == name)?.1.as_ref()?;
        Some(&token.content)
    }

    /// Whether a special token is named, be it `null`.
    pub fn mentions(&self, name: &str) -> bool {
        self.named.iter().any(|(known, _)| known == name)
    }
}

/// A JSON object in a file.
#[derive(Default)]
struct Object {
    path: PathBuf,
    fields: Map<String, Value>,
}

impl Object {
    fn parse(path: PathBuf, bytes: &[u8]) -> Result<Self, CheckpointError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match serde_json::from_slice(bytes) {
            Ok(fields) => Ok(Self { path, fields }),
            Err(error) => Err(malformed(&path, Some(error.line()), &error.to_string())),
        }
    }

    fn wrong(&self, field: &str, value: &Value, expected: &str) -> CheckpointError {
        let value = clipped(&value.to_string());
        malformed(&self.path, None, &format!("{field} is {value}, expected {expected}"))
    }

    /// A field that is not `null`.
    fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<String>, CheckpointError> {
        self.field(name)
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| self.wrong(name, value, "a string")))
            .transpose()
    }

    fn switch(&self, name: &str) -> Result<bool, CheckpointError> {
        self.field(name).map_or(Ok(false), |value| {
            value.as_bool().ok_or_else(|| self.wrong(name, value, "true or false"))
        })
    }

    /// A token as a string or an object; `is_special` where the object does not say.
    fn token(&self, name: &str, value: &Value, is_special: bool) -> Result<AddedToken, CheckpointError> {
        let expected = "a token: a string, or an object with `content`";
        if let Some(content) = value.as_str() {
            return Ok(AddedToken::from(content, true));
        }
        let content = value.get("content").and_then(Value::as_str);
        let content = content.ok_or_else(|| self.wrong(name, value, expected))?;
        let flag = |flag: &str, default: bool| match value.get(flag) {
            None => Ok(default),
            Some(found) => {
                found.as_bool().ok_or_else(|| self.wrong(&format!("{name}.{flag}"), found, "true or false"))
            }
        };
        let special = flag("special", is_special)?;
        Ok(AddedToken::from(content, special)
            .single_word(flag("single_word", false)?)
            .lstrip(flag("lstrip", false)?)
            .rstrip(flag("rstrip", false)?)
            .normalized(flag("normalized", !special)?))
    }

    /// The special tokens with names. Names that are not [`NAMES`] count if they have a string.
    fn named(&self) -> Result<Vec<(String, Option<AddedToken>)>, CheckpointError> {
        let mut named = Vec::new();
        for (name, value) in &self.fields {
            let is_known = NAMES.contains(&name.as_str());
            if value.is_null() && is_known {
                named.push((name.clone(), None));
            } else if is_known || (name.ends_with("_token") && value.is_string()) {
                named.push((name.clone(), Some(self.token(name, value, true)?)));
            }
        }
        Ok(named)
    }

    /// The special tokens without names. An object in place of the list has names, which go to `named`.
    fn extra(
        &self,
        named: &mut Vec<(String, Option<AddedToken>)>,
    ) -> Result<Option<Vec<AddedToken>>, CheckpointError> {
        for name in ["extra_special_tokens", "additional_special_tokens"] {
            match self.field(name) {
                Some(Value::Array(tokens)) if !tokens.is_empty() => {
                    return tokens
                        .iter()
                        .map(|token| self.token(name, token, true))
                        .collect::<Result<_, _>>()
                        .map(Some);
                }
                Some(Value::Object(tokens)) => {
                    for (name, token) in tokens {
                        named.push((name.clone(), Some(self.token(name, token, true)?)));
                    }
                }
                None | Some(Value::Array(_)) => {}
                Some(other) => return Err(self.wrong(name, other, "a list of tokens")),
            }
        }
        Ok(None)
    }

    fn decoder(&self) -> Result<Option<Vec<(u32, AddedToken)>>, CheckpointError> {
        let name = "added_tokens_decoder";
        let Some(value) = self.field(name) else { return Ok(None) };
        let expected = "an object of token ids and tokens";
        let tokens = value.as_object().ok_or_else(|| self.wrong(name, value, expected))?;
        let mut decoder = Vec::new();
        for (id, token) in tokens {
            let number = id.parse().map_err(|_| self.wrong(name, &Value::from(id.as_str()), "token ids"))?;
            decoder.push((number, self.token(name, token, false)?));
        }
        decoder.sort_by_key(|(id, _)| *id);
        Ok(Some(decoder))
    }

    /// The tokens of `added_tokens.json` in the order of their ids.
    fn added(&self, is_special: impl Fn(&str) -> bool) -> Result<Vec<(u32, AddedToken)>, CheckpointError> {
        let mut added = Vec::new();
        for (content, id) in &self.fields {
            let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let number = number.ok_or_else(|| self.wrong(&format!("{content:?}"), id, "a token id"))?;
            added.push((number, AddedToken::from(content.as_str(), is_special(content))));
        }
        added.sort_by_key(|(id, _)| *id);
        Ok(added)
    }
}
