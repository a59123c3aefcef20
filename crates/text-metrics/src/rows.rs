//! Summands: what samples contribute to metrics that are functions of sums.

use std::collections::BTreeMap;

/// The sample values whose sums a metric is a function of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summands {
    /// Names of the sample values, in the order of the sums.
    pub names: Vec<String>,
    /// Whether each row ends in 1, so that the last sum is the number of samples.
    pub counted: bool,
}

impl Summands {
    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.names.len() + usize::from(self.counted)
    }

    /// One row a sample, concatenated, from the columns of `count` samples. `None` without samples, or if a column is
    /// missing.
    pub fn rows(&self, count: usize, column: impl Fn(&str) -> Option<Vec<f64>>) -> Option<Vec<f64>> {
        let columns: Vec<Vec<f64>> = self.names.iter().map(|name| column(name)).collect::<Option<_>>()?;
        if count == 0 || columns.iter().any(|column| column.len() != count) {
            return None;
        }
        let mut rows = Vec::with_capacity(count * self.width());
        for sample in 0..count {
            rows.extend(columns.iter().map(|column| column[sample]));
            if self.counted {
                rows.push(1.0);
            }
        }
        Some(rows)
    }
}

/// The sums of `rows` of `width` numbers by cluster, in the order of each cluster's first sample. A sample without a
/// cluster is its own cluster.
pub(super) fn by_cluster<K: Ord>(
    rows: &[f64],
    width: usize,
    clusters: impl Iterator<Item = Option<K>>,
) -> Vec<f64> {
    let mut offset_of: BTreeMap<K, usize> = BTreeMap::new();
    let mut sums_of: Vec<f64> = Vec::new();
    for (cluster, row) in clusters.zip(rows.chunks_exact(width)) {
        if row.iter().all(|&value| value == 0.0) {
            // A part of a document in which no window begins is not an observation.
            continue;
        }
        let next = sums_of.len();
        let offset = cluster.map_or(next, |cluster| *offset_of.entry(cluster).or_insert(next));
        if offset == next {
            sums_of.extend(row);
        } else {
            let sums = &mut sums_of[offset..offset + width];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    sums_of
}

/// The sum of `rows` of `width` numbers, in their order.
pub(super) fn total(rows: &[f64], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}
