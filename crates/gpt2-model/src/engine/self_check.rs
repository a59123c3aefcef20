//! Checks a GPU against the CPU before it is used.
//!
//! Drivers, shader compilers and kernel fusion have returned wrong numbers without an error (tracel-ai/burn#5257). So a few
//! log-probabilities and completions of a bundled model are computed on both first.

use super::burn::BurnBackend;
use super::work::{Prompt, ScoredSequence, TokenSet, Work};
use super::{Engine, EngineError, Event};
use crate::request::{Completion, Decoding, LogLikelihood, Response};
use crate::{BUNDLED_MODELS, Checkpoint, CheckpointError, ComputeDevice, DeviceError};

/// Largest difference of a log-probability that rounding explains, nats.
const TOLERANCE: f64 = 2e-4;

/// Why a device is refused.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// Its log-probabilities differ from the CPU's.
    #[error(
        "{device} computes wrong numbers: its log-probabilities differ from the CPU's by up to {difference:.2e} nats \
         (allowed {TOLERANCE:.0e}); update the driver or use `--device cpu`"
    )]
    Disagrees {
        /// Name of the device.
        device: String,
        /// Largest difference, nats.
        difference: f64,
    },
    /// Its completions differ from the CPU's.
    #[error(
        "{device} computes wrong numbers: its greedy completions differ from the CPU's; update the driver or use \
         `--device cpu`"
    )]
    OtherCompletions {
        /// Name of the device.
        device: String,
    },
    /// The device failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no CPU backend in this build.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The bundled model does not load.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

struct Answers {
    log_probs: Vec<f64>,
    generated: Vec<u32>,
}

/// Compares `device` with the CPU on a padded batch, with and without excluded tokens, and on greedy completions of two
/// prompts of different lengths. Does nothing for a CPU device.
pub fn check_device(device: &ComputeDevice) -> Result<(), SelfCheckError> {
    if device.is_host() {
        return Ok(());
    }
    let Some(checkpoint) = BUNDLED_MODELS.first().and_then(|(name, _, _)| Checkpoint::bundled(name)) else {
        return Ok(());
    };
    let checkpoint = checkpoint?;
    let expected = answer(&checkpoint, &ComputeDevice::reference()?)?;
    compare(&device.to_string(), &expected, &answer(&checkpoint, device)?)
}

fn compare(device: &str, expected: &Answers, found: &Answers) -> Result<(), SelfCheckError> {
    let difference = if expected.log_probs.len() == found.log_probs.len() {
        let differences = expected.log_probs.iter().zip(&found.log_probs).map(|(a, b)| (a - b).abs());
        // Not `f64::max`, which loses a NaN.
        differences.fold(
            0.0,
            |largest: f64, next| {
                if largest.is_nan() || next <= largest { largest } else { next }
            },
        )
    } else {
        f64::INFINITY
    };
    if difference.is_nan() || difference > TOLERANCE {
        return Err(SelfCheckError::Disagrees { device: device.to_owned(), difference });
    }
    if expected.generated != found.generated {
        return Err(SelfCheckError::OtherCompletions { device: device.to_owned() });
    }
    Ok(())
}

fn answer(checkpoint: &Checkpoint, device: &ComputeDevice) -> Result<Answers, SelfCheckError> {
    let backend = BurnBackend::load(checkpoint, device)?;
    let encode = |text| checkpoint.tokenizer.encode(text).map_err(EngineError::from);
    let begin = checkpoint.tokenizer.begin_of_text().map_err(EngineError::from)?;
    let score = |tokens: Vec<u32>, excluded: &TokenSet| {
        let mut input = vec![begin];
        input.extend(&tokens[..tokens.len() - 1]);
        let sequence = ScoredSequence { input, targets: tokens, excluded: excluded.clone() };
        Work::Score { sequences: vec![sequence], rolling_bytes: None, truncated_tokens: 0 }
    };
    let generate = |tokens| {
        Work::Generate(Prompt {
            tokens,
            stop: Vec::new(),
            max_new_tokens: 4,
            decoding: Decoding::Greedy,
            truncated_tokens: 0,
        })
    };
    let none = TokenSet::default();
    let common = TokenSet::new(encode(" the a and of to")?);
    let work = [
        score(encode("The old man looked at the sea, and the sea looked back at the old man.")?, &none),
        score(encode("Once upon a time there was a queen")?, &common),
        score(encode("Hello")?, &none),
        generate(encode("The old man looked at the sea and")?),
        generate(encode("Once upon a time")?),
    ];
    let work: Vec<&Work> = work.iter().collect();
    let mut responses: Vec<Option<Response>> = vec![None; work.len()];
    Engine::new(&backend, &checkpoint.tokenizer, 1024).run::<EngineError>(&work, |event| {
        if let Event::Response { index, response } = event {
            responses[index] = Some(response);
        }
        Ok(())
    })?;
    let mut answers = Answers { log_probs: Vec::new(), generated: Vec::new() };
    for response in responses.into_iter().flatten() {
        match response {
            Response::LogLikelihood(LogLikelihood { token_log_probs, filtered, .. }) => {
                answers.log_probs.extend(token_log_probs.into_iter().map(f64::from));
                answers.log_probs.extend(filtered.map(|filtered| filtered.log_likelihood));
            }
            Response::Generate(Completion { tokens, .. }) => answers.generated.extend(tokens),
            Response::Rolling(_) => {}
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(log_probs: &[f64], generated: &[u32]) -> Answers {
        Answers { log_probs: log_probs.to_vec(), generated: generated.to_vec() }
    }

    #[test]
    fn disagreement_is_refused_and_rounding_is_not() {
        let expected = answers(&[-1.0, -2.0, -3.0], &[7]);
        assert!(compare("gpu", &expected, &answers(&[-1.0, -2.000_1, -3.0], &[7])).is_ok());
        for wrong in [
            answers(&[-1.0, -2.001, -3.0], &[7]),
            answers(&[-1.0, f64::NAN, -3.0], &[7]),
            answers(&[f64::NAN, -2.0, -3.0], &[7]),
            answers(&[-1.0, f64::NEG_INFINITY, -3.0], &[7]),
            answers(&[-1.0, -2.0], &[7]),
        ] {
            let refused = compare("gpu", &expected, &wrong);
            assert!(matches!(refused, Err(SelfCheckError::Disagrees { .. })), "{refused:?}");
        }
        let other_text = compare("gpu", &expected, &answers(&[-1.0, -2.0, -3.0], &[8]));
        assert!(matches!(other_text, Err(SelfCheckError::OtherCompletions { .. })));
    }
}
