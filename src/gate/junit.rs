//! A gate's outcome as JUnit XML, which CI systems show as tests.

use super::check::{Check, CheckedMetric, Verdict};
use super::check_tables::check_summary;
use super::records::CheckedRecords;
use crate::report::{escape, p_value};

/// One test per model, task and metric, and one per model and task whose records were compared.
pub fn junit(check: &Check, records: &[CheckedRecords]) -> String {
    let mut cases = String::new();
    for metric in &check.metrics {
        let class = format!("{}.{}:{}", metric.model, metric.task, metric.protocol);
        let body = match metric.verdict {
            Verdict::Regressed => failure("regressed", &explanation(metric)),
            Verdict::Missing => failure("missing", &explanation(metric)),
            Verdict::Untested => {
                format!(
                    "      <skipped message=\"{}\"/>\n",
                    escape("this metric has no paired test, or too few samples for one")
                )
            }
            Verdict::Passed | Verdict::Improved | Verdict::Tolerated => {
                format!("      <system-out>{}</system-out>\n", escape(&explanation(metric)))
            }
        };
        cases.push_str(&case(&class, &metric.metric, &body));
    }
    for records in records {
        let class = format!("{}.{}:{}", records.model, records.task, records.protocol);
        let body = records.difference.as_deref().map(|text| failure("differs", text)).unwrap_or_default();
        cases.push_str(&case(&class, "records", &body));
    }
    let failures = check.metrics.iter().filter(|metric| metric.verdict.is_failure()).count()
        + records.iter().filter(|records| records.difference.is_some()).count();
    let tests = check.metrics.len() + records.len();
    let counts = format!(
        "tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\"",
        check.count(Verdict::Untested)
    );
    let notes: String = check
        .notes
        .iter()
        .map(|note| format!("      <property name=\"note\" value=\"{}\"/>\n", escape(note)))
        .collect();
    let properties =
        if notes.is_empty() { notes } else { format!("    <properties>\n{notes}    </properties>\n") };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gpt2-eval check\" {counts}>\n  \
         <testsuite name=\"{}\" {counts}>\n{properties}{cases}  </testsuite>\n</testsuites>\n",
        escape(&check_summary(check, records))
    )
}

fn case(class: &str, name: &str, body: &str) -> String {
    let (class, name) = (escape(class), escape(name));
    format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\">\n{body}    </testcase>\n")
}

fn failure(kind: &str, message: &str) -> String {
    let message = escape(message);
    format!("      <failure type=\"{kind}\" message=\"{message}\">{message}</failure>\n")
}

/// The numbers of a metric in one sentence.
fn explanation(metric: &CheckedMetric) -> String {
    let Some(new) = metric.new else {
        let base = rounded(metric.base);
        return format!("{} is {base} in the baseline and missing in the run", metric.metric);
    };
    let p = match (metric.verdict, metric.p_better, metric.p_worse) {
        (Verdict::Improved, Some(p), _) => format!(", p that it is better {}", p_value(p)),
        (_, _, Some(p)) => format!(", p that it is worse {}", p_value(p)),
        _ => String::new(),
    };
    format!(
        "{} {}: baseline {}, run {}, difference {}, {} samples, tolerance {}{p}",
        metric.metric,
        metric.verdict.as_str(),
        rounded(metric.base),
        rounded(new),
        rounded(rounded(new) - rounded(metric.base)),
        metric.n,
        metric.tolerance
    )
}

/// 12 significant digits: 58 of 100 are 58 percent, not 57.99999999999999.
fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::tolerance::Tolerance;

    fn metric(verdict: Verdict) -> CheckedMetric {
        CheckedMetric {
            model: "a\"<&>'\u{1}b".to_owned(),
            task: "lambada".to_owned(),
            protocol: "paper,data=sample".to_owned(),
            metric: "perplexity".to_owned(),
            higher_is_better: false,
            n: 60,
            base: 35.125,
            new: (verdict != Verdict::Missing).then_some(36.5),
            ci95: Some((1.0, 2.0)),
            tolerance: Tolerance::Relative(0.5),
            p_worse: Some(0.003),
            p_better: Some(1.0),
            verdict,
        }
    }

    #[test]
    fn output_is_well_formed_and_explains_failures() {
        let verdicts = [
            Verdict::Passed,
            Verdict::Improved,
            Verdict::Tolerated,
            Verdict::Untested,
            Verdict::Regressed,
            Verdict::Missing,
        ];
        let notes = vec!["backends differ: flex in <a>, cuda in b".to_owned()];
        let check =
            Check { metrics: verdicts.map(metric).to_vec(), left_out: Vec::new(), only_in_run: 0, notes };
        let records = CheckedRecords {
            model: "m".to_owned(),
            task: "nq".to_owned(),
            protocol: "paper".to_owned(),
            difference: Some("2 records differ: 00001, 00002".to_owned()),
        };
        let xml = junit(&check, &[records]);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        let count = |name| suite.descendants().filter(|node| node.has_tag_name(name)).count();
        assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("7"), Some("3")));
        assert_eq!((count("testcase"), count("failure"), count("skipped")), (7, 3, 1));
        let note = suite.descendants().find(|node| node.has_tag_name("property")).unwrap();
        assert_eq!(note.attribute("value"), Some("backends differ: flex in <a>, cuda in b"));
        let failed = suite.descendants().find(|node| node.has_tag_name("failure")).unwrap();
        let message = failed.attribute("message").unwrap();
        assert!(
            message
                .contains("baseline 35.125, run 36.5, difference 1.375, 60 samples, tolerance 0.5 %, p that"),
            "{message}"
        );
        let case = failed.parent().unwrap();
        assert_eq!(case.attribute("classname"), Some("a\"<&>'\u{fffd}b.lambada:paper,data=sample"));
    }

    #[test]
    fn percentages_are_as_a_reader_counts_them() {
        let of =
            CheckedMetric { base: 68.0, new: Some(100.0 * (58.0 / 100.0)), ..metric(Verdict::Tolerated) };
        assert!(explanation(&of).contains("baseline 68, run 58, difference -10, "), "{}", explanation(&of));
    }
}
