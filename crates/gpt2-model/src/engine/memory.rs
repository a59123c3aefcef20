//! Default batch size for the memory of this machine.

use crate::Gpt2Config;

/// Largest default; larger batches are not faster.
const MAX_TOKENS: usize = 8192;
/// One full context.
const MIN_TOKENS: usize = 1024;
/// Share of the free memory for a batch.
const MEMORY_SHARE: f64 = 0.25;

/// Bytes of the intermediate f32 tensors for one token: residual stream, queries, keys and values, the MLP with the copies of
/// its activation, and one row of attention scores a head.
fn bytes_per_token(config: &Gpt2Config) -> usize {
    let floats = 8 * config.n_embd + 6 * config.n_inner + 2 * config.n_head * config.n_positions;
    floats * size_of::<f32>()
}

/// Bytes for one token in the largest single tensor: the MLP, queries, keys and values, or the attention scores, which Burn
/// does not split.
fn largest_tensor_bytes_per_token(config: &Gpt2Config) -> usize {
    let scores = config.n_head * config.n_positions;
    config.n_inner.max(3 * config.n_embd).max(scores) * size_of::<f32>()
}

/// Tokens of a batch for models of these shapes, with `available_bytes` of free memory and tensors of at most
/// `largest_buffer_bytes` on the device: a multiple of 1,024 from 1,024 to 8,192.
pub fn default_batch_tokens<'a>(
    configs: impl Iterator<Item = &'a Gpt2Config> + Clone,
    available_bytes: u64,
    largest_buffer_bytes: Option<u64>,
) -> usize {
    let per_token = configs.clone().map(bytes_per_token).max().unwrap_or(1);
    let in_memory = (available_bytes as f64 * MEMORY_SHARE) as usize / per_token;
    let in_buffer = largest_buffer_bytes.map_or(MAX_TOKENS, |bytes| {
        bytes as usize / configs.map(largest_tensor_bytes_per_token).max().unwrap_or(1)
    });
    (in_memory.min(in_buffer) / MIN_TOKENS * MIN_TOKENS).clamp(MIN_TOKENS, MAX_TOKENS)
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
        assert_eq!(default_batch_tokens(small.iter(), 64 * gib, None), MAX_TOKENS);
        assert_eq!(default_batch_tokens(both.iter(), 0, None), MIN_TOKENS);
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
