//! The added tokens of a vocabulary with its side files, as transformers 5.24 puts them together.

use std::collections::BTreeMap;

use tokenizers::AddedToken;

use super::END_OF_TEXT;
use super::files::{Form, Vocabulary, malformed};
use super::side_files::SideFiles;
use crate::error::CheckpointError;

impl Vocabulary {
    /// Applies the side files. Returns notes on what they override.
    ///
    /// `GPT2Tokenizer` takes vocabulary, merges and added tokens from `tokenizer.json` and nothing else; whether a space is put
    /// before a text is then a matter of `tokenizer_config.json`.
    pub fn apply(&mut self, side: &SideFiles) -> Result<Vec<String>, CheckpointError> {
        let mut notes = Vec::new();
        if self.form == Form::Slow {
            self.add_prefix_space = side.add_prefix_space;
        } else if side.has_gpt2_rules() {
            let expected = [
                ("pre_tokenizer.add_prefix_space", &mut self.add_prefix_space, side.add_prefix_space),
                ("pre_tokenizer.use_regex", &mut self.use_regex, true),
                ("model.ignore_merges", &mut self.ignore_merges, false),
            ];
            for (field, found, expected) in expected {
                if *found != expected {
                    notes.push(format!(
                        "{} sets `{field}` to {found}, but the tokenizer has {expected}, as in transformers' GPT2Tokenizer \
                         with this tokenizer_config.json",
                        self.path.display()
                    ));
                    *found = expected;
                }
            }
        }
        let mut added = self.declared(side)?;
        let is_named = |content: &str| {
            side.named.iter().any(|(_, token)| token.as_ref().is_some_and(|token| token.content == content))
        };
        for token in added.values_mut() {
            token.special |= is_named(&token.content);
        }
        let mut added: Vec<(u32, AddedToken)> =
            added.into_iter().filter(|(_, token)| !token.content.is_empty()).collect();
        self.append_special(side, &mut added);
        self.added = added;
        self.check_ids()?;
        Ok(notes)
    }

    /// The added tokens that have an id in a file.
    fn declared(&self, side: &SideFiles) -> Result<BTreeMap<u32, AddedToken>, CheckpointError> {
        let refused = |reason: String| Err(malformed(&self.path, None, &reason));
        let (others, name) = match &side.decoder {
            Some(decoder) => (decoder, "tokenizer_config.json (added_tokens_decoder)"),
            None => (&side.added, "added_tokens.json"),
        };
        let mut declared: BTreeMap<u32, AddedToken> = others.iter().cloned().collect();
        for (id, token) in &self.added {
            let other_id = others.iter().find(|(_, other)| other.content == token.content).map(|(id, _)| *id);
            if let Some(other_id) = other_id.filter(|other| other != id) {
                return refused(format!(
                    "the added token {:?} has the id {id}, but {other_id} in {name}: remove the wrong file",
                    token.content
                ));
            }
            if let Some(other) = declared.get(id).filter(|other| other.content != token.content) {
                return refused(format!(
                    "the id {id} belongs to the added token {:?}, but to {:?} in {name}: remove the wrong file",
                    token.content, other.content
                ));
            }
            let is_lost = side.decoder.is_some() && other_id.is_none() && side.has_gpt2_rules();
            if is_lost && token.content != END_OF_TEXT {
                return refused(format!(
                    "the added token {:?} is missing from {name}, and transformers 5 would leave it out: add it there, \
                     or remove added_tokens_decoder",
                    token.content
                ));
            }
            if side.decoder.is_none() || other_id.is_none() {
                declared.insert(*id, token.clone());
            }
        }
        Ok(declared)
    }

    /// Appends the special tokens that have no id in a file: it is that of the vocabulary, else the next one.
    fn append_special(&self, side: &SideFiles, added: &mut Vec<(u32, AddedToken)>) {
        let declared = added.len();
        let mut tokens: Vec<AddedToken> = Vec::new();
        // GPT2Tokenizer's defaults.
        if side.has_gpt2_rules() {
            for name in ["bos_token", "eos_token", "unk_token"] {
                match side.named.iter().find(|(known, _)| known == name) {
                    Some((_, token)) => tokens.extend(token.clone()),
                    None => tokens.push(AddedToken::from(END_OF_TEXT, true)),
                }
            }
        }
        tokens.extend(side.named.iter().filter_map(|(_, token)| token.clone()));
        tokens.extend(side.extra.iter().cloned());
        let mut next = added.iter().map(|(id, _)| id.saturating_add(1)).max().unwrap_or(0);
        next = next.max(u32::try_from(self.tokens.len()).unwrap_or(u32::MAX));
        for token in tokens {
            if token.content.is_empty() || added.iter().any(|(_, known)| known.content == token.content) {
                continue;
            }
            let id = self.tokens.get(&token.content).copied().unwrap_or_else(|| {
                next = next.saturating_add(1);
                next - 1
            });
            added.push((id, token.special(true)));
        }
        // The default is no token of a vocabulary of one's own; it only takes an id before others.
        let is_default = |token: &AddedToken| {
            token.content == END_OF_TEXT
                && !self.tokens.contains_key(END_OF_TEXT)
                && !side
                    .named
                    .iter()
                    .any(|(_, named)| named.as_ref().is_some_and(|named| named.content == END_OF_TEXT))
        };
        while added.len() > declared && added.last().is_some_and(|(_, token)| is_default(token)) {
            added.pop();
        }
    }
}
