//! How many tokens a forward pass may have on this machine.

use crate::Gpt2Config;

/// Most tokens of a batch by default; beyond it nothing gets faster.
const LIMIT: usize = 8192;
/// Fewest: one full window.
const FEWEST: usize = 1024;
/// Share of the memory that is free which a batch may take.
const SHARE: f64 = 0.25;

/// Bytes of the largest intermediate tensors of one token in f32: residual stream, queries, keys and values, the
/// feed-forward layer with the copies that its activation makes, and one row of attention scores a head.
fn bytes_per_token(config: &Gpt2Config) -> usize {
    let floats = 8 * config.n_embd + 6 * config.n_inner + 2 * config.n_head * config.n_positions;
    floats * size_of::<f32>()
}

/// Bytes of the largest single tensor that one token has a share of: the feed-forward layer, queries, keys and values, or
/// the scores of attention, which Burn's operations keep whole.
fn largest_tensor_bytes_per_token(config: &Gpt2Config) -> usize {
    let scores = config.n_head * config.n_positions;
    config.n_inner.max(3 * config.n_embd).max(scores) * size_of::<f32>()
}

/// A batch budget for models of these shapes when `available_bytes` of memory are free and one tensor may have
/// `largest_buffer_bytes` on the device: between 1,024 and 8,192 tokens, a multiple of 1,024.
pub fn default_batch_tokens<'a>(
    configs: impl Iterator<Item = &'a Gpt2Config> + Clone,
    available_bytes: u64,
    largest_buffer_bytes: Option<u64>,
) -> usize {
    let per_token = configs.clone().map(bytes_per_token).max().unwrap_or(1);
    let in_memory = (available_bytes as f64 * SHARE) as usize / per_token;
    let in_buffer = largest_buffer_bytes.map_or(LIMIT, |bytes| {
        bytes as usize / configs.map(largest_tensor_bytes_per_token).max().unwrap_or(1)
    });
    (in_memory.min(in_buffer) / FEWEST * FEWEST).clamp(FEWEST, LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_or_a_smaller_model_allows_more() {
        let small = [Gpt2Config::new(12, 768, 12, 3072)];
        let large = [Gpt2Config::new(48, 1600, 25, 6400)];
        let both = [small[0].clone(), large[0].clone()];
        let gib = 1 << 30;
        assert_eq!(default_batch_tokens(small.iter(), 64 * gib, None), LIMIT);
        assert_eq!(default_batch_tokens(both.iter(), 0, None), FEWEST);
        let little = |configs: &[Gpt2Config]| default_batch_tokens(configs.iter(), 4 * gib, None);
        assert!(little(&large) < little(&small));
        assert_eq!(default_batch_tokens(large.iter(), 6 * gib, None) % 1024, 0);
    }

    #[test]
    fn one_tensor_fits_the_devices_largest_buffer() {
        let large = [Gpt2Config::new(48, 1600, 25, 6400)];
        let limit = 128 << 20;
        let tokens = default_batch_tokens(large.iter(), 1 << 40, Some(limit));
        assert!((tokens * 6400 * 4) as u64 <= limit);
        assert!((tokens * 25 * 1024 * 4) as u64 <= limit);
    }
}
