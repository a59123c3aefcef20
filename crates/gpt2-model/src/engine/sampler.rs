//! Choosing the next token: greedy, or sampled with temperature, top-k and top-p as transformers filters.

use gpt2_kernels::NextToken;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::softmax::argmax_and_log_sum;
use crate::request::{Decoding, Sampling};

/// Chooses the tokens of one completion. Its random numbers depend on its seed alone, never on the rest of a batch.
pub(super) enum Sampler {
    Greedy,
    Sample { sampling: Sampling, numbers: Box<ChaCha8Rng> },
}

impl Sampler {
    pub fn new(decoding: Decoding) -> Self {
        match decoding {
            Decoding::Greedy => Self::Greedy,
            Decoding::Sample(sampling) => {
                Self::Sample { sampling, numbers: Box::new(ChaCha8Rng::seed_from_u64(sampling.seed)) }
            }
        }
    }

    /// Whether it always takes the most probable token.
    pub fn is_greedy(&self) -> bool {
        matches!(self, Self::Greedy)
    }

    /// The next token by its logits, with its log-probability before any filter.
    pub fn next(&mut self, logits: &[f32]) -> NextToken {
        let (most_probable, log_sum) = argmax_and_log_sum(logits);
        let token = match self {
            Self::Greedy => most_probable,
            Self::Sample { sampling, numbers } => {
                let uniform = (numbers.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
                pick(&filtered_distribution(logits, sampling), uniform).unwrap_or(most_probable)
            }
        };
        let logit = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
        NextToken { token, log_prob: f64::from(logit) - log_sum }
    }
}

/// The tokens that can be sampled and their probabilities, most probable first; the lower id first on a tie.
///
/// Equal to transformers' `TopKLogitsWarper` and `TopPLogitsWarper`: all tokens that tie with the k-th stay, and the token
/// that reaches `top_p` stays.
pub fn filtered_distribution(logits: &[f32], sampling: &Sampling) -> Vec<(u32, f64)> {
    let mut kept: Vec<(u32, f64)> = logits
        .iter()
        .enumerate()
        .map(|(token, &logit)| (token as u32, f64::from(logit) / sampling.temperature))
        .collect();
    let by_logit = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if let Some(last) = sampling.top_k.map(|k| k.max(1) - 1).filter(|&last| last < kept.len()) {
        let (_, &mut (_, smallest), _) = kept.select_nth_unstable_by(last, by_logit);
        kept.retain(|&(_, logit)| logit >= smallest);
    }
    kept.sort_unstable_by(by_logit);
    let Some(&(_, largest)) = kept.first() else { return kept };
    let mut total = 0.0;
    for (_, value) in &mut kept {
        *value = (*value - largest).exp();
        total += *value;
    }
    if let Some(top_p) = sampling.top_p {
        let mut before = 0.0;
        let enough = kept.iter().position(|(_, weight)| {
            let reached = before >= top_p * total;
            before += weight;
            reached
        });
        kept.truncate(enough.unwrap_or(kept.len()).max(1));
        total = kept.iter().map(|(_, weight)| weight).sum();
    }
    for (_, weight) in &mut kept {
        *weight /= total;
    }
    kept
}

/// The token at quantile `uniform`, from 0 to 1, of the distribution.
fn pick(distribution: &[(u32, f64)], uniform: f64) -> Option<u32> {
    let mut below = 0.0;
    for &(token, probability) in distribution {
        below += probability;
        if uniform < below {
            return Some(token);
        }
    }
    // Rounding may leave the sum slightly below 1.
    distribution.last().map(|&(token, _)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>, seed: u64) -> Sampling {
        Sampling { temperature, top_k, top_p, seed }
    }

    /// Pearson's χ² of `samples` samples of one token against the exact filtered distribution, and the degrees of freedom.
    fn chi_square(logits: &[f32], setting: Sampling, samples: usize) -> (f64, usize) {
        let distribution = filtered_distribution(logits, &setting);
        let mut counts = vec![0usize; logits.len()];
        for seed in 0..samples {
            let mut sampler = Sampler::new(Decoding::Sample(Sampling { seed: seed as u64, ..setting }));
            counts[sampler.next(logits).token as usize] += 1;
        }
        let mut statistic = 0.0;
        for &(token, probability) in &distribution {
            let expected = probability * samples as f64;
            statistic += (counts[token as usize] as f64 - expected).powi(2) / expected;
            counts[token as usize] = 0;
        }
        assert!(counts.iter().all(|&count| count == 0), "a token outside the filter was sampled");
        (statistic, distribution.len() - 1)
    }

    #[test]
    fn samples_follow_the_exact_filtered_distribution() {
        let logits: Vec<f32> = (0..40).map(|index| ((index * 37 % 40) as f32) / 8.0).collect();
        for (setting, freedom) in [
            (sampling(1.0, Some(2), None, 0), 1),
            (sampling(0.7, Some(10), None, 0), 9),
            (sampling(1.3, None, Some(0.9), 0), 22),
            (sampling(1.0, Some(20), Some(0.5), 0), 4),
            (sampling(1.0, None, None, 0), 39),
        ] {
            let (statistic, found) = chi_square(&logits, setting, 20_000);
            assert_eq!(found, freedom, "{setting:?}");
            // Above the 99.9 % quantile of all of these, and far below the statistic of a wrong filter.
            let limit = freedom as f64 + 3.1 * (2.0 * freedom as f64).sqrt() + 8.0;
            assert!(statistic < limit, "{setting:?}: {statistic} with {freedom} degrees of freedom");
        }
    }

    #[test]
    fn samples_of_one_seed_follow_the_distribution() {
        let logits = [0.0f32, 1.0, 2.0];
        let mut sampler = Sampler::new(Decoding::Sample(sampling(1.0, None, None, 5)));
        let mut counts = [0f64; 3];
        for _ in 0..30_000 {
            counts[sampler.next(&logits).token as usize] += 1.0;
        }
        let weights = logits.map(|logit| f64::from(logit).exp());
        let total: f64 = weights.iter().sum();
        let statistic: f64 = counts
            .iter()
            .zip(weights)
            .map(|(count, weight)| {
                let expected = 30_000.0 * weight / total;
                (count - expected).powi(2) / expected
            })
            .sum();
        assert!(statistic < 13.8, "{statistic} with 2 degrees of freedom");
    }

    #[test]
    fn filters_keep_the_tokens_that_transformers_keeps() {
        let tokens = |setting: &Sampling, logits: &[f32]| -> Vec<u32> {
            filtered_distribution(logits, setting).into_iter().map(|(token, _)| token).collect()
        };
        let logits = [1.0, 3.0, 3.0, 0.0, 2.0];
        assert_eq!(tokens(&sampling(1.0, Some(1), None, 0), &logits), [1, 2], "ties with the k-th stay");
        assert_eq!(tokens(&sampling(1.0, Some(3), None, 0), &logits), [1, 2, 4]);
        assert_eq!(tokens(&sampling(1.0, Some(99), None, 0), &logits), [1, 2, 4, 0, 3]);
        assert_eq!(tokens(&sampling(1.0, None, Some(1e-9), 0), &logits), [1], "one token always stays");
        let halves = [0.0, 0.0];
        assert_eq!(tokens(&sampling(1.0, None, Some(0.5), 0), &halves), [0]);
        assert_eq!(tokens(&sampling(1.0, None, Some(0.51), 0), &halves), [0, 1]);
        let sharp = filtered_distribution(&logits, &sampling(0.01, None, None, 0));
        assert!((sharp[0].1 - 0.5).abs() < 1e-12 && sharp[2].1 < 1e-30);
        assert!(filtered_distribution(&[], &sampling(1.0, None, None, 0)).is_empty());
    }

    #[test]
    fn equal_seeds_give_equal_tokens() {
        let logits = [0.3f32, 0.1, 0.2, 0.4];
        let tokens = |seed| -> Vec<u32> {
            let mut sampler = Sampler::new(Decoding::Sample(sampling(1.0, None, None, seed)));
            (0..50).map(|_| sampler.next(&logits).token).collect()
        };
        assert_eq!(tokens(1), tokens(1));
        assert_ne!(tokens(1), tokens(2));
    }
}
