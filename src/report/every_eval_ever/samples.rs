//! `instance_level_eval.schema.json` 0.3.0: one line a sample and metric.

// The names of the fields are the schema's.
#![allow(clippy::struct_field_names)]

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::metric::is_right;
use super::{Details, SCHEMA_VERSION, details, evaluation_name, result_id};
use crate::record::{PromptRecord, RequestText, SampleResult};
use crate::run::FinishedTask;
use gpt2_model::request::Response;
use text_metrics::Sample;

/// A sample under a metric. The words are the schema's.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Instance<'a> {
    schema_version: &'static str,
    evaluation_id: &'a str,
    model_id: &'a str,
    evaluation_name: &'a str,
    /// None for a sample that failed: it is part of no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation_result_id: Option<String>,
    sample_id: &'a str,
    sample_hash: &'a str,
    interaction_type: &'static str,
    input: &'a Input,
    output: &'a Output,
    answer_attribution: &'a [Attribution],
    evaluation: Evaluation,
    token_usage: &'a TokenUsage,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    metadata: &'a Details,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Input {
    /// What the model read; of several requests what their beginnings have in common.
    raw: String,
    /// The right answer, where the run directory has it as text.
    reference: Vec<String>,
    /// What was compared, where there were several requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<String>>,
}

/// What the model wrote; nothing where it only scored.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Output {
    raw: Vec<String>,
}

/// Where the answer stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Attribution {
    turn_idx: usize,
    source: &'static str,
    extracted_value: String,
    extraction_method: &'static str,
    is_terminal: bool,
}

/// The metric over this sample alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Evaluation {
    score: f64,
    is_correct: bool,
}

/// Tokens of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct TokenUsage {
    input_tokens: usize,
    output_tokens: usize,
    total_tokens: usize,
}

/// Appends the samples of a model on a task, one line for each metric that a sample has a value of. Samples whose prompt
/// is not in the run directory are left out.
pub(super) fn write(
    lines: &mut Vec<u8>,
    evaluation_id: &str,
    model_id: &str,
    task: &FinishedTask,
    records: &[SampleResult],
) -> Result<(), serde_json::Error> {
    let prompts: BTreeMap<&str, &PromptRecord> =
        task.prompts.iter().map(|prompt| (prompt.id.as_str(), prompt)).collect();
    let evaluation_name = evaluation_name(task);
    for record in records {
        let Some(prompt) = prompts.get(record.id.as_str()) else { continue };
        let mut input = input(&prompt.requests);
        if input.reference.is_empty() {
            input.reference.clone_from(&prompt.expected);
        }
        let sample_hash = hex::encode(Sha256::digest(serde_json::to_vec(&(&input.raw, &input.reference))?));
        let output = output(record);
        let attribution = attribution(&output);
        let (tokens, metadata) = (token_usage(record), metadata(record, prompt)?);
        for (evaluation_result_id, evaluation) in evaluations(task, record) {
            let instance = Instance {
                schema_version: SCHEMA_VERSION,
                evaluation_id,
                model_id,
                evaluation_name: &evaluation_name,
                evaluation_result_id,
                sample_id: &record.id,
                sample_hash: &sample_hash,
                interaction_type: "single_turn",
                input: &input,
                output: &output,
                answer_attribution: &attribution,
                evaluation,
                token_usage: &tokens,
                error: record.error.as_deref(),
                metadata: &metadata,
            };
            serde_json::to_writer(&mut *lines, &instance)?;
            lines.push(b'\n');
        }
    }
    Ok(())
}

/// The metrics over one sample alone, with the score that each is part of; for a sample that failed one of no score.
fn evaluations(task: &FinishedTask, record: &SampleResult) -> Vec<(Option<String>, Evaluation)> {
    if record.error.is_some() {
        return vec![(None, Evaluation { score: 0.0, is_correct: false })];
    }
    let sample = [Sample { values: &record.values, cluster: None }];
    let metrics = task.metrics.iter().filter(|metric| metric.is_per_sample());
    metrics
        .filter_map(|metric| {
            let score = metric.estimate(&sample)?.value;
            let evaluation = Evaluation { score, is_correct: is_right(metric, score) };
            Some((Some(result_id(task, metric.name)), evaluation))
        })
        .collect()
}

