//! One Billion Word (Chelba et al. 2013; Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::TaskConfig;
use super::perplexity::{Cut, Headline, PerplexityTask, word_stream};
use crate::tasks::detokenize::NEWS;

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/1bw/task.toml"))),
    samples: &[("sample.tokens", include_bytes!("../../tasks/1bw/sample.tokens"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &NEWS, Cut::Lines, "detok"),
};
