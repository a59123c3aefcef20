//! enwik8 (Hutter 2006; Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::TaskConfig;
use super::perplexity::{Headline, PerplexityTask, byte_stream};

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/enwik8/task.toml"))),
    samples: &[("sample.xml", include_bytes!("../../tasks/enwik8/sample.xml"))],
    headline: Headline::Bytes,
    docs: |file, _| byte_stream(file),
};
