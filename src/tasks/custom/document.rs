//! Custom tasks of kind `perplexity`: texts, each by itself, or a file as one text.

use crate::data::{DataError, DataFile};
use crate::tasks::Item;
use crate::tasks::perplexity::{Cut, Part, canonical_words, stream};

fn units(text: &str) -> Vec<(&'static str, f64)> {
    vec![
        ("units", canonical_words(text) as f64),
        ("words", text.split_whitespace().count() as f64),
        ("bytes", text.len() as f64),
    ]
}

/// A record's text as one sample.
pub(super) fn whole(text: &str) -> Part {
    Part::whole(text, units(text))
}

/// The samples of a file that is one text.
pub(super) fn of_file(file: &DataFile) -> Result<Vec<Item<Part>>, DataError> {
    let text = file.text()?;
    Ok(stream(text, &units(text), Cut::Lines))
}
