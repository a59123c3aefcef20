//! A model's answers to the samples of a task.

use serde::Serialize;

use super::string_table::StringTable;
use super::vocabulary::Vocabulary;
use crate::record::{CandidateSet, SampleResult};
use gpt2_model::request::{FinishReason, Response};
use text_metrics::{Aggregate, Columns, Metric};

/// One model's answers in columns.
#[derive(Debug, Serialize)]
pub(super) struct Answers {
    /// Index of the model.
    pub model: usize,
    /// Indices of the samples.
    samples: Vec<usize>,
    /// 1 right, 0 wrong, `None` if the task does not say.
    right: Vec<Option<u8>>,
    /// Probability of the target or the completion, or the best candidate's share of the probability.
    confidence: Vec<Option<f64>>,
    /// Mean of −log P over the tokens of the target, the completion or the best candidate, nats.
    loss: Vec<Option<f64>>,
    /// The first metric over this sample alone.
    score: Vec<Option<f64>>,
    truncated_tokens: Vec<usize>,
    error: Vec<Option<usize>>,
    /// Index of the best candidate's response, or 0.
    best: Vec<usize>,
    completions: Vec<Vec<usize>>,
    /// Everything else: JSON of [`Details`].
    details: Vec<String>,
}

/// The rest of an answer: metrics over this sample alone, sample values (name and value), context tokens, target tokens,
/// candidate sets (responses, and the correct one), responses.
type Details<'a> =
    (Vec<Option<f64>>, Vec<(usize, f64)>, usize, usize, Vec<(&'a [usize], usize)>, Vec<ShownResponse>);

/// A response as an array without names: a page has many.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ShownResponse {
    /// 0, log-likelihood, whether greedy, context tokens, log-probabilities, tokens, filtered log-likelihood.
    LogLikelihood(u8, Option<f64>, u8, usize, Vec<Option<f64>>, Option<Vec<usize>>, Option<f64>),
    /// 1, log-likelihood, tokens, bytes, windows.
    Rolling(u8, Option<f64>, usize, usize, usize),
    /// 2, text, finish reason, prompt tokens, log-probabilities, tokens.
    Completion(u8, usize, u8, usize, Vec<Option<f64>>, Option<Vec<usize>>),
}

/// The tables that all answers share.
pub(super) struct Tables<'a> {
    pub texts: &'a mut StringTable,
    pub tokens: &'a mut Vocabulary,
    pub value_names: &'a mut StringTable,
    /// Whether `tokens` is the model's own vocabulary.
    pub is_own_vocabulary: bool,
}

impl Answers {
    /// No answers yet of the model with this index.
    pub fn new(model: usize) -> Self {
        Self {
            model,
            samples: Vec::new(),
            right: Vec::new(),
            confidence: Vec::new(),
            loss: Vec::new(),
            score: Vec::new(),
            truncated_tokens: Vec::new(),
            error: Vec::new(),
            best: Vec::new(),
            completions: Vec::new(),
            details: Vec::new(),
        }
    }

    /// Adds the result of the sample with index `sample`; `targets` are those of its requests.
    pub fn add(
        &mut self,
        sample: usize,
        record: &SampleResult,
        targets: &[Option<usize>],
        metrics: &[Metric],
        mut tables: Tables<'_>,
    ) -> Result<(), serde_json::Error> {
        let mut responses = Vec::new();
        let mut completions = Vec::new();
        for (index, response) in record.responses.iter().enumerate() {
            if let Some(text) = response.text() {
                completions.push(tables.texts.index(text));
            }
            responses.push(shown(response, targets.get(index).copied().flatten(), &mut tables));
        }
        let chosen = chosen(record);
        let metric_values = metric_values(record, metrics);
        let values = record.values.iter().map(|(name, &value)| (tables.value_names.index(name), value));
        let values = values.collect();
        let is_right = |name: &str| record.values.get(name).map(|&value| u8::from(value >= 1.0));
        self.samples.push(sample);
        self.right.push(
            correctness(metrics).filter(|_| record.error.is_none()).and_then(|(_, name)| is_right(name)),
        );
        self.confidence.push(chosen.confidence.and_then(rounded));
        self.loss.push(chosen.loss.and_then(rounded));
        self.score.push(metric_values.first().copied().flatten());
        self.truncated_tokens.push(record.truncated_tokens);
        self.error.push(record.error.as_ref().map(|error| tables.texts.index(error)));
        self.best.push(chosen.response);
        self.completions.push(completions);
        let sets = record.candidate_sets.iter().map(|set| (&set.responses[..], set.correct)).collect();
        let details: Details<'_> =
            (metric_values, values, record.context_tokens, record.target_tokens, sets, responses);
        self.details.push(serde_json::to_string(&details)?);
        Ok(())
    }
}

/// The first accuracy and the sample value that is 1 for a right sample, as in `gpt2-eval compare`.
pub(super) fn correctness(metrics: &[Metric]) -> Option<(&'static str, &'static str)> {
    metrics.iter().find_map(|metric| match metric.aggregate {
        Aggregate::Accuracy { correct } => Some((metric.name, correct)),
        _ => None,
    })
}

