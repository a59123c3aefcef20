//! Which sequences run together.

/// Tokens of a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Read at once.
    pub read: usize,
    /// Written behind them, one after the other, at most.
    pub written: usize,
}

/// What a batch may have at most; one sequence alone may have more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Tokens, padding and those that are written included.
    pub tokens: usize,
    /// Sequences.
    pub sequences: usize,
}

/// The sequences by what they read. Longest first: the largest batch is the first to fail if memory is short, and
/// neighbours in a batch have nearly one length, so almost nothing is padding. The order depends on the sizes alone.
pub(super) fn longest_first(sizes: &[Size]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(sizes[index].read), index));
    order
}

/// Tokens of a batch of these sequences, padding and those that are written included.
pub(super) fn tokens_of(batch: &[usize], sizes: &[Size]) -> usize {
    let most = |of: fn(&Size) -> usize| batch.iter().map(|&index| of(&sizes[index])).max().unwrap_or(0);
    batch.len() * (most(|size| size.read) + most(|size| size.written))
}

/// How many of the first of `order` run together: as many as the limits allow, and at least one.
pub(super) fn first_batch(order: &[usize], sizes: &[Size], limits: Limits) -> usize {
    let (mut read, mut written) = (0, 0);
    let fits = |&(count, &index): &(usize, &usize)| {
        read = sizes[index].read.max(read);
        written = sizes[index].written.max(written);
        count == 0 || (count < limits.sequences && (count + 1) * (read + written) <= limits.tokens)
    };
    order.iter().enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batches(sizes: &[Size], limits: Limits) -> Vec<Vec<usize>> {
        let order = longest_first(sizes);
        let mut left = order.as_slice();
        let mut batches = Vec::new();
        while !left.is_empty() {
            let (batch, rest) = left.split_at(first_batch(left, sizes, limits));
            batches.push(batch.to_vec());
            left = rest;
        }
        batches
    }

    fn read(lengths: &[usize]) -> Vec<Size> {
        lengths.iter().map(|&read| Size { read, written: 0 }).collect()
    }

    #[test]
    fn longest_first_within_the_limits() {
        let limits = Limits { tokens: 8, sequences: 9 };
        assert_eq!(batches(&read(&[3, 9, 4, 4, 1]), limits), [vec![1], vec![2, 3], vec![0, 4]]);
        assert!(batches(&[], limits).is_empty());
        let one = Limits { tokens: 100, sequences: 1 };
        assert_eq!(batches(&read(&[1, 2]), one), [[1], [0]]);
    }

    #[test]
    fn there_is_room_for_what_is_written() {
        let sizes = [(4, 1), (3, 9), (3, 1)].map(|(read, written)| Size { read, written });
        let limits = |tokens| Limits { tokens, sequences: 9 };
        // Two rows of four tokens, each with room for nine more.
        assert_eq!(batches(&sizes, limits(26)), [vec![0, 1], vec![2]]);
        assert_eq!(batches(&sizes, limits(25)), [vec![0], vec![1, 2]]);
    }

    proptest! {
        #[test]
        fn every_sequence_runs_once(
            sizes in prop::collection::vec((1usize..50, 0usize..20), 0..80),
            tokens in 1usize..200,
            sequences in 1usize..9,
        ) {
            let sizes: Vec<Size> =
                sizes.into_iter().map(|(read, written)| Size { read, written }).collect();
            let batches = batches(&sizes, Limits { tokens, sequences });
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..sizes.len()).collect::<Vec<_>>());
            for batch in batches {
                prop_assert!(batch.len() <= sequences);
                prop_assert!(batch.len() == 1 || tokens_of(&batch, &sizes) <= tokens);
            }
        }
    }
}
