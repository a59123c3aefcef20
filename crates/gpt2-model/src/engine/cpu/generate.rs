//! Continues many prompts with continuous batching: a finished completion leaves, the next prompt enters, and shared
//! prefixes run once.

use gpt2_kernels::NextToken;

use super::prefixes::{MIN_SHARED_PREFIX, common_prefix};
use crate::engine::Usage;
use crate::engine::backend::{Halt, Progress, Report};
use crate::engine::generation::Generation;
use crate::engine::work::Prompt;
use crate::request::Completion;
use crate::tokenizer::Gpt2Tokenizer;
use crate::{KvSegment, NewTokens, PackedGpt2};

/// Largest number of completions that are generated at the same time.
const MAX_COMPLETIONS: usize = 64;
/// Largest KV cache in bytes, unless one completion alone needs more.
const MAX_KV_CACHE_BYTES: usize = 400 << 20;

/// Continues all prompts. No completion depends on the others: the kernels' sums do not, and each has its own sampler.
pub fn generate(
    model: &PackedGpt2,
    tokenizer: &Gpt2Tokenizer,
    prompts: &[&Prompt],
    batch_tokens: usize,
    grown: &mut dyn FnMut(usize, &str),
    report: &mut Report<'_, Completion>,
) -> Result<(), Halt> {
    let mut scheduler = Scheduler::new(model, prompts);
    while scheduler.admit(batch_tokens) {
        scheduler.step(tokenizer, grown, report)?;
    }
    Ok(())
}

/// A completion in the batch.
struct Active<'a> {
    /// Its own segment: the end of the prompt and the generated tokens.
    segment: usize,
    /// Tokens whose keys and values it needs at the end.
    reserved: usize,
    generation: Generation<'a>,
}

struct Scheduler<'a> {
    model: &'a PackedGpt2,
    prompts: &'a [&'a Prompt],
    /// Indices of the prompts in lexicographic order.
    order: Vec<usize>,
    /// Length of the common prefix of each prompt and the next one in that order.
    common: Vec<usize>,
    /// Index into `order` of the next prompt to enter.
    next: usize,
    segments: Vec<KvSegment>,
    /// For each segment the number of its users: completions, child segments, `shared`.
    users: Vec<usize>,
    /// Indices of unused segments.
    free: Vec<usize>,
    /// Prefix segments that later prompts will use, each the parent of the next, and the position where each ends.
    shared: Vec<(usize, usize)>,
    active: Vec<Active<'a>>,
    /// Tokens that the next forward pass reads.
    pending: Vec<Pending<'a>>,
}

struct Pending<'a> {
    segment: usize,
    tokens: PendingTokens<'a>,
    outputs: usize,
}

enum PendingTokens<'a> {
    Prompt(&'a [u32]),
    Generated([u32; 1]),
}

impl PendingTokens<'_> {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::Prompt(tokens) => tokens,
            Self::Generated(token) => token,
        }
    }
}

