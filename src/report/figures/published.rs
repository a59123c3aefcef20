//! Published numbers of `results/paper.csv` for a figure.

use crate::report::{PublishedNumber, published_numbers};

/// The paper's models with the parameters of their checkpoints.
pub(super) const SIZES: [(&str, u64); 4] =
    [("117M", 124_439_808), ("345M", 354_823_168), ("762M", 774_030_080), ("1542M", 1_557_611_200)];

/// The published numbers of one metric under one protocol.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The paper's numbers of its models, by increasing size.
    pub paper: Vec<(f64, &'static PublishedNumber)>,
    /// Others' numbers of the same models, by increasing size.
    pub reported: Vec<(f64, &'static PublishedNumber)>,
    /// The paper's numbers of other systems.
    pub systems: Vec<&'static PublishedNumber>,
}

impl Published {
    /// The numbers of a task, a protocol name without options, and a metric.
    pub fn find(task: &str, protocol: &str, metric: &str) -> Self {
        let mut found = Self::default();
        let numbers = published_numbers().unwrap_or_default().iter();
        for number in numbers
            .filter(|number| number.task == task && number.protocol == protocol && number.metric == metric)
        {
            let size = SIZES.iter().find(|(label, _)| *label == number.model);
            match (size, number.kind.as_str()) {
                (Some((_, parameters)), "paper") => found.paper.push((*parameters as f64, number)),
                (Some((_, parameters)), _) => found.reported.push((*parameters as f64, number)),
                (None, "paper") => found.systems.push(number),
                (None, _) => {}
            }
        }
        found.paper.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.reported.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }

    pub fn is_empty(&self) -> bool {
        self.paper.is_empty() && self.reported.is_empty() && self.systems.is_empty()
    }
}
