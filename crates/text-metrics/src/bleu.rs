//! Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018), with the signature
//! `case:mixed|eff:no|smooth:exp`: the geometric mean of the clipped precisions of one to four words, times a penalty
//! on output shorter than its reference.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// Longest n-gram that is compared.
const MAX_ORDER: usize = 4;

/// How text is split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BleuTokenizer {
    /// mteval-v13a, sacreBLEU's default (`tok:13a`): splits off punctuation, except apostrophes, hyphens that do not follow
    /// a digit, and full stops and commas between digits.
    Mteval13a,
    /// At white space only (`tok:none`).
    None,
}

impl BleuTokenizer {
    /// Separates the words of `text` by white space. Like sacreBLEU, drops trailing white space first, so that a final
    /// hyphen with a line feed is kept.
    fn tokenize(self, text: &str) -> Cow<'_, str> {
        let text = text.trim_end_matches(is_white_space);
        match self {
            Self::Mteval13a => Cow::Owned(mteval_13a(text)),
            Self::None => Cow::Borrowed(text),
        }
    }
}

/// Counts of one segment or of a corpus. Counts of segments add up to those of the corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BleuStatistics {
    /// N-grams of 1 to 4 words of the hypotheses that occur in a reference, each counted at most as often as in the
    /// reference that has it most often.
    pub correct: [u64; MAX_ORDER],
    /// N-grams of 1 to 4 words of the hypotheses.
    pub total: [u64; MAX_ORDER],
    /// Words of the hypotheses.
    pub hypothesis_length: u64,
    /// Words of each hypothesis's closest reference in length; the shorter of two equally close ones.
    pub reference_length: u64,
}

impl BleuStatistics {
    /// Counts one segment. Without references nothing is correct and the reference length is 0.
    pub fn of(hypothesis: &str, references: &[&str], tokenizer: BleuTokenizer) -> Self {
        let hypothesis = tokenizer.tokenize(hypothesis);
        let hypothesis = words(&hypothesis);
        let references: Vec<Cow<str>> = references.iter().map(|text| tokenizer.tokenize(text)).collect();
        let references: Vec<Vec<&str>> = references.iter().map(|text| words(text)).collect();

        let hypothesis_length = hypothesis.len() as u64;
        let reference_length = references
            .iter()
            .map(|reference| reference.len() as u64)
            .min_by_key(|&length| (length.abs_diff(hypothesis_length), length))
            .unwrap_or(0);
        let mut values = Self { hypothesis_length, reference_length, ..Self::default() };

        for order in 1..=MAX_ORDER {
            let mut allowed: HashMap<&[&str], u64> = HashMap::new();
            for reference in &references {
                for (ngram, count) in count_ngrams(reference, order) {
                    let most = allowed.entry(ngram).or_default();
                    *most = count.max(*most);
                }
            }
            for (ngram, count) in count_ngrams(&hypothesis, order) {
                values.total[order - 1] += count;
                values.correct[order - 1] += allowed.get(ngram).map_or(0, |&most| count.min(most));
            }
        }
        values
    }

    /// BLEU, 0 to 100. The first order without a match counts as half a match, the second as a quarter, and so on
    /// (`smooth:exp`). 0 without any match, and 0 if no hypothesis has four words, since sacreBLEU always averages over
    /// all four orders (`eff:no`).
    pub fn score(&self) -> f64 {
        if self.correct == [0; MAX_ORDER] || self.total.contains(&0) {
            return 0.0;
        }
        let mut assumed = 1.0;
        let mut log_precisions = 0.0;
        for (&correct, &total) in self.correct.iter().zip(&self.total) {
            let matches = if correct == 0 {
                assumed /= 2.0;
                assumed
            } else {
                correct as f64
            };
            log_precisions += (100.0 * matches / total as f64).ln();
        }
        let score = self.brevity_penalty() * (log_precisions / MAX_ORDER as f64).exp();
        // exp(ln(100)) rounds to more than 100.
        score.min(100.0)
    }

    /// 1, or less if the hypotheses are shorter than their references.
    fn brevity_penalty(&self) -> f64 {
        if self.hypothesis_length >= self.reference_length {
            return 1.0;
        }
        (1.0 - self.reference_length as f64 / self.hypothesis_length as f64).exp()
    }
}

/// Names of the ten counts, in order.
const NAMES: [&str; 2 * MAX_ORDER + 2] = [
    "correct1",
    "correct2",
    "correct3",
    "correct4",
    "total1",
    "total2",
    "total3",
    "total4",
    "hypothesis_length",
    "reference_length",
];

impl BleuStatistics {
    /// Names of the ten counts as sample values.
    pub fn names(prefix: &str) -> Vec<String> {
        NAMES.iter().map(|name| format!("{prefix}{name}")).collect()
    }

    /// The ten counts as sample values.
    pub fn named(&self, prefix: &str) -> impl Iterator<Item = (String, f64)> {
        let numbers = self.correct.into_iter().chain(self.total);
        let numbers = numbers.chain([self.hypothesis_length, self.reference_length]);
        Self::names(prefix).into_iter().zip(numbers.map(|number| number as f64))
    }

    /// From the ten counts, or sums of them, in the order of [`BleuStatistics::names`]; missing ones are 0.
    pub fn from_numbers(numbers: &[f64]) -> Self {
        let number = |index: usize| numbers.get(index).map_or(0, |&number| number as u64);
        Self {
            correct: std::array::from_fn(number),
            total: std::array::from_fn(|index| number(MAX_ORDER + index)),
            hypothesis_length: number(2 * MAX_ORDER),
            reference_length: number(2 * MAX_ORDER + 1),
        }
    }
}

