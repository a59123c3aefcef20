//! Custom tasks and their data as users have them: answers by label, truth values, several right answers, separated
//! values, JSON lists, blank lines, records without text or references.

use std::path::Path;

use gpt2_eval::record::SampleResult;

use crate::common::{gpt2_eval, refused};

/// A directory with task configs and data files.
fn directory_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn config(name: &str, kind: &str, keys: &str, data: &str) -> String {
    format!("name = \"{name}\"\ntitle = \"T\"\nmeasures = \"m\"\nkind = \"{kind}\"\n{keys}\n[data]\n{data}\n")
}

/// The results of a task with its config in `task.toml`, and what the command printed to stderr.
fn run(directory: &Path, name: &str, more: &[&str]) -> (Vec<SampleResult>, String) {
    let output = gpt2_eval(directory)
        .args(["--task-file", &format!("{name}.toml"), "--sizes", "tiny-3M", "--out", &format!("run-{name}")])
        .args(more)
        .output()
        .unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{notes}");
    // The name of the journal has the options of the protocol.
    let journals = std::fs::read_dir(directory.join(format!("run-{name}/samples/tiny-3M"))).unwrap();
    let journals: Vec<_> = journals.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(journals.len(), 1);
    let text = std::fs::read_to_string(&journals[0]).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), notes)
}

fn manifest_notes(directory: &Path, name: &str) -> serde_json::Value {
    let text = std::fs::read(directory.join(format!("run-{name}/manifest.json"))).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["environment"]["data_notes"].clone()
}

fn message(files: &[(&str, &str)]) -> String {
    let directory = directory_with(files);
    refused(directory.path(), &["--task-file", "task.toml", "--sizes", "tiny-3M"])
}

#[track_caller]
fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

/// One question in four shapes has the same requests, responses and values.
#[test]
fn an_answer_may_be_a_label_an_index_or_a_text() {
    let table = "{\"q\": \"The sky is\", \"choices\": {\"text\": [\"red\", \"blue\", \"old\"], \"label\": [\"A\", \"B\", \"C\"]}, \
                 \"answerKey\": \"B\"}\n{\"q\": \"Snow is\", \"choices\": {\"text\": [\"white\", \"hot\", \"loud\"], \"label\": \
                 [\"1\", \"2\", \"3\"]}, \"answerKey\": \"1\"}\n";
    let list = "{\"q\": \"The sky is\", \"choices\": [{\"text\": \"red\", \"label\": \"A\"}, {\"text\": \"blue\", \"label\": \
                \"B\"}, {\"text\": \"old\", \"label\": \"C\"}], \"answerKey\": \"B\"}\n{\"q\": \"Snow is\", \"choices\": \
                [{\"text\": \"white\", \"label\": \"1\"}, {\"text\": \"hot\", \"label\": \"2\"}, {\"text\": \"loud\", \
                \"label\": \"3\"}], \"answerKey\": \"1\"}\n";
    let index = "{\"q\": \"The sky is\", \"c\": [\"red\", \"blue\", \"old\"], \"gold\": 1}\n{\"q\": \"Snow is\", \"c\": \
                 [\"white\", \"hot\", \"loud\"], \"gold\": 0}\n";
    let keys = |choices: &str, answer: &str, answer_is: &str| {
        format!(
            "prompt = \"{{q}}\"\nchoices = \"{choices}\"\nanswer = \"{answer}\"\nanswer_is = \"{answer_is}\""
        )
    };
    let labels = |field: &str| format!("\nlabels = \"{field}\"");
    let arc = keys("choices.text", "answerKey", "label") + &labels("choices.label");
    let each = keys("choices[].text", "answerKey", "label") + &labels("choices[].label");
    let directory = directory_with(&[
        ("arc.jsonl", table),
        ("each.jsonl", list),
        ("index.jsonl", index),
        ("arc.toml", &config("arc", "choice", &arc, "file = \"arc.jsonl\"")),
        ("each.toml", &config("each", "choice", &each, "file = \"each.jsonl\"")),
        ("index.toml", &config("index", "choice", &keys("c", "gold", "index"), "file = \"index.jsonl\"")),
    ]);
    let path = directory.path();
    let (by_index, _) = run(path, "index", &["--shots", "1"]);
    assert_eq!(by_index.len(), 2);
    for name in ["arc", "each"] {
        let (found, _) = run(path, name, &["--shots", "1"]);
        assert_eq!(found.len(), 2);
        for (one, other) in found.iter().zip(&by_index) {
            assert_eq!((&one.responses, &one.values), (&other.responses, &other.values), "{name}");
            assert_eq!(one.candidate_sets, other.candidate_sets, "{name}");
        }
    }
    contains(
        &message(&[
            ("a.jsonl", &table.replace("\"B\"}", "\"E\"}")),
            ("task.toml", &config("x", "choice", &arc, "file = \"a.jsonl\"")),
        ]),
        &["a.jsonl:1: `answerKey` is \"E\"; expected one of the labels A, B, C"],
    );
    let without = keys("choices.text", "answerKey", "label");
    contains(
        &message(&[("task.toml", &config("x", "choice", &without, "file = \"a.jsonl\""))]),
        &["task.toml:8:13: answer_is = \"label\" needs the key `labels`"],
    );
    let needless = keys("c", "gold", "index") + &labels("l");
    contains(
        &message(&[("task.toml", &config("x", "choice", &needless, "file = \"a.jsonl\""))]),
        &["`labels` needs answer_is = \"label\""],
    );
}