fn input(requests: &[RequestText]) -> Input {
    // A context that is that of the request before was left out.
    let mut last: Option<&str> = None;
    let mut asked: Vec<(Option<&str>, Option<&str>)> = Vec::new();
    for request in requests {
        last = request.context.as_deref().or(last);
        asked.push((last, request.target.as_deref()));
    }
    match asked.as_slice() {
        [(Some(context), Some(target))] => {
            Input { raw: (*context).to_owned(), reference: vec![(*target).to_owned()], choices: None }
        }
        [(None, Some(part))] => Input { raw: (*part).to_owned(), reference: Vec::new(), choices: None },
        several if several.iter().all(|(_, target)| target.is_some()) && !several.is_empty() => {
            let contexts: Vec<&str> =
                several.iter().map(|(context, _)| context.unwrap_or_default()).collect();
            let shared = common_beginning(&contexts);
            let mut choices: Vec<String> = Vec::new();
            for (context, target) in several {
                let rest = context.unwrap_or_default().strip_prefix(shared).unwrap_or_default();
                let choice = format!("{rest}{}", target.unwrap_or_default());
                // What is asked in two ways, as the Winograd schemas are, is one choice.
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
            Input { raw: shared.to_owned(), reference: Vec::new(), choices: Some(choices) }
        }
        several => {
            let prompt = several.first().and_then(|(context, _)| *context).unwrap_or_default();
            Input { raw: prompt.to_owned(), reference: Vec::new(), choices: None }
        }
    }
}

/// What all texts begin with.
fn common_beginning<'a>(texts: &[&'a str]) -> &'a str {
    let Some((first, others)) = texts.split_first() else { return "" };
    let shared = |other: &&str| {
        let alike = first.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        alike.map(|(character, _)| character.len_utf8()).sum()
    };
    let length: usize = others.iter().map(shared).min().unwrap_or(first.len());
    first.get(..length).unwrap_or_default()
}

fn output(record: &SampleResult) -> Output {
    let text = |response: &Response| match response {
        Response::Generate(generated) => Some(generated.text.clone()),
        Response::LogLikelihood(_) | Response::Rolling(_) => None,
    };
    Output { raw: record.responses.iter().filter_map(text).collect() }
}

fn attribution(output: &Output) -> Vec<Attribution> {
    let of_text = |text: &String| Attribution {
        turn_idx: 0,
        source: "output.raw",
        extracted_value: text.clone(),
        extraction_method: "none",
        is_terminal: true,
    };
    output.raw.iter().map(of_text).collect()
}

/// What is only scored is read.
fn token_usage(record: &SampleResult) -> TokenUsage {
    let written = |response: &Response| match response {
        Response::Generate(_) => response.target_tokens(),
        Response::LogLikelihood(_) | Response::Rolling(_) => 0,
    };
    let output_tokens: usize = record.responses.iter().map(written).sum();
    let total_tokens = record.context_tokens + record.target_tokens;
    TokenUsage { input_tokens: total_tokens.saturating_sub(output_tokens), output_tokens, total_tokens }
}

fn metadata(record: &SampleResult, prompt: &PromptRecord) -> Result<Details, serde_json::Error> {
    let mut metadata = details([
        ("location", prompt.location.clone()),
        ("prompt_sha256", record.prompt_sha256.clone()),
        ("truncated_tokens", record.truncated_tokens.to_string()),
        ("values", serde_json::to_string(&record.values)?),
    ]);
    if let Some(cluster) = &record.cluster {
        metadata.insert("cluster".to_owned(), cluster.clone());
    }
    let log_likelihood = |response: &Response| match response {
        Response::LogLikelihood(score) => Some(score.log_likelihood),
        Response::Rolling(score) => Some(score.log_likelihood),
        Response::Generate(_) => None,
    };
    let log_likelihoods: Vec<f64> = record.responses.iter().filter_map(log_likelihood).collect();
    if !log_likelihoods.is_empty() {
        metadata.insert("log_likelihoods".to_owned(), serde_json::to_string(&log_likelihoods)?);
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(context: Option<&str>, target: Option<&str>) -> RequestText {
        RequestText { context: context.map(str::to_owned), target: target.map(str::to_owned) }
    }

    #[test]
    fn requests_become_prompt_reference_and_choices() {
        let one = input(&[request(Some("The cat sat on the"), Some(" mat"))]);
        assert_eq!(
            (one.raw.as_str(), one.reference, one.choices),
            ("The cat sat on the", vec![" mat".to_owned()], None)
        );
        let choice = input(&[request(Some("a"), Some(" b")), request(None, Some(" c"))]);
        assert_eq!(
            (choice.raw.as_str(), choice.choices.unwrap()),
            ("a", vec![" b".to_owned(), " c".to_owned()])
        );
        let differing = input(&[request(Some("é1 x"), Some(" y")), request(Some("é2"), Some(" y"))]);
        assert_eq!(
            (differing.raw.as_str(), differing.choices.unwrap()),
            ("é", vec!["1 x y".to_owned(), "2 y".to_owned()])
        );
        let twice = input(&[request(Some("a b"), Some(" c")), request(Some(""), Some("a b c"))]);
        assert_eq!((twice.raw.as_str(), twice.choices.unwrap()), ("", vec!["a b c".to_owned()]));
        let part = input(&[request(None, Some("part"))]);
        assert_eq!((part.raw.as_str(), part.reference.len()), ("part", 0));
        let written = input(&[request(Some("Q"), None), request(None, None)]);
        assert_eq!((written.raw.as_str(), written.choices), ("Q", None));
        assert_eq!(input(&[]).raw, "");
    }
}
