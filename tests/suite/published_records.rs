//! Published sets in other kinds of files are recognised by the checksum over their records. Needs the reference data.

use std::path::Path;

use serde_json::{Value, json};

use crate::common::{gpt2_eval, shared};

/// What `ls --data` says about a task with this file.
fn listed(task: &str, files: &[(&str, Vec<u8>)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join("data").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let output = gpt2_eval(directory.path()).args(["ls", "--data", "data"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let start = text.find(&format!("\n  {task} ")).unwrap() + 1;
    text[start..]
        .split("\n  ")
        .filter(|line| line.contains("data  ") || line.starts_with("     "))
        .take(3)
        .collect()
}

#[track_caller]
fn is_published(task: &str, files: &[(&str, Vec<u8>)]) {
    let text = listed(task, files);
    assert!(text.contains("the published records in another file"), "{task}: {text}");
}

/// The text of a file; the XML collection is in ISO-8859-1, in which every byte is the character with that code.
fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

fn lines(path: &Path) -> Vec<Value> {
    read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn written(records: impl Iterator<Item = Value>, end: &str) -> Vec<u8> {
    records.map(|record| record.to_string() + end).collect::<String>().into_bytes()
}

#[test]
fn lambada_and_natural_questions() {
    let (Some(lambada), Some(nq)) =
        (shared("data/lambada/lambada_test.jsonl"), shared("data/nq_open/NQ-open.dev.jsonl"))
    else {
        return;
    };
    // Without escapes, with a byte order mark and other line ends, in another order.
    let mut passages = lines(&lambada);
    passages.reverse();
    let other = [b"\xef\xbb\xbf".to_vec(), written(passages.iter().cloned(), "\r\n")].concat();
    is_published("lambada", &[("lambada/lambada_test.jsonl", other)]);
    passages[7]["text"] = json!(format!("{} again", passages[7]["text"].as_str().unwrap()));
    let text = listed("lambada", &[("lambada/lambada_test.jsonl", written(passages.into_iter(), "\n"))]);
    assert!(text.contains("5,153 records, unverified") && text.contains("their checksum is"), "{text}");
    is_published("nq", &[("nq_open/NQ-open.dev.jsonl", written(lines(&nq).into_iter(), "\n"))]);
}

#[test]
fn newstest2014_as_sgm_and_as_lines() {
    let [Some(french), Some(english)] =
        ["src.fr", "ref.en"].map(|name| shared(&format!("data/wmt14/newstest2014-fren-{name}.sgm")))
    else {
        return;
    };
    let upper = |path: &Path| {
        let text = read(path).replace("<seg id", "<SEG ID").replace("</seg>", "</SEG>");
        ("\u{feff}".to_owned() + &text.replace("<doc ", "<DOC ").replace("docid=", "DocId=")).into_bytes()
    };
    let names = ["wmt14/newstest2014-fren-src.fr.sgm", "wmt14/newstest2014-fren-ref.en.sgm"];
    is_published("wmt14-fr-en", &[(names[0], upper(&french)), (names[1], upper(&english))]);
    let plain = |path: &Path| {
        let text = read(path);
        let segments = text
            .lines()
            .filter_map(|line| line.split_once("<seg id=")?.1.split_once('>')?.1.split_once("</seg>"));
        segments.map(|(segment, _)| segment.to_owned() + "\n").collect::<String>().into_bytes()
    };
    is_published(
        "wmt14-fr-en",
        &[("wmt14/newstest2014.fr", plain(&french)), ("wmt14/newstest2014.en", plain(&english))],
    );
    is_published(
        "wmt14-en-fr",
        &[("wmt14/newstest2014.en", plain(&english)), ("wmt14/newstest2014.fr", plain(&french))],
    );
}

#[test]
fn winograd_schemas_as_xml_json_and_the_table_of_the_hub() {
    let [Some(xml), Some(contexts), Some(blanks)] =
        ["WSCollection.xml", "winograd_wsc.jsonl", "wsc273.jsonl"]
            .map(|name| shared(&format!("data/winograd/{name}")))
    else {
        return;
    };
    // White space, as between the two published copies of the XML.
    let spaced = read(&xml).replace("</txt1>", " \n</txt1>").into_bytes();
    is_published("winograd", &[("winograd/WSCollection.xml", spaced)]);
    is_published("winograd", &[("winograd/winograd_wsc.jsonl", written(lines(&contexts).into_iter(), "\n"))]);
    is_published("winograd", &[("winograd/wsc273.jsonl", written(lines(&blanks).into_iter().rev(), "\r\n"))]);
    // The hub's table has the columns of its script.
    let text = read(&xml);
    let document = roxmltree::Document::parse(&text).unwrap();
    let words =
        |text: Option<&str>| text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let schemas = document.root_element().children().filter(|node| node.has_tag_name("schema")).take(273);
    let table = schemas.map(|schema| {
        let child = |node: roxmltree::Node<'_, '_>, name: &str| {
            words(node.children().find(|node| node.has_tag_name(name)).and_then(|node| node.text()))
        };
        let part = |name: &str| schema.children().find(|node| node.has_tag_name(name)).unwrap();
        let [left, pronoun, right] = ["txt1", "pron", "txt2"].map(|name| child(part("text"), name));
        let answers = part("answers");
        let answers = answers.children().filter(|node| node.has_tag_name("answer"));
        let location = if left.is_empty() { 0 } else { left.chars().count() + 1 };
        json!({
            "text": format!("{left} {pronoun} {right}").trim(), "pronoun": pronoun, "pronoun_loc": location,
            "quote": "", "quote_loc": 0, "source": "",
            "options": answers.map(|node| words(node.text())).collect::<Vec<_>>(),
            "label": usize::from(child(schema, "correctAnswer").contains('B')),
        })
    });
    is_published("winograd", &[("winograd/wsc273.hub.jsonl", written(table, "\n"))]);
}
