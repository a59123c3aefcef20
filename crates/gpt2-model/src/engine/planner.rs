//! Turns requests into token sequences, before the first forward pass.

use std::collections::HashMap;
use std::ops::Range;

use super::windows::document_windows;
use super::work::{PlanError, Prompt, ScoredSequence, TokenSet, Work};
use crate::request::{Decoding, Document, Overflow, Request, Side, Trim, Window};
use crate::tokenizer::Gpt2Tokenizer;
use untrusted_input::split_trailing_white_space;

/// Turns requests into work for models with one tokenizer and one context size.
pub struct Planner<'a> {
    tokenizer: &'a Gpt2Tokenizer,
    n_positions: usize,
    /// Tokens of each word list, because all requests of a task share one list.
    exclusions: HashMap<Vec<String>, TokenSet>,
    document: Option<TokenizedDocument>,
}

struct TokenizedDocument {
    sha256: String,
    /// The begin of text and the tokens of the document.
    stream: Vec<u32>,
    /// Byte offset of each token in the document.
    starts: Vec<usize>,
}

impl<'a> Planner<'a> {
    /// A planner for models with `n_positions` positions.
    pub fn new(tokenizer: &'a Gpt2Tokenizer, n_positions: usize) -> Self {
        Self { tokenizer, n_positions, exclusions: HashMap::new(), document: None }
    }

    /// The work that answers `request`.
    ///
    /// # Errors
    /// If the request does not fit the context, has nothing to score, or cannot be tokenized.
    pub fn plan(&mut self, request: &Request) -> Result<Work, PlanError> {
        match request {
            Request::LogLikelihood { context, continuation, excluded_words, overflow } => {
                let excluded = self.excluded_tokens(excluded_words)?;
                self.plan_log_likelihood(context, continuation, excluded, *overflow)
            }
            Request::Rolling { document, part, window } => self.plan_rolling(document, part, *window),
            Request::Generate { prompt, trim, stop, max_new_tokens, decoding } => {
                self.plan_generate(prompt, trim, stop, *max_new_tokens, *decoding)
            }
        }
    }

    /// As in lm-evaluation-harness: trailing white space of the context belongs to the continuation, and both are tokenized as
    /// one string. If the context alone has n tokens, the continuation's tokens are all after the first n.
    fn plan_log_likelihood(
        &self,
        context: &str,
        continuation: &str,
        excluded: TokenSet,
        overflow: Overflow,
    ) -> Result<Work, PlanError> {
        let (context, space) = split_trailing_white_space(context);
        let (mut tokens, context_tokens) = if context.is_empty() {
            let mut tokens = vec![self.tokenizer.begin_of_text()?];
            tokens.extend(self.tokenizer.encode(&format!("{space}{continuation}"))?);
            (tokens, 1)
        } else {
            let whole = self.tokenizer.encode(&format!("{context}{space}{continuation}"))?;
            (whole, self.tokenizer.encode(context)?.len())
        };
        if tokens.len() <= context_tokens {
            return Err(PlanError::Empty(
                "the continuation adds no token to its context; expected some text",
            ));
        }
        let targets = tokens.split_off(context_tokens);
        let read = context_tokens + targets.len() - 1;
        let truncated_tokens = read.saturating_sub(self.n_positions);
        if targets.len() > self.n_positions {
            return Err(PlanError::NoRoom {
                what: "the continuation",
                tokens: targets.len(),
                n_positions: self.n_positions,
            });
        }
        if truncated_tokens > 0 && overflow == Overflow::Refuse {
            return Err(PlanError::TooLong { tokens: read, n_positions: self.n_positions });
        }
        let mut input = tokens.split_off(truncated_tokens);
        input.extend(&targets[..targets.len() - 1]);
        Ok(Work::Score {
            sequences: vec![ScoredSequence { input, targets, excluded }],
            rolling_bytes: None,
            truncated_tokens,
        })
    }

