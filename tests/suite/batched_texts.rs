//! Completions generated in a batch by Burn's operations equal those generated alone.

#![cfg(any(feature = "ndarray", feature = "wgpu"))]

use gpt2_model::engine::{Planner, Usage, Work};
use gpt2_model::request::{Completion, Decoding, FinishReason, Request, Response, Sampling, Trim};

use crate::common::{Loaded, bundled, say};

/// Bytes of the keys and values of a token of tiny-3M: three blocks of width 64.
const KEY_VALUE_BYTES: usize = 3 * 2 * 64 * 4;

/// Largest difference of a token's log-probability, nats.
const TOLERANCE: f32 = 2e-4;

fn requests() -> Vec<Request> {
    let story = "Ann went to the market. She bought a fish and a loaf of bread, and went home by the river.";
    let sampled =
        |seed| Decoding::Sample(Sampling { temperature: 0.9, top_k: Some(20), top_p: Some(0.95), seed });
    let request = |prompt: &str, stop: &[&str], max_new_tokens, decoding| Request::Generate {
        prompt: prompt.to_owned(),
        trim: Trim::left(),
        stop: stop.iter().map(|&stop| stop.to_owned()).collect(),
        max_new_tokens,
        decoding,
    };
    vec![
        request("The sea", &[], 12, Decoding::Greedy),
        request(story, &[], 9, Decoding::Greedy),
        request("The old man looked at the sea and", &[","], 12, Decoding::Greedy),
        // One token: its row is finished at once.
        request("Once upon a time", &[], 1, Decoding::Greedy),
        request("In the beginning there was", &[], 3, Decoding::Greedy),
        request(story, &[], 12, sampled(1)),
        request("The sea", &[], 10, sampled(2)),
        request("The sea", &[], 10, sampled(3)),
    ]
}

fn planned(loaded: &Loaded, requests: &[Request]) -> Vec<Work> {
    let mut planner = Planner::new(&loaded.checkpoint.tokenizer, 1024);
    requests.iter().map(|request| planner.plan(request).unwrap()).collect()
}

fn generate(loaded: &Loaded, work: &[Work], batch_tokens: usize) -> (Vec<Completion>, Usage) {
    let (responses, usage) = loaded.run_and_count(work, batch_tokens);
    let texts = responses.into_iter().map(|response| match response {
        Response::Generate(generated) => generated,
        other => panic!("{other:?}"),
    });
    (texts.collect(), usage)
}

fn compare(found: &[Completion], expected: &[Completion], what: &str) {
    assert_eq!(found.len(), expected.len());
    let mut largest = 0f32;
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.text, expected.text, "{what}");
        assert_eq!(found.tokens, expected.tokens, "{what}: {:?}", expected.text);
        assert_eq!(found.finish, expected.finish, "{what}: {:?}", expected.text);
        assert_eq!(found.prompt_tokens, expected.prompt_tokens);
        for (a, b) in found.token_log_probs.iter().zip(&expected.token_log_probs) {
            largest = largest.max((a - b).abs());
        }
    }
    say(&format!("{what}: largest |Δ log-probability| is {largest:.2e}"));
    assert!(largest <= TOLERANCE, "{what}: {largest:e}");
}

/// Completions of tiny-3M on a device: in one batch, in several, alone, and on flex.
pub fn check(loaded: &Loaded) {
    let work = planned(loaded, &requests());
    let prompt = |work: &Work| match work {
        Work::Generate(prompt) => prompt.tokens.len(),
        Work::Score { .. } => unreachable!(),
    };
    let lengths: Vec<usize> = work.iter().map(prompt).collect();
    let longest = *lengths.iter().max().unwrap();
    let one_by_one = work.iter().map(|work| generate(loaded, std::slice::from_ref(work), 4096));
    let (alone, usages): (Vec<Vec<Completion>>, Vec<Usage>) = one_by_one.unzip();
    let alone = alone.concat();
    assert!(alone.iter().any(|text| text.finish == FinishReason::StopString));
    assert_ne!(alone[6].tokens, alone[7].tokens, "other seeds give other completions");
    assert!(usages.iter().all(|usage| usage.padding_tokens == 0));

    compare(
        &alone,
        &generate(&bundled("tiny-3M"), &work, 4096).0,
        &format!("{} against flex", loaded.device),
    );

    // Greedy and sampled completions together, only greedy ones, and two at a time.
    let (together, usage) = generate(loaded, &work, 4096);
    compare(&together, &alone, &format!("{} in one batch", loaded.device));
    assert_eq!(usage.kv_cache_bytes as usize, work.len() * (longest + 12 - 1) * KEY_VALUE_BYTES);
    assert_eq!(usage.read_tokens, usages.iter().map(|usage| usage.read_tokens).sum::<u64>());
    let padding = work.len() * longest - lengths.iter().sum::<usize>();
    assert!(usage.padding_tokens as usize >= padding);

    let (greedy, _) = generate(loaded, &work[..5], 4096);
    compare(&greedy, &alone[..5], &format!("{}, greedy only", loaded.device));
    let (pairs, usage) = generate(loaded, &work[2..5], 2 * (lengths[2] + 12));
    compare(&pairs, &alone[2..5], &format!("{} in pairs", loaded.device));
    assert_eq!(usage.kv_cache_bytes as usize, 2 * (lengths[2] + 12 - 1) * KEY_VALUE_BYTES);
}

#[test]
#[cfg(feature = "ndarray")]
fn ndarray_generates_the_same_completions_in_any_batch() {
    check(&crate::common::bundled_on("tiny-3M", crate::common::open("ndarray")));
}
