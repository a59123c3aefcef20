//! Reads the files of a tokenizer and checks that they are those of a GPT-2.
//!
//! The `tokenizers` crate does not read them, because it accepts tokenizers that change the text, and panics on merges whose
//! result is not in the vocabulary.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tokenizers::AddedToken;
use tokenizers::models::bpe::{Merges, Vocab};

use super::bytes::is_byte;
use crate::error::CheckpointError;
use untrusted_input::clipped;

/// Upper bound of token ids, far above every vocabulary: a damaged file must not cause a large allocation.
const MAX_IDS: u32 = 1 << 24;

/// Tokens of a byte-level BPE that may end like the words of another BPE.
const MAX_WORD_ENDS: usize = 50;

/// The form of a tokenizer's files, by transformers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Vocabulary and merges.
    Slow,
    /// `tokenizer.json`, which has all of a tokenizer.
    Fast,
}

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
    pub form: Form,
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
            form: Form::Slow,
        }
    }

    /// Everything but tokens and merges that decides on the ids of a text, for a checksum. Tokens for which `is_plain` holds
    /// are not found in texts.
    pub fn description(&self, is_plain: impl Fn(&AddedToken) -> bool) -> String {
        let mut text = format!(
            "prefix {} regex {} whole words {}",
            self.add_prefix_space, self.use_regex, self.ignore_merges
        );
        for (id, token) in &self.added {
            let is_plain = is_plain(token);
            // Plain tokens of the vocabulary change nothing.
            if is_plain && self.tokens.contains_key(&token.content) {
                continue;
            }
            let AddedToken { content, single_word, lstrip, rstrip, normalized, .. } = token;
            // Writing to a string cannot fail.
            let _ = write!(text, " {id} {content:?} {single_word} {lstrip} {rstrip} {normalized} {is_plain}");
        }
        text
    }

    /// Ids must be unique and below [`MAX_IDS`].
    pub fn check_ids(&self) -> Result<(), CheckpointError> {
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
    pub fn check_merges(
        &self,
        location: impl Fn(usize) -> (PathBuf, Option<usize>),
    ) -> Result<(), CheckpointError> {
        let ends = self.tokens.keys().filter(|token| token.len() > 4 && token.ends_with("</w>")).count();
        if ends > MAX_WORD_ENDS {
            let reason = format!(
                "{ends} tokens end in \"</w>\", the word end of another BPE; expected GPT-2's byte-level BPE"
            );
            return Err(malformed(&self.path, None, &reason));
        }
        for (index, (left, right)) in self.merges.iter().enumerate() {
            let foreign = left.chars().chain(right.chars()).find(|character| !is_byte(*character));
            if let Some(character) = foreign {
                let (path, line) = location(index);
                let reason = format!(
                    "the merge of {left:?} and {right:?} has {character:?}, which stands for no byte; expected GPT-2's \
                     byte-level BPE"
                );
                return Err(malformed(&path, line, &reason));
            }
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
    let vocab = vocab.strip_prefix(b"\xef\xbb\xbf").unwrap_or(vocab);
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
}
