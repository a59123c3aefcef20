//! Winograd schemas in their published forms: sentences, clusters and labels.

use std::path::Path;

use gpt2_eval::data::Split;
use gpt2_eval::plan::DataSource;
use gpt2_eval::record::Protocol;
use gpt2_eval::tasks::{Source, TaskSamples, find};
use gpt2_model::request::Request;

use crate::common::{run_on_shared_data, scores, shared};

const PUBLISHED: &str = "winograd_wsc.jsonl";
const XML: &str = "WSCollection.xml";
const BLANKS: &str = "wsc273.jsonl";

fn load(directory: &Path, protocol: &Protocol) -> Box<dyn TaskSamples> {
    let data = DataSource::Directory(directory.to_owned());
    find("winograd").unwrap().load(&Source::new(&data, Split::Test, 0), protocol).unwrap()
}

fn shots(protocol: &str, shots: usize) -> Protocol {
    let mut protocol = Protocol::new(protocol);
    protocol.options.insert("shots".to_owned(), shots.to_string());
    protocol
}

/// The schemas of one published file; `None` without the shared data.
fn published(name: &str, protocol: &Protocol) -> Option<Box<dyn TaskSamples>> {
    let file = shared(&format!("data/winograd/{name}"))?;
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("winograd")).unwrap();
    std::fs::copy(file, directory.path().join("winograd").join(name)).unwrap();
    Some(load(directory.path(), protocol))
}

fn text_of(request: &Request) -> String {
    let Request::LogLikelihood { context, continuation, .. } = request else { panic!() };
    format!("{context}{continuation}")
}

/// Both sentences of every schema, in alphabetical order: the forms disagree about the order of the candidates.
fn sentences(samples: &dyn TaskSamples) -> Vec<Vec<String>> {
    let of = |index| {
        let mut both: Vec<String> = samples.requests(index).iter().take(2).map(text_of).collect();
        both.sort();
        both
    };
    (0..samples.len()).map(of).collect()
}

/// Number of schemas with the same sentences, except for case and white space.
fn equal(one: &[Vec<String>], other: &[Vec<String>]) -> usize {
    let plain = |both: &Vec<String>| -> Vec<String> {
        let mut both: Vec<String> =
            both.iter().map(|text| text.to_lowercase().split_whitespace().collect()).collect();
        both.sort();
        both
    };
    one.iter().zip(other).filter(|(one, other)| plain(one) == plain(other)).count()
}

#[test]
fn sentences_made_by_rules_are_those_that_people_corrected() {
    let paper = Protocol::new("paper");
    let Some(by_hand) = published(PUBLISHED, &paper) else { return };
    let by_hand = sentences(&*by_hand);
    // docs/protocols.md has these numbers.
    for (name, same_words, same_text) in [(XML, 247, 245), (BLANKS, 260, 258)] {
        let made = sentences(&*published(name, &paper).unwrap());
        assert_eq!(made.len(), 273);
        assert_eq!(equal(&made, &by_hand), same_words, "{name}");
        let exact = made.iter().zip(&by_hand).filter(|(made, by_hand)| made == by_hand).count();
        assert_eq!(exact, same_text, "{name}");
        let bad = ["because The ", "'s's", "him is", " an oak tree is", "Ann's is", ".  "];
        assert!(made.iter().flatten().all(|text| bad.iter().all(|bad| !text.contains(bad))), "{name}");
    }
}

#[test]
fn the_three_published_forms_have_the_same_clusters() {
    let paper = Protocol::new("paper");
    let Some(by_hand) = published(PUBLISHED, &paper) else { return };
    let clusters = |samples: &dyn TaskSamples| -> Vec<Option<String>> {
        (0..samples.len()).map(|index| samples.cluster(index).map(str::to_owned)).collect()
    };
    let expected = clusters(&*by_hand);
    assert_eq!(expected.len(), 273);
    assert!(expected.iter().all(Option::is_some));
    for name in [XML, BLANKS] {
        assert_eq!(clusters(&*published(name, &paper).unwrap()), expected, "{name}");
    }
    assert_eq!(clusters(&*published(XML, &Protocol::new("harness")).unwrap()), expected);
    let mut distinct = expected.clone();
    distinct.dedup();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 129);
}

