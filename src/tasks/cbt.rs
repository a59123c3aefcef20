//! Children's Book Test (Hill et al. 2016; Radford et al. 2019, §3.2): which of ten words fills the blank.
//!
//! The score of a candidate is Σ log P(candidate and the rest of the query | the story and the query up to the blank),
//! without length normalisation.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::choice::{choice_baselines, correct, first_largest, log_likelihood_request, log_likelihoods};
use super::{HeuristicBaseline, Item, Setting, Task, TaskConfig, UnexpectedResponse, clusters};
use crate::data::{BLANK, BundledFile, CbtQuestion, DataError, DataFile, read_cbt};
use crate::record::{CandidateSet, Protocol};
use crate::tasks::detokenize::{BOOK, rewrite};
use gpt2_model::request::{Request, Response};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Metric};

/// CBT with one of its two kinds of missing words.
pub(super) struct Cbt {
    config: LazyLock<TaskConfig>,
    samples: &'static [BundledFile],
}

pub(super) static COMMON_NOUNS: Cbt = Cbt {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/cbt-cn/task.toml"))),
    samples: &[("sample.txt", include_bytes!("../../tasks/cbt-cn/sample.txt"))],
};

pub(super) static NAMED_ENTITIES: Cbt = Cbt {
    config: LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/cbt-ne/task.toml"))),
    samples: &[("sample.txt", include_bytes!("../../tasks/cbt-ne/sample.txt"))],
};

/// The de-tokenized text before the blank and after it.
fn around_the_blank(question: &CbtQuestion) -> (String, String) {
    let tokenized = format!("{} {}", question.sentences.join(" "), question.query);
    let text = rewrite(&tokenized, &BOOK);
    // The last blank, because the query is the end of the text.
    match text.rsplit_once(BLANK) {
        Some((before, after)) => (before.to_owned(), after.to_owned()),
        None => (text, String::new()),
    }
}

/// The sentences of the story, and the query with its answer: questions about one story share some of them.
fn passage(question: &CbtQuestion) -> Vec<Cow<'_, str>> {
    let answer = question.candidates.get(question.answer).map_or("", String::as_str);
    let query = question.query.replacen(BLANK, answer, 1);
    question.sentences.iter().map(|sentence| Cow::from(sentence.as_str())).chain([Cow::from(query)]).collect()
}

/// Index of the candidate that occurs most often in the story and the query; the first of equals.
fn most_frequent(question: &CbtQuestion) -> usize {
    let sentences = question.sentences.iter().chain([&question.query]);
    let words: Vec<&str> = sentences.flat_map(|sentence| sentence.split_whitespace()).collect();
    let count = |candidate: &String| words.iter().filter(|word| *word == candidate).count();
    let counts: Vec<f64> = question.candidates.iter().map(|candidate| count(candidate) as f64).collect();
    first_largest(&counts)
}

impl Task for Cbt {
    type Doc = CbtQuestion;

    fn config(&self) -> &TaskConfig {
        &self.config
    }

    fn samples(&self) -> &'static [BundledFile] {
        self.samples
    }

    fn docs(&self, file: &DataFile, _: &Protocol) -> Result<Vec<Item<CbtQuestion>>, DataError> {
        let questions = read_cbt(file)?;
        let clusters = clusters::of_shared_sentences(questions.iter().map(passage));
        let id = |index| format!("{index:05}");
        Ok(questions
            .into_iter()
            .zip(clusters)
            .enumerate()
            .map(|(index, (question, cluster))| Item {
                id: id(index),
                cluster: cluster.map(id),
                line: question.line,
                doc: question,
            })
            .collect())
    }

    fn content(&self, doc: &CbtQuestion) -> Option<Vec<String>> {
        let texts = doc.sentences.iter().chain([&doc.query]).chain(&doc.candidates);
        Some(texts.cloned().chain([doc.answer.to_string()]).collect())
    }

    /// The story and the query with the answer.
    fn few_shot_example(&self, doc: &CbtQuestion, _: &Protocol) -> String {
        let (before, after) = around_the_blank(doc);
        let answer = doc.candidates.get(doc.answer).map_or("", String::as_str);
        format!("{before}{answer}{after}\n\n")
    }

    fn expected(&self, doc: &CbtQuestion, _: &Protocol) -> Vec<String> {
        doc.candidates.get(doc.answer).cloned().into_iter().collect()
    }

    fn candidate_sets(&self, doc: &CbtQuestion, _: &Protocol) -> Vec<CandidateSet> {
        vec![CandidateSet::consecutive(0, doc.candidates.len(), doc.answer)]
    }

    fn requests(&self, doc: &CbtQuestion, setting: &Setting<'_>) -> Vec<Request> {
        let (before, after) = around_the_blank(doc);
        doc.candidates
            .iter()
            .map(|candidate| {
                let context = format!("{}{before}", setting.few_shot_examples);
                log_likelihood_request(context, format!("{candidate}{after}"))
            })
            .collect()
    }

    fn score(
        &self,
        doc: &CbtQuestion,
        _: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let scores = log_likelihoods(responses)?;
        Ok(SampleValues::from([("correct".to_owned(), correct(&scores, doc.answer))]))
    }

    /// The candidate that occurs most often in the story and the query (Hill et al. 2016), and a random one.
    fn baselines(
        &self,
        items: &[Item<CbtQuestion>],
        _: &[Item<CbtQuestion>],
        _: &Protocol,
        seed: u64,
    ) -> Vec<HeuristicBaseline> {
        choice_baselines(items, seed, &["correct"], |doc| {
            (most_frequent(doc), [doc.answer], doc.candidates.len())
        })
    }

    fn metrics(&self, _: &Protocol) -> Vec<Metric> {
        vec![Metric { name: "accuracy", aggregate: Aggregate::Accuracy { correct: "correct" } }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_stories_are_a_cluster() {
        let story = |first: usize, query: &str| {
            let line = |n: usize| format!("sentence {n} of the long tale about a miller .");
            let sentences: String = (0..20).map(|n| format!("{} {}\n", n + 1, line(first + n))).collect();
            format!("{sentences}21 {query}\tb\t\ta|b|c|d|e|f|g|h|i|j\n\n")
        };
        // The query of the first question, with its answer, is a sentence of the third one.
        let texts = [
            story(0, "the tale about XXXXX miller , who had a cat ."),
            story(100, "XXXXX slept ."),
            story(200, "XXXXX slept .").replacen(
                "1 sentence 200 of the long tale about a miller .",
                "1 the tale about b miller , who had a cat .",
                1,
            ),
            story(110, "XXXXX slept ."),
            story(300, "XXXXX slept ."),
        ];
        let mut file = DataFile::bundled("cbt.txt", b"");
        file.bytes = Cow::Owned(texts.concat().into_bytes());
        let items = COMMON_NOUNS.docs(&file, &Protocol::new("paper")).unwrap();
        let clusters: Vec<Option<&str>> = items.iter().map(|item| item.cluster.as_deref()).collect();
        assert_eq!(clusters, [Some("00000"), Some("00001"), Some("00000"), Some("00001"), None]);
    }

    #[test]
    fn candidates_are_inserted_into_de_tokenized_text() {
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
        let requests = COMMON_NOUNS.requests(
            &question,
            &Setting { protocol: &Protocol::new("paper"), few_shot_examples: "", seed: 0 },
        );
        let Request::LogLikelihood { context, continuation, .. } = &requests[1] else { panic!() };
        assert_eq!(context, "'What is it?' \"I don't know,\" said he (the ogre). he and the ");
        assert_eq!(continuation, "cat's son were there.");
    }
}
