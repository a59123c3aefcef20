//! A gate's decision as a table.

use super::compare_tables::p_value;
use super::{Check, CheckedMetric, CheckedRecords, Verdict};
use crate::report::{Section, difference, number};
use untrusted_input::thousands;

/// What a gate found, in one line.
pub fn check_summary(check: &Check, records: &[CheckedRecords]) -> String {
    let different = records.iter().filter(|records| records.difference.is_some()).count();
    let outcome = if check.is_failure() || different > 0 { "failed" } else { "passed" };
    let mut parts = vec![format!("{} metrics", thousands(check.metrics.len() as u64))];
    for (verdict, what) in [
        (Verdict::Regressed, "regressed"),
        (Verdict::Missing, "missing"),
        (Verdict::Tolerated, "worse within tolerance"),
        (Verdict::Improved, "improved"),
        (Verdict::Untested, "not tested"),
    ] {
        let count = check.count(verdict);
        if count > 0 {
            parts.push(format!("{} {what}", thousands(count as u64)));
        }
    }
    if !records.is_empty() {
        parts.push(format!("{different} of {} journals differ", records.len()));
    }
    format!("The gate {outcome}: {}", parts.join(", "))
}

/// The tables of a gate; of `records` those that differ. The first title says how it ended.
pub fn check_sections(check: &Check, records: &[CheckedRecords]) -> Vec<Section> {
    let header = [
        "model",
        "task",
        "metric",
        "n",
        "baseline",
        "run",
        "Δ",
        "95 % interval",
        "tolerance",
        "p",
        "verdict",
    ];
    let mut footnotes = vec![
        "p: that the run is worse, one-sided, by Holm's correction over all metrics of this gate; improved ones have \
         that of being better"
            .to_owned(),
    ];
    if check.count(Verdict::Untested) > 0 {
        footnotes.push(
            "not tested: the metric is not a sum over samples, or too few are there for a test".to_owned(),
        );
    }
    for (name, left_out) in &check.left_out {
        footnotes.extend(left_out.describe().map(|note| format!("{name}: {note}")));
    }
    let (title, rows) = (check_summary(check, records), check.metrics.iter().map(row).collect());
    let mut sections =
        vec![Section { footnotes, ..Section::new(title, 3, header.map(str::to_owned).to_vec(), rows) }];
    let different: Vec<Vec<String>> = records
        .iter()
        .filter_map(|records| {
            let difference = records.difference.clone()?;
            Some(vec![records.model.clone(), format!("{} ({})", records.task, records.protocol), difference])
        })
        .collect();
    if !different.is_empty() {
        let title = "Records that are not those of the baseline".to_owned();
        let header = ["model", "task", "what differs"].map(str::to_owned).to_vec();
        sections.push(Section::new(title, 2, header, different));
    }
    sections
}

fn row(metric: &CheckedMetric) -> Vec<String> {
    let dash = || "–".to_owned();
    let p = if metric.verdict == Verdict::Improved { metric.p_better } else { metric.p_worse };
    vec![
        metric.model.clone(),
        format!("{} ({})", metric.task, metric.protocol),
        format!("{} {}", metric.metric, if metric.higher_is_better { "↑" } else { "↓" }),
        thousands(metric.n as u64),
        number(metric.base),
        metric.new.map_or_else(dash, number),
        metric.new.map_or_else(dash, |new| difference(new - metric.base)),
        metric.ci95.map_or_else(dash, |(low, high)| format!("{} … {}", difference(low), difference(high))),
        metric.tolerance.to_string(),
        p.map_or_else(dash, p_value),
        metric.verdict.as_str().to_owned(),
    ]
}
