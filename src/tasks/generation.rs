//! Shared by the tasks that generate text.

use super::UnexpectedResponse;
use gpt2_model::request::{Completion, Response};

pub(super) fn completions(responses: &[Response]) -> Result<Vec<&Completion>, UnexpectedResponse> {
    responses
        .iter()
        .enumerate()
        .map(|(index, response)| match response {
            Response::Generate(completion) => Ok(completion),
            other => Err(UnexpectedResponse { index, expected: "generate", found: other.kind() }),
        })
        .collect()
}

pub(super) fn only_completion(responses: &[Response]) -> Result<&Completion, UnexpectedResponse> {
    match completions(responses)?[..] {
        [completion] => Ok(completion),
        _ => Err(UnexpectedResponse {
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

    /// A response that ended at a stop string; its tokens have these log-probabilities.
    pub fn completion(text: &str, token_log_probs: &[f32]) -> Response {
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
    fn exactly_one_completion_is_accepted() {
        assert_eq!(only_completion(&[completion("a", &[])]).unwrap().text, "a");
        assert!(only_completion(&[]).is_err());
        assert!(only_completion(&[completion("a", &[]), completion("b", &[])]).is_err());
    }
}
