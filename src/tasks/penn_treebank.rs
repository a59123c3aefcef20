//! Penn Treebank as Mikolov cut it (Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::TaskConfig;
use super::perplexity::{Cut, Headline, PerplexityTask, word_stream};
use crate::tasks::detokenize::PENN_TREEBANK;

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/ptb/task.toml"))),
    samples: &[("sample.txt", include_bytes!("../../tasks/ptb/sample.txt"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &PENN_TREEBANK, Cut::Lines, "detok"),
};