impl<'a> Scheduler<'a> {
    fn new(model: &'a PackedGpt2, prompts: &'a [&'a Prompt]) -> Self {
        let tokens = |index: usize| prompts[index].tokens.as_slice();
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by(|&a, &b| tokens(a).cmp(tokens(b)).then(a.cmp(&b)));
        let common = order.windows(2).map(|pair| common_prefix(tokens(pair[0]), tokens(pair[1]))).collect();
        Self {
            model,
            prompts,
            order,
            common,
            next: 0,
            segments: Vec::new(),
            users: Vec::new(),
            free: Vec::new(),
            shared: Vec::new(),
            active: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Admits prompts while there is room. False if nothing is left to do.
    fn admit(&mut self, batch_tokens: usize) -> bool {
        let max_tokens = MAX_KV_CACHE_BYTES / self.model.kv_cache_bytes_per_token();
        let mut reading = self.pending.len();
        let mut reserved: usize = self.active.iter().map(|active| active.reserved).sum();
        while let Some(&index) = self.order.get(self.next) {
            let prompt = self.prompts[index];
            let length = prompt.tokens.len();
            let cached = self.shared.last().map_or(0, |&(_, end)| end).min(self.common_with_previous());
            let uncached = length - cached.min(length);
            let needed = uncached + prompt.max_new_tokens;
            let is_full = self.active.len() >= MAX_COMPLETIONS
                || reserved + needed > max_tokens
                || reading + uncached > batch_tokens;
            if is_full && !self.active.is_empty() {
                break;
            }
            reserved += needed;
            reading += uncached;
            self.enter(index, needed);
            self.next += 1;
        }
        !self.active.is_empty()
    }

    /// Length of the common prefix of the next prompt and the one before it.
    fn common_with_previous(&self) -> usize {
        self.next.checked_sub(1).and_then(|previous| self.common.get(previous)).copied().unwrap_or(0)
    }

    fn enter(&mut self, index: usize, reserved: usize) {
        let prompt = self.prompts[index];
        let tokens = prompt.tokens.as_slice();
        let common = self.common_with_previous();
        while let Some(&(segment, _)) = self.shared.last().filter(|(_, end)| *end > common) {
            self.shared.pop();
            self.release(segment);
        }
        // Positions where later prompts diverge from this one, the nearest last.
        let mut ends: Vec<usize> = Vec::new();
        let mut shared = tokens.len() - 1;
        let (mut parent, mut start) = match self.shared.last() {
            Some(&(segment, end)) => (Some(segment), end),
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
                // Ending a segment a few tokens earlier is cheaper than another segment.
                *last = shared;
            }
        }
        for &end in ends.iter().rev() {
            let segment = self.add_segment(parent, start);
            self.users[segment] += 1;
            let tokens = PendingTokens::Prompt(&tokens[start..end]);
            self.pending.push(Pending { segment, tokens, outputs: 0 });
            self.shared.push((segment, end));
            (parent, start) = (Some(segment), end);
        }
        let segment = self.add_segment(parent, start);
        self.users[segment] += 1;
        self.pending.push(Pending { segment, tokens: PendingTokens::Prompt(&tokens[start..]), outputs: 1 });
        self.active.push(Active { segment, reserved, generation: Generation::new(index, prompt) });
    }

    fn add_segment(&mut self, parent: Option<usize>, start: usize) -> usize {
        if let Some(parent) = parent {
            self.users[parent] += 1;
        }
        let segment = self.model.segment(parent, start, true);
        match self.free.pop() {
            Some(index) => {
                self.segments[index] = segment;
                index
            }
            None => {
                self.segments.push(segment);
                self.users.push(0);
                self.segments.len() - 1
            }
        }
    }

    /// Removes one user of a segment. A segment without users gives its memory back and leaves its parent.
    fn release(&mut self, segment: usize) {
        let mut next = Some(segment);
        while let Some(index) = next {
            self.users[index] -= 1;
            if self.users[index] > 0 {
                return;
            }
            next = self.segments[index].parent;
            self.segments[index] = self.model.segment(None, 0, true);
            self.free.push(index);
        }
    }

    /// Runs one forward pass and appends one token to every active completion.
    fn step(
        &mut self,
        tokenizer: &Gpt2Tokenizer,
        grown: &mut dyn FnMut(usize, &str),
        report: &mut Report<'_, Completion>,
    ) -> Result<(), Halt> {
        let pending = std::mem::take(&mut self.pending);
        let new: Vec<NewTokens<'_>> = pending
            .iter()
            .map(|pending| NewTokens {
                segment: pending.segment,
                tokens: pending.tokens.as_slice(),
                outputs: pending.outputs,
            })
            .collect();
        let hidden = self.model.forward(&mut self.segments, &new);
        let usage = Usage {
            read_tokens: new.iter().map(|new| new.tokens.len()).sum::<usize>() as u64,
            padding_tokens: 0,
            kv_cache_bytes: self.segments.iter().map(KvSegment::bytes).sum::<usize>() as u64,
        };
        // Active completions and their outputs have the same order: those that continue, then those that entered.
        let next = next_tokens(self.model, &hidden, &mut self.active);
        let mut finished = Vec::new();
        let mut continuing = Vec::with_capacity(self.active.len());
        for (mut active, next) in std::mem::take(&mut self.active).into_iter().zip(next) {
            let is_finished = active.generation.push(next, tokenizer);
            grown(active.generation.index, active.generation.text());
            if is_finished {
                self.release(active.segment);
                finished.push((active.generation.index, active.generation.finish()));
            } else {
                let tokens = PendingTokens::Generated([next.token]);
                self.pending.push(Pending { segment: active.segment, tokens, outputs: 1 });
                continuing.push(active);
            }
        }
        self.active = continuing;
        Ok(report(Progress::Done(finished, usage))?)
    }
}

/// The next token of every completion. Whether a completion is greedy is decided for each alone, so that it does not depend
/// on the others.
///
/// # Shapes
/// - hidden: `[completions, n_embd]`
fn next_tokens(model: &PackedGpt2, hidden: &[f32], active: &mut [Active<'_>]) -> Vec<NextToken> {
    let rows = || hidden.chunks_exact(model.n_embd());
    let greedy: Vec<f32> = active
        .iter()
        .zip(rows())
        .filter(|(active, _)| active.generation.sampler.is_greedy())
        .flat_map(|(_, row)| row)
        .copied()
        .collect();
    let mut greedy = model.greedy_tokens(&greedy).into_iter();
    let mut logits = Vec::new();
    active
        .iter_mut()
        .zip(rows())
        .map(|(active, hidden)| {
            let sampler = &mut active.generation.sampler;
            if let Some(next) = sampler.is_greedy().then(|| greedy.next()).flatten() {
                return next;
            }
            model.logits(hidden, &mut logits);
            sampler.next(&logits)
        })
        .collect()
}
