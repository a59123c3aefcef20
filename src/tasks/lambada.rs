//! LAMBADA: the last word of a passage (Paperno et al. 2016; Radford et al. 2019, §3.3).

use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use super::{Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataError, DataFile, read_json_lines};
use crate::record::Protocol;
use gpt2_model::request::{Overflow, Request, Response, Span};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Metric};
use untrusted_input::strip;

static CONFIG: LazyLock<TaskConfig> =
    LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/lambada/task.toml")));

static STOP_WORDS: LazyLock<Arc<[String]>> = LazyLock::new(|| {
    include_str!("../../tasks/lambada/stop_words.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
});

pub(super) struct Lambada;

pub(super) struct Passage {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    text: String,
}

/// Context and target: the text before the last space, and that space with what follows.
fn split_last_word(text: &str) -> Option<(&str, &str)> {
    text.rfind(' ').map(|space| text.split_at(space))
}

/// `paper`: straight double quotes, no white space around the passage, a new line before it (openai/gpt-2#131).
/// `harness`: the passage as it is.
fn preprocess(text: &str, protocol: &Protocol) -> String {
    if protocol.name == "harness" {
        return text.to_owned();
    }
    format!("\n{}", strip(&text.replace(['“', '”'], "\"")))
}

impl Task for Lambada {
    type Doc = Passage;

    fn config(&self) -> &TaskConfig {
        &CONFIG
    }

    fn samples(&self) -> &'static [BundledFile] {
        &[("sample.jsonl", include_bytes!("../../tasks/lambada/sample.jsonl"))]
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<Passage>>, DataError> {
        let lines: Vec<(usize, Line)> = read_json_lines(file)?;
        lines
            .into_iter()
            .map(|(line, Line { text })| {
                let stripped = strip(&text);
                if stripped.is_empty() {
                    return Err(
                        file.record_error(line, "the passage is empty: `text` needs at least two words")
                    );
                }
                if split_last_word(stripped).is_none() {
                    let reason =
                        format!("passage {stripped:?} has no space; expected a context and a last word");
                    return Err(file.record_error(line, reason));
                }
                Ok(Item { id: format!("{:05}", line - 1), cluster: None, line, doc: Passage { text } })
            })
            .collect()
    }

    fn content(&self, doc: &Passage) -> Option<Vec<String>> {
        Some(vec![doc.text.clone()])
    }

    fn few_shot_example(&self, doc: &Passage, protocol: &Protocol) -> String {
        let between = if protocol.name == "harness" { "\n\n" } else { "\n" };
        format!("{}{between}", preprocess(&doc.text, protocol))
    }

    fn requests(&self, doc: &Passage, setting: &Setting<'_>) -> Vec<Request> {
        let text = preprocess(&doc.text, setting.protocol);
        let (context, target) = split_last_word(&text).unwrap_or(("", &text));
        let harness = setting.protocol.name == "harness";
        vec![Request::LogLikelihood {
            context: format!("{}{context}", setting.few_shot_examples),
            continuation: target.to_owned(),
            excluded_words: if harness { Arc::default() } else { Arc::clone(&STOP_WORDS) },
            overflow: if harness { Overflow::TruncateLeft } else { Overflow::Refuse },
            span: Span::Continuation,
        }]
    }

    fn score(
        &self,
        _doc: &Passage,
        _protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let [Response::LogLikelihood(score)] = responses else {
            return Err(UnexpectedResponse {
                index: 0,
                expected: "one log_likelihood",
                found: responses.first().map_or("nothing", Response::kind),
            });
        };
        let mut values = SampleValues::from([
            ("words".to_owned(), 1.0),
            ("correct".to_owned(), f64::from(u8::from(score.greedy))),
            ("log_likelihood".to_owned(), score.log_likelihood),
        ]);
        if let Some(filtered) = score.filtered {
            let correct = f64::from(u8::from(filtered.greedy));
            values.insert("correct_stop_filter".to_owned(), correct);
            values.insert("log_likelihood_stop_filter".to_owned(), filtered.log_likelihood);
        }
        Ok(values)
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let perplexity = |name, log_likelihood| Metric {
            name,
            aggregate: Aggregate::Perplexity { log_likelihood, units: "words" },
        };
        let accuracy = |name, correct| Metric { name, aggregate: Aggregate::Accuracy { correct } };
        if protocol.name == "harness" {
            return vec![perplexity("perplexity", "log_likelihood"), accuracy("accuracy", "correct")];
        }
        vec![
            perplexity("perplexity", "log_likelihood"),
            accuracy("accuracy_stop_filter", "correct_stop_filter"),
            accuracy("accuracy", "correct"),
            perplexity("perplexity_stop_filter", "log_likelihood_stop_filter"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpt2_model::request::{Filtered, LogLikelihood};

    fn prompt(text: &str, protocol: &str) -> (String, String) {
        let doc = Passage { text: text.to_owned() };
        let setting = Setting { protocol: &Protocol::new(protocol), few_shot_examples: "", seed: 0 };
        match Lambada.requests(&doc, &setting).remove(0) {
            Request::LogLikelihood { context, continuation, .. } => (context, continuation),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paper_prompt() {
        assert_eq!(
            prompt(" “Why?” she asked.\n\n“It’s the clear stone", "paper"),
            ("\n\"Why?\" she asked.\n\n\"It’s the clear".to_owned(), " stone".to_owned())
        );
    }

    #[test]
    fn harness_prompt_is_the_text_itself() {
        assert_eq!(
            prompt("“Why?” she asked.\n\n“It’s the clear stone", "harness"),
            ("“Why?” she asked.\n\n“It’s the clear".to_owned(), " stone".to_owned())
        );
    }

    /// The harness takes what follows the last space, whatever it is.
    #[test]
    fn white_space_around_the_passage() {
        let split = |context: &str, target: &str| (context.to_owned(), target.to_owned());
        assert_eq!(prompt(" the clear stone \n", "paper"), split("\nthe clear", " stone"));
        assert_eq!(prompt("the clear stone ", "harness"), split("the clear stone", " "));
    }

    #[test]
    fn malformed_passages_are_refused_with_their_line() {
        let read = |bytes| {
            Lambada
                .docs(&DataFile::bundled("l.jsonl", bytes), &Protocol::new("paper"))
                .map(|_| ())
                .unwrap_err()
        };
        assert!(
            read(b"{\"text\":\"a b\"}\n{\"text\":\" \"}\n")
                .to_string()
                .starts_with("l.jsonl:2: the passage is empty")
        );
        assert!(read(b"{\"text\":\"word\"}\n").to_string().contains("has no space"));
    }

    #[test]
    fn values_include_the_stop_word_filter() {
        let doc = Passage { text: "a b".to_owned() };
        let response = Response::LogLikelihood(LogLikelihood {
            log_likelihood: -2.5,
            greedy: false,
            tokens: vec![7],
            token_log_probs: vec![-2.5],
            filtered: Some(Filtered { log_likelihood: -1.5, greedy: true }),
            context_tokens: 1,
            truncated_tokens: 0,
        });
        let values = Lambada.score(&doc, &Protocol::new("paper"), &[response]).unwrap();
        assert_eq!(values["correct"], 0.0);
        assert_eq!(values["correct_stop_filter"], 1.0);
        assert_eq!(values["log_likelihood_stop_filter"], -1.5);
        assert!(Lambada.score(&doc, &Protocol::new("paper"), &[]).is_err());
    }

    #[test]
    fn stop_words_are_the_documented_list() {
        assert_eq!(STOP_WORDS.len(), 326);
        assert!(STOP_WORDS.iter().any(|word| word == "the"));
        assert!(STOP_WORDS.iter().all(|word| !word.contains(char::is_whitespace)));
    }
}
