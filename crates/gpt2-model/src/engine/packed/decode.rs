//! Continuing many prompts at once: a finished text leaves, the next prompt enters, and what prompts have in common is
//! read once.

use super::prefixes::{MIN_SHARED_PREFIX, common_start};
use crate::engine::generate::Prompt;
use crate::engine::sample::{NextToken, Sampler};
use crate::engine::writing::Writing;
use crate::engine::{EngineError, Usage};
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;
use crate::{NewTokens, PackedGpt2, Stretch};

/// Texts that are written at the same time, at most.
const MAX_TEXTS: usize = 64;
/// Bytes of keys and values that are kept, at most, unless one text alone needs more.
const KEY_VALUE_BYTES: usize = 400 << 20;

/// Continues all prompts; `grown` gets the index of each text with what there is of it, after each of its tokens, and
/// `done` the whole.
///
/// No text depends on the others: the kernels' sums do not, and each has its own draws.
pub fn decode<E: From<EngineError>>(
    model: &PackedGpt2,
    tokenizer: &Gpt2Tokenizer,
    prompts: &[Prompt<'_>],
    batch_tokens: usize,
    usage: &mut Usage,
    grown: &mut dyn FnMut(usize, &str),
    mut done: impl FnMut(usize, Completion) -> Result<(), E>,
) -> Result<(), E> {
    let mut decoder = Decoder::new(model, prompts);
    while decoder.admit(batch_tokens) {
        decoder.step(tokenizer, usage, grown, &mut done)?;
    }
    Ok(())
}

/// A text that is being written.
struct Text<'a> {
    index: usize,
    /// Its own stretch: the end of the prompt and what was written.
    stretch: usize,
    /// Tokens that keys and values must be kept for in the end.
    reserved: usize,
    sampler: Sampler,
    writing: Writing<'a>,
}

struct Decoder<'a> {
    model: &'a PackedGpt2,
    prompts: &'a [Prompt<'a>],
    /// Prompts in lexicographic order.
    order: Vec<usize>,
    /// Tokens that a prompt and the next in that order have in common.
    common: Vec<usize>,
    /// Place in `order` of the next prompt that enters.
    next: usize,
    stretches: Vec<Stretch>,
    /// For each stretch, what needs it: texts, stretches behind it, `shared`.
    needed: Vec<usize>,
    free: Vec<usize>,
    /// Stretches that prompts yet to come stand behind, each behind the one before it, and where they end.
    shared: Vec<(usize, usize)>,
    texts: Vec<Text<'a>>,
    /// What the next forward pass reads.
    reads: Vec<Read<'a>>,
}

struct Read<'a> {
    stretch: usize,
    tokens: ReadTokens<'a>,
    asked: usize,
}

enum ReadTokens<'a> {
    Prompt(&'a [u32]),
    Written([u32; 1]),
}

