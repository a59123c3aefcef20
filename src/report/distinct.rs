//! Distinct values, in order of first appearance.

pub(crate) fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    add_new(&mut distinct, values);
    distinct
}

/// Appends the values that are not there yet.
pub(crate) fn add_new<T: PartialEq>(known: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for value in more {
        if !known.contains(&value) {
            known.push(value);
        }
    }
}
