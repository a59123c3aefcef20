//! Tables of breakdowns: a row a group, a column a model and metric.

use super::Heading;
use super::format::number;
use super::section::{Section, in_order};
use crate::record::GroupScore;
use untrusted_input::thousands;

/// One section a breakdown of a task.
pub(super) fn group_sections(heading: &Heading, scores: &[GroupScore]) -> Vec<Section> {
    let own: Vec<&GroupScore> = scores
        .iter()
        .filter(|score| score.task == heading.task && score.protocol == heading.protocol)
        .collect();
    let symbols = heading.symbols();
    in_order(own.iter().map(|score| score.breakdown.as_str()))
        .into_iter()
        .map(|breakdown| {
            let own: Vec<&GroupScore> =
                own.iter().filter(|score| score.breakdown == breakdown).copied().collect();
            let models = in_order(own.iter().map(|score| score.model.as_str()));
            let metrics = in_order(own.iter().map(|score| score.metric.as_str()));
            let groups = in_order(own.iter().map(|score| score.group.as_str()));
            let columns: Vec<(&str, &str)> =
                models.iter().flat_map(|model| metrics.iter().map(|metric| (*model, *metric))).collect();
            let mut header = vec![breakdown.to_owned(), "n".to_owned()];
            header.extend(columns.iter().map(|(model, metric)| format!("{model} {metric}")));
            let rows = groups
                .into_iter()
                .map(|group| {
                    let of_group: Vec<&GroupScore> =
                        own.iter().filter(|score| score.group == group).copied().collect();
                    let n = of_group.iter().map(|score| score.n).max().unwrap_or_default();
                    let mut row = vec![group.to_owned(), thousands(n as u64)];
                    row.extend(columns.iter().map(|(model, metric)| {
                        let found = of_group.iter().find(|s| s.model == *model && s.metric == *metric);
                        found.map_or_else(|| "–".to_owned(), |s| format!("{}{symbols}", number(s.value)))
                    }));
                    row
                })
                .collect();
            let title = format!("{} ({}) by {breakdown}", heading.title, heading.protocol);
            Section { terms: heading.terms(), ..Section::new(title, 2, header, rows) }
        })
        .collect()
}