impl AddAssign for BleuStatistics {
    fn add_assign(&mut self, other: Self) {
        for order in 0..MAX_ORDER {
            self.correct[order] += other.correct[order];
            self.total[order] += other.total[order];
        }
        self.hypothesis_length += other.hypothesis_length;
        self.reference_length += other.reference_length;
    }
}

impl Add for BleuStatistics {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for BleuStatistics {
    fn sum<I: Iterator<Item = Self>>(segments: I) -> Self {
        segments.fold(Self::default(), Add::add)
    }
}

/// How often each n-gram of `order` words occurs.
fn count_ngrams<'a, 'b>(words: &'a [&'b str], order: usize) -> HashMap<&'a [&'b str], u64> {
    let mut counts = HashMap::new();
    for ngram in words.windows(order) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

fn words(text: &str) -> Vec<&str> {
    text.split(is_white_space).filter(|word| !word.is_empty()).collect()
}

/// White space as in Python's `str.split` and `str.rstrip`: Unicode's, and the four ASCII separators.
fn is_white_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// sacreBLEU's `tokenizer_13a`. Each of its regular expressions runs over the whole text and never matches a character
/// twice in one pass, which decides how `,.,` is split.
fn mteval_13a(text: &str) -> String {
    let text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    // `&amp;` before `&lt;` and `&gt;`: sacreBLEU resolves `&amp;lt;` to `<`.
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    // A space at either end, so that a full stop or comma there has a neighbour that is not a digit.
    let mut spaced = String::from(" ");
    for character in text.chars() {
        // `([\{-\~\[-\` -\&\(-\+\:-\@\/])`; the space in it changes nothing.
        if character.is_ascii_punctuation() && !matches!(character, '\'' | ',' | '-' | '.') {
            spaced.extend([' ', character, ' ']);
        } else {
            spaced.push(character);
        }
    }
    spaced.push(' ');

    let is_digit = |character: char| character.is_ascii_digit();
    let is_point = |character: char| matches!(character, '.' | ',');
    // `([^0-9])([\.,])`, `([\.,])([^0-9])` and `([0-9])(-)`
    let text = space_pairs(&spaced, |a, b| (!is_digit(a) && is_point(b)).then_some([a, ' ', b, ' ']));
    let text = space_pairs(&text, |a, b| (is_point(a) && !is_digit(b)).then_some([' ', a, ' ', b]));
    space_pairs(&text, |a, b| (is_digit(a) && b == '-').then_some([a, ' ', b, ' ']))
}

/// Replaces pairs of characters for which `replacement` is `Some`, from left to right without overlaps.
fn space_pairs(text: &str, replacement: impl Fn(char, char) -> Option<[char; 4]>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(first) = characters.next() {
        if let Some(replaced) = characters.peek().and_then(|&second| replacement(first, second)) {
            result.extend(replaced);
            characters.next();
        } else {
            result.push(first);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        words(&BleuTokenizer::Mteval13a.tokenize(text)).into_iter().map(String::from).collect()
    }

    #[test]
    fn mteval_13a_splits_punctuation_but_not_numbers() {
        assert_eq!(cut("It's 1,000.5, well-known."), ["It's", "1,000.5", ",", "well-known", "."]);
        assert_eq!(cut("U.S.-based 10-year"), ["U", ".", "S", ".", "-based", "10", "-", "year"]);
        assert_eq!(cut("&quot;a&amp;lt;b <skipped>c-\nd e-\n"), ["\"", "a", "<", "b", "cd", "e-"]);
        assert_eq!(cut("«\u{a0}non\u{a0}»\u{1c}?"), ["«", "non", "»", "?"]);
    }

    /// The example of Papineni et al. 2002, section 2.1: "the" seven times has a clipped precision of 2/7.
    #[test]
    fn counts_are_clipped_and_the_closest_reference_counts() {
        let references = ["the cat is on the mat", "there is a cat on the mat"];
        let values = BleuStatistics::of("the the the the the the the", &references, BleuTokenizer::None);
        assert_eq!((values.correct, values.total), ([2, 0, 0, 0], [7, 6, 5, 4]));
        assert_eq!((values.hypothesis_length, values.reference_length), (7, 7));
        // Precisions 2/7, then 1/2 of 1/6, 1/4 of 1/5 and 1/8 of 1/4.
        let by_hand = 100.0 * (2.0 / 7.0 / 12.0 / 20.0 / 32.0_f64).powf(0.25);
        assert!((values.score() - by_hand).abs() < 1e-12, "{}", values.score());
    }

    #[test]
    fn the_shorter_of_two_equally_close_references_counts() {
        let length = |references: &[&str]| {
            BleuStatistics::of("a b c", references, BleuTokenizer::None).reference_length
        };
        assert_eq!(length(&["a b c d", "a b"]), 2);
        assert_eq!(length(&["a", "a b c d"]), 4);
        assert_eq!(length(&[]), 0);
    }

    #[test]
    fn segments_add_up_to_a_corpus() {
        let of = |hypothesis| BleuStatistics::of(hypothesis, &["a b c d e"], BleuTokenizer::Mteval13a);
        assert_eq!(of("a b c d e").score(), 100.0);
        assert_eq!(of("").score(), 0.0);
        assert_eq!(of("a b c").score(), 0.0);
        // All words match, but half of them are missing: exp(1 - 10/5).
        let corpus: BleuStatistics = ["a b c d e", ""].into_iter().map(of).sum();
        assert!((corpus.score() - 100.0 * (-1.0_f64).exp()).abs() < 1e-12, "{}", corpus.score());
    }
}
