//! From logits to log-probability and argmax at once; full logits of a batch are never kept.

mod exponential;
mod host;
pub(super) mod on_device;

pub(super) use host::{LogitRow, logit_rows, on_host};
