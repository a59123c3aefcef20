//! Clusters of samples that share text, for data that do not name them: the twins of a Winograd schema and the questions
//! about one story of the Children's Book Test.

use std::collections::HashMap;

/// First words that make a schema a candidate for the cluster of an earlier one.
const FIRST_WORDS: usize = 4;
/// Smallest number of tokens of a sentence that identifies a story: shorter ones, such as `said he .`, are in many.
const SENTENCE_TOKENS: usize = 8;

/// A partition of samples. Each cluster is represented by its first sample.
struct Partition(Vec<usize>);

impl Partition {
    fn first(&mut self, mut sample: usize) -> usize {
        while self.0[sample] != sample {
            // Shortens the path of later look-ups.
            self.0[sample] = self.0[self.0[sample]];
            sample = self.0[sample];
        }
        sample
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.0[one.max(other)] = one.min(other);
    }

    /// The first sample of each sample's cluster; `None` for a sample without companions.
    fn clusters(mut self) -> Vec<Option<usize>> {
        let mut sizes = vec![0; self.0.len()];
        for sample in 0..self.0.len() {
            // Parents come before their children, so one step reaches the first sample.
            self.0[sample] = self.0[self.0[sample]];
            sizes[self.0[sample]] += 1;
        }
        self.0.into_iter().map(|first| Some(first).filter(|&first| sizes[first] > 1)).collect()
    }
}

/// Clusters of similar texts: a text joins the one before it, and the latest one that begins with the same four words, if
/// they share at least half of their words: 2 · |common| ≥ |a| + |b|. Case and punctuation do not count.
///
/// Returns the first sample of each sample's cluster; `None` for a sample without companions.
pub(super) fn of_similar_texts(texts: &[String]) -> Vec<Option<usize>> {
    let mut partition = Partition((0..texts.len()).collect());
    let mut latest: HashMap<Vec<String>, usize> = HashMap::new();
    let words: Vec<Vec<String>> = texts.iter().map(|text| words_of(text)).collect();
    let sorted: Vec<Vec<&String>> = words
        .iter()
        .map(|words| {
            let mut sorted: Vec<&String> = words.iter().collect();
            sorted.sort_unstable();
            sorted
        })
        .collect();
    for (index, words) in words.iter().enumerate() {
        let beginning = words.iter().take(FIRST_WORDS).cloned().collect();
        let alike = latest.insert(beginning, index);
        for earlier in index.checked_sub(1).into_iter().chain(alike) {
            let common = in_both(&sorted[earlier], &sorted[index]);
            if common > 0 && 2 * common * 2 >= sorted[earlier].len() + sorted[index].len() {
                partition.join(earlier, index);
            }
        }
    }
    partition.clusters()
}

/// Clusters of samples that have a sentence of at least eight tokens in common, directly or through others.
///
/// Returns the first sample of each sample's cluster; `None` for a sample without companions.
pub(super) fn of_shared_sentences<'a>(
    samples: impl IntoIterator<Item = Vec<std::borrow::Cow<'a, str>>>,
) -> Vec<Option<usize>> {
    let mut partition = Partition(Vec::new());
    let mut known: HashMap<std::borrow::Cow<'a, str>, usize> = HashMap::new();
    for (index, sentences) in samples.into_iter().enumerate() {
        partition.0.push(index);
        for sentence in sentences {
            if sentence.split_whitespace().nth(SENTENCE_TOKENS - 1).is_none() {
                continue;
            }
            let first = *known.entry(sentence).or_insert(index);
            partition.join(first, index);
        }
    }
    partition.clusters()
}

/// Lower-case words without punctuation.
fn words_of(text: &str) -> Vec<String> {
    let plain = |word: &str| -> String {
        word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    text.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect()
}

/// Number of common elements of two sorted lists, each counted as often as both have it.
fn in_both(one: &[&String], other: &[&String]) -> usize {
    let (mut first, mut second, mut common) = (0, 0, 0);
    while let (Some(a), Some(b)) = (one.get(first), other.get(second)) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => first += 1,
            std::cmp::Ordering::Greater => second += 1,
            std::cmp::Ordering::Equal => {
                common += 1;
                first += 1;
                second += 1;
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn similar(texts: &[&str]) -> Vec<Option<usize>> {
        of_similar_texts(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn twins_and_triples_are_clusters() {
        let texts = [
            "Nora lent Bettina a bicycle because had two.",
            "Nora lent Bettina a bicycle because had none.",
            "Nora lent Bettina a bicycle because had \"many\".",
            "The kettle scorched the tablecloth because was hot.",
            "the kettle scorched the tablecloth, because was delicate",
            "Ivan passed the ball to Leo.",
        ];
        assert_eq!(similar(&texts), [Some(0), Some(0), Some(0), Some(3), Some(3), None]);
    }

    #[test]
    fn a_cluster_may_be_apart_if_it_begins_with_the_same_words() {
        let texts = [
            "Ada knocked on Ina's door but nobody came.",
            "Ivan passed the ball to Leo.",
            "Ada knocked on Ina's door but got no answer.",
            "Ada knocked on Ina's door one year earlier, when all of them were still living in the old house at the sea.",
            "Leo bought one.",
            "Nobody came but Ada knocked on Ina's door.",
        ];
        assert_eq!(similar(&texts), [Some(0), None, Some(0), None, None, None]);
    }

    #[test]
    fn half_of_the_words_is_enough() {
        assert_eq!(similar(&["a b c d", "x b y a"]), [Some(0), Some(0)]);
        assert_eq!(similar(&["a b c d", "x y z a"]), [None, None]);
        assert_eq!(similar(&["a a b", "a c d"]), [None, None]);
        assert_eq!(similar(&["", ".", "a"]), [None, None, None]);
    }

    #[test]
    fn stories_share_a_long_sentence() {
        let long = "the miller had a cat , and it slept .";
        let other = "one day a stranger came to the mill .";
        let stories = [
            vec!["said he .", long],
            vec!["said he .", "a story that shares only a short sentence , no more ."],
            vec![other, "Oh !"],
            vec![long, other],
        ];
        let clusters =
            of_shared_sentences(stories.map(|story| story.into_iter().map(Cow::Borrowed).collect()));
        assert_eq!(clusters, [Some(0), None, Some(0), Some(0)]);
    }
}
