//! ROUGE: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, as Google's `rouge-score` 0.1.2
//! computes it.

use std::collections::HashMap;

use super::porter::{PorterMode, porter_stem};

/// Precision, recall and F1 (0..=1).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RougeScore {
    /// Share of the hypothesis that is in the reference.
    pub precision: f64,
    /// Share of the reference that is in the hypothesis.
    pub recall: f64,
    /// Harmonic mean of the two; 0 if both are 0.
    pub f1: f64,
}

/// The scores of one hypothesis against one reference.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rouge {
    /// Common words.
    pub rouge1: RougeScore,
    /// Common bigrams.
    pub rouge2: RougeScore,
    /// Longest common subsequence of words (Lin 2004, section 3.1).
    pub rouge_l: RougeScore,
    /// Union of each reference sentence's longest common subsequences with the hypothesis's sentences (Lin 2004,
    /// section 3.2). ROUGE-1.5.5 prints this one as ROUGE-L.
    pub rouge_lsum: RougeScore,
}

/// How words of more than three characters are stemmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stemming {
    /// Not at all.
    None,
    /// With a version of Porter's algorithm.
    Porter(PorterMode),
}

/// ROUGE F1, precision and recall (0 to 1), equal to Google's rouge-score 0.1.2. `rouge_lsum` splits sentences at `'\n'`.
///
/// ```
/// let score = text_metrics::rouge("The cat sat.", "A cat sits", false);
/// assert_eq!(score.rouge1.recall, 1.0 / 3.0);
/// ```
pub fn rouge(reference: &str, hypothesis: &str, stemming: bool) -> Rouge {
    let stemming = if stemming { Stemming::Porter(PorterMode::Nltk) } else { Stemming::None };
    rouge_with(reference, hypothesis, stemming)
}

/// As [`rouge`], with a choice of stemmer. [`PorterMode::Original`] gives ROUGE-1.5.5's numbers with `-m`, unless a
/// word is in the lists of exceptions (from `WordNet`) that ROUGE-1.5.5 looks into before it stems.
pub fn rouge_with(reference: &str, hypothesis: &str, stemming: Stemming) -> Rouge {
    let mut vocabulary = Vocabulary { stemming, ids: HashMap::new() };
    let references = vocabulary.sentences(reference);
    let hypotheses = vocabulary.sentences(hypothesis);
    // No word contains a line end, so the words of the lines are the words of the text.
    let (reference, hypothesis) = (references.concat(), hypotheses.concat());
    let common = longest_common_subsequence(&reference, &hypothesis, |_| {});
    Rouge {
        rouge1: ngrams(&reference, &hypothesis, 1),
        rouge2: ngrams(&reference, &hypothesis, 2),
        rouge_l: score(common, reference.len(), hypothesis.len()),
        rouge_lsum: summary_level(&references, &hypotheses, vocabulary.ids.len()),
    }
}

/// Numbers words, to make comparisons cheap.
struct Vocabulary {
    stemming: Stemming,
    ids: HashMap<String, usize>,
}

impl Vocabulary {
    /// The words of every line. A word consists of a-z and 0-9 after Unicode lower-casing, which turns 'K' (Kelvin) and
    /// 'İ' into ASCII letters.
    fn sentences(&mut self, text: &str) -> Vec<Vec<usize>> {
        let text = text.to_lowercase();
        text.split('\n').map(|line| self.words(line)).collect()
    }

    fn words(&mut self, line: &str) -> Vec<usize> {
        line.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
            .filter(|word| !word.is_empty())
            .map(|word| {
                let stem = match self.stemming {
                    Stemming::Porter(mode) if word.len() > 3 => porter_stem(word, mode),
                    _ => word.to_owned(),
                };
                let next = self.ids.len();
                *self.ids.entry(stem).or_insert(next)
            })
            .collect()
    }
}

/// `hits` out of `reference` and of `hypothesis` units.
fn score(hits: usize, reference: usize, hypothesis: usize) -> RougeScore {
    let precision = hits as f64 / hypothesis.max(1) as f64;
    let recall = hits as f64 / reference.max(1) as f64;
    let f1 = if hits > 0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    RougeScore { precision, recall, f1 }
}

fn ngrams(reference: &[usize], hypothesis: &[usize], n: usize) -> RougeScore {
    let mut unmatched: HashMap<&[usize], usize> = HashMap::new();
    for ngram in reference.windows(n) {
        *unmatched.entry(ngram).or_default() += 1;
    }
    let mut hits = 0;
    for ngram in hypothesis.windows(n) {
        if let Some(count) = unmatched.get_mut(ngram).filter(|count| **count > 0) {
            *count -= 1;
            hits += 1;
        }
    }
    score(hits, reference.windows(n).count(), hypothesis.windows(n).count())
}

