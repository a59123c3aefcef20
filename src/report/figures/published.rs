//! Numbers of `results/paper.csv` and `results/published.csv` for a figure.

use crate::report::distinct::distinct;
use crate::report::{PaperNumber, PublishedValue, paper_numbers, published_values};

/// The paper's models with the parameters of their checkpoints.
pub(super) const SIZES: [(&str, u64); 4] =
    [("117M", 124_439_808), ("345M", 354_823_168), ("762M", 774_030_080), ("1542M", 1_557_611_200)];

/// The published numbers of one metric under one protocol.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The paper's numbers of its models, by increasing size.
    pub paper: Vec<(f64, &'static PaperNumber)>,
    /// Others' values of the same models, by who measured, each by increasing size.
    pub others: Vec<(&'static str, Vec<(f64, &'static PublishedValue)>)>,
    /// The paper's numbers of other systems.
    pub systems: Vec<&'static PaperNumber>,
}

impl Published {
    /// The numbers of a task, a protocol name without options, and a metric.
    pub fn find(task: &str, protocol: &str, metric: &str) -> Self {
        let mut found = Self::default();
        let numbers = paper_numbers().unwrap_or_default().iter();
        for number in numbers
            .filter(|number| number.task == task && number.protocol == protocol && number.metric == metric)
        {
            match parameters(&number.model) {
                Some(parameters) => found.paper.push((parameters, number)),
                None => found.systems.push(number),
            }
        }
        found.paper.sort_by(|a, b| a.0.total_cmp(&b.0));
        let own: Vec<&PublishedValue> = published_values()
            .unwrap_or_default()
            .iter()
            .filter(|value| value.task == task && value.protocol == protocol && value.metric == metric)
            .collect();
        for who in distinct(own.iter().map(|value| value.who.as_str())) {
            let theirs = own.iter().filter(|value| value.who == who);
            let mut sized: Vec<(f64, &PublishedValue)> =
                theirs.filter_map(|value| Some((parameters(&value.model)?, *value))).collect();
            sized.sort_by(|a, b| a.0.total_cmp(&b.0));
            if !sized.is_empty() {
                found.others.push((who, sized));
            }
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        self.paper.is_empty() && self.others.is_empty() && self.systems.is_empty()
    }
}

/// Parameters of one of the paper's models.
fn parameters(label: &str) -> Option<f64> {
    SIZES.iter().find(|(size, _)| *size == label).map(|(_, parameters)| *parameters as f64)
}
