//! Which sequences run together.

/// Cuts sequences of these lengths into batches of at most `batch_tokens` tokens, padding included; one sequence
/// alone may be longer. Longest first: the largest batch is the first to fail if memory is short, and neighbours in
/// a batch have nearly one length, so almost nothing is padding.
///
/// Returns indices into `lengths`. The order depends on the lengths alone.
pub fn length_sorted_batches(lengths: &[usize], batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut width = 0;
    for index in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * width <= batch_tokens => batch.push(index),
            _ => {
                width = lengths[index].max(1);
                batches.push(vec![index]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn longest_first_within_the_budget() {
        assert_eq!(length_sorted_batches(&[3, 9, 4, 4, 1], 8), [vec![1], vec![2, 3], vec![0, 4]]);
        assert!(length_sorted_batches(&[], 8).is_empty());
    }

    proptest! {
        #[test]
        fn every_sequence_runs_once(lengths in prop::collection::vec(1usize..50, 0..80), budget in 1usize..200) {
            let batches = length_sorted_batches(&lengths, budget);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let widest = batch.iter().map(|&index| lengths[index]).max().unwrap();
                prop_assert!(batch.len() == 1 || batch.len() * widest <= budget);
            }
        }
    }
}
