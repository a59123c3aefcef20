//! Users' tasks of kind `perplexity`: how probable texts are, each by itself, or a file as one text.

use std::ops::Range;

use crate::data::{DataError, DataFile};
use crate::record::Protocol;
use crate::tasks::perplexity::{CONTEXT, Cut, PAPER_STRIDE, canonical_words, parts};
use crate::tasks::{Item, TaskError};
use gpt2_model::request::{Document, Request, Response, Window};
use text_metrics::SampleValues;

/// A text, or a part of a long one.
#[derive(Debug, Clone)]
pub struct Part {
    document: Document,
    bytes: Range<usize>,
    /// Words and ends of line of the whole text.
    units: f64,
    /// Words of the whole text.
    words: f64,
}

impl Part {
    /// A text by itself.
    pub fn whole(text: &str) -> Self {
        Self::of(Document::new(text), 0..text.len())
    }

    fn of(document: Document, bytes: Range<usize>) -> Self {
        let units = canonical_words(document.text()) as f64;
        let words = document.text().split_whitespace().count() as f64;
        Self { document, bytes, units, words }
    }

    /// The parts of a file that is one text.
    pub fn of_file(file: &DataFile) -> Result<Vec<Item<Self>>, DataError> {
        let text = file.text()?;
        let first = Self::of(Document::new(text), 0..0);
        let mut line = 1;
        let mut items = Vec::new();
        for (index, bytes) in parts(text, Cut::Lines).into_iter().enumerate() {
            let first_line = line;
            line += text.get(bytes.clone()).map_or(0, |part| part.matches('\n').count());
            let doc = Self { bytes, ..first.clone() };
            items.push(Item { id: format!("{index:05}"), cluster: None, line: first_line, doc });
        }
        Ok(items)
    }

    /// One request, in windows.
    pub fn requests(&self, protocol: &Protocol) -> Vec<Request> {
        let stride = protocol.options.get("stride").and_then(|stride| stride.parse().ok());
        vec![Request::Rolling {
            document: self.document.clone(),
            part: self.bytes.clone(),
            window: Window { context: CONTEXT, stride: stride.unwrap_or(PAPER_STRIDE) },
        }]
    }

    /// The log-likelihood, and what it is shared among: of a part, the share that its scored bytes have of the text.
    pub fn score(&self, responses: &[Response]) -> Result<SampleValues, TaskError> {
        let [Response::Rolling(score)] = responses else {
            let found = responses.first().map_or("nothing", Response::kind);
            return Err(TaskError::Response { index: 0, expected: "one rolling", found });
        };
        let whole = self.document.text().len();
        let share = if self.bytes == (0..whole) { 1.0 } else { score.bytes as f64 / whole as f64 };
        Ok(SampleValues::from([
            ("log_likelihood".to_owned(), score.log_likelihood),
            ("tokens".to_owned(), score.tokens as f64),
            ("units".to_owned(), self.units * share),
            ("words".to_owned(), self.words * share),
            ("bytes".to_owned(), whole as f64 * share),
        ]))
    }
}
