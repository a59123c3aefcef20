//! A gate's outcome as tables.

use super::check::{Check, CheckedMetric, Verdict};
use super::records::CheckedRecords;
use crate::report::{Section, arrow, difference, interval, number, or_dash, p_value};
use untrusted_input::thousands;

/// The outcome in one line.
pub(crate) fn check_summary(check: &Check, records: &[CheckedRecords]) -> String {
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
    if check.only_in_run > 0 {
        parts.push(format!("{} only in the run", thousands(check.only_in_run as u64)));
    }
    let left_out: usize = check.left_out.iter().map(|(_, left_out)| left_out.total()).sum();
    if left_out > 0 {
        parts.push(format!("{} samples left out", thousands(left_out as u64)));
    }
    if !records.is_empty() {
        parts.push(format!("{different} of {} journals differ", records.len()));
    }
    format!("The gate {outcome}: {}", parts.join(", "))
}

/// The tables of a gate. The first has the outcome as its title; a second one lists the `records` that differ.
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
        "p: one-sided p that the run is worse (for improved metrics: better), with Holm's correction over all metrics of \
         this gate"
            .to_owned(),
    ];
    if check.count(Verdict::Untested) > 0 {
        footnotes.push(
            "not tested: the metric is not a sum over samples, or there are too few samples for a test"
                .to_owned(),
        );
    }
    for (name, left_out) in &check.left_out {
        footnotes.extend(left_out.describe().map(|counts| format!("{name}: {counts}")));
    }
    footnotes.extend(check.notes.iter().cloned());
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
        let title = "Records that differ from the baseline".to_owned();
        let header = ["model", "task", "difference"].map(str::to_owned).to_vec();
        sections.push(Section::new(title, 2, header, different));
    }
    sections
}

fn row(metric: &CheckedMetric) -> Vec<String> {
    let p = if metric.verdict == Verdict::Improved { metric.p_better } else { metric.p_worse };
    vec![
        metric.model.clone(),
        format!("{} ({})", metric.task, metric.protocol),
        format!("{} {}", metric.metric, arrow(metric.higher_is_better)),
        thousands(metric.n as u64),
        number(metric.base),
        or_dash(metric.new, number),
        or_dash(metric.new, |new| difference(new - metric.base)),
        interval(metric.ci95),
        metric.tolerance.to_string(),
        or_dash(p, p_value),
        metric.verdict.as_str().to_owned(),
    ]
}
