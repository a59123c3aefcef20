//! All backends give the scores of transformers and of each other.

use crate::common::say;

/// Largest difference of a token's log-probability between two backends, nats.
#[cfg(any(feature = "ndarray", feature = "wgpu"))]
const TOLERANCE: f64 = 2e-4;

#[test]
#[cfg(feature = "ndarray")]
fn ndarray_agrees() {
    use crate::common::{bundled_on, open};
    use crate::golden_log_probs::{golden, largest_difference};

    let largest = largest_difference(&bundled_on("tiny-3M", open("ndarray")), &golden("tiny-3M"));
    say(&format!("tiny-3M on ndarray: largest |Δ log-probability| against transformers is {largest:.2e}"));
    // flex is as close to the same reference, so the two differ by at most twice this.
    assert!(largest <= TOLERANCE / 2.0, "{largest:e}");
}

#[test]
#[cfg(not(feature = "ndarray"))]
fn ndarray_agrees() {
    say("SKIPPED: built without the feature ndarray");
}

/// The fused block against the Burn modules: with and without a kept cache, after a shared prefix, and with outputs for
/// only some of the tokens.
#[test]
#[cfg(feature = "flex")]
fn fused_blocks_equal_burn_modules() {
    use crate::common::open;
    use gpt2_model::{Checkpoint, KvSegment, NewTokens};

    let checkpoint = Checkpoint::bundled("tiny-8M").unwrap().unwrap();
    let device = open("flex");
    let packed = checkpoint.load_packed(&device, gpt2_kernels::Precision::F32).unwrap();
    let mut segments: Vec<KvSegment> = vec![
        packed.segment(None, 0, true),
        packed.segment(Some(0), 5, true),
        packed.segment(Some(0), 5, false),
        packed.segment(None, 0, false),
    ];
    let new = |segment, tokens, outputs| NewTokens { segment, tokens, outputs };
    let prefix: &[u32] = &[464, 2933, 318, 257, 1049];
    let first =
        packed.forward(&mut segments, &[new(0, prefix, 0), new(1, &[11, 290], 1), new(3, &[2061, 318], 2)]);
    let second = packed.forward(&mut segments, &[new(1, &[788], 1), new(2, &[13, 198, 198], 2)]);

    let modules = checkpoint.load(&device).unwrap();
    // The last `outputs` hidden states of a whole sequence.
    let expected = |tokens: &[u32], outputs: usize| -> Vec<f32> {
        let hidden = modules.forward(tokens, 1, None).into_data().try_into_vec::<f32>().unwrap();
        hidden[(tokens.len() - outputs) * packed.n_embd()..].to_vec()
    };
    let after = |tokens: &[u32]| [prefix, tokens].concat();
    for (fused, modules) in [
        (first, [expected(&after(&[11, 290]), 1), expected(&[2061, 318], 2)].concat()),
        (second, [expected(&after(&[11, 290, 788]), 1), expected(&after(&[13, 198, 198]), 2)].concat()),
    ] {
        assert_eq!((fused.len(), fused.is_empty()), (modules.len(), false));
        let largest = fused.iter().zip(&modules).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(largest < 2e-4, "{largest:e}");
    }
}

#[cfg(feature = "wgpu")]
mod wgpu {
    use super::*;
    use gpt2_model::ComputeDevice;
    use gpt2_model::engine::{Planner, check_device};
    use gpt2_model::request::{Overflow, Request, Span};

    use crate::common::{bundled, bundled_on};

    /// The first adapter. Without one the test is skipped with a message, or fails if `GPT2_EVAL_REQUIRE_WGPU` is set.
    fn adapter() -> Option<ComputeDevice> {
        match "wgpu".parse::<gpt2_model::DeviceRequest>().unwrap().open() {
            Ok(device) => Some(device),
            Err(error) if std::env::var_os("GPT2_EVAL_REQUIRE_WGPU").is_none() => {
                say(&format!("SKIPPED: {error}"));
                None
            }
            Err(error) => panic!("GPT2_EVAL_REQUIRE_WGPU is set, but {error}"),
        }
    }

    /// Kernels are compiled and tuned for every new shape, which takes seconds each in software, so everything that
    /// needs an adapter is one test of few shapes.
    #[test]
    fn wgpu_agrees() {
        let Some(device) = adapter() else { return };
        assert!(!device.is_host() && device.largest_buffer_bytes().is_some());
        check_device(&device).unwrap();

        // The embedding in four parts, as 117M's is in two under lavapipe's limit of 128 MiB.
        let split = device.clone().with_largest_buffer(50_257 * 64 * 4 / 4 + 64 * 4);
        let (cpu, gpu) = (bundled("tiny-3M"), bundled_on("tiny-3M", split));
        let mut planner = Planner::new(&cpu.checkpoint.tokenizer, 1024);
        let texts = [
            ("The old man looked at the sea and", " the sea looked back"),
            ("Once upon a time there was a", " queen"),
            ("“Naïve”, said the", " zyx 中文 <|endoftext|>"),
        ];
        let work: Vec<_> = texts
            .into_iter()
            .map(|(context, continuation)| Request::LogLikelihood {
                context: context.to_owned(),
                continuation: continuation.to_owned(),
                excluded_words: ["the".to_owned(), "queen".to_owned(), "a".to_owned()].into(),
                overflow: Overflow::Refuse,
                span: Span::Continuation,
            })
            .map(|request| planner.plan(&request).unwrap())
            .collect();
        let mut largest = 0f32;
        for (a, b) in cpu.log_likelihoods(&work, 4096).iter().zip(&gpu.log_likelihoods(&work, 4096)) {
            assert_eq!(a.greedy, b.greedy);
            for (x, y) in a.token_log_probs.iter().zip(&b.token_log_probs) {
                largest = largest.max((x - y).abs());
            }
            let (x, y) = (a.filtered.unwrap(), b.filtered.unwrap());
            assert_eq!(x.greedy, y.greedy);
            largest = largest.max((x.log_likelihood - y.log_likelihood).abs() as f32);
        }
        say(&format!("{}: largest |Δ log-probability| against flex is {largest:.2e}", gpu.device));
        assert!(f64::from(largest) <= TOLERANCE, "{largest:e}");

        crate::batched_texts::check(&gpu);
    }
}

#[test]
#[cfg(not(feature = "wgpu"))]
fn wgpu_agrees() {
    say("SKIPPED: built without the feature wgpu");
}