impl<'a> Decoder<'a> {
    fn new(model: &'a PackedGpt2, prompts: &'a [Prompt<'a>]) -> Self {
        let tokens = |index: usize| prompts[index].0.prompt.as_slice();
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by(|&a, &b| tokens(a).cmp(tokens(b)).then(a.cmp(&b)));
        let common = order.windows(2).map(|pair| common_start(tokens(pair[0]), tokens(pair[1]))).collect();
        Self {
            model,
            prompts,
            order,
            common,
            next: 0,
            stretches: Vec::new(),
            needed: Vec::new(),
            free: Vec::new(),
            shared: Vec::new(),
            texts: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// Lets prompts enter while there is room; false when nothing is left to do.
    fn admit(&mut self, batch_tokens: usize) -> bool {
        let most_tokens = KEY_VALUE_BYTES / self.model.key_value_bytes();
        let mut reading = self.reads.len();
        let mut reserved: usize = self.texts.iter().map(|text| text.reserved).sum();
        while let Some(&index) = self.order.get(self.next) {
            let (continuation, _) = self.prompts[index];
            let prompt = continuation.prompt.len();
            let at_hand = self.shared.last().map_or(0, |&(_, end)| end).min(self.common_before());
            let needs = prompt - at_hand.min(prompt) + continuation.max_new_tokens;
            let is_full = self.texts.len() >= MAX_TEXTS
                || reserved + needs > most_tokens
                || reading + prompt - at_hand.min(prompt) > batch_tokens;
            if is_full && !self.texts.is_empty() {
                break;
            }
            reserved += needs;
            reading += prompt - at_hand.min(prompt);
            self.enter(index, needs);
            self.next += 1;
        }
        !self.texts.is_empty()
    }

    /// Tokens that the next prompt has in common with the one before it.
    fn common_before(&self) -> usize {
        self.next.checked_sub(1).and_then(|before| self.common.get(before)).copied().unwrap_or(0)
    }

    fn enter(&mut self, index: usize, reserved: usize) {
        let (continuation, truncated_tokens) = self.prompts[index];
        let prompt = continuation.prompt.as_slice();
        let common = self.common_before();
        while let Some(&(stretch, end)) = self.shared.last().filter(|(_, end)| *end > common) {
            debug_assert!(end > common);
            self.shared.pop();
            self.release(stretch);
        }
        // Where later prompts part from this one: the nearest last.
        let mut ends: Vec<usize> = Vec::new();
        let mut shared = prompt.len() - 1;
        let (mut parent, mut start) = match self.shared.last() {
            Some(&(stretch, end)) => (Some(stretch), end),
            None => (None, 0),
        };
        for &common in self.common.get(self.next..).unwrap_or_default() {
            shared = shared.min(common);
            if shared < start + MIN_SHARED_PREFIX {
                break;
            }
            if ends.last().is_none_or(|&last| shared + MIN_SHARED_PREFIX <= last) {
                ends.push(shared);
            } else if let Some(last) = ends.last_mut() {
                // Parting a few tokens earlier is cheaper than a stretch for them.
                *last = shared;
            }
        }
        for &end in ends.iter().rev() {
            let stretch = self.add(parent, start);
            self.needed[stretch] += 1;
            self.reads.push(Read { stretch, tokens: ReadTokens::Prompt(&prompt[start..end]), asked: 0 });
            self.shared.push((stretch, end));
            (parent, start) = (Some(stretch), end);
        }
        let stretch = self.add(parent, start);
        self.needed[stretch] += 1;
        self.reads.push(Read { stretch, tokens: ReadTokens::Prompt(&prompt[start..]), asked: 1 });
        self.texts.push(Text {
            index,
            stretch,
            reserved,
            sampler: Sampler::new(continuation.decoding),
            writing: Writing::new(continuation, truncated_tokens),
        });
    }

    fn add(&mut self, parent: Option<usize>, start: usize) -> usize {
        if let Some(parent) = parent {
            self.needed[parent] += 1;
        }
        let stretch = self.model.stretch(parent, start, true);
        match self.free.pop() {
            Some(place) => {
                self.stretches[place] = stretch;
                place
            }
            None => {
                self.stretches.push(stretch);
                self.needed.push(0);
                self.stretches.len() - 1
            }
        }
    }

    /// Gives up one need of a stretch; the memory of what nobody needs is given back.
    fn release(&mut self, stretch: usize) {
        let mut next = Some(stretch);
        while let Some(place) = next {
            self.needed[place] -= 1;
            if self.needed[place] > 0 {
                return;
            }
            next = self.stretches[place].parent;
            self.stretches[place] = self.model.stretch(None, 0, true);
            self.free.push(place);
        }
    }

    /// Reads what there is to read and writes one token of every text.
    fn step<E: From<EngineError>>(
        &mut self,
        tokenizer: &Gpt2Tokenizer,
        usage: &mut Usage,
        grown: &mut dyn FnMut(usize, &str),
        done: &mut impl FnMut(usize, Completion) -> Result<(), E>,
    ) -> Result<(), E> {
        let reads = std::mem::take(&mut self.reads);
        let new: Vec<NewTokens<'_>> = reads
            .iter()
            .map(|read| NewTokens {
                stretch: read.stretch,
                tokens: read.tokens.as_slice(),
                asked: read.asked,
            })
            .collect();
        usage.read_tokens += new.iter().map(|new| new.tokens.len()).sum::<usize>() as u64;
        let hidden = self.model.forward(&mut self.stretches, &new);
        let kept: usize = self.stretches.iter().map(Stretch::bytes).sum();
        usage.key_value_bytes = usage.key_value_bytes.max(kept as u64);
        // The texts stand in the order of their reads: those that go on came first, those that entered behind them.
        let next = next_tokens(self.model, &hidden, &mut self.texts);
        let mut going_on = Vec::with_capacity(self.texts.len());
        for (mut text, next) in std::mem::take(&mut self.texts).into_iter().zip(next) {
            let is_over =
                text.writing.push(next.token, next.log_prob, tokenizer).map_err(EngineError::from)?;
            grown(text.index, text.writing.text());
            if is_over {
                self.release(text.stretch);
                done(text.index, text.writing.finish())?;
            } else {
                let tokens = ReadTokens::Written([next.token]);
                self.reads.push(Read { stretch: text.stretch, tokens, asked: 1 });
                going_on.push(text);
            }
        }
        self.texts = going_on;
        Ok(())
    }
}

impl ReadTokens<'_> {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::Prompt(tokens) => tokens,
            Self::Written(token) => token,
        }
    }
}

/// The next token of every text, by its hidden state. Greedy texts and drawn ones are told apart text by text: what a
/// text gets must not depend on the others.
fn next_tokens(model: &PackedGpt2, hidden: &[f32], texts: &mut [Text<'_>]) -> Vec<NextToken> {
    let rows = || hidden.chunks_exact(model.width());
    let greedy: Vec<f32> = texts
        .iter()
        .zip(rows())
        .filter(|(text, _)| text.sampler.is_greedy())
        .flat_map(|(_, row)| row)
        .copied()
        .collect();
    let mut greedy = model.greedy(&greedy).into_iter();
    let mut logits = Vec::new();
    texts
        .iter_mut()
        .zip(rows())
        .map(|(text, hidden)| {
            if let Some(token) = text.sampler.is_greedy().then(|| greedy.next()).flatten() {
                return NextToken { token: token.token, log_prob: token.log_prob };
            }
            model.logits(hidden, &mut logits);
            text.sampler.next(&logits)
        })
        .collect()
}
