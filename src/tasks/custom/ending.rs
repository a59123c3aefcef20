//! Users' tasks of kind `last-word`: how probable the end of a text is.

use std::sync::Arc;

use super::config::Prompt;
use super::record::Record;
use super::template::Template;
use crate::tasks::UnexpectedResponse;
use gpt2_model::request::{Overflow, Request, Response};
use text_metrics::SampleValues;

/// What is read and what is scored. `Err` if there is nothing to score.
pub(super) fn context_and_target(
    prompt: &Prompt,
    target: Option<&Template>,
    record: &Record,
) -> Result<(String, String), String> {
    let text = prompt.template.render(record, None)?;
    if let Some(target) = target {
        let target = target.render(record, None)?;
        if target.trim().is_empty() {
            return Err("`target` has no text for this record".to_owned());
        }
        return Ok((text, target));
    }
    let end = text.trim_end();
    let shown = || untrusted_input::clipped(&text);
    match end.rfind(char::is_whitespace) {
        Some(space) if !end[..space].trim().is_empty() => {
            let (context, target) = end.split_at(space);
            Ok((context.to_owned(), target.to_owned()))
        }
        _ => {
            Err(format!("{:?} has no last word behind others: expected a text of two words or more", shown()))
        }
    }
}

/// One request.
pub(super) fn requests(before: &str, (context, target): (String, String)) -> Vec<Request> {
    vec![Request::LogLikelihood {
        context: format!("{before}{context}"),
        continuation: target,
        excluded_words: Arc::default(),
        overflow: Overflow::TruncateLeft,
    }]
}

/// The log-likelihood of the target of `bytes` bytes, and what it is shared among.
pub(super) fn score(bytes: usize, responses: &[Response]) -> Result<SampleValues, UnexpectedResponse> {
    let [Response::LogLikelihood(score)] = responses else {
        let found = responses.first().map_or("nothing", Response::kind);
        return Err(UnexpectedResponse { index: 0, expected: "one log_likelihood", found });
    };
    Ok(SampleValues::from([
        ("targets".to_owned(), 1.0),
        ("tokens".to_owned(), score.token_log_probs.len() as f64),
        ("bytes".to_owned(), bytes as f64),
        ("correct".to_owned(), f64::from(u8::from(score.greedy))),
        ("log_likelihood".to_owned(), score.log_likelihood),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_split_off_with_the_space_before_it() {
        let record = Record::of(serde_json::from_str(r#"{"t": "one  two\nthree \n", "w": "word"}"#).unwrap());
        let prompt = |template: &str| Prompt {
            preamble: String::new(),
            template: Template::parse(template).unwrap(),
            separator: String::new(),
        };
        let split =
            |template, target: Option<&Template>| context_and_target(&prompt(template), target, &record);
        assert_eq!(split("{t}", None).unwrap(), ("one  two".to_owned(), "\nthree".to_owned()));
        let target = Template::parse(" {w}").unwrap();
        assert_eq!(split("{t}", Some(&target)).unwrap().1, " word");
        assert!(split(" {w} ", None).unwrap_err().contains("no last word"));
    }
}
