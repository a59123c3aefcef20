//! Custom tasks of kind `choice`: the choice with the highest score.

use serde_json::Value;

use super::raw::{AnswerIs, Normalization, Tokenization};
use super::record::{FieldPath, Record, text_of};
use super::template::{Prompt, Template, TextList};
use crate::record::CandidateSet;
use crate::tasks::UnexpectedResponse;
use crate::tasks::choice::{answer_values, first_largest, log_likelihood_request, log_likelihoods};
use gpt2_model::request::{Request, Response, Span};
use text_metrics::SampleValues;

/// Keys of a task config of this kind.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The text before the target.
    pub prompt: Prompt,
    /// The scored text, for each `{choice}`.
    pub target: Template,
    pub choices: TextList,
    /// The field with the correct choice, or with a list of correct choices.
    pub answer: FieldPath,
    /// How that field names it.
    pub answer_is: AnswerIs,
    /// The names of the choices, in their order, if `answer` names one of them.
    pub labels: Option<TextList>,
    /// How scores are made comparable.
    pub normalization: Normalization,
    /// The text before the target in the unconditional score.
    pub unconditional_prompt: Template,
    /// How prompt and target become tokens.
    pub tokenization: Tokenization,
    /// The field with the group of a record, for a table by group.
    pub group: Option<FieldPath>,
    /// Whether a metric needs the probability of the correct choice.
    pub keeps_probability: bool,
}

/// Prefix of the sample value that says to which group a sample belongs.
pub(super) const GROUP_PREFIX: &str = "group_";

/// A checked question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Indices of the correct choices, at least one; the first stands for them in few-shot examples.
    pub answers: Vec<usize>,
    /// Bytes and characters of each choice.
    pub lengths: Vec<(usize, usize)>,
    /// Bytes of the target with the first correct choice, without white space before it.
    pub bytes_correct: usize,
    pub group: Option<String>,
}

impl Question {
    /// The correct choice that stands for all of them.
    pub fn first_answer(&self) -> usize {
        self.answers.first().copied().unwrap_or_default()
    }

    /// 1 if the highest score, the first of equals, is that of a correct choice, else 0.
    fn correct(&self, scores: &[f64]) -> f64 {
        f64::from(u8::from(self.answers.contains(&first_largest(scores))))
    }
}

