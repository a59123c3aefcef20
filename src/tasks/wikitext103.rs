//! WikiText-103 (Merity et al. 2016; Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::TaskConfig;
use super::perplexity::{Cut, Headline, PerplexityTask, word_stream};
use crate::tasks::detokenize::WIKITEXT;

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/wikitext103/task.toml"))),
    samples: &[("sample.raw", include_bytes!("../../tasks/wikitext103/sample.raw"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &WIKITEXT, Cut::Articles, "raw"),
};
