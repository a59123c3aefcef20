//! What tasks share that let the model choose: the candidate with the highest score, the first of equals.

use super::TaskError;
use crate::request::Response;

/// Log-likelihoods of all responses.
pub(super) fn log_likelihoods(responses: &[Response]) -> Result<Vec<f64>, TaskError> {
    responses
        .iter()
        .enumerate()
        .map(|(index, response)| match response {
            Response::LogLikelihood(score) => Ok(score.log_likelihood),
            other => Err(TaskError::Response { index, expected: "log_likelihood", found: other.kind() }),
        })
        .collect()
}

/// 1 if the highest of `scores`, the first of equals, is at `answer`, else 0.
pub(super) fn correct(scores: &[f64], answer: usize) -> f64 {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    f64::from(u8::from(best == answer && answer < scores.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(correct(&[-2.0, -1.0, -1.0], 1), 1.0);
        assert_eq!(correct(&[-2.0, -1.0, -1.0], 2), 0.0);
        assert_eq!(correct(&[], 0), 0.0);
    }
}
