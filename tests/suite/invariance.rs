//! A score does not depend on what else is in the batch, nor on the batch size, the order or the threads.

use gpt2_eval::engine::{Planner, Work};
use gpt2_eval::request::{Overflow, Request};

use crate::common::{Loaded, bundled, gpt2_eval};

/// Largest difference of a token's log-probability, nats.
const TOLERANCE: f32 = 1e-5;

fn requests() -> Vec<Request> {
    let text = include_str!("../../tasks/lambada/sample.jsonl");
    let passages = text.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["text"].as_str().unwrap().to_owned()
    });
    passages
        .enumerate()
        .map(|(index, passage)| {
            // Targets of many lengths, from one word to most of the passage.
            let spaces: Vec<usize> = passage.match_indices(' ').map(|(at, _)| at).collect();
            let (context, continuation) = passage.split_at(spaces[spaces.len() - 1 - index % 40]);
            Request::LogLikelihood {
                context: context.to_owned(),
                continuation: continuation.to_owned(),
                excluded_words: ["the".to_owned(), "a".to_owned()].into(),
                overflow: Overflow::Refuse,
            }
        })
        .collect()
}

fn planned(loaded: &Loaded, requests: &[Request]) -> Vec<Work> {
    let mut planner = Planner::new(&loaded.checkpoint.tokenizer, 1024);
    requests.iter().map(|request| planner.plan(request).unwrap()).collect()
}

#[test]
fn batch_size_and_order_do_not_matter() {
    let loaded = bundled("tiny-8M");
    let work = planned(&loaded, &requests());
    let reference = loaded.log_likelihoods(&work, 1);
    for batch_tokens in [512, 1000, 8192] {
        let scores = loaded.log_likelihoods(&work, batch_tokens);
        let reversed: Vec<Work> = work.iter().rev().cloned().collect();
        let backwards = loaded.log_likelihoods(&reversed, batch_tokens);
        for other in [scores, backwards.into_iter().rev().collect()] {
            for (a, b) in reference.iter().zip(&other) {
                assert_eq!(a.greedy, b.greedy);
                assert_eq!(a.filtered.unwrap().greedy, b.filtered.unwrap().greedy);
                assert_eq!(a.context_tokens, b.context_tokens);
                for (x, y) in a.token_log_probs.iter().zip(&b.token_log_probs) {
                    assert!((x - y).abs() <= TOLERANCE, "{x} and {y} with {batch_tokens} tokens a batch");
                }
            }
        }
    }
}

#[test]
fn identical_requests_run_once_and_answer_alike() {
    let loaded = bundled("tiny-3M");
    let mut work = planned(&loaded, &requests()[..3]);
    work.push(work[1].clone());
    let scores = loaded.log_likelihoods(&work, 4096);
    assert_eq!(scores[1], scores[3]);
    assert_ne!(scores[1], scores[0]);
}

#[test]
fn the_parts_of_a_document_score_every_token_once() {
    use gpt2_eval::request::{Document, Response, Window};
    let loaded = bundled("tiny-3M");
    let text = include_str!("../../tasks/lambada/sample.jsonl");
    let tokens = loaded.checkpoint.tokenizer.encode(text).unwrap().len();
    let document = Document::new(text);
    let rolling = |context, stride, parts: usize| {
        let mut planner = Planner::new(&loaded.checkpoint.tokenizer, 1024);
        let cuts: Vec<usize> = (0..=parts).map(|part| part * text.len() / parts).collect();
        let work: Vec<Work> = cuts
            .windows(2)
            .map(|cut| Request::Rolling {
                document: document.clone(),
                part: cut[0]..cut[1],
                window: Window { context, stride },
            })
            .map(|request| planner.plan(&request).unwrap())
            .collect();
        let mut total = (0.0, 0, 0);
        for response in loaded.run(&work, 4096) {
            match response {
                Response::Rolling(score) => {
                    total.0 += score.log_likelihood;
                    total.1 += score.tokens;
                    total.2 += score.windows;
                }
                other => panic!("{other:?}"),
            }
        }
        total
    };
    let coarse = rolling(128, 128, 1);
    let fine = rolling(128, 32, 1);
    assert_eq!((coarse.1, fine.1), (tokens, tokens));
    assert!(fine.2 > coarse.2);
    assert!(fine.0 > coarse.0, "more context predicts better");
    for parts in [2, 7, 300] {
        let split = rolling(128, 32, parts);
        assert_eq!((split.1, split.2), (fine.1, fine.2), "{parts} parts");
        assert!((split.0 / fine.0 - 1.0).abs() < 1e-9, "{parts} parts: {} and {}", split.0, fine.0);
    }
}

#[test]
fn threads_and_batch_tokens_leave_the_records_alone() {
    let directory = tempfile::tempdir().unwrap();
    let run = |out: &str, more: &[&str]| {
        let output = gpt2_eval(directory.path())
            .args(["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--quiet", "--out", out])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = directory.path().join(out).join("samples/tiny-3M/lambada.jsonl");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<gpt2_eval::record::SampleRecord>(line).unwrap())
            .collect::<Vec<_>>()
    };
    let one = run("one", &["--threads", "1", "--batch-tokens", "512"]);
    let two = run("two", &["--threads", "2", "--batch-tokens", "8192"]);
    assert_eq!(one.len(), two.len());
    for (a, b) in one.iter().zip(&two) {
        assert_eq!((&a.id, &a.key, a.context_tokens), (&b.id, &b.key, b.context_tokens));
        assert_eq!(a.statistics["correct"], b.statistics["correct"]);
        assert_eq!(a.statistics["correct_stop_filter"], b.statistics["correct_stop_filter"]);
        let difference = (a.statistics["log_likelihood"] - b.statistics["log_likelihood"]).abs();
        assert!(difference <= f64::from(TOLERANCE) * a.target_tokens as f64, "{}: {difference}", a.id);
    }
}
