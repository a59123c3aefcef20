//! The engine's two primitives on packed weights: ragged batches without padding, shared prefixes computed once.

mod decode;
mod prefixes;
mod score;

pub(super) use decode::decode;
pub(super) use score::score;