#[test]
fn truth_values_and_several_right_answers() {
    let passages = "{\"question\": \"is snow cold\", \"answer\": true}\n{\"question\": \"is fire cold\", \"answer\": false}\n";
    let boolq = "prompt = \"{question}?\\nAnswer:\"\nchoices = [\"no\", \"yes\"]\nanswer = \"answer\"\nanswer_is = \"boolean\"";
    let several = "prompt = \"{q}\"\nchoices = \"c\"\nanswer = \"right\"\nanswer_is = \"letter\"";
    let question = |right: &str| {
        format!(
            "{{\"q\": \"A cat is\", \"c\": [\"an animal\", \"a pet\", \"a stone\"], \"right\": {right}}}\n"
        )
    };
    let data = ["[\"A\", \"B\", \"C\"]", "[\"A\"]", "[\"B\"]", "[\"C\"]", "\"C\""].map(question).concat();
    let directory = directory_with(&[
        ("b.jsonl", passages),
        ("yesno.toml", &config("yesno", "choice", boolq, "file = \"b.jsonl\"")),
        ("s.jsonl", &data),
        ("several.toml", &config("several", "choice", several, "file = \"s.jsonl\"")),
    ]);
    let (found, _) = run(directory.path(), "yesno", &[]);
    assert_eq!(found.iter().map(|record| record.candidate_sets[0].correct).collect::<Vec<_>>(), [1, 0]);
    let (found, _) = run(directory.path(), "several", &[]);
    let correct: Vec<f64> = found.iter().map(|record| record.values["correct"]).collect();
    assert_eq!(correct[0], 1.0, "every choice is right");
    assert_eq!(correct[1] + correct[2] + correct[3], 1.0, "one of the three wins");
    assert_eq!(correct[3], correct[4], "a list of one is one answer");
    let baselines =
        std::fs::read_to_string(directory.path().join("run-several/baselines/several.jsonl")).unwrap();
    let random = baselines.lines().find(|line| line.contains("Random") && line.contains("00000")).unwrap();
    assert!(random.contains("\"correct\":1.0"), "every choice is right: {random}");
}

