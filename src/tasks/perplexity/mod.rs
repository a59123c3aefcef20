//! What the perplexity tasks share (Radford et al. 2019, §3.1): the file is one stream; perplexity is per canonical
//! unit of the original file, not per BPE token; scaling happens before exponentiation (openai/gpt-2#78).

mod files;
mod stream;

use std::ops::Range;
use std::sync::LazyLock;

pub(super) use files::{byte_stream, harness_pages, word_stream};
pub(super) use stream::{Cut, canonical_words, parts};

use super::{Item, Setting, Task, TaskConfig, TaskError};
use crate::data::{BundledFile, DataError, DataFile};
use crate::record::Protocol;
use gpt2_model::request::{Document, Request, Response, Window};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Metric};

/// Positions of GPT-2.
pub(super) const CONTEXT: usize = 1024;

/// The stride of the paper's numbers: Radford, quoted in karpathy/llm.c#276.
pub const PAPER_STRIDE: usize = 32;

/// What reading a file gives.
pub(super) type Parts = Result<Vec<Item<Part>>, DataError>;

/// A perplexity task: everything that differs between the data sets.
pub(super) struct PerplexityTask {
    /// Its card.
    pub config: LazyLock<TaskConfig>,
    /// Its bundled sample.
    pub samples: &'static [BundledFile],
    /// Its first metric.
    pub headline: Headline,
    /// Reads its file.
    pub docs: fn(&DataFile, &Protocol) -> Parts,
}

impl Task for PerplexityTask {
    type Doc = Part;

    fn config(&self) -> &TaskConfig {
        &self.config
    }

    fn samples(&self) -> &'static [BundledFile] {
        self.samples
    }

    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<Part>>, DataError> {
        (self.docs)(file, protocol)
    }

    fn requests(&self, doc: &Part, setting: &Setting<'_>) -> Vec<Request> {
        requests(doc, setting.protocol)
    }

    fn score(&self, doc: &Part, _: &Protocol, responses: &[Response]) -> Result<SampleValues, TaskError> {
        score(doc, responses)
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        metrics(self.headline, protocol)
    }
}

/// A part of a document.
pub(super) struct Part {
    document: Document,
    bytes: Range<usize>,
    /// Whether it is all of the document.
    is_whole: bool,
    /// Words and ends of line of the whole original text.
    words: f64,
    /// Bytes of the whole original text.
    original_bytes: f64,
}

impl Part {
    /// What of the document's units the part has: the share that the bytes scored in its windows have of the
    /// document's. Windows and parts do not end at the same places, and so log-likelihoods and units are of the same
    /// text; over all parts, the shares are the whole.
    fn share(&self, scored_bytes: usize) -> f64 {
        if self.is_whole { 1.0 } else { scored_bytes as f64 / self.document.text().len() as f64 }
    }
}

/// The stride that the protocol names.
fn stride(protocol: &Protocol) -> usize {
    if protocol.name == "harness" {
        return CONTEXT;
    }
    protocol.options.get("stride").and_then(|stride| stride.parse().ok()).unwrap_or(PAPER_STRIDE)
}

fn requests(part: &Part, protocol: &Protocol) -> Vec<Request> {
    vec![Request::Rolling {
        document: part.document.clone(),
        part: part.bytes.clone(),
        window: Window { context: CONTEXT, stride: stride(protocol) },
    }]
}

fn score(part: &Part, responses: &[Response]) -> Result<SampleValues, TaskError> {
    let [Response::Rolling(score)] = responses else {
        return Err(TaskError::Response {
            index: 0,
            expected: "one rolling",
            found: responses.first().map_or("nothing", Response::kind),
        });
    };
    Ok(SampleValues::from([
        ("log_likelihood".to_owned(), score.log_likelihood),
        ("tokens".to_owned(), score.tokens as f64),
        ("words".to_owned(), part.words * part.share(score.bytes)),
        ("bytes".to_owned(), part.original_bytes * part.share(score.bytes)),
    ]))
}

/// What is reported, headline first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Headline {
    /// Perplexity per word.
    Words,
    /// Bits per byte.
    Bytes,
}

fn metrics(headline: Headline, protocol: &Protocol) -> Vec<Metric> {
    let perplexity = |name, units| Metric {
        name,
        aggregate: Aggregate::Perplexity { log_likelihood: "log_likelihood", units },
    };
    let bits = Metric {
        name: "bits_per_byte",
        aggregate: Aggregate::Bits { log_likelihood: "log_likelihood", units: "bytes" },
    };
    if protocol.name == "harness" {
        return vec![perplexity("word_perplexity", "words"), perplexity("byte_perplexity", "bytes"), bits];
    }
    let tokens = perplexity("token_perplexity", "tokens");
    match headline {
        Headline::Words => vec![perplexity("perplexity", "words"), tokens, bits],
        Headline::Bytes => vec![bits, tokens],
    }
}
