//! One Billion Word (Chelba et al. 2013; Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::Card;
use super::perplexity::{Cut, Headline, PerplexityTask, word_stream};
use crate::text::NEWS;

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    card: LazyLock::new(|| Card::bundled(include_str!("../../tasks/1bw/task.toml"))),
    samples: &[("sample.tokens", include_bytes!("../../tasks/1bw/sample.tokens"))],
    headline: Headline::Words,
    docs: |file, protocol| word_stream(file, protocol, &NEWS, Cut::Lines, "detok"),
};
