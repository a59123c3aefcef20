//! A GPU is believed only after it has agreed with the CPU.
//!
//! Drivers, shader compilers and kernel fusion have all been seen to return wrong numbers without an error
//! (tracel-ai/burn#5257), so a few log-probabilities of a bundled model are computed on both first.

use super::plan::{Continuation, ScoredSequence, TokenSet};
use super::{EngineError, generate, score};
use crate::request::Decoding;
use crate::{BUNDLED_MODELS, Checkpoint, CheckpointError, ComputeDevice, DeviceError};

/// Largest difference of a log-probability that is put down to rounding, nats.
const TOLERANCE: f64 = 2e-4;

/// Why a device is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// It computes something else than the CPU.
    #[error(
        "{device} computes wrong numbers: in a short check its log-probabilities differ from the CPU's by up to \
         {difference:.2e} nats (allowed {TOLERANCE:.0e}); use `--device flex`, or update the driver"
    )]
    Disagrees {
        /// Which.
        device: String,
        /// Largest difference, nats.
        difference: f64,
    },
    /// It writes another text than the CPU.
    #[error(
        "{device} writes another text than the CPU in a short check; use `--device flex`, or update the driver"
    )]
    WritesOtherText {
        /// Which.
        device: String,
    },
    /// It fails.
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
    written: Vec<u32>,
}

/// Compares `device` with the CPU on a padded batch, with and without excluded tokens, and on cached
/// continuations of two prompts of different lengths.
/// Nothing is done for a CPU device.
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
    if expected.written != found.written {
        return Err(SelfCheckError::WritesOtherText { device: device.to_owned() });
    }
    Ok(())
}

fn answer(checkpoint: &Checkpoint, device: &ComputeDevice) -> Result<Answers, SelfCheckError> {
    let model = checkpoint.load(device).map_err(CheckpointError::from)?;
    let encode = |text| checkpoint.tokenizer.encode(text).map_err(EngineError::from);
    let end = checkpoint.tokenizer.end_of_text();
    let sequence = |tokens: Vec<u32>, excluded: &TokenSet| {
        let mut input = vec![end];
        input.extend(&tokens[..tokens.len() - 1]);
        ScoredSequence { input, targets: tokens, excluded: excluded.clone() }
    };
    let none = TokenSet::default();
    let common = TokenSet::new(encode(" the a and of to")?);
    let sequences = [
        sequence(encode("The old man looked at the sea, and the sea looked back at the old man.")?, &none),
        sequence(encode("Once upon a time there was a queen")?, &common),
        sequence(encode("Hello")?, &none),
    ];
    let scores = score::score_batch(&model, device, &sequences.iter().collect::<Vec<_>>())?;
    let log_probs = scores
        .into_iter()
        .flatten()
        .flat_map(|score| [Some(score.log_prob), score.filtered.map(|(log_prob, _)| log_prob)])
        .flatten()
        .collect();
    let prompts = ["The old man looked at the sea and", "Once upon a time"].map(|text| {
        encode(text).map(|prompt| Continuation {
            prompt,
            stop: Vec::new(),
            max_new_tokens: 4,
            decoding: Decoding::Greedy,
        })
    });
    let [first, second] = prompts;
    let (first, second) = (first?, second?);
    let prompts = [(&first, 0), (&second, 0)];
    let (texts, _) = generate::generate(&model, device, &checkpoint.tokenizer, &prompts, &mut |_, _| {})?;
    let written = texts.into_iter().flat_map(|text| text.tokens).collect();
    Ok(Answers { log_probs, written })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(log_probs: &[f64], written: &[u32]) -> Answers {
        Answers { log_probs: log_probs.to_vec(), written: written.to_vec() }
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
        assert!(matches!(other_text, Err(SelfCheckError::WritesOtherText { .. })));
    }
}
