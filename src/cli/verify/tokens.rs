//! Checks of one model's weights and of what it computes token by token.

use anyhow::bail;

use super::outcome::Line;
use super::references::{Greedy, LogLikelihood, References, Rolling, Weights};
use crate::cli::one_model::OneModel;
use crate::cli::output::describe;
use crate::text::visible_white_space;
use gpt2_model::engine::{EngineError, Event, Planner, Work};
use gpt2_model::request::{self, Decoding, Document, Overflow, Request, Response, Span, Trim, Window};

/// File whose checksum is pinned.
const PINNED_FILE: &str = "model.safetensors";

/// Smallest tolerated difference of a log-probability, nats: a relative tolerance of a value near 0 is below the rounding
/// of f32.
const MIN_TOLERANCE: f64 = 1e-4;

/// Characters of a text that a line shows.
const SHOWN_CHARACTERS: usize = 32;

/// All checks of a model but those of scores.
pub(super) fn check(
    model: &OneModel,
    references: &References,
    add: &mut dyn FnMut(Line) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let label = model.label.as_str();
    for reference in references.weights.iter().filter(|reference| reference.model == label) {
        add(weights(model, reference))?;
    }
    for reference in references.greedy.iter().filter(|reference| reference.model == label) {
        let what = format!("greedy after {}", shown(&reference.prompt));
        add(greedy(model, reference, &what)
            .unwrap_or_else(|error| Line::failed(label, &what, describe(&error))))?;
    }
    for reference in references.log_likelihood.iter().filter(|reference| reference.model == label) {
        let LogLikelihood { context, continuation, .. } = reference;
        let what = format!("log-likelihood of {} after {}", shown(continuation), shown(context));
        add(log_likelihood(model, reference, &what)
            .unwrap_or_else(|error| Line::failed(label, &what, describe(&error))))?;
    }
    for reference in references.rolling.iter().filter(|reference| reference.model == label) {
        let window = reference.context.map(|context| format!(" in windows of {context}")).unwrap_or_default();
        let what = format!("log-probabilities of {}{window}", shown(&reference.text));
        add(rolling(model, reference, &what)
            .unwrap_or_else(|error| Line::failed(label, &what, describe(&error))))?;
    }
    Ok(())
}

fn weights(model: &OneModel, reference: &Weights) -> Line {
    let weights = &model.checkpoint.weights;
    let what = format!("sha256 of {PINNED_FILE}");
    if weights.path().file_name().is_none_or(|name| name != PINNED_FILE) {
        let reason = format!("the weights are {}, which has another checksum", weights.path().display());
        return Line::not_checked(&model.label, &what, reason);
    }
    let found = weights.sha256();
    let expected = &reference.sha256;
    if found.eq_ignore_ascii_case(expected) {
        return Line::of(true, &model.label, &what, format!("{found} ({})", reference.source));
    }
    let finding = format!("{found}, expected {expected} ({})", reference.source);
    Line::failed(&model.label, &what, finding)
}

fn greedy(model: &OneModel, reference: &Greedy, what: &str) -> anyhow::Result<Line> {
    let Greedy { prompt, prompt_tokens, tokens, source, .. } = reference;
    let encoded = model.checkpoint.tokenizer.encode(prompt)?;
    if let Some(expected) = prompt_tokens.as_ref().filter(|expected| **expected != encoded) {
        let finding = format!("the prompt is {encoded:?}, expected {expected:?} ({source})");
        return Ok(Line::failed(&model.label, what, finding));
    }
    let request = Request::Generate {
        prompt: prompt.clone(),
        trim: Trim::left(),
        stop: Vec::new(),
        max_new_tokens: tokens.len(),
        decoding: Decoding::Greedy,
    };
    let Work::Generate(planned) = plan(model, &request)? else { bail!("the prompt cannot be continued") };
    let found = model.engine().generate(&planned, |_| {})?.tokens;
    let same = found.iter().zip(tokens).take_while(|(found, expected)| found == expected).count();
    let finding = match tokens.get(same) {
        None => format!("{} tokens are equal ({source})", tokens.len()),
        Some(expected) => {
            let found = found.get(same).map_or("the end".to_owned(), u32::to_string);
            format!("token {same} is {found}, expected {expected} ({source})")
        }
    };
    Ok(Line::of(same == tokens.len(), &model.label, what, finding))
}

