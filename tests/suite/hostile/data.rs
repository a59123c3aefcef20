//! Data files: a task reads a file, or refuses it with a message that names it.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeSet;

use gpt2_eval::data::{DataFile, Provenance};
use gpt2_eval::record::Protocol;
use gpt2_eval::tasks::{self, TaskSamples};
use gpt2_model::request::Request;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::memory::bounded;
use super::mutate::{Bytes, mutated};
use super::{cases, hold, is_good_message};

pub const FILE: &str = "data/hostile.file";
const COMPANION: &str = "data/companion.file";

pub fn file(name: &str, bytes: &Bytes) -> DataFile {
    let mut file = DataFile::bundled(name, b"");
    file.bytes = Cow::Owned(bytes.0.clone());
    file.provenance = Provenance::Unverified;
    file
}

/// Upper bound on the samples of a file, by its content.
type Most = fn(&[u8]) -> usize;

fn lines(bytes: &[u8]) -> usize {
    bytes.split(|&byte| byte == b'\n').count()
}

/// Invariants of every loaded task.
pub fn is_sound(loaded: &dyn TaskSamples, bytes: &[u8], most: usize) -> Result<(), TestCaseError> {
    prop_assert!(!loaded.is_empty() && loaded.len() <= most, "{} samples, at most {most}", loaded.len());
    let ids: BTreeSet<&str> = (0..loaded.len()).map(|index| loaded.id(index)).collect();
    prop_assert_eq!(ids.len(), loaded.len(), "every sample has its own id");
    for index in 0..loaded.len() {
        let location = loaded.location(index);
        let line = location.strip_prefix(FILE).and_then(|rest| rest.strip_prefix(':')).map(str::parse);
        prop_assert!(matches!(line, Some(Ok(1_usize..))), "{}", location);
        prop_assert!(line.unwrap().unwrap() <= lines(bytes).max(1), "{} of {} lines", location, lines(bytes));
        let requests = loaded.requests(index);
        prop_assert!(!requests.is_empty());
        for request in requests {
            match request {
                Request::Rolling { document, part, .. } => {
                    prop_assert!(document.text().get(part).is_some());
                }
                Request::Generate { prompt, trim, .. } => {
                    prop_assert!(trim.bytes.start <= prompt.len());
                }
                Request::LogLikelihood { .. } => {}
            }
        }
    }
    Ok(())
}

/// Reads a file of `task:protocol` and returns whether it is valid.
fn read(task: &str, protocol: &str, file: DataFile, most: usize) -> Result<bool, TestCaseError> {
    let task = tasks::find(task).unwrap();
    let bytes = file.bytes.clone();
    let input = bytes.len() + file.companion.as_ref().map_or(0, |companion| companion.bytes.len());
    match bounded(input, || task.read(file, &Protocol::new(protocol)))? {
        Ok(loaded) => is_sound(loaded.as_ref(), &bytes, most).map(|()| true),
        Err(error) => {
            let message = error.to_string();
            is_good_message(&message, if message.contains(COMPANION) { COMPANION } else { FILE })
                .map(|()| false)
        }
    }
}

fn read_all(task: &'static str, protocols: &'static [&'static str], seeds: &[&'static [u8]], most: Most) {
    // Reads the valid files first, so that lazy statics are initialized before memory is counted.
    for seed in seeds {
        for protocol in protocols {
            let file = file(FILE, &Bytes(seed.to_vec()));
            let loaded = tasks::find(task).unwrap().read(file, &Protocol::new(protocol));
            let loaded = loaded.unwrap_or_else(|error| panic!("{task}:{protocol}: {error}"));
            (0..loaded.len()).for_each(|index| drop(loaded.requests(index)));
        }
    }
    let read_as_valid = Cell::new(0);
    hold((mutated(seeds), any::<u8>()), |(bytes, choice)| {
        let protocol = protocols[usize::from(choice) % protocols.len()];
        let is_valid = read(task, protocol, file(FILE, &bytes), most(&bytes.0))?;
        read_as_valid.set(read_as_valid.get() + u32::from(is_valid));
        Ok(())
    });
    assert!(read_as_valid.get() > cases() / 20, "only {} of {} were read", read_as_valid.get(), cases());
}

