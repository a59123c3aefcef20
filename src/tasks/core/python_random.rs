//! Python's `random.Random`: seeding, `shuffle` and `sample`, bit for bit (`CPython` 3.10 to 3.13, `Lib/random.py`).

use rand_mt::Mt;

/// `random.Random(seed)`.
pub(super) struct PythonRandom(Mt);

impl PythonRandom {
    /// Python takes the seed as 32-bit words, least significant first, and calls the reference `init_by_array`.
    pub fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let words = if high == 0 { vec![low] } else { vec![low, high] };
        Self(Mt::new_with_key(words))
    }

    /// `_randbelow(bound)`: draws as many bits as `bound` itself has until the number is small enough. 0 if `bound` is 0.
    fn below(&mut self, bound: usize) -> usize {
        let bits = usize::BITS - bound.leading_zeros();
        if bits == 0 {
            return 0;
        }
        loop {
            // Populations are far smaller than 2^32.
            let drawn = (self.0.next_u32() >> (32 - bits.min(32))) as usize;
            if drawn < bound {
                return drawn;
            }
        }
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }

    /// `sample(range(population), count)`; at most `population` numbers.
    pub fn sample(&mut self, population: usize, count: usize) -> Vec<usize> {
        let count = count.min(population);
        if population <= largest_pool(count) {
            let mut pool: Vec<usize> = (0..population).collect();
            return (0..count)
                .map(|drawn| {
                    let at = self.below(population - drawn);
                    let taken = pool[at];
                    pool[at] = pool[population - drawn - 1];
                    taken
                })
                .collect();
        }
        let mut taken: Vec<usize> = Vec::with_capacity(count);
        while taken.len() < count {
            let number = self.below(population);
            if !taken.contains(&number) {
                taken.push(number);
            }
        }
        taken
    }
}

/// The largest population of which Python's `sample` copies the whole, rather than remember what it has taken: 21, and for
/// more than 5 numbers also the smallest power of 4 that is at least 3 × `count`.
fn largest_pool(count: usize) -> usize {
    let mut size = 21;
    if count > 5 {
        let mut power = 1;
        while power < 3 * count {
            power *= 4;
        }
        size += power;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r = random.Random(1234); [r.getrandbits(32) for _ in range(3)]` in `CPython` 3.11, and a seed of two words.
    #[test]
    fn seeds_are_keys() {
        let first = |seed| {
            let mut random = PythonRandom::new(seed);
            [random.0.next_u32(), random.0.next_u32(), random.0.next_u32()]
        };
        assert_eq!(first(0), [3_626_764_237, 1_654_615_998, 3_255_389_356]);
        assert_eq!(first(1234), [4_150_886_329, 3_342_196_574, 1_892_932_127]);
        assert_eq!(first(4_294_967_301), [675_479_763, 2_085_189_291, 1_213_270_837]);
    }

    /// `x = list(range(20)); random.Random(1337).shuffle(x)` in `CPython` 3.11.
    #[test]
    fn shuffle_is_pythons() {
        let mut items: Vec<usize> = (0..20).collect();
        PythonRandom::new(1337).shuffle(&mut items);
        assert_eq!(items[..12], [13, 1, 2, 9, 7, 8, 0, 18, 3, 14, 4, 16]);
        assert_eq!(items[17..], [11, 17, 19]);
        PythonRandom::new(1337).shuffle::<usize>(&mut []);
    }

    /// `random.Random(seed).sample(range(n), k)` in `CPython` 3.11: a small pool, and the border between the two methods.
    #[test]
    fn sample_is_pythons() {
        let sample = |seed, population, count| PythonRandom::new(seed).sample(population, count);
        assert_eq!(sample(1234, 19, 10), [14, 3, 0, 2, 18, 12, 9, 16, 10, 1]);
        assert_eq!(sample(1234, 31, 10), [30, 24, 14, 3, 0, 2, 18, 1, 21, 25]);
        assert_eq!(sample(1265, 31, 10), [0, 3, 18, 22, 11, 25, 10, 13, 1, 16]);
        assert_eq!((largest_pool(3), largest_pool(5), largest_pool(10)), (21, 21, 85));
        assert_eq!(sample(1, 3, 9).len(), 3);
        assert!(sample(1, 0, 2).is_empty());
    }
}
