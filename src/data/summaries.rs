//! Articles with their highlights: CSV with a header, JSON lines, or two files with one article and one summary a line.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::parquet::MAGIC;
use super::{DataError, DataFile, LineNumbers, read_json_lines};

/// An article and its highlights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Line of its record, from 1.
    pub line: usize,
    /// Its id in the data, where it has one.
    pub id: Option<String>,
    pub article: String,
    /// The sentences of the reference summary.
    pub highlights: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    article: String,
    highlights: String,
    id: Option<String>,
}

/// Reads all articles.
///
/// `Err` names file and line of a missing column, an empty article or summary, or an id that an earlier article has.
pub fn read_articles(file: &DataFile) -> Result<Vec<Article>, DataError> {
    let records: Vec<(usize, Record)> = if file.companion.is_some() {
        tagged_lines(file)?
    } else if file.bytes.starts_with(MAGIC) || file.text()?.trim_start().starts_with('{') {
        read_json_lines(file)?
    } else {
        csv_records(file)?
    };
    if records.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    let mut first_lines: BTreeMap<String, usize> = BTreeMap::new();
    records
        .into_iter()
        .map(|(line, record)| {
            let id = record.id.clone().filter(|id| !id.is_empty());
            if let Some((id, first)) = id.and_then(|id| Some((id.clone(), first_lines.insert(id, line)?))) {
                let reason = format!("the id {id:?} is also in line {first}: the data are doubled");
                return Err(file.record_error(line, reason));
            }
            let highlights = highlights(&record.highlights);
            if record.article.trim().is_empty() || highlights.is_empty() {
                let what = if highlights.is_empty() { "`highlights` is empty" } else { "`article` is empty" };
                return Err(file.record_error(line, what));
            }
            Ok(Article { line, id: record.id, article: record.article, highlights })
        })
        .collect()
}

/// Splits highlights at line ends; where those were lost, at ` .`, which ends every highlight.
fn highlights(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let [only] = lines[..] else {
        return lines.into_iter().map(str::to_owned).collect();
    };
    let mut sentences: Vec<String> = only.split(" .").map(|part| format!("{} .", part.trim())).collect();
    // Text after the last full stop has no full stop.
    let rest = sentences.pop().map(|last| last.trim_end_matches(" .").to_owned());
    sentences.extend(rest.filter(|rest| !rest.is_empty()));
    sentences
}

fn csv_records(file: &DataFile) -> Result<Vec<(usize, Record)>, DataError> {
    let text = file.text()?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let wrong = |error: csv::Error, line: u64| {
        let line = error.position().map_or(line, csv::Position::line);
        file.record_error(
            line as usize,
            format!("malformed CSV record: {error}; expected article, highlights, id"),
        )
    };
    let header = reader.headers().map_err(|error| wrong(error, 1))?.clone();
    for column in ["article", "highlights"] {
        if !header.iter().any(|name| name == column) {
            let found: Vec<&str> = header.iter().collect();
            let reason = format!("no column `{column}` among {}", found.join(", "));
            return Err(file.record_error(1, reason));
        }
    }
    let mut records = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut lines = LineNumbers::new(text);
    loop {
        let line = reader.position().line();
        if !reader.read_record(&mut record).map_err(|error| wrong(error, line))? {
            return Ok(records);
        }
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        records.push((line, record.deserialize(Some(&header)).map_err(|error| wrong(error, line as u64))?));
    }
}

/// `REALSumm`'s format: `<t> article </t>` a line, and the same for summaries, whose sentences are joined as ` .next`.
fn tagged_lines(file: &DataFile) -> Result<Vec<(usize, Record)>, DataError> {
    let Some(companion) = file.companion.as_deref() else { return Ok(Vec::new()) };
    let untag = |line: &str| line.replace("<t>", "").replace("</t>", "").trim().to_owned();
    let articles: Vec<String> = file.text()?.lines().map(untag).collect();
    let summaries: Vec<String> = companion.text()?.lines().map(untag).collect();
    if articles.len() != summaries.len() {
        let reason =
            format!("{} summaries for the {} articles of {}", summaries.len(), articles.len(), file.name);
        return Err(companion.record_error(summaries.len(), reason));
    }
    let records = articles.into_iter().zip(summaries).enumerate();
    Ok(records
        .map(|(index, (article, highlights))| (index + 1, Record { article, highlights, id: None }))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn file(text: &str) -> DataFile {
        let mut file = DataFile::bundled("a.csv", b"");
        file.bytes = Cow::Owned(text.as_bytes().to_vec());
        file
    }

    fn read(text: &str) -> Result<Vec<Article>, String> {
        read_articles(&file(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn csv_and_json_lines() {
        let csv = "article,highlights,id\n\"One,\ntwo.\",\"First .\nSecond .\",x\nThree.,Third .,y\n";
        let articles = read(csv).unwrap();
        assert_eq!(articles[0].highlights, ["First .", "Second ."]);
        assert_eq!((articles[1].line, articles[1].id.as_deref()), (5, Some("y")));
        let json = "{\"id\":\"x\",\"article\":\"A.\",\"highlights\":\"First . Second .\"}\n";
        assert_eq!(read(json).unwrap()[0].highlights, ["First .", "Second ."]);
    }

    #[test]
    fn summaries_without_line_ends_are_split() {
        let mut pair = file("<t> an article . </t>\n");
        pair.companion = Some(Box::new(file("<t> first .second one .third</t>\n")));
        assert_eq!(read_articles(&pair).unwrap()[0].highlights, ["first .", "second one .", "third"]);
    }

    #[test]
    fn messages_name_the_line() {
        assert!(read("text,highlights\na,b\n").unwrap_err().starts_with("a.csv:1: no column `article`"));
        assert!(
            read("article,highlights\n\"a\",b\n,c\n").unwrap_err().starts_with("a.csv:3: `article` is empty")
        );
        assert!(read("article,highlights\na\n").unwrap_err().starts_with("a.csv:2: malformed CSV"));
        assert!(read("article,highlights\na,\n").unwrap_err().contains("`highlights` is empty"));
        assert!(read("article,highlights\n").unwrap_err().contains("no records"));
        let doubled = read("article,highlights,id\nA.,B .,x\nC.,D .,x\n").unwrap_err();
        assert!(doubled.starts_with("a.csv:3: the id \"x\" is also in line 2"), "{doubled}");
    }
}