#[test]
fn lambada() {
    let seed = "{\"text\":\"She asked “why?” and he did not know the answer\"}\n{\"text\": \"a b\"}\r\n{\"text\":\"é\\u00e9 \\n\\\" c\"}";
    read_all("lambada", &["paper", "harness"], &[seed.as_bytes()], lines);
}

#[test]
fn natural_questions() {
    let seed = b"{\"question\":\"who ran\",\"answer\":[\"Ann\",\"ann\"]}\n{\"question\": \"when is 1 + 1?\", \"answer\": [\"2\"]}\n";
    read_all("nq", &["paper", "harness"], &[seed], lines);
}

#[test]
fn childrens_book_test() {
    let sentences: String = (1..=20).map(|number| format!("{number} said `` I . ''\n")).collect();
    let seed = format!("{sentences}21 the XXXXX sat .\tb\t\ta|b|c|d|e|f|g|h|i|j\n\n").repeat(2);
    read_all("cbt-cn", &["paper"], &[seed.leak().as_bytes()], lines);
}

#[test]
fn coqa() {
    let seed = br#"{"version":"1.0","data":[{"source":"mctest","id":"s1","filename":"f","story":"Ann ran.",
        "questions":[{"input_text":"Who ran?","turn_id":1},{"input_text":"Why?","turn_id":2}],
        "answers":[{"input_text":"Ann","turn_id":1,"span_start":0},{"input_text":"unknown","turn_id":2}],
        "additional_answers":{"0":[{"input_text":"ann","turn_id":1},{"input_text":"no","turn_id":2}]}},
        {"source":"cnn","id":"s2","story":"Bo sat.","questions":[{"input_text":"Who?","turn_id":1}],
        "answers":[{"input_text":"Bo","turn_id":1}]}]}"#;
    // A turn needs at least these bytes.
    read_all("coqa", &["paper", "harness"], &[seed], |bytes| bytes.len() / "{\"turn_id\":1}".len());
}

#[test]
fn winograd_xml() {
    let seed = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><collection>\n<schema><text><txt1>\nThe caf\xe9  fed Ann because </txt1>\
        <pron> it </pron><txt2> was\nopen. </txt2></text><quote><quote1>x</quote1></quote><answers><answer>The caf\xe9 </answer>\
        <answer>Ann</answer></answers><correctAnswer> A. </correctAnswer><source>1</source></schema>\n<schema><text><pron>He</pron>\
        <txt2>sat.</txt2></text><answers><answer>Bo</answer><answer>Al</answer></answers><correctAnswer>B</correctAnswer></schema></collection>";
    read_all("winograd", &["paper", "harness"], &[seed], |bytes| bytes.len() / "<schema>".len());
}

#[test]
fn winograd_json() {
    let pronoun = br#"{"text":"Ann fed Bo, she ate","pronoun":"she","pronoun_loc":12,"options":["Ann","Bo"],"label":0}
{"text":"She  ate. It fell.","pronoun":"It","pronoun_loc":10,"quote":"x","options":["The cup","A cat"],"label":1}"#;
    read_all("winograd", &["paper", "harness"], &[pronoun], lines);
    let blank = br#"{"qID":"1","sentence":"Ann fed Bo because _ was hungry.","option1":"Ann","option2":"Bo","answer":"2"}"#;
    let contexts =
        br#"{"context_options":["Ann fed Bo because Ann","Ann fed Bo because Bo"],"continuation":"was hungry.","gold":1}"#;
    read_all("winograd", &["paper"], &[blank, contexts], lines);
}

