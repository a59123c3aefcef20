//! From logits to log-probability and argmax at once; full logits of a batch are never kept.

mod choice;
mod exponential;
mod host;
pub(super) mod on_device;

pub(super) use choice::most_probable;
pub(super) use host::{largest_and_log_sum, logit_rows, on_host};
