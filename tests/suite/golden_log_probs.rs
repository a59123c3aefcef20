//! Log-probabilities, argmax and greedy text against Hugging Face transformers.

use gpt2_model::engine::{Planner, ScoredSequence, TokenSet, Work};
use gpt2_model::request::{Decoding, Request, Response, Trim};
use serde::Deserialize;

use crate::common::{Loaded, bundled, say, shared};

/// Largest difference of a token's log-probability, nats.
pub const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
pub struct Golden {
    pub cases: Vec<Case>,
    greedy: Vec<Greedy>,
}

#[derive(Deserialize)]
pub struct Case {
    name: String,
    text: String,
    token_ids: Vec<u32>,
    log_probs: Vec<f64>,
    argmax: Vec<u32>,
}

#[derive(Deserialize)]
struct Greedy {
    prompt: String,
    #[serde(rename = "greedy_ids")]
    ids: Vec<u32>,
    #[serde(rename = "greedy_text")]
    text: String,
}

/// The committed reference of a bundled model, on texts of ours.
pub fn golden(label: &str) -> Golden {
    let json = match label {
        "tiny-3M" => include_str!("../golden/transformers.tiny-3M.json"),
        _ => include_str!("../golden/transformers.tiny-8M.json"),
    };
    serde_json::from_str(json).unwrap()
}

fn score(input: &[u32], targets: &[u32]) -> Work {
    let sequence =
        ScoredSequence { input: input.to_vec(), targets: targets.to_vec(), excluded: TokenSet::default() };
    Work::Score { sequences: vec![sequence], rolling_bytes: None, truncated_tokens: 0 }
}

/// The largest difference of a log-probability over all cases, which are scored in one call.
pub fn largest_difference(loaded: &Loaded, golden: &Golden) -> f64 {
    let work: Vec<Work> = golden
        .cases
        .iter()
        .map(|case| score(&case.token_ids[..case.token_ids.len() - 1], &case.token_ids[1..]))
        .collect();
    let mut largest = 0f64;
    for (case, score) in golden.cases.iter().zip(loaded.log_likelihoods(&work, 4096)) {
        assert_eq!(score.token_log_probs.len(), case.log_probs.len(), "{}", case.name);
        for (found, expected) in score.token_log_probs.iter().zip(&case.log_probs) {
            largest = largest.max((f64::from(*found) - expected).abs());
        }
    }
    largest
}

fn check(label: &str, golden: &Golden) {
    let loaded = bundled(label);
    let largest = largest_difference(&loaded, golden);
    let count = golden.cases.len();
    say(&format!(
        "{label}, {count} texts: largest |Δ log-probability| against transformers is {largest:.2e}"
    ));
    assert!(largest <= TOLERANCE, "{label}: {largest:e}");

    for case in &golden.cases {
        let tokenizer = &loaded.checkpoint.tokenizer;
        let mut ids = vec![tokenizer.begin_of_text().unwrap()];
        ids.extend(tokenizer.encode(&case.text).unwrap());
        assert_eq!(ids[..case.token_ids.len()], case.token_ids, "{}: tokens", case.name);
        let work = [score(&case.token_ids[..case.token_ids.len() - 1], &case.argmax)];
        assert!(loaded.log_likelihoods(&work, 4096)[0].greedy, "{}: argmax", case.name);
    }
}

#[test]
fn our_texts_equal_transformers() {
    for label in ["tiny-3M", "tiny-8M"] {
        let golden = golden(label);
        assert_eq!(golden.cases.len(), 8);
        check(label, &golden);
    }
}

#[test]
fn texts_of_the_test_sets_equal_transformers() {
    for label in ["tiny-3M", "tiny-8M"] {
        let Some(path) = shared(&format!("golden/logprobs.{label}.json")) else { return };
        let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(golden.cases.len(), 15);
        check(label, &golden);
    }
}

#[test]
fn greedy_text_equals_transformers() {
    for label in ["tiny-3M", "tiny-8M"] {
        let golden = golden(label);
        let loaded = bundled(label);
        let mut planner = Planner::new(&loaded.checkpoint.tokenizer, 1024);
        assert_eq!(golden.greedy.len(), 4);
        for case in &golden.greedy {
            let request = Request::Generate {
                prompt: case.prompt.clone(),
                trim: Trim::left(),
                stop: vec![],
                max_new_tokens: case.ids.len(),
                decoding: Decoding::Greedy,
            };
            let work = [planner.plan(&request).unwrap()];
            match loaded.run(&work, 1024).remove(0) {
                Response::Generate(generated) => {
                    assert_eq!(generated.tokens, case.ids, "{label}: {:?}", case.prompt);
                    assert_eq!(generated.text, case.text, "{label}: {:?}", case.prompt);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_stop_string_ends_the_text_and_is_not_part_of_it() {
    let loaded = bundled("tiny-3M");
    let mut planner = Planner::new(&loaded.checkpoint.tokenizer, 1024);
    let mut generate = |stop: &[&str]| {
        let request = Request::Generate {
            prompt: "The old man looked at the sea and".to_owned(),
            trim: Trim::left(),
            stop: stop.iter().map(|&stop| stop.to_owned()).collect(),
            max_new_tokens: 24,
            decoding: Decoding::Greedy,
        };
        match loaded.run(&[planner.plan(&request).unwrap()], 1024).remove(0) {
            Response::Generate(generated) => generated,
            other => panic!("{other:?}"),
        }
    };
    let whole = generate(&[]);
    assert_eq!(whole.tokens.len(), 24);
    let comma = whole.text.find(',').expect("a comma in the greedy text");
    let cut = generate(&["never there", ","]);
    assert_eq!(cut.text, whole.text[..comma]);
    assert!(cut.tokens.len() < whole.tokens.len());
    assert_eq!(cut.tokens, whole.tokens[..cut.tokens.len()]);
}
