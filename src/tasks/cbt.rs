//! Children's Book Test (Hill et al. 2016; Radford et al. 2019, §3.2): which of ten words fills the blank.
//!
//! The score of a candidate is Σ log P(candidate and the rest of the query | the story and the query up to the blank),
//! without length normalisation.

use std::sync::{Arc, LazyLock};

use super::choice::{correct, log_likelihoods};
use super::{Card, Item, Task, TaskError};
use crate::data::{BLANK, CbtQuestion, DataError, DataFile, read_cbt};
use crate::metrics::{Aggregate, Metric};
use crate::record::{Protocol, Statistics};
use crate::request::{Overflow, Request, Response};
use crate::text::{BOOK, rewrite};

/// One of the two kinds of missing words.
pub(super) struct Cbt {
    card: LazyLock<Card>,
    sample: &'static [u8],
}

/// Common nouns.
pub(super) static COMMON_NOUNS: Cbt = Cbt {
    card: LazyLock::new(|| Card::bundled(include_str!("../../tasks/cbt-cn/task.toml"))),
    sample: include_bytes!("../../tasks/cbt-cn/sample.txt"),
};

/// Named entities.
pub(super) static NAMED_ENTITIES: Cbt = Cbt {
    card: LazyLock::new(|| Card::bundled(include_str!("../../tasks/cbt-ne/task.toml"))),
    sample: include_bytes!("../../tasks/cbt-ne/sample.txt"),
};

/// The story and the query up to the blank, and the query behind it, both de-tokenized.
fn around_the_blank(question: &CbtQuestion) -> (String, String) {
    let tokenized = format!("{} {}", question.sentences.join(" "), question.query);
    let text = rewrite(&tokenized, &BOOK);
    // The last one: the query is the end of the text.
    match text.rsplit_once(BLANK) {
        Some((before, after)) => (before.to_owned(), after.to_owned()),
        None => (text, String::new()),
    }
}

impl Task for Cbt {
    type Doc = CbtQuestion;

    fn card(&self) -> &Card {
        &self.card
    }

    fn sample(&self) -> &'static [u8] {
        self.sample
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<CbtQuestion>>, DataError> {
        Ok(read_cbt(file)?
            .into_iter()
            .enumerate()
            .map(|(index, question)| Item {
                id: format!("{index:05}"),
                cluster: None,
                line: question.line,
                doc: question,
            })
            .collect())
    }

    fn requests(&self, doc: &CbtQuestion, _: &Protocol) -> Vec<Request> {
        let (before, after) = around_the_blank(doc);
        doc.candidates
            .iter()
            .map(|candidate| Request::LogLikelihood {
                context: before.clone(),
                continuation: format!("{candidate}{after}"),
                excluded_words: Arc::default(),
                overflow: Overflow::TruncateLeft,
            })
            .collect()
    }

    fn score(
        &self,
        doc: &CbtQuestion,
        _: &Protocol,
        responses: &[Response],
    ) -> Result<Statistics, TaskError> {
        let scores = log_likelihoods(responses)?;
        Ok(Statistics::from([("correct".to_owned(), correct(&scores, doc.answer))]))
    }

    fn metrics(&self, _: &Protocol) -> Vec<Metric> {
        vec![Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "correct" } }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_stand_in_plain_english() {
        let question = CbtQuestion {
            line: 1,
            sentences: vec![
                "` What is it ? '".to_owned(),
                "`` I do n't know , '' said he -LRB- the ogre -RRB- .".to_owned(),
            ],
            query: "he and the XXXXX 's son were there .".to_owned(),
            answer: 0,
            candidates: vec!["dog".to_owned(), "cat".to_owned()],
        };
        let requests = COMMON_NOUNS.requests(&question, &Protocol::new("paper"));
        let Request::LogLikelihood { context, continuation, .. } = &requests[1] else { panic!() };
        assert_eq!(context, "'What is it?' \"I don't know,\" said he (the ogre). he and the ");
        assert_eq!(continuation, "cat's son were there.");
    }
}
