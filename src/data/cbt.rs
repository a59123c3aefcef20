//! The Children's Book Test's own text format (Hill et al. 2016): lines `1 sentence` to `20 sentence`, then
//! `21 query with XXXXX<tab>answer<tab><tab>c1|…|c10`, and a blank line.

use super::parquet::{self, Row, read_parquet};
use super::sources::cbt_question;
use super::{DataError, DataFile, Provenance};

/// Sentences before the query.
const SENTENCES: usize = 20;
/// Candidates of a question.
const CANDIDATES: usize = 10;
/// The mark of the missing word.
pub const BLANK: &str = "XXXXX";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CbtQuestion {
    /// Line of its first sentence, from 1.
    pub line: usize,
    /// The sentences before the query.
    pub sentences: Vec<String>,
    /// The query, with [`BLANK`] for the missing word.
    pub query: String,
    /// Index of the answer among the candidates.
    pub answer: usize,
    pub candidates: Vec<String>,
}

/// Reads all questions.
///
/// `Err` names file and line of a line out of order, a query without a blank, or an answer that is not a candidate. An
/// incomplete last question is an error, except in a file whose name says that it is a subset: those are cut after a
/// number of lines.
pub fn read_cbt(file: &DataFile) -> Result<Vec<CbtQuestion>, DataError> {
    let table = file.bytes.starts_with(parquet::MAGIC).then(|| table(file)).transpose()?;
    let text = match &table {
        Some(text) => text,
        None => file.text()?,
    };
    let mut questions = Vec::new();
    let mut sentences: Vec<String> = Vec::new();
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        last = number;
        if line.trim().is_empty() {
            if sentences.is_empty() {
                continue;
            }
            let reason = format!(
                "blank line after sentence {}; expected {SENTENCES} sentences and a query",
                sentences.len()
            );
            return Err(file.record_error(number, reason));
        }
        let expected = sentences.len() + 1;
        let rest = line
            .split_once(' ')
            .filter(|(found, _)| found.parse() == Ok(expected))
            .map(|(_, rest)| rest)
            .ok_or_else(|| {
                file.record_error(number, format!("expected a line that begins with `{expected} `"))
            })?;
        if expected <= SENTENCES {
            sentences.push(rest.to_owned());
            continue;
        }
        let first_line = number - SENTENCES;
        questions.push(question(file, number, first_line, std::mem::take(&mut sentences), rest)?);
    }
    if !sentences.is_empty() && file.provenance != Provenance::Subset {
        let reason = format!(
            "the file ends after sentence {} of a question: it is truncated, get it again",
            sentences.len()
        );
        return Err(file.record_error(last, reason));
    }
    if questions.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    Ok(questions)
}

/// The text form of the hub's table.
fn table(file: &DataFile) -> Result<String, DataError> {
    let mut text = String::new();
    for (row, fields) in read_parquet(file)? {
        let row_of_table: Row = fields.into_iter().collect();
        cbt_question(&row_of_table, &mut text).map_err(|reason| file.record_error(row, reason))?;
    }
    Ok(text)
}

fn question(
    file: &DataFile,
    number: usize,
    line: usize,
    sentences: Vec<String>,
    rest: &str,
) -> Result<CbtQuestion, DataError> {
    let [query, answer, _, candidates] = rest.split('\t').collect::<Vec<_>>()[..] else {
        let reason = "expected query, answer, an empty field and candidates, separated by tabs";
        return Err(file.record_error(number, reason));
    };
    if query.matches(BLANK).count() != 1 {
        return Err(file.record_error(number, format!("expected one {BLANK} in the query {query:?}")));
    }
    let candidates: Vec<String> = candidates.split('|').map(str::to_owned).collect();
    if candidates.len() != CANDIDATES {
        let reason = format!("found {} candidates, expected {CANDIDATES}", candidates.len());
        return Err(file.record_error(number, reason));
    }
    let answer = candidates.iter().position(|candidate| candidate == answer).ok_or_else(|| {
        file.record_error(number, format!("the answer {answer:?} is not one of the candidates"))
    })?;
    Ok(CbtQuestion { line, sentences, query: query.to_owned(), answer, candidates })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn story() -> String {
        let sentences: String = (1..=20).map(|n| format!("{n} sentence .\n")).collect();
        format!("{sentences}21 the XXXXX sat\tb\t\ta|b|c|d|e|f|g|h|i|j\n\n")
    }

    fn read(text: &str, provenance: Provenance) -> Result<Vec<CbtQuestion>, String> {
        let mut file = DataFile::bundled("cbt.txt", b"");
        file.bytes = Cow::Owned(text.as_bytes().to_vec());
        file.provenance = provenance;
        read_cbt(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn questions_and_their_lines() {
        let questions = read(&story().repeat(2), Provenance::Complete).unwrap();
        assert_eq!(questions.len(), 2);
        assert_eq!((questions[1].line, questions[1].answer, questions[1].sentences.len()), (23, 1, 20));
    }

    #[test]
    fn a_subset_may_end_within_a_question() {
        let head = format!("{}1 one .\n2 two .", story());
        assert_eq!(read(&head, Provenance::Subset).unwrap().len(), 1);
        assert!(
            read(&head, Provenance::Complete)
                .unwrap_err()
                .contains("cbt.txt:24: the file ends after sentence 2")
        );
    }

    #[test]
    fn messages_name_the_line() {
        let wrong =
            |from: &str, to: &str| read(&story().replacen(from, to, 1), Provenance::Complete).unwrap_err();
        assert!(
            wrong("5 sentence", "6 sentence").contains("cbt.txt:5: expected a line that begins with `5 `")
        );
        assert!(wrong("XXXXX", "cat").contains("cbt.txt:21: expected one XXXXX"));
        assert!(wrong("\tb\t", "\tz\t").contains("the answer \"z\" is not one of the candidates"));
        assert!(wrong("|j", "").contains("9 candidates, expected 10"));
        assert!(wrong("\t\t", "\t").contains("expected query, answer"));
        assert!(wrong("7 sentence .\n", "\n").contains("cbt.txt:7: blank line after sentence 6"));
        assert!(read("", Provenance::Complete).unwrap_err().contains("no records"));
    }
}
