//! Custom tasks of kind `last-word`: the log-likelihood of the end of a text.

use super::record::Record;
use super::template::{Prompt, Template};
use crate::tasks::UnexpectedResponse;
use crate::tasks::choice::log_likelihood_request;
use gpt2_model::request::{Request, Response};
use text_metrics::SampleValues;

/// Keys of a task config of this kind.
#[derive(Debug, Clone)]
pub struct LastWord {
    /// The text before the target, or the whole text.
    pub prompt: Prompt,
    /// The scored text; without it the last word of the prompt.
    pub target: Option<Template>,
}

impl LastWord {
    /// Context and target. `Err` if there is nothing to score.
    pub(super) fn context_and_target(&self, record: &Record) -> Result<(String, String), String> {
        let text = self.prompt.template.render(record, None)?;
        if let Some(target) = &self.target {
            let target = target.render(record, None)?;
            if target.trim().is_empty() {
                return Err("`target` is empty for this record".to_owned());
            }
            return Ok((text, target));
        }
        let end = text.trim_end();
        match end.rfind(char::is_whitespace) {
            Some(space) if !end[..space].trim().is_empty() => {
                let (context, target) = end.split_at(space);
                Ok((context.to_owned(), target.to_owned()))
            }
            _ => {
                let shown = untrusted_input::clipped(&text);
                Err(format!("{shown:?} has no last word after a context; expected at least two words"))
            }
        }
    }

    pub(super) fn requests(&self, record: &Record, before: &str) -> Vec<Request> {
        let (context, target) = self.context_and_target(record).unwrap_or_default();
        vec![log_likelihood_request(format!("{before}{context}"), target)]
    }
}

/// The values of a target of `bytes` bytes.
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
        let split = |template: &str, target: Option<&str>| {
            let prompt = Prompt {
                preamble: String::new(),
                template: Template::parse(template).unwrap(),
                separator: String::new(),
            };
            let target = target.map(|target| Template::parse(target).unwrap());
            LastWord { prompt, target }.context_and_target(&record)
        };
        assert_eq!(split("{t}", None).unwrap(), ("one  two".to_owned(), "\nthree".to_owned()));
        assert_eq!(split("{t}", Some(" {w}")).unwrap().1, " word");
        assert!(split(" {w} ", None).unwrap_err().contains("no last word"));
    }
}
