//! `instance_level_eval.schema.json` 0.3.0: one line per sample and metric. The names are the schema's.

#![allow(clippy::struct_field_names)]

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::ids::{evaluation_name, result_id};
use super::metric::is_right;
use super::schema::{Details, EvaluationLog, SCHEMA_VERSION, details};
use crate::record::{CandidateSet, ModelIdentity, PromptRecord, RequestText, SampleResult};
use crate::run::FinishedTask;
use gpt2_model::request::Response;
use text_metrics::Sample;

/// A sample under a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Instance<'a> {
    schema_version: &'static str,
    evaluation_id: &'a str,
    model_id: &'a str,
    evaluation_name: &'a str,
    /// `None` for a failed sample, which no score counts.
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

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Input {
    /// The prompt: the context, or the shared prefix of several contexts.
    raw: String,
    /// The target, or the expected answers.
    reference: Vec<String>,
    /// The candidates, each after the shared prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<String>>,
}

/// The completions.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Output {
    raw: Vec<String>,
}

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

#[derive(Debug, Clone, PartialEq, Serialize)]
struct TokenUsage {
    input_tokens: usize,
    output_tokens: usize,
    total_tokens: usize,
}

/// Appends the samples of a model on a task, one line per sample and per-sample metric. Samples without a prompt in the
/// run directory are left out.
pub(super) fn write(
    lines: &mut Vec<u8>,
    log: &EvaluationLog,
    model: &ModelIdentity,
    task: &FinishedTask,
    records: &[SampleResult],
) -> Result<(), serde_json::Error> {
    let prompts: BTreeMap<&str, &PromptRecord> =
        task.prompts.iter().map(|prompt| (prompt.id.as_str(), prompt)).collect();
    let evaluation_name = evaluation_name(task, model);
    for record in records {
        let Some(prompt) = prompts.get(record.id.as_str()) else { continue };
        let mut input = input(&prompt.requests, record.candidate_sets.first());
        if input.reference.is_empty() {
            input.reference.clone_from(&prompt.expected);
        }
        let sample_hash = hex::encode(Sha256::digest(serde_json::to_vec(&(&input.raw, &input.reference))?));
        let output = output(record);
        let attribution = attribution(&output);
        let (tokens, metadata) = (token_usage(record), metadata(record, prompt)?);
        for (evaluation_result_id, evaluation) in evaluations(model, task, record) {
            let instance = Instance {
                schema_version: SCHEMA_VERSION,
                evaluation_id: &log.evaluation_id,
                model_id: &log.model_info.id,
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

/// The metrics over one sample with the id of their score; one without score for a failed sample.
fn evaluations(
    model: &ModelIdentity,
    task: &FinishedTask,
    record: &SampleResult,
) -> Vec<(Option<String>, Evaluation)> {
    if record.error.is_some() {
        return vec![(None, Evaluation { score: 0.0, is_correct: false })];
    }
    let sample = [Sample { values: &record.values, cluster: None }];
    let metrics = task.metrics.iter().filter(|metric| metric.is_per_sample());
    metrics
        .filter_map(|metric| {
            let score = metric.estimate(&sample)?.value;
            let evaluation = Evaluation { score, is_correct: is_right(metric, score) };
            Some((Some(result_id(task, model, metric.name)), evaluation))
        })
        .collect()
}

fn input(requests: &[RequestText], candidates: Option<&CandidateSet>) -> Input {
    // A context that was left out is that of the request before.
    let mut context = "";
    let mut asked: Vec<(&str, Option<&str>)> = Vec::new();
    for request in requests {
        context = request.context.as_deref().unwrap_or(context);
        asked.push((context, request.target.as_deref()));
    }
    let chosen: Vec<(&str, &str)> = candidates
        .into_iter()
        .flat_map(|set| &set.responses)
        .filter_map(|&index| asked.get(index).map(|(context, target)| (*context, target.unwrap_or_default())))
        .collect();
    if !chosen.is_empty() {
        let contexts: Vec<&str> = chosen.iter().map(|(context, _)| *context).collect();
        let shared = shared_prefix(&contexts);
        let choice = |(context, target): &(&str, &str)| {
            format!("{}{target}", context.strip_prefix(shared).unwrap_or_default())
        };
        let choices = Some(chosen.iter().map(choice).collect());
        return Input { raw: shared.to_owned(), reference: Vec::new(), choices };
    }
    let (raw, reference) = match asked.as_slice() {
        // A part of a document has no context.
        [("", Some(part))] if requests.iter().all(|request| request.context.is_none()) => (*part, None),
        [(context, target)] => (*context, *target),
        several => (several.first().map_or("", |(context, _)| *context), None),
    };
    Input {
        raw: raw.to_owned(),
        reference: reference.map(str::to_owned).into_iter().collect(),
        choices: None,
    }
}

/// The longest prefix of all texts.
fn shared_prefix<'a>(texts: &[&'a str]) -> &'a str {
    let Some((first, others)) = texts.split_first() else { return "" };
    let shared = |other: &&str| {
        let alike = first.chars().zip(other.chars()).take_while(|(a, b)| a == b);
        alike.map(|(character, _)| character.len_utf8()).sum()
    };
    let length: usize = others.iter().map(shared).min().unwrap_or(first.len());
    first.get(..length).unwrap_or_default()
}

fn output(record: &SampleResult) -> Output {
    Output { raw: record.responses.iter().filter_map(Response::text).map(str::to_owned).collect() }
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

/// Scored tokens count as input.
fn token_usage(record: &SampleResult) -> TokenUsage {
    let completions = record.responses.iter().filter(|response| response.text().is_some());
    let output_tokens: usize = completions.map(Response::target_tokens).sum();
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
    let log_likelihoods: Vec<f64> = record.responses.iter().filter_map(Response::log_likelihood).collect();
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
        let one = input(&[request(Some("The cat sat on the"), Some(" mat"))], None);
        assert_eq!(
            (one.raw.as_str(), one.reference, one.choices),
            ("The cat sat on the", vec![" mat".to_owned()], None)
        );
        let two = CandidateSet::consecutive(0, 2, 0);
        let choice = input(&[request(Some("a"), Some(" b")), request(None, Some(" c"))], Some(&two));
        assert_eq!(
            (choice.raw.as_str(), choice.choices.unwrap()),
            ("a", vec![" b".to_owned(), " c".to_owned()])
        );
        let differing =
            input(&[request(Some("é1 x"), Some(" y")), request(Some("é2"), Some(" y"))], Some(&two));
        assert_eq!(
            (differing.raw.as_str(), differing.choices.unwrap()),
            ("é", vec!["1 x y".to_owned(), "2 y".to_owned()])
        );
        let part = input(&[request(None, Some("part"))], None);
        assert_eq!((part.raw.as_str(), part.reference.len()), ("part", 0));
        let generation = input(&[request(Some("Q"), None), request(None, None)], None);
        assert_eq!((generation.raw.as_str(), generation.choices), ("Q", None));
        assert_eq!(input(&[], None).raw, "");
    }
}
