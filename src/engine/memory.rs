//! How many tokens a forward pass may have on this machine.

use crate::model::Gpt2Config;

/// Most tokens of a batch by default; beyond it nothing gets faster.
const MOST: usize = 8192;
/// Fewest: one full window.
const FEWEST: usize = 1024;
/// Share of the memory that is free which a batch may take.
const SHARE: f64 = 0.25;

/// Bytes of the largest intermediate tensors of one token in f32: residual stream, queries, keys and values, the
/// feed-forward layer with the copies that its activation makes, and one row of attention scores a head.
fn bytes_per_token(config: &Gpt2Config) -> usize {
    let floats = 8 * config.width + 6 * config.inner_width + 2 * config.heads * config.context;
    floats * size_of::<f32>()
}

/// A batch budget for models of these shapes when `available_bytes` of memory are free: between 1,024 and 8,192 tokens,
/// a multiple of 1,024.
pub fn default_batch_tokens<'a>(
    configs: impl IntoIterator<Item = &'a Gpt2Config>,
    available_bytes: u64,
) -> usize {
    let per_token = configs.into_iter().map(bytes_per_token).max().unwrap_or(1);
    let fitting = (available_bytes as f64 * SHARE) as usize / per_token;
    (fitting / FEWEST * FEWEST).clamp(FEWEST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_or_a_smaller_model_allows_more() {
        let small = Gpt2Config::new(12, 768, 12, 3072);
        let large = Gpt2Config::new(48, 1600, 25, 6400);
        let gib = 1 << 30;
        assert_eq!(default_batch_tokens([&small], 64 * gib), MOST);
        assert_eq!(default_batch_tokens([&small, &large], 0), FEWEST);
        assert!(default_batch_tokens([&large], 4 * gib) < default_batch_tokens([&small], 4 * gib));
        assert_eq!(default_batch_tokens([&large], 6 * gib) % 1024, 0);
    }
}