fn log_likelihood(model: &OneModel, reference: &LogLikelihood, what: &str) -> anyhow::Result<Line> {
    let LogLikelihood { context, continuation, sum, greedy, tolerance, source, .. } = reference;
    let request = Request::LogLikelihood {
        context: context.clone(),
        continuation: continuation.clone(),
        excluded_words: [].into(),
        overflow: Overflow::TruncateLeft,
        span: Span::default(),
    };
    let found = answer(model, &plan(model, &request)?)?;
    let mut findings = Vec::new();
    let mut passed = true;
    if let Some(expected) = sum {
        passed &= is_close(found.log_likelihood, *expected, *tolerance);
        findings.push(format!("{:.5}, expected {expected:.5}", found.log_likelihood));
    }
    if let Some(expected) = greedy {
        passed &= found.greedy == *expected;
        let is = |greedy: bool| if greedy { "is greedy" } else { "is not greedy" };
        findings.push(format!("{}, expected {}", is(found.greedy), is(*expected)));
    }
    Ok(Line::of(passed, &model.label, what, format!("{} ({source})", findings.join("; "))))
}

fn rolling(model: &OneModel, reference: &Rolling, what: &str) -> anyhow::Result<Line> {
    let Rolling { text, context, token_log_probs: expected, tolerance, source, .. } = reference;
    let request = Request::Rolling {
        document: Document::new(text),
        part: 0..text.len(),
        window: Window { context: *context, stride: None },
    };
    let Work::Score { sequences, .. } = plan(model, &request)? else { bail!("the text cannot be scored") };
    // Without `rolling_bytes`, the response has the log-probability of every token.
    let work = Work::Score { sequences, rolling_bytes: None, truncated_tokens: 0 };
    let found = answer(model, &work)?.token_log_probs;
    if found.len() != expected.len() {
        let finding = format!("{} tokens, expected {} ({source})", found.len(), expected.len());
        return Ok(Line::failed(&model.label, what, finding));
    }
    let pairs: Vec<(f64, f64)> =
        found.iter().map(|&found| f64::from(found)).zip(expected.iter().copied()).collect();
    let largest = pairs.iter().map(|(found, expected)| (found - expected).abs()).fold(0.0, f64::max);
    let wrong = pairs.iter().position(|(found, expected)| !is_close(*found, *expected, *tolerance));
    let finding = match wrong.and_then(|index| Some((index, pairs.get(index)?))) {
        None => format!("{} tokens, largest difference {largest:.1e} nats ({source})", pairs.len()),
        Some((index, (found, expected))) => {
            format!("token {index} has {found:.5}, expected {expected:.5} ({source})")
        }
    };
    Ok(Line::of(wrong.is_none(), &model.label, what, finding))
}

/// NaN is close to nothing.
fn is_close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= (tolerance * expected.abs()).max(MIN_TOLERANCE)
}

fn plan(model: &OneModel, request: &Request) -> anyhow::Result<Work> {
    let context = model.checkpoint.config.n_positions;
    Ok(Planner::new(&model.checkpoint.tokenizer, context).plan(request)?)
}

fn answer(model: &OneModel, work: &Work) -> anyhow::Result<request::LogLikelihood> {
    let mut answer = None;
    model.engine().run(&[work], |event| -> Result<(), EngineError> {
        if let Event::Response { response: Response::LogLikelihood(score), .. } = event {
            answer = Some(score);
        }
        Ok(())
    })?;
    let Some(answer) = answer else { bail!("the engine gave no response") };
    Ok(answer)
}

/// The beginning of a text in quotes, with visible white space.
fn shown(text: &str) -> String {
    let visible = visible_white_space(text);
    let start: String = visible.chars().take(SHOWN_CHARACTERS).collect();
    let more = if start.len() < visible.len() { "…" } else { "" };
    format!("\"{start}{more}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_are_relative_with_a_floor() {
        assert!(is_close(-8.69, -8.682, 1e-3) && !is_close(-8.70, -8.682, 1e-3));
        assert!(is_close(-0.099_95, -0.099_88, 1e-3) && !is_close(-0.1001, -0.0999, 1e-3));
        assert!(!is_close(f64::NAN, -1.0, 1e-3));
    }
}