    fn plan_rolling(
        &mut self,
        document: &Document,
        part: &Range<usize>,
        window: Window,
    ) -> Result<Work, PlanError> {
        let (context, stride) = (window.tokens(self.n_positions), window.step(self.n_positions));
        let TokenizedDocument { stream, starts, .. } = self.tokenized(document)?;
        let start_of = |token: usize| starts.get(token).copied().unwrap_or(document.text().len());
        let mut bytes = 0;
        let sequences = document_windows(starts.len(), context, stride)
            .into_iter()
            .filter(|window| part.contains(&starts[window.targets.start]))
            .map(|window| {
                bytes += start_of(window.targets.end) - start_of(window.targets.start);
                ScoredSequence {
                    input: stream[window.input_start..window.targets.end].to_vec(),
                    targets: stream[window.targets.start + 1..=window.targets.end].to_vec(),
                    excluded: TokenSet::default(),
                }
            })
            .collect();
        Ok(Work::Score { sequences, rolling_bytes: Some(bytes), truncated_tokens: 0 })
    }

    /// The tokens of a document. Requests for parts of a document follow each other, so the last document is kept.
    fn tokenized(&mut self, document: &Document) -> Result<&TokenizedDocument, PlanError> {
        let cached = self.document.take().filter(|cached| cached.sha256 == document.sha256());
        let tokenized = match cached {
            Some(cached) => cached,
            None => {
                let (tokens, starts) = self.tokenizer.encode_with_starts(document.text())?;
                let mut stream = vec![self.tokenizer.begin_of_text()?];
                stream.extend(tokens);
                TokenizedDocument { sha256: document.sha256().to_owned(), stream, starts }
            }
        };
        Ok(self.document.insert(tokenized))
    }

    fn plan_generate(
        &self,
        prompt: &str,
        trim: &Trim,
        stop: &[String],
        max_new_tokens: usize,
        decoding: Decoding,
    ) -> Result<Work, PlanError> {
        if max_new_tokens == 0 {
            return Err(PlanError::Empty("`max_new_tokens` is 0; expected at least 1"));
        }
        if max_new_tokens >= self.n_positions {
            return Err(PlanError::NoRoom {
                what: "a prompt of one token with its completion",
                tokens: max_new_tokens.saturating_add(1),
                n_positions: self.n_positions,
            });
        }
        let (mut tokens, mut starts) = self.tokenizer.encode_with_starts(prompt)?;
        if tokens.is_empty() {
            tokens.push(self.tokenizer.begin_of_text()?);
            starts.push(0);
        }
        let truncated_tokens = tokens.len().saturating_sub(self.n_positions - max_new_tokens);
        starts.push(prompt.len());
        let tokens = trimmed(tokens, &starts, truncated_tokens, trim);
        let stop = stop.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Ok(Work::Generate(Prompt { tokens, stop, max_new_tokens, decoding, truncated_tokens }))
    }

    fn excluded_tokens(&mut self, words: &[String]) -> Result<TokenSet, PlanError> {
        if words.is_empty() {
            return Ok(TokenSet::default());
        }
        if let Some(tokens) = self.exclusions.get(words) {
            return Ok(tokens.clone());
        }
        let mut tokens = Vec::new();
        for word in words {
            tokens.extend(self.tokenizer.single_token(&format!(" {word}"))?);
        }
        let tokens = TokenSet::new(tokens);
        self.exclusions.insert(words.to_vec(), tokens.clone());
        Ok(tokens)
    }
}

