//! Natural Questions, open (Kwiatkowski et al. 2019; Radford et al. 2019, §3.8): short questions without a document.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::generation::only_completion;
use super::{HeuristicBaseline, Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataError, DataFile, read_json_lines};
use crate::record::Protocol;
use gpt2_model::request::{Decoding, Request, Response, Trim};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Breakdown, Grouping, Metric};
use text_metrics::{harness_nq_exact_match, squad_exact_match};

static CONFIG: LazyLock<TaskConfig> =
    LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/nq/task.toml")));

/// Maximum tokens of an answer under `paper`, which gives no limit; the longest reference has 27.
const ANSWER_TOKENS: usize = 32;
/// lm-evaluation-harness's default.
const HARNESS_TOKENS: usize = 256;

pub(super) struct NaturalQuestions;

/// A question and its reference answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    question: String,
    answer: Vec<String>,
}

/// The question with a capital and a question mark, as in Table 5 of the paper.
fn capitalised(question: &str) -> String {
    let question = question.trim().trim_end_matches('?');
    let mut characters = question.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}?", characters.as_str())
}

fn prompt_of(question: &str, protocol: &Protocol) -> String {
    if protocol.name == "harness" {
        format!("Q: {question}?\nA:")
    } else {
        format!("Q: {}\nA:", capitalised(question))
    }
}

/// The first of `who`, `what`… in a question.
fn question_word(question: &str) -> &'static str {
    const WORDS: [&str; 8] = ["who", "what", "when", "where", "which", "why", "how", "whose"];
    let is = |known: &&str| question.split_whitespace().any(|word| word.eq_ignore_ascii_case(known));
    WORDS.into_iter().find(|word| is(word)).unwrap_or("other")
}

impl Task for NaturalQuestions {
    type Doc = Question;

    fn config(&self) -> &TaskConfig {
        &CONFIG
    }

    fn samples(&self) -> &'static [BundledFile] {
        &[
            ("sample.jsonl", include_bytes!("../../tasks/nq/sample.jsonl")),
            ("examples.jsonl", include_bytes!("../../tasks/nq/examples.jsonl")),
        ]
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<Question>>, DataError> {
        let records: Vec<(usize, Question)> = read_json_lines(file)?;
        records
            .into_iter()
            .map(|(line, doc)| {
                if doc.question.trim().is_empty() || doc.answer.is_empty() {
                    let reason = if doc.answer.is_empty() {
                        "`answer` is empty; expected at least one answer"
                    } else {
                        "`question` is empty; expected a question"
                    };
                    return Err(file.record_error(line, reason));
                }
                Ok(Item { id: format!("{:05}", line - 1), cluster: None, line, doc })
            })
            .collect()
    }

    fn content(&self, doc: &Question) -> Option<Vec<String>> {
        Some(std::iter::once(&doc.question).chain(&doc.answer).cloned().collect())
    }

    fn baselines_learn(&self) -> bool {
        true
    }

    fn few_shot_example(&self, doc: &Question, protocol: &Protocol) -> String {
        format!("{} {}\n", prompt_of(&doc.question, protocol), doc.answer.first().map_or("", String::as_str))
    }

    fn expected(&self, doc: &Question, _: &Protocol) -> Vec<String> {
        doc.answer.clone()
    }

    fn requests(&self, doc: &Question, setting: &Setting<'_>) -> Vec<Request> {
        let question = prompt_of(&doc.question, setting.protocol);
        let (head, stop, max_new_tokens) = match setting.protocol.name.as_str() {
            "harness" => ("Answer these questions:\n\n", &["\n", ".", ","][..], HARNESS_TOKENS),
            _ => ("", &["\n"][..], ANSWER_TOKENS),
        };
        vec![Request::Generate {
            prompt: format!("{head}{}{question}", setting.few_shot_examples),
            trim: Trim::left(),
            stop: stop.iter().map(|&stop| stop.to_owned()).collect(),
            max_new_tokens,
            decoding: Decoding::Greedy,
        }]
    }

    fn score(
        &self,
        doc: &Question,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let completion = only_completion(responses)?;
        let answers: Vec<&str> = doc.answer.iter().map(String::as_str).collect();
        if protocol.name == "harness" {
            let correct = harness_nq_exact_match(&completion.text, &answers);
            return Ok(SampleValues::from([("correct".to_owned(), correct)]));
        }
        Ok(SampleValues::from([
            ("correct".to_owned(), squad_exact_match(&completion.text, &answers)),
            ("confidence".to_owned(), completion.confidence()),
        ]))
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let exact_match =
            Metric { name: "exact_match", aggregate: Aggregate::Accuracy { correct: "correct" } };
        if protocol.name == "harness" {
            return vec![exact_match];
        }
        let most_confident =
            Aggregate::MostConfident { correct: "correct", confidence: "confidence", percent: 1 };
        vec![exact_match, Metric { name: "accuracy_most_confident_1_percent", aggregate: most_confident }]
    }

