//! Numbers that add: what samples contribute to the metrics that are functions of sums.

use std::collections::BTreeMap;

/// What a sample adds to the sums that a metric is a function of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summands {
    /// Sample values, in the order of the sums.
    pub names: Vec<String>,
    /// Whether behind them 1 is added, so that the last sum is the number of samples.
    pub counted: bool,
}

impl Summands {
    /// Numbers a row.
    pub fn width(&self) -> usize {
        self.names.len() + usize::from(self.counted)
    }

    /// One row a sample, one behind the other, from the columns of `count` samples. `None` without samples, or if a
    /// column is not there.
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

/// The sums of `rows`, with `width` numbers each, over clusters in the order of their first sample. A sample without a
/// cluster is one by itself.
pub(super) fn by_cluster<K: Ord>(
    rows: &[f64],
    width: usize,
    clusters: impl Iterator<Item = Option<K>>,
) -> Vec<f64> {
    let mut place_of: BTreeMap<K, usize> = BTreeMap::new();
    let mut sums_of: Vec<f64> = Vec::new();
    for (cluster, row) in clusters.zip(rows.chunks_exact(width)) {
        if row.iter().all(|&value| value == 0.0) {
            // A part of a document in which no window begins: nothing was observed.
            continue;
        }
        let next = sums_of.len();
        let place = cluster.map_or(next, |cluster| *place_of.entry(cluster).or_insert(next));
        if place == next {
            sums_of.extend(row);
        } else {
            let sums = &mut sums_of[place..place + width];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    sums_of
}

/// The sum of `rows`, with `width` numbers each, in their order.
pub(super) fn total(rows: &[f64], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums
}
