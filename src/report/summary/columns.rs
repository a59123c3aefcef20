//! The columns of the paper's tables and figures, in its order.

/// A column of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub task: &'static str,
    pub metric: &'static str,
    /// The task as the paper calls it.
    pub name: &'static str,
    /// The metric as the paper calls it.
    pub unit: &'static str,
}

const fn known(task: &'static str, metric: &'static str, name: &'static str, unit: &'static str) -> Known {
    Known { task, metric, name, unit }
}

/// Title of the group of all other tasks.
pub(super) const OTHER: &str = "other tasks";

/// The groups of columns.
pub(super) const GROUPS: [(&str, &[Known]); 2] = [
    (
        "Table 3 of the paper",
        &[
            known("lambada", "perplexity", "LAMBADA", "PPL"),
            known("lambada", "accuracy_stop_filter", "LAMBADA", "ACC"),
            known("cbt-cn", "accuracy", "CBT-CN", "ACC"),
            known("cbt-ne", "accuracy", "CBT-NE", "ACC"),
            known("wikitext2", "perplexity", "WikiText2", "PPL"),
            known("ptb", "perplexity", "PTB", "PPL"),
            known("enwik8", "bits_per_byte", "enwik8", "BPB"),
            known("text8", "bits_per_byte", "text8", "BPC"),
            known("wikitext103", "perplexity", "WikiText103", "PPL"),
            known("1bw", "perplexity", "1BW", "PPL"),
        ],
    ),
    (
        "Figures 1 and 3 of the paper",
        &[
            known("coqa", "f1", "CoQA", "F1"),
            known("wmt14-fr-en", "bleu", "WMT14 Fr-En", "BLEU"),
            known("wmt14-en-fr", "bleu", "WMT14 En-Fr", "BLEU"),
            known("wmt14-en-de", "bleu", "WMT14 En-De", "BLEU"),
            known("cnn_dailymail", "rouge_average", "CNN/DM", "ROUGE avg"),
            known("nq", "exact_match", "NQ", "ACC"),
            known("winograd", "accuracy_partial", "Winograd", "ACC"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::paper_numbers;

    #[test]
    fn every_number_of_the_papers_table_3_has_a_column() {
        for number in paper_numbers().unwrap().iter().filter(|n| n.source.contains("Table 3")) {
            let mut columns = GROUPS[0].1.iter();
            assert!(columns.any(|known| (known.task, known.metric) == (&number.task, &number.metric)));
        }
        for known in
            GROUPS.iter().flat_map(|(_, columns)| *columns).filter(|known| known.task != "wmt14-en-de")
        {
            let mut numbers = paper_numbers().unwrap().iter();
            let is_own = |task: &str, metric: &str| (task, metric) == (known.task, known.metric);
            assert!(numbers.any(|n| n.model == "1542M" && is_own(&n.task, &n.metric)), "{known:?}");
        }
    }
}