/// The same records in every text format give the same results; what was skipped or guessed is noted.
#[test]
fn formats_of_tables() {
    let rows = [("a1", "The cat sat, on the", "mat \"x\"", "0"), ("a2", "One two\nthree", "four", "1")];
    let json = |(id, text, word, n): (&str, &str, &str, &str)| {
        serde_json::json!({"id": id, "text": text, "word": word, "n": n}).to_string()
    };
    let separated = |delimiter: &str, end: &str| {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let line = |(id, text, word, n): (&str, &str, &str, &str)| {
            [id, &quoted(text), &quoted(word), n].join(delimiter) + end
        };
        ["id", "text", "word", "n"].join(delimiter) + end + &rows.map(line).concat()
    };
    let keys = "prompt = \"{text}\"\ntarget = \" {word}\"";
    let formats = [
        (
            "lines",
            "jsonl",
            format!("{}\n\n  \n{}\n\n", json(rows[0]), json(rows[1])),
            "",
            "3 blank lines skipped",
        ),
        ("list", "json", format!("\u{feff}[{},\n{}]", json(rows[0]), json(rows[1])), "", ""),
        ("comma", "csv", separated(",", "\r\n").replace("two\r\n", "two\n"), "", ""),
        ("found", "csv", separated(";", "\n"), "", "its columns are separated by semicolons"),
        ("semicolon", "csv", separated(";", "\n"), "\ndelimiter = \";\"", ""),
        ("tabs", "tsv", separated("\t", "\n"), "", ""),
    ];
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut first: Option<Vec<SampleResult>> = None;
    for (name, ending, content, more, note) in formats {
        std::fs::write(path.join(format!("{name}.{ending}")), content).unwrap();
        let data = format!("file = \"{name}.{ending}\"\nid = \"id\"{more}");
        std::fs::write(path.join(format!("{name}.toml")), config(name, "last-word", keys, &data)).unwrap();
        let (found, notes) = run(path, name, &[]);
        match &first {
            None => first = Some(found),
            Some(first) => {
                assert_eq!(first.len(), found.len(), "{name}");
                for (one, other) in first.iter().zip(&found) {
                    assert_eq!((&one.id, &one.responses), (&other.id, &other.responses), "{name}");
                }
            }
        }
        if note.is_empty() {
            assert!(!notes.contains("note: task"), "{notes}");
            assert!(manifest_notes(path, name).is_null());
        } else {
            contains(&notes, &[&format!("note: task {name}: {note}")]);
            assert_eq!(manifest_notes(path, name)[0]["notes"], serde_json::json!([note]));
        }
    }
}

#[test]
fn records_without_text_are_skipped_with_a_count() {
    let lines = "{\"t\": \"The cat sat.\"}\n{\"t\": \"\"}\n\n{\"t\": \"  \"}\n{\"t\": \"A dog ran.\"}\n";
    let files = [
        ("t.jsonl", lines),
        ("e.jsonl", "{\"t\": \"\"}\n"),
        ("texts.toml", &config("texts", "perplexity", "text = \"{t}\"", "file = \"t.jsonl\"")),
        ("task.toml", &config("texts", "perplexity", "text = \"{t}\"", "file = \"e.jsonl\"")),
    ];
    let directory = directory_with(&files);
    let (found, notes) = run(directory.path(), "texts", &[]);
    assert_eq!(found.len(), 2);
    contains(&notes, &["note: task texts: 1 blank line skipped", "2 records with an empty text skipped"]);
    contains(&message(&files), &["e.jsonl: the file has no records"]);
}

#[test]
fn a_record_without_references_needs_a_metric_that_has_a_value() {
    let data = "{\"q\": \"Who?\", \"a\": []}\n{\"q\": \"What?\", \"a\": [\"a cat\"]}\n";
    let keys = "prompt = \"Q: {q}\\nA:\"\nreferences = \"a\"\nmax_new_tokens = 2";
    let with = |metric: &str| {
        config("asked", "generate", &format!("{keys}\nmetrics = [{metric}]"), "file = \"a.jsonl\"")
    };
    let values = "\"exact_match\", \"f1\", \"coqa_f1\", \"exact_text\"";
    let directory = directory_with(&[("a.jsonl", data), ("asked.toml", &with(values))]);
    let (found, _) = run(directory.path(), "asked", &["--shots", "1"]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|record| record.error.is_none() && record.values.len() == 4));
    let completion = found[0].responses[0].text().unwrap().trim().to_owned();
    let has_words = completion.chars().any(char::is_alphanumeric);
    for (name, &value) in &found[0].values {
        let is_right = if name == "exact_text" { completion.is_empty() } else { !has_words };
        assert_eq!(value, f64::from(u8::from(is_right)), "{name} of {completion:?}");
    }
    contains(
        &message(&[("a.jsonl", data), ("task.toml", &with("\"f1\", \"rougeL\""))]),
        &["a.jsonl:1: `references` (a) is an empty list", "the metric `rougeL` has no value"],
    );
    let null = "{\"q\": \"Who?\", \"a\": null}\n";
    contains(&message(&[("a.jsonl", null), ("task.toml", &with(values))]), &["a.jsonl:1: `a` is null"]);
}

