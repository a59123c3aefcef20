//! The perplexity tasks (Radford et al. 2019, §3.1).
//!
//! The file is one stream. Perplexity is per canonical unit of the original file, not per BPE token, and is scaled before
//! exponentiation (openai/gpt-2#78).

mod files;
mod part;

use std::sync::LazyLock;

pub use part::PAPER_STRIDE;
pub(super) use part::{Cut, Part, canonical_words, stream, window};

use super::detokenize::{NEWS, PENN_TREEBANK, WIKITEXT};
use super::{Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataError, DataFile};
use crate::record::Protocol;
use files::{byte_stream, harness_pages, word_stream};
use gpt2_model::request::{Request, Response, Window};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Metric};

type Parts = Result<Vec<Item<Part>>, DataError>;

/// What differs between the perplexity tasks.
pub(super) struct PerplexityTask {
    config: LazyLock<TaskConfig>,
    samples: &'static [BundledFile],
    headline: Headline,
    docs: fn(&DataFile, &Protocol) -> Parts,
}

/// A task's first metric.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Headline {
    /// Perplexity per word.
    Words,
    /// Bits per byte.
    Bytes,
}

/// Merity et al. 2016.
pub(super) static WIKITEXT_2: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/wikitext2/task.toml"))),
    samples: &[("sample.tokens", include_bytes!("../../../tasks/wikitext2/sample.tokens"))],
    headline: Headline::Words,
    docs: |file, protocol| match protocol.name.as_str() {
        "harness" => harness_pages(file),
        _ => word_stream(file, protocol, &WIKITEXT, Cut::Articles, "detok"),
    },
};

/// Merity et al. 2016.
pub(super) static WIKITEXT_103: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/wikitext103/task.toml"))),
    samples: &[("sample.raw", include_bytes!("../../../tasks/wikitext103/sample.raw"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &WIKITEXT, Cut::Articles, "raw"),
};

/// As Mikolov cut it.
pub(super) static PTB: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/ptb/task.toml"))),
    samples: &[("sample.txt", include_bytes!("../../../tasks/ptb/sample.txt"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &PENN_TREEBANK, Cut::Lines, "detok"),
};

/// Chelba et al. 2013.
pub(super) static ONE_BILLION_WORD: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/1bw/task.toml"))),
    samples: &[("sample.tokens", include_bytes!("../../../tasks/1bw/sample.tokens"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &NEWS, Cut::Lines, "detok"),
};

/// Hutter 2006.
pub(super) static ENWIK8: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/enwik8/task.toml"))),
    samples: &[("sample.xml", include_bytes!("../../../tasks/enwik8/sample.xml"))],
    headline: Headline::Bytes,
    docs: |file, _| byte_stream(file),
};

/// Mahoney 2006.
pub(super) static TEXT8: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/text8/task.toml"))),
    samples: &[("sample.txt", include_bytes!("../../../tasks/text8/sample.txt"))],
    headline: Headline::Bytes,
    docs: |file, _| byte_stream(file),
};

impl Task for PerplexityTask {
    type Doc = Part;

    fn config(&self) -> &TaskConfig {
        &self.config
    }

    fn samples(&self) -> &'static [BundledFile] {
        self.samples
    }

    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Parts {
        (self.docs)(file, protocol)
    }

    fn content(&self, doc: &Part) -> Option<Vec<String>> {
        doc.content()
    }

    fn window(&self, protocol: &Protocol) -> Option<Window> {
        Some(window(protocol))
    }

    fn requests(&self, doc: &Part, setting: &Setting<'_>) -> Vec<Request> {
        doc.requests(setting.protocol)
    }

    fn score(
        &self,
        doc: &Part,
        _: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        doc.score(responses)
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let perplexity = |name, units| Metric {
            name,
            aggregate: Aggregate::Perplexity { log_likelihood: "log_likelihood", units },
        };
        let bits = Metric {
            name: "bits_per_byte",
            aggregate: Aggregate::Bits { log_likelihood: "log_likelihood", units: "bytes" },
        };
        if protocol.name == "harness" {
            return vec![
                perplexity("word_perplexity", "words"),
                perplexity("byte_perplexity", "bytes"),
                bits,
            ];
        }
        let tokens = perplexity("token_perplexity", "tokens");
        match self.headline {
            Headline::Words => vec![perplexity("perplexity", "words"), tokens, bits],
            Headline::Bytes => vec![bits, tokens],
        }
    }
}
