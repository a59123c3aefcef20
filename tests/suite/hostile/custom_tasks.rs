//! Custom tasks: task configs, templates and data files.

use std::cell::Cell;
use std::path::PathBuf;

use gpt2_eval::data::{DataFile, Provenance};
use gpt2_eval::plan::CustomTaskFile;
use gpt2_eval::record::Protocol;
use gpt2_eval::tasks::{CustomTaskConfig, FieldPath, Record, Registry, Template};
use untrusted_input::{is_plain_name, path_below};

use proptest::prelude::any;
use proptest::{prop_assert, prop_assert_eq};
use sha2::{Digest, Sha256};

use super::data::{FILE, file, is_sound};
use super::memory::bounded;
use super::mutate::{Bytes, mutated};
use super::{cases, hold, is_good_message};

const CHOICE: &str = r#"name = "hostile-choice"
title = "T"
measures = "M"
citation = "nobody"
kind = "choice"
preamble = "P"
prompt = "{article} {{}} {questions}"
target = " {choice}"
choices = "options"
answer = "answers"
answer_is = "letter"
normalization = "unconditional"
unconditional_prompt = "A:"
separator = "\n"
shots = 0
metrics = ["accuracy", "accuracy_normalized"]
[data]
file = "f.jsonl"
train = "g.jsonl"
format = "jsonl"
id = "id"
cluster = "article"
each = ["questions", "options", "answers"]
"#;

const GENERATE: &str = r#"name = "hostile-generate"
title = "T"
measures = "M"
kind = "generate"
prompt = "Q: {question}{context[0].text}"
references = ["{answer}", "x"]
stop = ["\n"]
max_new_tokens = 8
metrics = ["exact_match", "bleu", "rougeL"]
[data]
file = "f.jsonl"
"#;

const ENDING: &str = r#"name = "hostile-ending"
title = "T"
measures = "M"
kind = "last-word"
prompt = "{text}"
[data]
file = "f.csv"
"#;

const TEXTS: &str = r#"name = "hostile-texts"
title = "T"
measures = "M"
kind = "perplexity"
text = "{lines}"
stride = 512
[data]
file = "f.jsonl"
id = "title"
"#;

#[test]
fn configs() {
    let read = Cell::new(0);
    hold(mutated(&[CHOICE, GENERATE, ENDING, TEXTS].map(str::as_bytes)), |bytes| {
        let text = String::from_utf8_lossy(&bytes.0);
        match bounded(text.len(), || CustomTaskConfig::parse("my.toml", &text))? {
            Ok(config) => {
                read.set(read.get() + 1);
                prop_assert!(is_plain_name(&config.name) && !config.metrics.is_empty());
                prop_assert!(!config.title.chars().any(char::is_control));
                for file in std::iter::once(&config.data.file).chain(&config.data.train) {
                    let path = path_below("data".as_ref(), &file.name);
                    prop_assert!(path.is_ok_and(|path| path.starts_with("data")), "{}", file.name);
                }
            }
            Err(error) => {
                let message = error.to_string();
                is_good_message(&message, "my.toml")?;
                let location = message.strip_prefix("my.toml:").unwrap_or_default();
                let numbers: Vec<Option<usize>> =
                    location.splitn(3, ':').take(2).map(|number| number.parse().ok()).collect();
                let lines = text.matches('\n').count() + 1;
                let is_there = matches!(numbers[..], [Some(line), Some(1..)] if (1..=lines).contains(&line));
                prop_assert!(is_there, "{}", message);
            }
        }
        Ok(())
    });
    assert!(read.get() > cases() / 20, "only {} of {} task configs were read", read.get(), cases());
}

