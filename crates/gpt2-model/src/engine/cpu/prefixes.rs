//! Prefixes that token sequences share.

/// Shortest shared prefix worth caching, in tokens.
pub const MIN_SHARED_PREFIX: usize = 8;

/// Sequences with a shared prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Length of the prefix that all members share, in tokens.
    pub shared: usize,
    /// Indices of the members.
    pub members: Vec<usize>,
}

/// Length of the common prefix of two sequences.
pub fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Groups sequences so that shared prefixes run once. In lexicographic order, each sequence joins the group before it if
/// that saves more tokens than a new group would.
///
/// `limits[i]` is the largest prefix of sequence `i` that may be shared: the positions before the first that needs logits.
/// Every sequence is in exactly one group. The result depends on the sequences alone.
pub fn groups(sequences: &[&[u32]], limits: &[usize]) -> Vec<Group> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by(|&a, &b| sequences[a].cmp(sequences[b]).then(a.cmp(&b)));
    let mut groups: Vec<Group> = Vec::new();
    for index in order {
        if let Some(group) = groups.last_mut() {
            let first = group.members[0];
            let alone = group.members.len() == 1;
            let before = if alone { limits[first] } else { group.shared };
            let shared = common_prefix(sequences[first], sequences[index]).min(before).min(limits[index]);
            let saved = (group.members.len() - 1) * group.shared;
            if shared >= MIN_SHARED_PREFIX && group.members.len() * shared > saved {
                group.shared = shared;
                group.members.push(index);
                continue;
            }
        }
        groups.push(Group { shared: 0, members: vec![index] });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn candidates_of_one_question_share_it() {
        let question: Vec<u32> = (0..50).collect();
        let with = |tail: &[u32]| -> Vec<u32> { question.iter().chain(tail).copied().collect() };
        let all = [with(&[7, 1]), vec![1, 2, 3], with(&[8]), with(&[7, 2])];
        let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
        let found = groups(&all, &[50, 2, 50, 50]);
        assert_eq!(
            found,
            [Group { shared: 50, members: vec![0, 3, 2] }, Group { shared: 0, members: vec![1] },]
        );
    }

    proptest! {
        #[test]
        fn every_sequence_is_in_one_group_and_begins_with_what_is_shared(
            sequences in prop::collection::vec(prop::collection::vec(0u32..2, 1..40), 0..30),
        ) {
            let all: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let limits: Vec<usize> = sequences.iter().map(|sequence| sequence.len() - 1).collect();
            let groups = groups(&all, &limits);
            let mut seen: Vec<usize> = groups.iter().flat_map(|group| group.members.clone()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..all.len()).collect::<Vec<_>>());
            for group in groups {
                let first = all[group.members[0]];
                for &member in &group.members {
                    prop_assert!(group.shared <= limits[member]);
                    prop_assert_eq!(&all[member][..group.shared], &first[..group.shared]);
                }
            }
        }
    }
}
