//! On the CPU no bit of a response depends on the rest of the batch, the batch size, the order, the threads, or shared prefixes.

use gpt2_model::engine::{Planner, Work};
use gpt2_model::request::{Completion, Decoding, Overflow, Request, Response, Sampling, Span, Trim};
use proptest::prelude::*;

use crate::common::{Loaded, bundled, gpt2_eval};

fn requests() -> Vec<Request> {
    let text = include_str!("../../tasks/lambada/sample.jsonl");
    let passages = text.lines().map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["text"].as_str().unwrap().to_owned()
    });
    passages
        .enumerate()
        .map(|(index, passage)| {
            // Continuations from one word to most of the passage.
            let spaces: Vec<usize> = passage.match_indices(' ').map(|(at, _)| at).collect();
            let (context, continuation) = passage.split_at(spaces[spaces.len() - 1 - index % 40]);
            Request::LogLikelihood {
                context: context.to_owned(),
                continuation: continuation.to_owned(),
                excluded_words: ["the".to_owned(), "a".to_owned()].into(),
                overflow: Overflow::Refuse,
                span: Span::Continuation,
            }
        })
        .collect()
}

fn planned(loaded: &Loaded, requests: &[Request]) -> Vec<Work> {
    let mut planner = Planner::new(&loaded.checkpoint.tokenizer, 1024);
    requests.iter().map(|request| planner.plan(request).unwrap()).collect()
}

/// Requests of choice tasks: every context is shared by four of them.
fn choices() -> Vec<Request> {
    let contexts: Vec<String> = requests()
        .into_iter()
        .filter_map(|request| match request {
            Request::LogLikelihood { context, .. } => Some(context),
            _ => None,
        })
        .take(12)
        .collect();
    let ends = [" the end.", " the very end of it", " something else", " a"];
    contexts
        .iter()
        .flat_map(|context| {
            ends.map(|end| Request::LogLikelihood {
                context: context.clone(),
                continuation: end.to_owned(),
                excluded_words: std::sync::Arc::default(),
                overflow: Overflow::TruncateLeft,
                span: Span::Continuation,
            })
        })
        .collect()
}

#[test]
fn scores_do_not_depend_on_the_batch() {
    let loaded = bundled("tiny-8M");
    let work = planned(&loaded, &[requests(), choices()].concat());
    // One request a run, so nothing is shared.
    let alone: Vec<_> =
        work.iter().map(|work| loaded.log_likelihoods(std::slice::from_ref(work), 1).remove(0)).collect();
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig { cases: 12, ..ProptestConfig::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let order = Just((0..work.len()).collect::<Vec<_>>()).prop_shuffle();
    let case = (order, 1..work.len(), prop::sample::select(vec![1usize, 300, 1000, 8192]), 1usize..4);
    runner
        .run(&case, |(order, count, batch_tokens, threads)| {
            let chosen: Vec<Work> = order[..count].iter().map(|&index| work[index].clone()).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let scores = pool.install(|| loaded.log_likelihoods(&chosen, batch_tokens));
            for (&index, score) in order.iter().zip(&scores) {
                prop_assert_eq!(score, &alone[index]);
            }
            Ok(())
        })
        .unwrap();
}

fn prompts() -> Vec<Request> {
    let story = "Ann went to the market. She bought a fish and a loaf of bread, and went home by the river.";
    let mut dialogue = format!("{story}\n\n");
    let mut requests = Vec::new();
    for (turn, (question, answer)) in
        [("Who?", "Ann"), ("Where?", "the market"), ("What?", "a fish"), ("How?", "by the river")]
            .into_iter()
            .enumerate()
    {
        dialogue.push_str(&format!("Q: {question}\nA:"));
        for (draw, decoding) in [
            Decoding::Greedy,
            Decoding::Sample(Sampling { temperature: 0.9, top_k: Some(20), top_p: None, seed: turn as u64 }),
            Decoding::Sample(Sampling { temperature: 1.0, top_k: None, top_p: Some(0.9), seed: 7 }),
        ]
        .into_iter()
        .enumerate()
        {
            requests.push(Request::Generate {
                prompt: dialogue.clone(),
                trim: Trim::left(),
                stop: vec!["\n\n".to_owned()],
                max_new_tokens: 5 + 7 * draw + turn,
                decoding,
            });
        }
        dialogue.push_str(&format!(" {answer}\n"));
    }
    for passage in ["The sea", "", "In the beginning there was", story] {
        requests.push(Request::Generate {
            prompt: passage.to_owned(),
            trim: Trim::left(),
            stop: Vec::new(),
            max_new_tokens: 24,
            decoding: Decoding::Greedy,
        });
    }
    requests
}

#[test]
fn completions_do_not_depend_on_the_batch() {
    let loaded = bundled("tiny-8M");
    let work = planned(&loaded, &prompts());
    let write = |work: &[Work], batch_tokens| -> Vec<Completion> {
        let completions = loaded.run(work, batch_tokens).into_iter().map(|response| match response {
            Response::Generate(generated) => generated,
            other => panic!("{other:?}"),
        });
        completions.collect()
    };
    let alone: Vec<Completion> =
        work.iter().map(|work| write(std::slice::from_ref(work), 1).remove(0)).collect();
    assert!(alone.iter().any(|text| text.tokens.len() >= 20));
    assert_ne!(alone[1].tokens, alone[2].tokens, "other draws");
    for batch_tokens in [1, 40, 8192] {
        assert_eq!(write(&work, batch_tokens), alone, "{batch_tokens} tokens a batch");
        let backwards: Vec<Work> = work.iter().rev().cloned().collect();
        let mut texts = write(&backwards, batch_tokens);
        texts.reverse();
        assert_eq!(texts, alone, "backwards, {batch_tokens} tokens a batch");
    }
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(single.install(|| write(&work, 8192)), alone, "one thread");
}

#[test]
fn identical_requests_run_once_and_get_the_same_response() {
    let loaded = bundled("tiny-3M");
    let mut work = planned(&loaded, &requests()[..3]);
    work.push(work[1].clone());
    let scores = loaded.log_likelihoods(&work, 4096);
    assert_eq!(scores[1], scores[3]);
    assert_ne!(scores[1], scores[0]);
}

#[test]
fn the_parts_of_a_document_score_every_token_once() {
    use gpt2_model::request::{Document, Window};
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
                window: Window { context: Some(context), stride: Some(stride) },
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
fn threads_and_batch_size_do_not_change_the_records() {
    let directory = tempfile::tempdir().unwrap();
    let run = |out: &str, more: &[&str]| {
        let output = gpt2_eval(directory.path())
            .args(["--tasks", "lambada", "--sizes", "tiny-3M", "--data", "sample", "--quiet", "--out", out])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = directory.path().join(out).join("samples/tiny-3M/lambada.jsonl");
        std::fs::read_to_string(path).unwrap()
    };
    let one = run("one", &["--threads", "1", "--batch-tokens", "512"]);
    let two = run("two", &["--threads", "2", "--batch-tokens", "8192"]);
    assert_eq!(one, two);
}
