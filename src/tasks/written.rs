//! What tasks share that let the model write.

use super::TaskError;
use gpt2_model::request::{Completion, Response};

/// The texts of all responses.
pub(super) fn written(responses: &[Response]) -> Result<Vec<&Completion>, TaskError> {
    responses
        .iter()
        .enumerate()
        .map(|(index, response)| match response {
            Response::Generate(generated) => Ok(generated),
            other => Err(TaskError::Response { index, expected: "generate", found: other.kind() }),
        })
        .collect()
}

/// The text of the only response.
pub(super) fn only_text(responses: &[Response]) -> Result<&Completion, TaskError> {
    match written(responses)?[..] {
        [generated] => Ok(generated),
        _ => Err(TaskError::Response {
            index: 0,
            expected: "one generate",
            found: "another number of responses",
        }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use gpt2_model::request::FinishReason;

    /// A response that stopped at a stop string; its tokens have these log-probabilities.
    pub fn wrote(text: &str, token_log_probs: &[f32]) -> Response {
        Response::Generate(Completion {
            text: text.to_owned(),
            tokens: vec![0; token_log_probs.len()],
            token_log_probs: token_log_probs.to_vec(),
            finish: FinishReason::StopString,
            prompt_tokens: 1,
            truncated_tokens: 0,
        })
    }

    #[test]
    fn other_answers_are_refused() {
        assert_eq!(only_text(&[wrote("a", &[])]).unwrap().text, "a");
        assert!(only_text(&[]).is_err());
        assert!(only_text(&[wrote("a", &[]), wrote("b", &[])]).is_err());
    }
}
