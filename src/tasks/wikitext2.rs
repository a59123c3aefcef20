//! WikiText-2 (Merity et al. 2016; Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::TaskConfig;
use super::perplexity::{Cut, Headline, PerplexityTask, harness_pages, word_stream};
use crate::tasks::detokenize::WIKITEXT;

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/wikitext2/task.toml"))),
    samples: &[("sample.tokens", include_bytes!("../../tasks/wikitext2/sample.tokens"))],
    headline: Headline::Words,
    docs: |file, protocol| match protocol.name.as_str() {
        "harness" => harness_pages(file),
        _ => word_stream(file, protocol, &WIKITEXT, Cut::Articles, "detok"),
    },
};