/// Length of the longest common subsequence, with one row of the table in memory. Calls `left` with the index of each
/// cell (row-major, one row for each word of `reference`) whose left neighbour is larger than its upper one.
fn longest_common_subsequence(
    reference: &[usize],
    hypothesis: &[usize],
    mut left: impl FnMut(usize),
) -> usize {
    let mut lengths = vec![0; hypothesis.len() + 1];
    for (i, word) in reference.iter().enumerate() {
        let mut diagonal = 0;
        for (j, other) in hypothesis.iter().enumerate() {
            let upper = lengths[j + 1];
            if lengths[j] > upper {
                left(i * hypothesis.len() + j);
            }
            lengths[j + 1] = if word == other { diagonal + 1 } else { upper.max(lengths[j]) };
            diagonal = upper;
        }
    }
    lengths[hypothesis.len()]
}

/// Marks the words of `reference` in its longest common subsequence with `hypothesis`. Where there are several, chooses
/// the same one as rouge-score, because the union depends on it.
fn mark_common(reference: &[usize], hypothesis: &[usize], marks: &mut [bool]) {
    // The way back needs one bit a cell: 0.5 MB for 2,000 by 2,000 words.
    let mut left = vec![0u64; (reference.len() * hypothesis.len()).div_ceil(64)];
    longest_common_subsequence(reference, hypothesis, |cell| left[cell / 64] |= 1 << (cell % 64));
    let (mut i, mut j) = (reference.len(), hypothesis.len());
    while i > 0 && j > 0 {
        let cell = (i - 1) * hypothesis.len() + j - 1;
        if reference[i - 1] == hypothesis[j - 1] {
            marks[i - 1] = true;
            i -= 1;
            j -= 1;
        } else if left[cell / 64] >> (cell % 64) & 1 == 1 {
            j -= 1;
        } else {
            i -= 1;
        }
    }
}

fn summary_level(references: &[Vec<usize>], hypotheses: &[Vec<usize>], vocabulary: usize) -> RougeScore {
    let count = |sentences: &[Vec<usize>]| {
        let mut counts = vec![0usize; vocabulary];
        sentences.iter().flatten().for_each(|&word| counts[word] += 1);
        counts
    };
    // A word hits at most as often as it occurs in either text. ROUGE-1.5.5 does this; the paper does not mention it.
    let (mut in_reference, mut in_hypothesis) = (count(references), count(hypotheses));
    let mut hits = 0;
    for reference in references {
        let mut marks = vec![false; reference.len()];
        for hypothesis in hypotheses {
            mark_common(reference, hypothesis, &mut marks);
        }
        for (&word, _) in reference.iter().zip(&marks).filter(|(_, marked)| **marked) {
            if in_reference[word] > 0 && in_hypothesis[word] > 0 {
                in_reference[word] -= 1;
                in_hypothesis[word] -= 1;
                hits += 1;
            }
        }
    }
    let words = |sentences: &[Vec<usize>]| sentences.iter().map(Vec::len).sum();
    score(hits, words(references), words(hypotheses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lins_example_of_sentence_level() {
        let reference = "police killed the gunman";
        assert_eq!(rouge(reference, "police kill the gunman", false).rouge_l.f1, 0.75);
        assert_eq!(rouge(reference, "the gunman kill police", false).rouge_l.f1, 0.5);
        assert_eq!(rouge(reference, "police kill the gunman", true).rouge_l.f1, 1.0);
    }

    #[test]
    fn lins_example_of_summary_level() {
        let score = rouge("w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", false);
        assert_eq!(score.rouge_lsum.recall, 0.8);
        assert_eq!(score.rouge_lsum.precision, 0.4);
    }

    #[test]
    fn repeated_words_hit_once_each() {
        let score = rouge("a a b", "a b b\nb", false);
        assert_eq!(score.rouge1, super::score(2, 3, 4));
        assert_eq!(score.rouge2, super::score(1, 2, 3));
        assert_eq!(score.rouge_lsum, super::score(2, 3, 4));
    }

    #[test]
    fn texts_without_words_score_zero() {
        for (reference, hypothesis) in [("", ""), ("a", ""), ("", "a"), ("日本", "日本"), ("\n\n", "...\n")]
        {
            assert_eq!(rouge(reference, hypothesis, true), Rouge::default());
        }
        assert_eq!(rouge("\u{212a}a İb", "ka i b", false).rouge1.f1, 1.0);
    }
}
