//! `results/paper.csv`: the paper's numbers, source of all "paper" columns.

use std::sync::LazyLock;

use serde::Deserialize;

use super::published::rows;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperNumber {
    /// A paper size, a system, or `dataset`.
    pub model: String,
    pub task: String,
    pub protocol: String,
    pub metric: String,
    /// The number. Of a range the middle, or what the printed numbers give.
    pub value: f64,
    /// The ends of that range.
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// `exact`: printed; `derived`: follows from printed numbers, within their rounding; `curve`: read off a figure.
    pub precision: String,
    /// Table, figure or section of the paper.
    pub source: String,
}

static NUMBERS: LazyLock<Result<Vec<PaperNumber>, String>> =
    LazyLock::new(|| rows("results/paper.csv", include_bytes!("../../results/paper.csv")));

/// All of the paper's numbers, in the order of the file.
pub fn paper_numbers() -> Result<&'static [PaperNumber], &'static str> {
    NUMBERS.as_deref().map_err(String::as_str)
}

/// The GPT-2 paper's value for a model, task, protocol and metric.
pub fn paper_value(model: &str, task: &str, protocol: &str, metric: &str) -> Option<f64> {
    paper_numbers()
        .ok()?
        .iter()
        .find(|number| {
            number.model == model
                && number.task == task
                && number.protocol == protocol
                && number.metric == metric
        })
        .map(|number| number.value)
}

/// Whether the paper's `value` for a metric of a task was read off a curve.
pub(super) fn is_reading(task: &str, metric: &str, value: f64) -> bool {
    paper_numbers().is_ok_and(|numbers| {
        numbers.iter().any(|number| {
            number.precision == "curve"
                && number.task == task
                && number.metric == metric
                && number.value == value
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn table_3_of_the_paper() {
        assert_eq!(paper_value("117M", "lambada", "paper", "perplexity"), Some(35.13));
        assert_eq!(paper_value("1542M", "lambada", "paper", "accuracy_stop_filter"), Some(63.24));
        assert_eq!(paper_value("1542M", "lambada", "paper", "accuracy"), Some(52.66));
        assert_eq!(paper_value("762M", "1bw", "paper", "perplexity"), Some(44.575));
        assert_eq!(paper_value("345M", "cbt-ne", "paper", "accuracy"), Some(87.1));
        assert_eq!(paper_value("117M", "lambada", "harness", "perplexity"), None, "not the paper's");
        let smallest = paper_value("117M", "nq", "paper", "exact_match").unwrap();
        assert!((smallest - 4.1 / 5.3).abs() < 0.005, "derived from two numbers of section 3.8");
        assert!(!is_reading("nq", "exact_match", smallest));
        assert!(is_reading("coqa", "f1", 25.5));
        assert_eq!(paper_value("Most frequent answer", "nq", "paper", "exact_match"), Some(1.0));
        assert_eq!(paper_value("1542M", "lambada", "paper", "perplexity_without_overlap"), Some(8.7));
        assert_eq!(paper_value("tiny-3M", "lambada", "paper", "perplexity"), None);
    }

    #[test]
    fn every_row_is_well_formed_and_unique() {
        let numbers = paper_numbers().unwrap();
        let mut seen = HashSet::new();
        for number in numbers {
            let key = (&number.model, &number.task, &number.protocol, &number.metric);
            assert!(seen.insert(key), "twice: {key:?}");
            assert!(["exact", "derived", "curve"].contains(&number.precision.as_str()), "{number:?}");
            assert!(!number.source.is_empty(), "{number:?}");
            if let (Some(low), Some(high)) = (number.low, number.high) {
                assert!(low <= number.value && number.value <= high, "{number:?}");
            }
        }
        let sizes = ["117M", "345M", "762M", "1542M"];
        let table_3 = numbers.iter().filter(|n| n.source.contains("Table 3") && sizes.contains(&&*n.model));
        assert_eq!(table_3.count(), 40);
    }
}
