//! `--limit N`: a seeded subset that grows with N and does not depend on the order of the file.

use crate::seeding::shuffled;

/// Indices of at most `limit` of the samples with these ids, ascending. For one seed the subset of a smaller limit is
/// part of that of a larger one.
pub(super) fn nested_subset(ids: &[&str], limit: Option<usize>, seed: u64) -> Vec<usize> {
    let Some(limit) = limit.filter(|&limit| limit < ids.len()) else {
        return (0..ids.len()).collect();
    };
    let mut chosen = shuffled(ids, seed, "limit");
    chosen.truncate(limit);
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_are_nested_and_seeded() {
        let names: Vec<String> = (0..200).map(|index| format!("{index:05}")).collect();
        let ids: Vec<&str> = names.iter().map(String::as_str).collect();
        let ten = nested_subset(&ids, Some(10), 7);
        let fifty = nested_subset(&ids, Some(50), 7);
        assert_eq!(ten.len(), 10);
        assert!(ten.is_sorted());
        assert!(ten.iter().all(|index| fifty.contains(index)));
        assert_ne!(ten, nested_subset(&ids, Some(10), 8));
        assert_eq!(nested_subset(&ids, Some(200), 7), (0..200).collect::<Vec<_>>());
        assert_eq!(nested_subset(&ids, None, 7).len(), 200);
        assert!(nested_subset(&ids, Some(0), 7).is_empty());
    }
}