#[test]
fn no_sample_is_shown_its_own_pair() {
    let protocol = shots("paper", 5);
    let source = Source::new(&DataSource::Sample, Split::Test, 0);
    let bundled = find("winograd").unwrap().load(&source, &protocol).unwrap();
    for samples in [Some(bundled), published(PUBLISHED, &protocol)].into_iter().flatten() {
        for index in 0..samples.len() {
            assert!(samples.cluster(index).is_some());
            let shown = text_of(&samples.requests(index)[0]);
            assert_eq!(shown.matches("\n\n").count(), 5);
            for other in (0..samples.len()).filter(|&other| samples.cluster(other) == samples.cluster(index))
            {
                let solved = format!("{}\n\n", samples.expected(other)[0]);
                assert!(!shown.contains(&solved), "{index} is shown {other}");
            }
        }
        assert_eq!(samples.label().get("cluster").map(String::as_str), Some("pair"));
    }
}

const PRONOUN: &str = r#"{"text":"Ida saw a fox because it ran.","pronoun":"it","pronoun_loc":22,"options":["Ida","a fox"],"label":1}"#;
const BLANK: &str =
    r#"{"sentence":"Ida saw a fox because _ ran.","option1":"Ida","option2":"The fox","answer":"2"}"#;
const BY_HAND: &str = r#"{"context_options":["Ida saw a fox because Ida","Ida saw a fox because the fox"],"continuation":"ran.","gold":1}"#;

#[test]
fn paper_prefers_the_published_sentences_and_harness_the_pronoun() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join("winograd").join(name);
    std::fs::create_dir(directory.path().join("winograd")).unwrap();
    let [paper, harness] = ["paper", "harness"].map(Protocol::new);
    let xml = "<c><schema><text><txt1>Ida saw a fox because</txt1><pron>it</pron><txt2>ran.</txt2></text><answers><answer>Ida\
               </answer><answer>a fox</answer></answers><correctAnswer>B</correctAnswer></schema></c>";
    let correct = |samples: &dyn TaskSamples| text_of(&samples.requests(0)[1]);
    let is_marked =
        |samples: &dyn TaskSamples| samples.label().get("sentences").map(String::as_str) == Some("rules");
    // From the least preferred form to the most preferred one.
    for (name, text, marked) in [
        ("wsc273.hub.jsonl", PRONOUN, true),
        (BLANKS, BLANK, true),
        (XML, xml, true),
        (PUBLISHED, BY_HAND, false),
    ] {
        std::fs::write(path(name), text).unwrap();
        let samples = load(directory.path(), &paper);
        assert!(samples.location(0).contains(name), "{name}");
        assert_eq!(correct(&*samples), "Ida saw a fox because the fox ran.", "{name}");
        assert_eq!(is_marked(&*samples), marked, "{name}");
        assert_eq!(samples.expected(0), ["Ida saw a fox because the fox ran."]);
    }
    let samples = load(directory.path(), &harness);
    assert!(samples.location(0).contains(XML));
    assert_eq!(correct(&*samples), "Ida saw a fox because a fox  ran.");
    assert!(!is_marked(&*samples));
    std::fs::remove_file(path(XML)).unwrap();
    std::fs::remove_file(path("wsc273.hub.jsonl")).unwrap();
    let data = DataSource::Directory(directory.path().to_owned());
    let refused =
        find("winograd").unwrap().load(&Source::new(&data, Split::Test, 0), &harness).err().unwrap();
    assert!(refused.to_string().contains("needs the pronoun"), "{refused}");
    let sample =
        find("winograd").unwrap().load(&Source::new(&DataSource::Sample, Split::Test, 0), &paper).unwrap();
    assert!(!is_marked(&*sample));
}

#[test]
fn a_quotation_keeps_its_space() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("winograd")).unwrap();
    let line = r#"{"context_options":["Ida left as Ida's","Ida left as Kurt's"],"continuation":"\"Hey!\" rang.","gold":1}"#;
    std::fs::write(directory.path().join("winograd").join(PUBLISHED), line).unwrap();
    let samples = load(directory.path(), &Protocol::new("paper"));
    assert_eq!(text_of(&samples.requests(0)[0]), "Ida left as Ida's \"Hey!\" rang.");
}

#[test]
fn the_published_sentences_have_the_scores_of_the_documents() {
    let Some(run) = run_on_shared_data("winograd", &[]) else { return };
    // Partial and full, schemas out of 273: docs/protocols.md has the percentages.
    for (model, expected) in [("tiny-3M", [131.0, 135.0]), ("tiny-8M", [137.0, 139.0])] {
        let found = scores(&run, model, "winograd:paper");
        let correct: Vec<f64> = found.iter().map(|(_, value, _)| (value * 2.73).round()).collect();
        assert_eq!(correct, expected, "{model}");
    }
}
