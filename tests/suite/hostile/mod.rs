//! No input from outside panics, takes unbounded memory or leads out of its directory.
//!
//! Each property holds for [`cases`] inputs. Most are valid files with small changes, because random bytes seldom pass a
//! reader's first check. The inputs are the same every time; `GPT2_EVAL_FUZZ_SEED` gives others.

mod baselines;
mod checkpoint;
mod configs;
mod custom_tasks;
mod data;
mod formats;
mod headers;
mod memory;
mod mutate;
mod paths;
mod run;
mod texts;
mod tokenizer;

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// The number in an environment variable, or `absent`.
fn from_environment<T: std::str::FromStr>(name: &str, absent: T) -> T {
    let Ok(text) = std::env::var(name) else { return absent };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, expected a number"))
}

/// Number of inputs of each property.
pub fn cases() -> u32 {
    from_environment("GPT2_EVAL_FUZZ_CASES", 2000)
}

/// Tests `property` on inputs from `strategy`, and shows the smallest input that violates it.
pub fn hold<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&from_environment("GPT2_EVAL_FUZZ_SEED", 0_u64).to_le_bytes());
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    if let Err(error) = runner.run(&strategy, property) {
        panic!("{error}");
    }
}

/// A message about input names its file, is short, and has no control characters.
pub fn is_good_message(message: &str, file: &str) -> Result<(), TestCaseError> {
    let broken = if !message.contains(file) {
        "does not name the file"
    } else if message.len() > 4000 {
        "is too long"
    } else if message.contains(|character: char| character.is_control() && character != '\n') {
        "has control characters"
    } else {
        return Ok(());
    };
    Err(TestCaseError::fail(format!("the message {broken}: {message:?}")))
}
