//! Turns requests into token sequences, before the first forward pass.

use std::collections::HashMap;
use std::ops::Range;

use super::windows::document_windows;
use super::work::{PlanError, Prompt, ScoredSequence, TokenSet, Work};
use crate::request::{Decoding, Document, Overflow, Request, Side, Span, Trim, Window};
use crate::tokenizer::Gpt2Tokenizer;
use untrusted_input::{split_trailing_white_space, strip};

/// Turns requests into work for models with one tokenizer and one context size.
pub struct Planner<'a> {
    tokenizer: &'a Gpt2Tokenizer,
    n_positions: usize,
    /// Tokens of each word list, because all requests of a task share one list.
    exclusions: HashMap<Vec<String>, TokenSet>,
    document: Option<TokenizedDocument>,
    /// The last rows and their tokens, because the requests of an item compare the same rows.
    rows: (Vec<String>, Vec<Vec<u32>>),
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
        Self { tokenizer, n_positions, exclusions: HashMap::new(), document: None, rows: Default::default() }
    }

    /// The work that answers `request`.
    ///
    /// # Errors
    /// If the request does not fit the context, has nothing to score, or cannot be tokenized.
    pub fn plan(&mut self, request: &Request) -> Result<Work, PlanError> {
        match request {
            Request::LogLikelihood { context, continuation, excluded_words, overflow, span } => {
                let excluded = self.excluded_tokens(excluded_words)?;
                let (mut tokens, scored) = match span {
                    Span::Continuation => self.after_context(context, continuation)?,
                    Span::Separate => self.separate(context, continuation)?,
                    _ => return self.plan_row(context, continuation, span, excluded),
                };
                let targets = tokens.split_off(scored);
                self.plan_continuation(tokens, targets, excluded, *overflow)
            }
            Request::Rolling { document, part, window } => self.plan_rolling(document, part, *window),
            Request::Generate { prompt, trim, stop, max_new_tokens, decoding } => {
                self.plan_generate(prompt, trim, stop, *max_new_tokens, *decoding)
            }
        }
    }

    /// As in lm-evaluation-harness: trailing white space of the context belongs to the continuation, and both are tokenized as
    /// one string. If the context alone has n tokens, the continuation's tokens are all after the first n. Returns all tokens,
    /// and n.
    fn after_context(&self, context: &str, continuation: &str) -> Result<(Vec<u32>, usize), PlanError> {
        let (context, space) = split_trailing_white_space(context);
        let (tokens, context_tokens) = if context.is_empty() {
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
        Ok((tokens, context_tokens))
    }

    /// All tokens, and how many of them are the context's.
    fn separate(&self, context: &str, continuation: &str) -> Result<(Vec<u32>, usize), PlanError> {
        let mut tokens = self.tokenizer.encode(context)?;
        if tokens.is_empty() {
            tokens.push(self.tokenizer.begin_of_text()?);
        }
        let context_tokens = tokens.len();
        tokens.extend(self.tokenizer.encode(continuation)?);
        if tokens.len() == context_tokens {
            return Err(PlanError::Empty("the continuation has no token; expected some text"));
        }
        Ok((tokens, context_tokens))
    }

    /// Scores all of `targets` after `context`.
    fn plan_continuation(
        &self,
        mut context: Vec<u32>,
        targets: Vec<u32>,
        excluded: TokenSet,
        overflow: Overflow,
    ) -> Result<Work, PlanError> {
        let read = context.len() + targets.len() - 1;
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
        let mut input = context.split_off(truncated_tokens);
        input.extend(&targets[..targets.len() - 1]);
        Ok(Work::Score {
            sequences: vec![ScoredSequence { input, targets, excluded }],
            rolling_bytes: None,
            truncated_tokens,
        })
    }

    /// The part `span` of a row. Follows nanochat's `core_eval.py` (`batch_sequences_*` and `evaluate_example`) wherever that
    /// does not stop with an assertion.
    fn plan_row(
        &mut self,
        context: &str,
        continuation: &str,
        span: &Span,
        excluded: TokenSet,
    ) -> Result<Work, PlanError> {
        let row = format!("{context}{continuation}");
        let compared: Vec<String> = match span {
            Span::AfterCommonPrefix { continuations } => {
                continuations.iter().map(|other| format!("{context}{other}")).collect()
            }
            Span::CommonSuffix { contexts } => {
                contexts.iter().map(|other| format!("{other}{continuation}")).collect()
            }
            _ => vec![strip(context).to_owned()],
        };
        let mut tokens = self.row(&row)?;
        let rows = self.rows(compared)?;
        let start = match span {
            Span::AfterCommonPrefix { .. } => common_length(&tokens, rows, |row, index| row.get(index)),
            Span::CommonSuffix { .. } => {
                let from_end = |row: &[u32], index: usize| row.len().checked_sub(index + 1);
                let common = common_length(&tokens, rows, |row, index| {
                    from_end(row, index).and_then(|at| row.get(at))
                });
                tokens.len() - common
            }
            _ => {
                let before = rows.first().map_or(&[][..], Vec::as_slice);
                if !tokens.starts_with(before) || tokens.len() == before.len() {
                    return Err(PlanError::Empty(
                        "the tokens of the context are not the first tokens of context and continuation; this protocol \
                         has no score for such a record",
                    ));
                }
                before.len()
            }
        };
        let truncated_tokens = tokens.len().saturating_sub(self.n_positions);
        let scored = tokens.len() - start;
        if scored > 0 && truncated_tokens > 0 && start <= truncated_tokens {
            return Err(PlanError::NoRoom {
                what: "the continuation",
                tokens: scored,
                n_positions: self.n_positions,
            });
        }
        let targets = tokens[start..].to_vec();
        // A row has no token before its first one to predict that from. nanochat's mean loss is NaN there too.
        let has_targets = start > 0 && !targets.is_empty();
        tokens.pop();
        let input = tokens.split_off(truncated_tokens.min(tokens.len()));
        let sequences =
            if has_targets { vec![ScoredSequence { input, targets, excluded }] } else { Vec::new() };
        Ok(Work::Score { sequences, rolling_bytes: None, truncated_tokens })
    }

    /// Begin-of-text and the tokens of a text.
    fn row(&self, text: &str) -> Result<Vec<u32>, PlanError> {
        let mut tokens = vec![self.tokenizer.begin_of_text()?];
        tokens.extend(self.tokenizer.encode(text)?);
        Ok(tokens)
    }

    /// The rows of these texts.
    fn rows(&mut self, texts: Vec<String>) -> Result<&[Vec<u32>], PlanError> {
        if self.rows.0 != texts {
            let rows = texts.iter().map(|text| self.row(text)).collect::<Result<_, _>>()?;
            self.rows = (texts, rows);
        }
        Ok(&self.rows.1)
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

/// Number of tokens from one end that `row` and all of `rows` share; `token` returns a row's token at a distance from that
/// end.
fn common_length<'a>(
    row: &'a [u32],
    rows: &'a [Vec<u32>],
    token: impl Fn(&'a [u32], usize) -> Option<&'a u32>,
) -> usize {
    let is_common = |index: &usize| {
        let found = token(row, *index);
        found.is_some() && rows.iter().all(|other| token(other, *index) == found)
    };
    (0..row.len()).take_while(is_common).count()
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
            span: Span::Continuation,
        })
    }

    /// Input and targets of the rows of an item, as one request each.
    fn rows(
        requests: &[(&str, &str, Span)],
        n_positions: usize,
    ) -> Vec<Result<(usize, usize, usize), PlanError>> {
        let tokenizer = Gpt2Tokenizer::bundled().unwrap();
        let mut planner = Planner::new(&tokenizer, n_positions);
        let plan = |(context, continuation, span): &(&str, &str, Span)| {
            let work = planner.plan(&Request::LogLikelihood {
                context: (*context).to_owned(),
                continuation: (*continuation).to_owned(),
                excluded_words: Arc::default(),
                overflow: Overflow::TruncateLeft,
                span: span.clone(),
            })?;
            let Work::Score { sequences, truncated_tokens, .. } = work else { panic!("not a score") };
            let lengths = sequences.first().map(|one| (one.input.len(), one.targets.len()));
            let (input, targets) = lengths.unwrap_or_default();
            Ok((input, targets, truncated_tokens))
        };
        requests.iter().map(plan).collect()
    }

    fn texts(texts: &[&str]) -> Arc<[String]> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn rows_are_scored_where_they_differ() {
        let continuations = texts(&[" the cat sat", " the dog", " the"]);
        let span = Span::AfterCommonPrefix { continuations: Arc::clone(&continuations) };
        let requests: Vec<_> =
            continuations.iter().map(|continuation| ("I saw", continuation.as_str(), span.clone())).collect();
        let planned: Vec<_> = rows(&requests, 16).into_iter().map(Result::unwrap).collect();
        // Begin-of-text, `I`, ` saw`, ` the` are common. Nothing of the last row is left.
        assert_eq!(planned, [(5, 2, 0), (4, 1, 0), (0, 0, 0)]);
        let contexts = texts(&["Ann's dog barked", "The cat, not the dog barked"]);
        let span = Span::CommonSuffix { contexts: Arc::clone(&contexts) };
        let requests: Vec<_> =
            contexts.iter().map(|context| (context.as_str(), " at him", span.clone())).collect();
        let planned: Vec<_> = rows(&requests, 16).into_iter().map(Result::unwrap).collect();
        // ` dog`, ` bark`, `ed`, ` at`, ` him` are common, more than the continuation.
        assert_eq!(planned, [(7, 5, 0), (10, 5, 0)]);
    }

    #[test]
    fn cropped_rows_keep_their_end() {
        let span = Span::AfterTrimmedContext;
        let context = "one two three four five ";
        let planned = rows(&[(context, " six seven", span.clone())], 4).remove(0).unwrap();
        assert_eq!(planned, (3, 3, 5), "the space before ` six` is a token");
        assert!(matches!(
            rows(&[(context, "six", span.clone())], 1).remove(0),
            Err(PlanError::NoRoom { .. })
        ));
        assert!(matches!(rows(&[("one", "", span.clone())], 9).remove(0), Err(PlanError::Empty(_))));
        assert!(matches!(rows(&[("o", "ne", span)], 9).remove(0), Err(PlanError::Empty(_))));
    }

    #[test]
    fn separate_tokens_keep_the_white_space() {
        let planned = rows(&[("hello ", "world", Span::Separate)], 9).remove(0).unwrap();
        assert_eq!(planned, (2, 1, 0));
        assert!(matches!(rows(&[("hello", "", Span::Separate)], 9).remove(0), Err(PlanError::Empty(_))));
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
