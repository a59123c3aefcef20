//! Custom tasks of kind `choice`: the choice with the highest score.

use super::raw::{AnswerIs, Normalization};
use super::record::{FieldPath, Record, text_of};
use super::template::{Prompt, Template, TextList};
use crate::record::CandidateSet;
use crate::tasks::UnexpectedResponse;
use crate::tasks::choice::{correct, log_likelihood_request, log_likelihoods};
use gpt2_model::request::{Request, Response};
use text_metrics::SampleValues;

/// Keys of a task config of this kind.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The text before the target.
    pub prompt: Prompt,
    /// The scored text, for each `{choice}`.
    pub target: Template,
    pub choices: TextList,
    /// The field with the correct choice.
    pub answer: FieldPath,
    /// How that field names it.
    pub answer_is: AnswerIs,
    /// How scores are made comparable.
    pub normalization: Normalization,
    /// The text before the target in the unconditional score.
    pub unconditional_prompt: Template,
}

/// A checked question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Index of the correct choice.
    pub answer: usize,
    /// Bytes and characters of each choice.
    pub lengths: Vec<(usize, usize)>,
}

impl Choice {
    /// Checks a record by rendering every template for it.
    pub(super) fn question(&self, record: &Record) -> Result<Question, String> {
        let choices = self.choices.of(record)?;
        if choices.len() < 2 {
            return Err(format!("the record has {} choice; expected at least two", choices.len()));
        }
        if let Some(index) = choices.iter().position(|choice| choice.trim().is_empty()) {
            return Err(format!("choice {} is empty; every choice needs text", index + 1));
        }
        for choice in &choices {
            let bound = Some(("choice", choice.as_str()));
            self.prompt.template.render(record, bound)?;
            self.unconditional_prompt.render(record, bound)?;
            if self.target.render(record, bound)?.trim().is_empty() {
                return Err("`target` is empty for this record".to_owned());
            }
        }
        let answer = self.answer_index(record, &choices)?;
        let lengths = choices.iter().map(|choice| (choice.len(), choice.chars().count())).collect();
        Ok(Question { answer, lengths })
    }

    fn answer_index(&self, record: &Record, choices: &[String]) -> Result<usize, String> {
        let name = &self.answer.text;
        let text = text_of(&self.answer, record.find(&self.answer)?)?;
        let shown = untrusted_input::clipped(&text);
        let count = choices.len();
        let index = match self.answer_is {
            AnswerIs::Text => {
                let index = choices.iter().position(|choice| *choice == text);
                return index.ok_or_else(|| {
                    format!("`{name}` is {shown:?}; expected the text of one of the {count} choices")
                });
            }
            AnswerIs::Letter => match text.trim().as_bytes() {
                [letter] if letter.is_ascii_alphabetic() => {
                    Some(usize::from(letter.to_ascii_uppercase() - b'A'))
                }
                _ => None,
            },
            AnswerIs::Index => text.trim().parse().ok(),
            AnswerIs::Number => text.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
        };
        let expected = match self.answer_is {
            AnswerIs::Letter => format!("a letter, A for the first of {count} choices"),
            AnswerIs::Index => format!("a whole number from 0 to {}", count - 1),
            AnswerIs::Number | AnswerIs::Text => format!("a whole number from 1 to {count}"),
        };
        index
            .filter(|&index| index < count)
            .ok_or_else(|| format!("`{name}` is {shown:?}; expected {expected} (see `answer_is`)"))
    }

    /// The choices of a record that was checked.
    pub(super) fn choices(&self, record: &Record) -> Vec<String> {
        self.choices.of(record).unwrap_or_default()
    }

    /// Prompt and target of a choice, for a record that was checked.
    fn prompt_and_target(&self, record: &Record, choice: &str) -> (String, String) {
        let text =
            |template: &Template| template.render(record, Some(("choice", choice))).unwrap_or_default();
        (text(&self.prompt.template), text(&self.target))
    }

    /// Prompt and correct target.
    pub(super) fn few_shot_example(&self, record: &Record, answer: usize) -> String {
        let choices = self.choices(record);
        let (prompt, target) = self.prompt_and_target(record, choices.get(answer).map_or("", String::as_str));
        format!("{prompt}{target}")
    }

    /// One request a choice, then the unconditional ones if normalization needs them.
    pub(super) fn requests(&self, record: &Record, before: &str) -> Vec<Request> {
        let choices = self.choices(record);
        let conditional = choices.iter().map(|choice| {
            let (prompt, target) = self.prompt_and_target(record, choice);
            log_likelihood_request(format!("{before}{prompt}"), target)
        });
        let is_unconditional = self.normalization == Normalization::Unconditional;
        let unconditional = choices.iter().filter(|_| is_unconditional).map(|choice| {
            let (_, target) = self.prompt_and_target(record, choice);
            let bound = Some(("choice", choice.as_str()));
            let prompt = self.unconditional_prompt.render(record, bound).unwrap_or_default();
            log_likelihood_request(prompt, target)
        });
        conditional.chain(unconditional).collect()
    }

    /// The conditional scores, and the unconditional ones if normalization needs them.
    pub(super) fn candidate_sets(&self, question: &Question) -> Vec<CandidateSet> {
        let count = question.lengths.len();
        let mut sets = vec![CandidateSet::consecutive(0, count, question.answer)];
        if self.normalization == Normalization::Unconditional {
            sets.push(CandidateSet::consecutive(count, count, question.answer));
        }
        sets
    }

    /// Whether the correct choice has the highest score, as it is and normalized.
    pub(super) fn score(
        &self,
        question: &Question,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let all = log_likelihoods(responses)?;
        let count = question.lengths.len();
        let expected = if self.normalization == Normalization::Unconditional { 2 * count } else { count };
        if all.len() != expected {
            let found = "another number of responses";
            return Err(UnexpectedResponse { index: 0, expected: "one log_likelihood a choice", found });
        }
        let (scores, unconditional) = all.split_at(count);
        let mut values = SampleValues::from([("correct".to_owned(), correct(scores, question.answer))]);
        let normalized: Vec<f64> = match self.normalization {
            Normalization::None => return Ok(values),
            Normalization::Unconditional => {
                scores.iter().zip(unconditional).map(|(score, alone)| score - alone).collect()
            }
            by => {
                let length = |(index, &(bytes, characters)): (usize, &(usize, usize))| match by {
                    Normalization::Bytes => bytes,
                    Normalization::Characters => characters,
                    _ => responses.get(index).map_or(0, Response::target_tokens),
                };
                let lengths = question.lengths.iter().enumerate().map(length);
                scores.iter().zip(lengths).map(|(score, length)| score / length.max(1) as f64).collect()
            }
        };
        values.insert("correct_normalized".to_owned(), correct(&normalized, question.answer));
        Ok(values)
    }
}