    /// The calibration curve.
    fn breakdowns(&self, protocol: &Protocol) -> Vec<Breakdown> {
        if protocol.name == "harness" {
            return Vec::new();
        }
        let metrics = vec![
            Metric { name: "confidence", aggregate: Aggregate::Mean { value: "confidence" } },
            Metric { name: "exact_match", aggregate: Aggregate::Accuracy { correct: "correct" } },
        ];
        let grouping = Grouping::Quantiles { value: "confidence", groups: 10 };
        vec![Breakdown { name: "confidence", grouping, metrics }]
    }

    /// The most frequent answer to questions with the same question word (Radford et al. 2019, §3.8).
    fn baselines(
        &self,
        items: &[Item<Question>],
        training: &[Item<Question>],
        protocol: &Protocol,
        _: u64,
    ) -> Vec<HeuristicBaseline> {
        if protocol.name == "harness" {
            return Vec::new();
        }
        let known = if training.is_empty() { items } else { training };
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for item in known {
            let word = question_word(&item.doc.question);
            for answer in &item.doc.answer {
                *counts.entry((word, answer)).or_default() += 1;
            }
        }
        let mut best: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for ((word, answer), count) in counts {
            let most = best.entry(word).or_insert((0, ""));
            if count > most.0 {
                *most = (count, answer);
            }
        }
        let values = items
            .iter()
            .map(|item| {
                let guess = best.get(question_word(&item.doc.question)).map_or("", |(_, answer)| answer);
                let answers: Vec<&str> = item.doc.answer.iter().map(String::as_str).collect();
                SampleValues::from([("correct".to_owned(), squad_exact_match(guess, &answers))])
            })
            .collect();
        vec![HeuristicBaseline::new("Most frequent answer", values)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::generation::tests::completion;
    use super::*;

    fn question(question: &str, answer: &[&str]) -> Question {
        Question {
            question: question.to_owned(),
            answer: answer.iter().map(|&answer| answer.to_owned()).collect(),
        }
    }

    fn prompt(protocol: &str) -> String {
        let protocol = Protocol::new(protocol);
        let doc = question("who wrote emma", &["Jane Austen"]);
        let shown =
            NaturalQuestions.few_shot_example(&question("when is noon?", &["12", "midday"]), &protocol);
        let setting = Setting { protocol: &protocol, few_shot_examples: &shown, seed: 0 };
        match NaturalQuestions.requests(&doc, &setting).remove(0) {
            Request::Generate { prompt, .. } => prompt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prompts_of_both_protocols() {
        assert_eq!(prompt("paper"), "Q: When is noon?\nA: 12\nQ: Who wrote emma?\nA:");
        assert_eq!(
            prompt("harness"),
            "Answer these questions:\n\nQ: when is noon??\nA: 12\nQ: who wrote emma?\nA:"
        );
    }

    #[test]
    fn confidence_is_the_probability_of_the_answer_without_its_last_token() {
        let doc = question("who wrote emma", &["Jane Austen"]);
        let values = NaturalQuestions
            .score(&doc, &Protocol::new("paper"), &[completion(" Jane Austen", &[-0.5, -0.25, -3.0])])
            .unwrap();
        assert_eq!(values["correct"], 1.0);
        assert!((values["confidence"] - (-0.75f64).exp()).abs() < 1e-12);
        let silent =
            NaturalQuestions.score(&doc, &Protocol::new("paper"), &[completion("", &[-0.1])]).unwrap();
        assert_eq!(silent["confidence"], 0.0, "an empty answer has no confidence");
    }

    #[test]
    fn the_most_frequent_answer_by_question_word() {
        let item = |index: usize, doc| Item { id: index.to_string(), cluster: None, line: index, doc };
        let training = [("who a", "Bo"), ("who b", "Bo"), ("who c", "Al"), ("when d", "1999")];
        let training: Vec<_> = training
            .iter()
            .enumerate()
            .map(|(index, &(text, answer))| item(index, question(text, &[answer])))
            .collect();
        let items =
            [item(0, question("in what town and when", &["1999"])), item(1, question("WHO x", &["bo"]))];
        let baseline = NaturalQuestions.baselines(&items, &training, &Protocol::new("paper"), 0).remove(0);
        let correct: Vec<f64> = baseline.values.iter().map(|s| s["correct"]).collect();
        assert_eq!(correct, [0.0, 1.0], "`what` comes before `when` and has no answer");
        let untrained = NaturalQuestions.baselines(&items, &[], &Protocol::new("paper"), 0).remove(0);
        assert_eq!(untrained.values[0]["correct"], 1.0);
    }
}