#[test]
fn messages_about_tables_name_file_line_and_remedy() {
    let keys = "prompt = \"{text}\"\ntarget = \" {word}\"";
    let of = |file: &str, content: &str, more: &str| {
        let data = format!("file = \"{file}\"{more}");
        message(&[(file, content), ("task.toml", &config("x", "last-word", keys, &data))])
    };
    for (file, content, more, parts) in [
        (
            "t.csv",
            "the cat,sat\na dog,ran\n",
            "",
            &["t.csv:2: the record has no field `text`", "the first line of the file must name the columns"]
                [..],
        ),
        ("t.csv", "text,word,text\na,b,c\n", "", &["t.csv:1: two columns have the name `text`"]),
        ("t.csv", "text,word\na b,c,\n", "", &["t.csv:2: 3 values, but the header names 2 columns"]),
        (
            "t.csv",
            "text,word\n\"a b,c\nd e,f\n",
            "",
            &["t.csv:2: a quotation mark is never closed", "quotes = false"],
        ),
        ("t.tsv", "text\tword\n\"Oh\" no\tc\n", "", &["t.tsv:2: text follows a closing quotation mark"]),
        ("t.jsonl", "[{\"text\": \"a b\", \"word\": \"c\"}]", "", &["t.jsonl:1: ", "jq -c '.[]'"]),
        ("t.json", "{\"text\": \"a b\", \"word\": \"c\"}", "", &["t.json:1: expected a JSON list"]),
        (
            "t.json",
            "[{\"text\": \"a b\", \"word\": \"c\"},\n{\"te",
            "",
            &["t.json:2: the file ends within its list of records: it is truncated"],
        ),
        ("t.jsonl", "{\"text\": \"a b\", \"word\": \"c\"}\n{\"te", "", &["t.jsonl:2: ", "it is truncated"]),
        (
            "t.jsonl",
            "{\"text\": \"a b\", \"word\": \"c\"}\n{\"text\": \"a b\", \"word\": \"c\"}\n",
            "\nid = \"text\"",
            &["t.jsonl:2: `a b` is also the name of an earlier sample, in line 1"],
        ),
        (
            "t.jsonl",
            "{}\n",
            "\ndelimiter = \";\"",
            &["task.toml:9:13: `delimiter` is only supported by formats \"csv\" and \"tsv\""],
        ),
        ("t.csv", "{}\n", "\ndelimiter = \";;\"", &["task.toml:9:13: "]),
        ("t.jsonl.gz", "\u{1f}", "", &["cannot tell the format of \"t.jsonl.gz\""]),
    ] {
        contains(&of(file, content, more), parts);
    }
    let directory = directory_with(&[("task.toml", &config("x", "last-word", keys, "file = \"t.jsonl\""))]);
    let refused_bytes = |bytes: &[u8]| {
        std::fs::write(directory.path().join("t.jsonl"), bytes).unwrap();
        refused(directory.path(), &["--task-file", "task.toml", "--sizes", "tiny-3M"])
    };
    contains(
        &refused_bytes(b"\x1f\x8b\x08\x00"),
        &["t.jsonl: the file is compressed with gzip", "gunzip -k t.jsonl"],
    );
    contains(
        &refused_bytes(b"\xff\xfe{\0}\0"),
        &["t.jsonl: the text is in UTF-16LE", "iconv -f UTF-16 -t UTF-8"],
    );
    contains(
        &refused_bytes(b"{\"text\": \"caf\xe9 x\", \"word\": \"c\"}\n"),
        &["t.jsonl:1: not UTF-8: byte 0xe9", "Latin-1"],
    );
}
