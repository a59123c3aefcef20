//! Reproducible randomness: a seed and a name give the same number or order, independent of all other names.

use sha2::{Digest, Sha256};

fn digest(seed: u64, purpose: &str, name: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(purpose.as_bytes());
    hasher.update([0]);
    hasher.update(name.as_bytes());
    hasher.finalize().into()
}

/// The seed of `name`, independent of other names. Different purposes give unrelated seeds.
pub fn seed_of(seed: u64, purpose: &str, name: &str) -> u64 {
    let digest = digest(seed, purpose, name);
    digest[..8].iter().fold(0, |value, &byte| (value << 8) | u64::from(byte))
}

/// A random integer below `bound` for `name`; 0 if `bound` is 0.
pub fn below(bound: usize, seed: u64, purpose: &str, name: &str) -> usize {
    // The high half of a 128-bit product; its bias is below 2^-40.
    ((u128::from(seed_of(seed, purpose, name)) * bound as u128) >> 64) as usize
}

/// The indices of `names` in a random order. Leaving out a name does not change the order of the others; repeated names
/// keep their order.
pub fn shuffled(names: &[&str], seed: u64, purpose: &str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_cached_key(|&index| (digest(seed, purpose, names[index]), index));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_depend_on_seed_purpose_and_name_only() {
        assert_eq!(seed_of(1, "a", "x"), seed_of(1, "a", "x"));
        let all = [seed_of(1, "a", "x"), seed_of(2, "a", "x"), seed_of(1, "b", "x"), seed_of(1, "a", "y")];
        assert!(all.iter().enumerate().all(|(index, seed)| !all[..index].contains(seed)));
        assert_ne!(seed_of(1, "ab", "x"), seed_of(1, "a", "bx"));
        let names: Vec<String> = (0..50).map(|index| index.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = shuffled(&names, 3, "p");
        let half: Vec<usize> = shuffled(&names[..25], 3, "p");
        assert_eq!(all.into_iter().filter(|&index| index < 25).collect::<Vec<_>>(), half);
    }

    #[test]
    fn numbers_are_uniform() {
        let mut counts = [0; 10];
        for index in 0..10_000 {
            counts[below(10, 7, "p", &index.to_string())] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(below(0, 7, "p", "x"), 0);
    }
}