#[test]
fn summaries() {
    let csv =
        "article,highlights,id\n\"One, \"\"two\"\".\nThree\",\"First .\nSecond .\",x\nFour é.,Fifth .,y\n";
    let json = "{\"id\":\"x\",\"article\":\"A man. He sat.\",\"highlights\":\"First . Second .\"}\n{\"article\":\"B\",\"highlights\":\"C\\nD\",\"id\":null}\n";
    read_all("cnn_dailymail", &["paper", "no-hint", "harness"], &[csv.as_bytes(), json.as_bytes()], lines);
}

/// Reads a file and its companion, mutated in different ways or in the same way.
fn read_pairs(task: &'static str, seeds: &[(&'static [u8], &'static [u8])]) {
    let (sources, targets): (Vec<&[u8]>, Vec<&[u8]>) = seeds.iter().copied().unzip();
    let kept = [sources.clone(), targets.clone()];
    let strategy =
        (mutated(&sources), mutated(&targets), any::<u8>()).prop_map(move |(one, other, choice)| {
            let seed = usize::from(choice) % kept[0].len();
            match choice % 5 {
                0 | 1 => (one, Bytes(kept[1][seed].to_vec())),
                2 => (Bytes(kept[0][seed].to_vec()), other),
                3 => (one.clone(), one),
                _ => (one, other),
            }
        });
    hold(strategy, |(one, other)| {
        let mut pair = file(FILE, &one);
        pair.companion = Some(Box::new(file(COMPANION, &other)));
        read(task, "paper", pair, lines(&one.0)).map(drop)
    });
}

#[test]
fn translations() {
    let french: &[u8] = "<srcset setid=\"x\">\n<doc docid=\"d1\" origlang=\"fr\">\n<seg id=\"1\">R&D\u{a0}: oui</seg>\n<seg id=\"2\">non</seg>\n</doc>\n</srcset>\n".as_bytes();
    let english: &[u8] = b"<refset setid=\"x\">\n<doc docid=\"d1\" sysid=\"r\">\n<seg id=\"1\">R&D: yes</seg>\n<seg id=\"2\">no</seg>\n</doc>\n</refset>\n";
    read_pairs("wmt14-fr-en", &[(french, english), ("oui\nnon é\r\n".as_bytes(), b"yes\nno\n")]);
}

#[test]
fn tagged_summaries() {
    let articles: &[u8] = b"<t> an article . </t> <t> it ends . </t>\nanother one\n";
    let summaries: &[u8] = b"<t> first .second one .third</t>\n<t> a summary . </t>\n";
    read_pairs("cnn_dailymail", &[(articles, summaries)]);
}

/// A part is at least one byte.
const BYTES: Most = |bytes| bytes.len();

#[test]
fn wikitext() {
    let seed = " \n = Valkyria = \n \n In 1 @,@ 000 years ( 3 @.@ 5 ) it 's \" old \" , he said . \n = = Part = = \n \n More . \n \n = Two = \n \n End . \n";
    read_all("wikitext2", &["raw", "detok", "harness"], &[seed.as_bytes()], BYTES);
}

#[test]
fn other_streams_of_words() {
    let treebank = " the company 's net rose N N to $ N million \n it did n't fall \n";
    read_all("ptb", &["raw", "detok"], &[treebank.as_bytes()], BYTES);
    let news = "\" We 're here , \" he said ( twice ) , but it wo n't cost $ 5 .\nThe end .\n";
    read_all("1bw", &["raw", "detok"], &[news.as_bytes()], BYTES);
}

#[test]
fn streams_of_bytes() {
    let seed = "<page>\n    <title>Caf\u{e9}</title> [[link]] &amp;lt; 1234\n</page>\n";
    let long: &'static str = "one line of words ".repeat(300).leak();
    // An invalid byte becomes three bytes.
    read_all("enwik8", &["paper"], &[seed.as_bytes(), long.as_bytes()], |bytes| 3 * bytes.len());
}