fn record() -> Record {
    Record::of(
        serde_json::from_str(r#"{"q": "why", "options": ["a", {"t": "b"}], "n": null, "x y": 1.5}"#).unwrap(),
    )
}

#[test]
fn templates() {
    let seeds: [&[u8]; 3] = [b"Q: {q} {options[0]}{{}}", b"{options[1].t}{x y}", b"{n}{choice}"];
    let record = record();
    hold(mutated(&seeds), |bytes| {
        let text = String::from_utf8_lossy(&bytes.0);
        let rendered = bounded(text.len(), || Template::parse(&text).and_then(|t| t.render(&record, None)))?;
        if let Ok(rendered) = rendered {
            // The longest field has three bytes.
            let most = text.len() + text.matches('{').count() * 3;
            prop_assert!(rendered.len() <= most);
        }
        // Doubled braces render as the text itself.
        let escaped = text.replace('{', "{{").replace('}', "}}");
        prop_assert_eq!(Template::parse(&escaped).unwrap().render(&record, None), Ok(text.to_string()));
        // A bound text is never parsed as a template.
        let bound = Template::parse("a{choice}b").unwrap().render(&record, Some(("choice", &text)));
        prop_assert_eq!(bound, Ok(format!("a{text}b")));
        if let Ok(path) = bounded(text.len(), || FieldPath::parse(&text))? {
            prop_assert!(!path.field.is_empty() && text.starts_with(&path.field));
        }
        Ok(())
    });
}

/// A registry with the task of a config.
fn registry(text: &str) -> Registry {
    let config = CustomTaskConfig::parse("my.toml", text).unwrap();
    let sha256 = hex::encode(Sha256::digest(text));
    let (task, path, text) = (config.name, PathBuf::from("my.toml"), text.to_owned());
    Registry::new(&[CustomTaskFile { task, path, sha256, text }]).unwrap()
}

/// Data files are read, or refused with a message that names the file.
fn read_all(config: &str, seed: &'static [u8]) {
    let registry = registry(config);
    let name = CustomTaskConfig::parse("my.toml", config).unwrap().name;
    let task = registry.find(&name).unwrap();
    let custom = |bytes: &Bytes| DataFile { provenance: Provenance::Custom, ..file(FILE, bytes) };
    let read_as_valid = Cell::new(0);
    let protocol = Protocol::new(Protocol::CUSTOM);
    let loaded =
        task.read(custom(&Bytes(seed.to_vec())), &protocol).unwrap_or_else(|error| panic!("{name}: {error}"));
    (0..loaded.len()).for_each(|index| drop(loaded.requests(index)));
    hold((mutated(&[seed]), any::<u8>()), |(bytes, _)| {
        let input = custom(&bytes);
        match bounded(bytes.0.len(), || task.read(input, &protocol))? {
            Ok(loaded) => {
                read_as_valid.set(read_as_valid.get() + 1);
                is_sound(loaded.as_ref(), &bytes.0, bytes.0.len())
            }
            Err(error) => is_good_message(&error.to_string(), FILE),
        }
    });
    assert!(read_as_valid.get() > cases() / 20, "only {} of {} were read", read_as_valid.get(), cases());
}

#[test]
fn choices() {
    read_all(
        CHOICE,
        br#"{"id": "a", "article": "Ann ran.", "questions": ["Who?", "What?"], "options": [["Ann", "Bo"], ["ran", "sat"]], "answers": ["A", "B"]}
{"id": "b", "article": "Bo \u00e9 sat.", "questions": ["Who?"], "options": [["Ann", "Bo", "Cy"]], "answers": ["C"]}
"#,
    );
}

#[test]
fn questions() {
    read_all(
        GENERATE,
        br#"{"question": "Who ran?", "context": [{"text": "Ann ran."}], "answer": "Ann"}
{"question": "1 + 1?", "context": [{"text": 2}], "answer": 2.5}
"#,
    );
}

#[test]
fn comma_separated() {
    read_all(ENDING, b"id,text\r\n1,\"Ann ran\r\nhome\"\n2,Bo \"\"sat\"\" down\n\n3,caf\xc3\xa9 was open\n");
}

#[test]
fn texts() {
    read_all(
        TEXTS,
        b"{\"title\": \"a\", \"lines\": \"one\\ntwo\"}\n{\"title\": \"b\", \"lines\": \"three\"}\n",
    );
}