fn shown(response: &Response, target: Option<usize>, tables: &mut Tables<'_>) -> ShownResponse {
    match response {
        Response::LogLikelihood(score) => {
            let tokens = if tables.is_own_vocabulary {
                tables.tokens.indices(&score.tokens)
            } else {
                // White space at the end of the context belongs to the first token.
                target.and_then(|target| {
                    let target = tables.texts.get(target);
                    tables.tokens.indices_if(&score.tokens, |text| text.ends_with(target))
                })
            };
            ShownResponse::LogLikelihood(
                0,
                rounded(score.log_likelihood),
                u8::from(score.greedy),
                score.context_tokens,
                log_probs(&score.token_log_probs),
                tokens.filter(|tokens| tokens.len() == score.token_log_probs.len()),
                score.filtered.and_then(|filtered| rounded(filtered.log_likelihood)),
            )
        }
        Response::Rolling(score) => {
            ShownResponse::Rolling(1, rounded(score.log_likelihood), score.tokens, score.bytes, score.windows)
        }
        Response::Generate(completion) => {
            // A stop string, or half a character, follows the text.
            let text = completion.text.trim_end_matches(char::REPLACEMENT_CHARACTER);
            let tokens = tables.tokens.indices_if(&completion.tokens, |tokens| tokens.starts_with(text));
            ShownResponse::Completion(
                2,
                tables.texts.index(&completion.text),
                match completion.finish {
                    FinishReason::StopString => 0,
                    FinishReason::EndOfText => 1,
                    FinishReason::TokenLimit => 2,
                },
                completion.prompt_tokens,
                log_probs(&completion.token_log_probs),
                tokens.filter(|tokens| tokens.len() == completion.token_log_probs.len()),
            )
        }
    }
}

/// The response that counts as the model's answer.
#[derive(Debug, Default)]
struct Chosen {
    response: usize,
    confidence: Option<f64>,
    loss: Option<f64>,
}

/// The best candidate of the first set, or else the first response.
fn chosen(record: &SampleResult) -> Chosen {
    let mean = |sum: f64, tokens: usize| (tokens > 0).then(|| -sum / tokens as f64);
    match record.responses.first() {
        None => Chosen::default(),
        Some(Response::Generate(completion)) => {
            let sum = completion.token_log_probs.iter().map(|&log_prob| f64::from(log_prob)).sum();
            let confidence = Some(completion.confidence());
            Chosen { response: 0, confidence, loss: mean(sum, completion.token_log_probs.len()) }
        }
        Some(Response::Rolling(score)) => {
            Chosen { response: 0, confidence: None, loss: mean(score.log_likelihood, score.tokens) }
        }
        Some(Response::LogLikelihood(only)) => {
            let tokens = only.token_log_probs.len();
            let target = Chosen {
                response: 0,
                confidence: Some(only.log_likelihood.exp()),
                loss: mean(only.log_likelihood, tokens),
            };
            record.candidate_sets.first().and_then(|set| best(record, set)).map_or(target, |(best, share)| {
                let response = record.responses.get(best);
                let tokens = response.map_or(0, Response::target_tokens);
                let score = response.and_then(Response::log_likelihood).unwrap_or_default();
                Chosen { response: best, confidence: Some(share), loss: mean(score, tokens) }
            })
        }
    }
}

/// The response with the highest log-likelihood, the first of equals, and its share of the set's probability.
fn best(record: &SampleResult, set: &CandidateSet) -> Option<(usize, f64)> {
    let scores: Vec<(usize, f64)> = set
        .responses
        .iter()
        .filter_map(|&index| Some((index, record.responses.get(index)?.log_likelihood()?)))
        .collect();
    let (best, maximum) =
        scores.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let sum: f64 = scores.iter().map(|(_, score)| (score - maximum).exp()).sum();
    Some((best, 1.0 / sum))
}

/// The per-sample metrics over this sample.
fn metric_values(record: &SampleResult, metrics: &[Metric]) -> Vec<Option<f64>> {
    let metrics = metrics.iter().filter(|metric| metric.is_per_sample());
    if record.error.is_some() {
        return metrics.map(|_| None).collect();
    }
    let columns: Columns = record.values.iter().map(|(name, &value)| (name.clone(), vec![value])).collect();
    metrics.map(|metric| metric.value(&columns, 1).and_then(rounded)).collect()
}

/// Rounded to three decimals: the page shows two.
fn log_probs(log_probs: &[f32]) -> Vec<Option<f64>> {
    let rounded = |log_prob: f64| (log_prob * 1000.0).round() / 1000.0;
    log_probs
        .iter()
        .map(|&log_prob| Some(rounded(f64::from(log_prob))).filter(|value| value.is_finite()))
        .collect()
}

/// Rounded to six significant digits; `None` for NaN and infinities.
fn rounded(value: f64) -> Option<f64> {
    format!("{value:.5e}").parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(rounded(-16.299_668_898), Some(-16.2997));
        assert_eq!(rounded(1_234_567_890.0), Some(1_234_570_000.0));
        assert_eq!((rounded(f64::NAN), rounded(f64::NEG_INFINITY), rounded(0.0)), (None, None, Some(0.0)));
        assert_eq!(log_probs(&[-1.234_56, f32::NAN, -0.0001]), [Some(-1.235), None, Some(-0.0)]);
    }
}
