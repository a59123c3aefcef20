//! text8 (Mahoney 2006; Radford et al. 2019, §3.1).

use std::sync::LazyLock;

use super::TaskConfig;
use super::perplexity::{Headline, PerplexityTask, byte_stream};

/// The task.
pub(super) static TASK: PerplexityTask = PerplexityTask {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/text8/task.toml"))),
    samples: &[("sample.txt", include_bytes!("../../tasks/text8/sample.txt"))],
    headline: Headline::Bytes,
    docs: |file, _| byte_stream(file),
};