/// Drops `drop` tokens: first those within the bytes of `trim`, from its side, then from the left. `starts` has the byte at
/// which each token starts, and the length of the text.
fn trimmed(mut tokens: Vec<u32>, starts: &[usize], drop: usize, trim: &Trim) -> Vec<u32> {
    if drop == 0 {
        return tokens;
    }
    let ends = starts.iter().skip(1);
    let bytes = starts.iter().zip(ends).enumerate();
    let within: Vec<usize> = bytes
        .filter(|(_, (start, end))| trim.bytes.start <= **start && **end <= trim.bytes.end)
        .map(|(index, _)| index)
        .collect();
    let inside = drop.min(within.len());
    let dropped = match trim.side {
        Side::Left => within.first().map_or(0..0, |&first| first..first + inside),
        Side::Right => within.last().map_or(0..0, |&last| last + 1 - inside..last + 1),
    };
    tokens.drain(dropped);
    tokens.split_off(drop - inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn plan(
        context: &str,
        continuation: &str,
        n_positions: usize,
        overflow: Overflow,
    ) -> Result<Work, PlanError> {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        Planner::new(&tokenizer, n_positions).plan(&Request::LogLikelihood {
            context: context.to_owned(),
            continuation: continuation.to_owned(),
            excluded_words: Arc::default(),
            overflow,
        })
    }

    fn scored(work: Work) -> (Vec<u32>, Vec<u32>, usize) {
        match work {
            Work::Score { mut sequences, truncated_tokens, .. } => {
                let sequence = sequences.remove(0);
                (sequence.input, sequence.targets, truncated_tokens)
            }
            Work::Generate(_) => panic!("not a score"),
        }
    }

    #[test]
    fn white_space_moves_to_the_continuation() {
        let plain = plan("hello", " world", 16, Overflow::Refuse).unwrap();
        assert_eq!(plan("hello ", "world", 16, Overflow::Refuse).unwrap(), plain);
        assert_eq!(scored(plain), (vec![31373], vec![995], 0));
    }

    #[test]
    fn an_empty_context_is_end_of_text() {
        let work = plan("", "hello world", 16, Overflow::Refuse).unwrap();
        assert_eq!(scored(work), (vec![50256, 31373], vec![31373, 995], 0));
        let work = plan("\n", "hello", 16, Overflow::Refuse).unwrap();
        assert_eq!(scored(work), (vec![50256, 198], vec![198, 31373], 0));
    }

    #[test]
    fn too_long_requests_are_refused_or_truncated_on_the_left() {
        // The model reads 4 tokens, one too many for a context of 3.
        let cut = plan(" a b c d", " e", 3, Overflow::TruncateLeft).unwrap();
        let (input, targets, truncated) = scored(cut);
        assert_eq!((input.len(), targets.len(), truncated), (3, 1, 1));
        let refused = plan(" a b c d", " e", 3, Overflow::Refuse).unwrap_err();
        assert!(refused.to_string().contains("4 tokens, but the model's context has only 3"), "{refused}");
        assert!(plan(" a b c d", " e", 4, Overflow::Refuse).is_ok());
        assert!(matches!(plan("a", " b c d e", 3, Overflow::TruncateLeft), Err(PlanError::NoRoom { .. })));
        assert!(matches!(plan("a", "", 3, Overflow::TruncateLeft), Err(PlanError::Empty(_))));
    }

    #[test]
    fn only_words_of_one_token_are_excluded() {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        let mut planner = Planner::new(&tokenizer, 16);
        let words = ["the".to_owned(), "hereupon".to_owned(), "a".to_owned()];
        let the = tokenizer.encode(" the").unwrap()[0];
        let a = tokenizer.encode(" a").unwrap()[0];
        assert!(tokenizer.encode(" hereupon").unwrap().len() > 1);
        assert_eq!(planner.excluded_tokens(&words).unwrap(), TokenSet::new(vec![the, a]));
    }

    #[test]
    fn prompts_leave_room_for_the_completion() {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        let request = Request::Generate {
            prompt: " a b c d".to_owned(),
            trim: Trim::left(),
            stop: vec![],
            max_new_tokens: 2,
            decoding: Decoding::Greedy,
        };
        match Planner::new(&tokenizer, 5).plan(&request).unwrap() {
            Work::Generate(prompt) => {
                assert_eq!((prompt.tokens.len(), prompt.truncated_tokens), (3, 1));
            }
            Work::Score { .. } => panic!("not a prompt"),
        }
        let error = Planner::new(&tokenizer, 2).plan(&request).unwrap_err().to_string();
        assert_eq!(
            error,
            "a prompt of one token with its completion has 3 tokens, but the model's context has only 2"
        );
    }
}
