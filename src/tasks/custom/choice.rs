//! Users' tasks of kind `choice`: the candidate with the highest score.

use std::sync::Arc;

use super::config::{Asked, Candidates, Prompt};
use super::raw::{AnswerIs, Normalization};
use super::record::{Record, text_of, texts_of};
use super::template::{Bound, FieldPath, Template};
use crate::record::CandidateSet;
use crate::tasks::UnexpectedResponse;
use crate::tasks::choice::{correct, log_likelihoods};
use gpt2_model::request::{Overflow, Request, Response};
use text_metrics::SampleValues;

/// The texts of a record's candidates.
pub(super) fn candidates(of: &Candidates, record: &Record) -> Result<Vec<String>, String> {
    let texts = match of {
        Candidates::Field(path) => texts_of(path, record.find(path)?)?,
        Candidates::Templates(templates) => {
            templates.iter().map(|template| template.render(record, None)).collect::<Result<_, _>>()?
        }
    };
    if texts.is_empty() {
        return Err("an empty list, where texts were expected".to_owned());
    }
    Ok(texts)
}

/// What a card of this kind says.
pub(super) struct Choice<'a> {
    /// What stands before.
    pub prompt: &'a Prompt,
    /// What is scored, for each `{choice}`.
    pub target: &'a Template,
    /// What there is to choose from.
    pub choices: &'a Candidates,
    /// The right one.
    pub answer: &'a FieldPath,
    /// How it is named.
    pub answer_is: AnswerIs,
    /// How scores become comparable.
    pub normalization: Normalization,
    /// What stands before the target in the unconditional score.
    pub unconditional_prompt: &'a Template,
}

/// A question that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Place of the right choice.
    pub answer: usize,
    /// Bytes and characters of each choice.
    pub lengths: Vec<(usize, usize)>,
}

impl<'a> Choice<'a> {
    /// The card's words, if it is of this kind.
    pub fn of(asked: &'a Asked) -> Option<Self> {
        let Asked::Choice { prompt, target, choices, answer, answer_is, normalization, unconditional_prompt } =
            asked
        else {
            return None;
        };
        let (answer_is, normalization) = (*answer_is, *normalization);
        Some(Self { prompt, target, choices, answer, answer_is, normalization, unconditional_prompt })
    }

    /// Reads a record, and tries every template on it.
    pub fn question(&self, record: &Record) -> Result<Question, String> {
        let choices = candidates(self.choices, record)?;
        if choices.len() < 2 {
            return Err(format!("there is nothing to choose: {} choice", choices.len()));
        }
        if let Some(place) = choices.iter().position(|choice| choice.trim().is_empty()) {
            return Err(format!("choice {} is empty", place + 1));
        }
        for choice in &choices {
            let bound = Some(("choice", choice.as_str()));
            self.prompt.template.render(record, bound)?;
            self.unconditional_prompt.render(record, bound)?;
            if self.target.render(record, bound)?.trim().is_empty() {
                return Err("`target` has no text for this record".to_owned());
            }
        }
        let answer = self.place_of_answer(record, &choices)?;
        let lengths = choices.iter().map(|choice| (choice.len(), choice.chars().count())).collect();
        Ok(Question { answer, lengths })
    }

    fn place_of_answer(&self, record: &Record, choices: &[String]) -> Result<usize, String> {
        let name = &self.answer.text;
        let text = text_of(self.answer, record.find(self.answer)?)?;
        let shown = untrusted_input::clipped(&text);
        let count = choices.len();
        let place = match self.answer_is {
            AnswerIs::Text => {
                let place = choices.iter().position(|choice| *choice == text);
                return place
                    .ok_or_else(|| format!("`{name}` is {shown:?}, which is none of the {count} choices"));
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
        place
            .filter(|&place| place < count)
            .ok_or_else(|| format!("`{name}` is {shown:?}, expected {expected} (answer_is in the card)"))
    }

    /// The prompt and target of a choice; nothing where the record has no such field, which reading it has ruled out.
    fn texts(&self, record: &Record, choice: &str) -> (String, String) {
        let bound: Bound<'_> = Some(("choice", choice));
        let text = |template: &Template| template.render(record, bound).unwrap_or_default();
        (text(&self.prompt.template), text(self.target))
    }

    /// Prompt and right target.
    pub fn solved(&self, record: &Record, answer: usize) -> String {
        let choices = candidates(self.choices, record).unwrap_or_default();
        let (prompt, target) = self.texts(record, choices.get(answer).map_or("", String::as_str));
        format!("{prompt}{target}")
    }

    /// One request a choice, and behind them the unconditional ones.
    pub fn requests(&self, record: &Record, before: &str) -> Vec<Request> {
        let request = |context: String, continuation: String| Request::LogLikelihood {
            context,
            continuation,
            excluded_words: Arc::default(),
            overflow: Overflow::TruncateLeft,
        };
        let choices = candidates(self.choices, record).unwrap_or_default();
        let mut requests: Vec<Request> = Vec::new();
        for choice in &choices {
            let (prompt, target) = self.texts(record, choice);
            requests.push(request(format!("{before}{prompt}"), target));
        }
        if self.normalization == Normalization::Unconditional {
            for choice in &choices {
                let (_, target) = self.texts(record, choice);
                let bound = Some(("choice", choice.as_str()));
                let prompt = self.unconditional_prompt.render(record, bound).unwrap_or_default();
                requests.push(request(prompt, target));
            }
        }
        requests
    }

    /// The conditional scores, and the unconditional ones where they are asked for.
    pub fn candidate_sets(&self, question: &Question) -> Vec<CandidateSet> {
        let count = question.lengths.len();
        let mut sets = vec![CandidateSet::consecutive(0, count, question.answer)];
        if self.normalization == Normalization::Unconditional {
            sets.push(CandidateSet::consecutive(count, count, question.answer));
        }
        sets
    }

    /// Whether the right choice has the highest score, as it is and normalized.
    pub fn score(
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
                let length = |(place, &(bytes, characters)): (usize, &(usize, usize))| match by {
                    Normalization::Bytes => bytes,
                    Normalization::Characters => characters,
                    _ => responses.get(place).map_or(0, Response::target_tokens),
                };
                let lengths = question.lengths.iter().enumerate().map(length);
                scores.iter().zip(lengths).map(|(score, length)| score / length.max(1) as f64).collect()
            }
        };
        values.insert("correct_normalized".to_owned(), correct(&normalized, question.answer));
        Ok(values)
    }
}