/// The labels of a record: one for each choice, all different.
fn labels(list: &TextList, record: &Record, choices: usize) -> Result<Vec<String>, String> {
    let labels = list.of(record)?;
    if labels.len() != choices {
        let (name, count) = (list.name(), labels.len());
        return Err(format!(
            "`labels` ({name}) has {count} elements for {choices} choices; expected one for each"
        ));
    }
    let repeated = labels
        .iter()
        .enumerate()
        .find(|(index, label)| labels.iter().take(*index).any(|known| known == *label));
    match repeated {
        Some((_, label)) => Err(format!("two choices have the label {:?}", untrusted_input::clipped(label))),
        None => Ok(labels),
    }
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
        let mut bytes = Vec::with_capacity(choices.len());
        for choice in &choices {
            let bound = Some(("choice", choice.as_str()));
            self.prompt.template.render(record, bound)?;
            self.unconditional_prompt.render(record, bound)?;
            let target = self.target.render(record, bound)?;
            bytes.push(target.trim_start().len());
            if target.trim().is_empty() {
                return Err("`target` is empty for this record".to_owned());
            }
        }
        let answers = self.answers(record, &choices)?;
        let lengths = choices.iter().map(|choice| (choice.len(), choice.chars().count())).collect();
        let bytes_correct = answers.first().and_then(|&first| bytes.get(first)).copied().unwrap_or_default();
        let group = match &self.group {
            Some(path) => Some(text_of(path, &*record.find(path)?)?.into_owned()),
            None => None,
        };
        Ok(Question { answers, lengths, bytes_correct, group })
    }

    /// Indices of the correct choices, each once.
    fn answers(&self, record: &Record, choices: &[String]) -> Result<Vec<usize>, String> {
        let name = &self.answer.text;
        let value = record.find(&self.answer)?;
        let given = match &*value {
            Value::Array(several) if several.is_empty() => {
                return Err(format!("`{name}` is an empty list; expected at least one correct choice"));
            }
            Value::Array(several) => several.as_slice(),
            one => std::slice::from_ref(one),
        };
        let labels = match &self.labels {
            Some(list) => labels(list, record, choices.len())?,
            None => Vec::new(),
        };
        let mut answers = Vec::new();
        for value in given {
            let answer = self.answer_index(&text_of(&self.answer, value)?, choices, &labels)?;
            if !answers.contains(&answer) {
                answers.push(answer);
            }
        }
        Ok(answers)
    }

    fn answer_index(&self, text: &str, choices: &[String], labels: &[String]) -> Result<usize, String> {
        let name = &self.answer.text;
        let shown = untrusted_input::clipped(text);
        let count = choices.len();
        let in_list = |list: &[String]| {
            let exact = list.iter().position(|known| known == text);
            exact.or_else(|| list.iter().position(|known| known.trim() == text.trim()))
        };
        let index = match self.answer_is {
            AnswerIs::Text => in_list(choices),
            AnswerIs::Label => in_list(labels),
            AnswerIs::Letter => match text.trim().as_bytes() {
                [letter] if letter.is_ascii_alphabetic() => {
                    Some(usize::from(letter.to_ascii_uppercase() - b'A'))
                }
                _ => None,
            },
            AnswerIs::Index => text.trim().parse().ok(),
            AnswerIs::Number => text.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1)),
            AnswerIs::Boolean => match text.trim().to_ascii_lowercase().as_str() {
                "false" | "0" => Some(0),
                "true" | "1" => Some(1),
                _ => None,
            },
        };
        if self.answer_is == AnswerIs::Boolean && count != 2 {
            return Err(format!(
                "the record has {count} choices; answer_is = \"boolean\" needs two, the first for false, the second for \
                 true"
            ));
        }
        let expected = match self.answer_is {
            AnswerIs::Letter => format!("a letter, A for the first of {count} choices"),
            AnswerIs::Index => format!("a whole number from 0 to {}", count - 1),
            AnswerIs::Number => format!("a whole number from 1 to {count}"),
            AnswerIs::Text => format!("the text of one of the {count} choices"),
            AnswerIs::Label => format!("one of the labels {}", labels.join(", ")),
            AnswerIs::Boolean => "true or false".to_owned(),
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
            self.request(format!("{before}{prompt}"), target)
        });
        let is_unconditional = self.normalization == Normalization::Unconditional;
        let unconditional = choices.iter().filter(|_| is_unconditional).map(|choice| {
            let (_, target) = self.prompt_and_target(record, choice);
            let bound = Some(("choice", choice.as_str()));
            let prompt = self.unconditional_prompt.render(record, bound).unwrap_or_default();
            self.request(prompt, target)
        });
        conditional.chain(unconditional).collect()
    }

    fn request(&self, context: String, target: String) -> Request {
        let mut request = log_likelihood_request(context, target);
        if let (Request::LogLikelihood { span, .. }, Tokenization::Separate) =
            (&mut request, self.tokenization)
        {
            *span = Span::Separate;
        }
        request
    }

    /// The conditional scores, and the unconditional ones if normalization needs them.
    pub(super) fn candidate_sets(&self, question: &Question) -> Vec<CandidateSet> {
        let count = question.lengths.len();
        let mut sets = vec![CandidateSet::consecutive(0, count, question.first_answer())];
        if self.normalization == Normalization::Unconditional {
            sets.push(CandidateSet::consecutive(count, count, question.first_answer()));
        }
        sets
    }

    /// Whether a correct choice has the highest score, as it is and normalized.
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
        let mut values = SampleValues::from([("correct".to_owned(), question.correct(scores))]);
        if let Some(group) = &question.group {
            values.insert(format!("{GROUP_PREFIX}{group}"), 1.0);
        }
        if self.keeps_probability {
            values.extend(answer_values(scores, &question.answers, question.bytes_correct));
        }
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
        values.insert("correct_normalized".to_owned(), question.correct(&normalized));
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::custom::template::Field;

    fn question(
        json: &str,
        choices: TextList,
        answer: &str,
        answer_is: AnswerIs,
    ) -> Result<Vec<usize>, String> {
        let prompt = Prompt {
            preamble: String::new(),
            template: Template::parse("Q:").unwrap(),
            separator: String::new(),
        };
        let path = |text: &str| FieldPath::parse(text).unwrap();
        let choice = Choice {
            prompt,
            target: Template::parse(" {choice}").unwrap(),
            choices,
            answer: path(answer),
            answer_is,
            labels: (answer_is == AnswerIs::Label).then(|| field("choices.label")),
            normalization: Normalization::None,
            unconditional_prompt: Template::parse("").unwrap(),
            tokenization: Tokenization::Together,
            group: None,
            keeps_probability: false,
        };
        choice.question(&Record::of(serde_json::from_str(json).unwrap())).map(|question| question.answers)
    }

    fn field(text: &str) -> TextList {
        TextList::Field(Field::parse(text).unwrap())
    }

    /// Records in the shapes of ARC.
    #[test]
    fn an_answer_is_one_of_the_labels() {
        let arc = |key: &str, labels: &str| {
            let json = format!(
                r#"{{"answerKey": {key}, "choices": {{"text": ["a", "b", "c"], "label": {labels}}}}}"#
            );
            question(&json, field("choices.text"), "answerKey", AnswerIs::Label)
        };
        assert_eq!(arc("\"B\"", r#"["A", "B", "C"]"#).unwrap(), [1]);
        assert_eq!(arc("\"3\"", r#"["1", "2", "3"]"#).unwrap(), [2]);
        assert_eq!(arc("3", r#"["1", "2", "3"]"#).unwrap(), [2]);
        assert_eq!(arc("[\"C\", \"A\", \"C\"]", r#"["A", "B", "C"]"#).unwrap(), [2, 0]);
        for (key, labels, part) in [
            ("\"D\"", r#"["A", "B", "C"]"#, "`answerKey` is \"D\"; expected one of the labels A, B, C"),
            ("\"A\"", r#"["A", "B"]"#, "`labels` (choices.label) has 2 elements for 3 choices"),
            ("\"A\"", r#"["A", "B", "A"]"#, "two choices have the label \"A\""),
            ("[]", r#"["A", "B", "C"]"#, "`answerKey` is an empty list"),
        ] {
            let message = arc(key, labels).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    /// Records in the shape of `BoolQ`.
    #[test]
    fn truth_values_are_choices() {
        let choices = || TextList::Templates(["no", "yes"].map(|text| Template::parse(text).unwrap()).into());
        let boolq = |answer: &str| {
            question(&format!(r#"{{"answer": {answer}}}"#), choices(), "answer", AnswerIs::Boolean)
        };
        assert_eq!((boolq("true").unwrap(), boolq("false").unwrap()), (vec![1], vec![0]));
        assert_eq!(boolq("\"True\"").unwrap(), [1], "as pandas writes it");
        assert!(boolq("\"maybe\"").unwrap_err().contains("expected true or false"));
        let three =
            question(r#"{"c": ["a", "b", "c"], "answer": true}"#, field("c"), "answer", AnswerIs::Boolean);
        assert!(three.unwrap_err().contains("the record has 3 choices"));
    }

    #[test]
    fn any_correct_choice_counts() {
        let several = Question { answers: vec![2, 0], lengths: Vec::new(), bytes_correct: 0, group: None };
        assert_eq!(several.correct(&[-1.0, -2.0, -3.0]), 1.0);
        assert_eq!(several.correct(&[-2.0, -1.0, -3.0]), 0.0);
        assert_eq!(several.correct(&[-3.0, -2.0, -1.0]), 1.0);
        assert_eq!(several.first_answer(), 2);
    }
}
