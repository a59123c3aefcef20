//! Metrics of groups of samples, such as by domain or by confidence.

use super::metric::{Metric, Sample};

/// A table of metrics over groups of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakdown {
    /// Its name in outputs.
    pub name: &'static str,
    /// How samples are grouped.
    pub grouping: Grouping,
    /// Computed for each group.
    pub metrics: Vec<Metric>,
}

/// Ways to group samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// A sample belongs to group `x` if it has the value `prefix` + `x`.
    Member {
        /// Before the group's name.
        prefix: &'static str,
    },
    /// `groups` groups of equal size, sorted by a value; fewer if there are fewer samples.
    Quantiles {
        /// Name of the sample value.
        value: &'static str,
        /// Number of groups.
        groups: usize,
    },
}

impl Breakdown {
    /// The groups with their samples in order. Groups by membership are sorted by name.
    pub fn groups<'a>(&self, samples: &[Sample<'a>]) -> Vec<(String, Vec<Sample<'a>>)> {
        match self.grouping {
            Grouping::Member { prefix } => {
                let mut names: Vec<&str> = samples
                    .iter()
                    .flat_map(|sample| sample.values.keys())
                    .filter_map(|key| key.strip_prefix(prefix))
                    .collect();
                names.sort_unstable();
                names.dedup();
                let members = |name: &str| {
                    let key = format!("{prefix}{name}");
                    samples.iter().filter(|sample| sample.values.contains_key(&key)).copied().collect()
                };
                names.into_iter().map(|name| (name.to_owned(), members(name))).collect()
            }
            Grouping::Quantiles { value: name, groups } => {
                let value = |sample: &Sample<'_>| sample.values.get(name).copied().unwrap_or(f64::NAN);
                let mut order: Vec<usize> = (0..samples.len()).collect();
                order.sort_by(|&a, &b| value(&samples[a]).total_cmp(&value(&samples[b])));
                let groups = groups.clamp(1, samples.len().max(1));
                (0..groups)
                    .map(|group| {
                        let bound = |group: usize| group * samples.len() / groups;
                        let mut members = order[bound(group)..bound(group + 1)].to_vec();
                        members.sort_unstable();
                        let members = members.into_iter().map(|index| samples[index]).collect();
                        (format!("{} of {groups}", group + 1), members)
                    })
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleValues;

    fn sizes(grouping: Grouping, all: &[SampleValues]) -> Vec<(String, usize)> {
        let samples: Vec<Sample<'_>> = all.iter().map(|values| Sample { values, cluster: None }).collect();
        let breakdown = Breakdown { name: "b", grouping, metrics: Vec::new() };
        breakdown.groups(&samples).into_iter().map(|(name, members)| (name, members.len())).collect()
    }

    #[test]
    fn members_and_quantiles() {
        let all: Vec<SampleValues> = (0..7)
            .map(|index| {
                let domain = if index % 3 == 0 { "domain_news" } else { "domain_books" };
                SampleValues::from([(domain.to_owned(), 1.0), ("c".to_owned(), f64::from(index))])
            })
            .collect();
        assert_eq!(
            sizes(Grouping::Member { prefix: "domain_" }, &all),
            [("books".to_owned(), 4), ("news".to_owned(), 3)]
        );
        let quantiles = sizes(Grouping::Quantiles { value: "c", groups: 3 }, &all);
        assert_eq!(quantiles, [("1 of 3".to_owned(), 2), ("2 of 3".to_owned(), 2), ("3 of 3".to_owned(), 3)]);
        assert_eq!(sizes(Grouping::Quantiles { value: "c", groups: 9 }, &all[..2]).len(), 2);
        assert!(sizes(Grouping::Member { prefix: "x" }, &all).is_empty());
    }
}
