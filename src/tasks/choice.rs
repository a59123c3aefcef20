//! Shared by the tasks that choose the candidate with the highest score.

use std::sync::Arc;

use super::{HeuristicBaseline, Item, UnexpectedResponse};
use crate::seeding::below;
use gpt2_model::request::{LogLikelihood, Overflow, Request, Response, Span};
use text_metrics::{Aggregate, Metric, SampleValues};

/// Bits per byte of the correct candidate, from [`answer_values`].
pub(super) const BITS_OF_ANSWER: Metric = Metric {
    name: "bits_per_byte",
    aggregate: Aggregate::Bits { log_likelihood: "log_likelihood_correct", units: "bytes_correct" },
};

/// The share of the correct candidates in the probability of all, from [`answer_values`].
pub(super) const PROBABILITY_OF_ANSWER: Metric =
    Metric { name: "probability_correct", aggregate: Aggregate::Mean { value: "probability_correct" } };

/// A request for the log-likelihood of `continuation`. A context that is too long loses tokens on its left.
pub(super) fn log_likelihood_request(context: String, continuation: String) -> Request {
    Request::LogLikelihood {
        context,
        continuation,
        excluded_words: Arc::default(),
        overflow: Overflow::TruncateLeft,
        span: Span::Continuation,
    }
}

pub(super) fn scores(responses: &[Response]) -> Result<Vec<&LogLikelihood>, UnexpectedResponse> {
    let mut scores = Vec::with_capacity(responses.len());
    for (index, response) in responses.iter().enumerate() {
        match response {
            Response::LogLikelihood(score) => scores.push(score),
            other => {
                return Err(UnexpectedResponse { index, expected: "log_likelihood", found: other.kind() });
            }
        }
    }
    Ok(scores)
}

pub(super) fn log_likelihoods(responses: &[Response]) -> Result<Vec<f64>, UnexpectedResponse> {
    Ok(scores(responses)?.into_iter().map(|score| score.log_likelihood).collect())
}

/// The values of [`BITS_OF_ANSWER`] and [`PROBABILITY_OF_ANSWER`]: of the first correct candidate, which has `bytes`, and of
/// all correct ones together.
pub(super) fn answer_values(log_likelihoods: &[f64], answers: &[usize], bytes: usize) -> SampleValues {
    let first = answers.first().and_then(|&answer| log_likelihoods.get(answer));
    let share = answers.iter().map(|&answer| probability(log_likelihoods, answer)).sum::<f64>();
    SampleValues::from([
        ("log_likelihood_correct".to_owned(), first.copied().unwrap_or(f64::NAN)),
        ("bytes_correct".to_owned(), bytes as f64),
        ("probability_correct".to_owned(), share),
    ])
}

/// Index of the highest score, the first of equals.
pub(super) fn first_largest(scores: &[f64]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}

/// 1 if the highest score, the first of equals, is at `answer`, else 0.
pub(super) fn correct(scores: &[f64], answer: usize) -> f64 {
    f64::from(u8::from(first_largest(scores) == answer && answer < scores.len()))
}

/// The heuristic baselines Majority and Random. `choose` returns the majority's index, the correct indices and the number
/// of candidates. All sample values named in `values` get the same 0 or 1.
pub(super) fn choice_baselines<Doc, Answers: AsRef<[usize]>>(
    items: &[Item<Doc>],
    seed: u64,
    values: &[&str],
    choose: impl Fn(&Doc) -> (usize, Answers, usize),
) -> Vec<HeuristicBaseline> {
    let named = |is_correct: bool| -> SampleValues {
        values.iter().map(|&name| (name.to_owned(), f64::from(u8::from(is_correct)))).collect()
    };
    let (mut majority, mut random) = (Vec::new(), Vec::new());
    for item in items {
        let (most, answers, candidates) = choose(&item.doc);
        let answers = answers.as_ref();
        majority.push(named(answers.contains(&most)));
        random.push(named(answers.contains(&below(candidates, seed, "random choice", &item.id))));
    }
    vec![HeuristicBaseline::new("Majority", majority), HeuristicBaseline::new("Random", random)]
}

/// The probability of candidate `index` among all candidates.
fn probability(log_likelihoods: &[f64], index: usize) -> f64 {
    let largest = log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_likelihoods.iter().map(|value| (value - largest).exp()).collect();
    weights.get(index).map_or(0.0, |weight| weight / weights.iter().sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majority_and_random_choose_without_a_model() {
        let items: Vec<Item<usize>> = (0..400)
            .map(|index| Item { id: index.to_string(), cluster: None, line: 1, doc: index % 4 })
            .collect();
        let baselines = choice_baselines(&items, 1, &["a", "b"], |&answer| (0, [answer], 4));
        let correct = |baseline: &HeuristicBaseline, name: &str| -> f64 {
            baseline.values.iter().map(|values| values[name]).sum()
        };
        assert_eq!((correct(&baselines[0], "a"), correct(&baselines[0], "b")), (100.0, 100.0));
        let random = correct(&baselines[1], "a");
        assert!((70.0..130.0).contains(&random), "{random}");
        assert_eq!(
            choice_baselines(&items, 1, &["a"], |&answer| (0, [answer], 4))[1].values[7]["a"],
            baselines[1].values[7]["a"]
        );
    }

    #[test]
    fn probabilities_of_all_candidates_sum_to_one() {
        let scores = [-1000.0, -1000.0 + 3f64.ln(), f64::NEG_INFINITY];
        assert!((probability(&scores, 0) - 0.25).abs() < 1e-9);
        assert!((probability(&scores, 1) - 0.75).abs() < 1e-9);
        assert_eq!((probability(&scores, 2), probability(&scores, 3)), (0.0, 0.0));
    }

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(correct(&[-2.0, -1.0, -1.0], 1), 1.0);
        assert_eq!(correct(&[-2.0, -1.0, -1.0], 2), 0.0);
        assert_eq!(correct(&[], 0), 0.0);
    }
}
