//! What a model said to the samples of a task.

use serde::Serialize;

use super::PageError;
use super::browser::{Pools, correctness, is_of_samples};
use crate::record::{CandidateSet, SampleResult};
use gpt2_model::request::{FinishReason, Response};
use text_metrics::{Columns, Metric};

/// One model's answers in columns.
#[derive(Debug, Serialize)]
pub(super) struct Answers {
    /// Its place among the models.
    pub model: usize,
    samples: Vec<usize>,
    /// 1 right, 0 wrong, nothing where the task does not say.
    right: Vec<Option<u8>>,
    /// Probability of the target, share of the highest candidate, or probability of the written text.
    confidence: Vec<Option<f64>>,
    /// −log P of a token, nats, on average over those of the target, the highest candidate or the written text.
    loss: Vec<Option<f64>>,
    /// The first metric over this sample alone.
    score: Vec<Option<f64>>,
    /// Tokens that were dropped.
    truncated: Vec<usize>,
    /// Why there is no answer.
    error: Vec<Option<usize>>,
    /// The request with the highest score, where some compete.
    highest: Vec<usize>,
    /// What was written.
    written: Vec<Vec<usize>>,
    /// Everything else: JSON of [`Details`].
    details: Vec<String>,
}

/// The rest of an answer: metrics over this sample alone, statistics (name and value), tokens read, tokens scored or
/// written, sizes of the sets of candidates, responses.
type Details = (Vec<Option<f64>>, Vec<(usize, f64)>, usize, usize, Vec<usize>, Vec<Said>);

/// A response. Lists of numbers, for there are many.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    /// 0, log-likelihood, whether greedy, tokens read, log-probabilities, pieces, filtered log-likelihood.
    Scored(u8, Option<f64>, u8, usize, Vec<Option<f64>>, Option<Vec<usize>>, Option<f64>),
    /// 1, log-likelihood, tokens, bytes, windows.
    Rolling(u8, Option<f64>, usize, usize, usize),
    /// 2, text, why it ends, tokens read, log-probabilities, pieces.
    Written(u8, usize, u8, usize, Vec<Option<f64>>, Option<Vec<usize>>),
}

impl Answers {
    /// None yet of the model at this place.
    pub fn new(model: usize) -> Self {
        Self {
            model,
            samples: Vec::new(),
            right: Vec::new(),
            confidence: Vec::new(),
            loss: Vec::new(),
            score: Vec::new(),
            truncated: Vec::new(),
            error: Vec::new(),
            highest: Vec::new(),
            written: Vec::new(),
            details: Vec::new(),
        }
    }

    /// Adds the record of the sample at a place; `requests` has contexts and targets in turn.
    pub fn add(
        &mut self,
        sample: usize,
        record: &SampleResult,
        requests: &[Option<usize>],
        metrics: &[Metric],
        pools: Pools<'_>,
    ) -> Result<(), PageError> {
        let requests: Vec<(Option<usize>, Option<usize>)> =
            requests.as_chunks::<2>().0.iter().map(|&[context, target]| (context, target)).collect();
        let sets = record.candidate_sets.iter().map(|set| set.responses.len()).collect();
        let chosen = chosen(record);

        let Pools { prompts, texts, pieces, values } = pools;
        let mut said = Vec::new();
        let mut written = Vec::new();
        for (index, response) in record.responses.iter().enumerate() {
            said.push(match response {
                Response::LogLikelihood(score) => {
                    let (context, target) = requests.get(index).copied().unwrap_or_default();
                    let found = target.and_then(|target| {
                        let context = context.map_or("", |place| prompts.0.text(place));
                        pieces.scored(context, texts.text(target), score.token_log_probs.len())
                    });
                    let filtered = score.filtered.and_then(|filtered| rounded(filtered.log_likelihood));
                    let log_probs = log_probs(&score.token_log_probs);
                    Said::Scored(
                        0,
                        rounded(score.log_likelihood),
                        u8::from(score.greedy),
                        score.context_tokens,
                        log_probs,
                        found,
                        filtered,
                    )
                }
                Response::Rolling(score) => {
                    Said::Rolling(1, rounded(score.log_likelihood), score.tokens, score.bytes, score.windows)
                }
                Response::Generate(generated) => {
                    let count = generated.token_log_probs.len();
                    let found = pieces.written(&generated.tokens, &generated.text, count);
                    let text = texts.place(&generated.text);
                    written.push(text);
                    let end = match generated.finish {
                        FinishReason::StopString => 0,
                        FinishReason::EndOfText => 1,
                        FinishReason::TokenLimit => 2,
                    };
                    Said::Written(
                        2,
                        text,
                        end,
                        generated.prompt_tokens,
                        log_probs(&generated.token_log_probs),
                        found,
                    )
                }
            });
        }
        let metric_values = metric_values(record, metrics);
        let named = record.values.iter().map(|(name, &value)| (values.place(name), value)).collect();
        let is_right = |name: &str| record.values.get(name).map(|&value| u8::from(value >= 1.0));
        self.samples.push(sample);
        self.right.push(
            correctness(metrics).filter(|_| record.error.is_none()).and_then(|(_, name)| is_right(name)),
        );
        self.confidence.push(chosen.confidence.and_then(rounded));
        self.loss.push(chosen.loss.and_then(rounded));
        self.score.push(metric_values.first().copied().flatten());
        self.truncated.push(record.truncated_tokens);
        self.error.push(record.error.as_ref().map(|error| texts.place(error)));
        self.highest.push(chosen.request);
        self.written.push(written);
        let details: Details =
            (metric_values, named, record.context_tokens, record.target_tokens, sets, said);
        self.details.push(serde_json::to_string(&details)?);
        Ok(())
    }
}

/// What the model answered, in numbers.
#[derive(Debug, Default)]
struct Chosen {
    request: usize,
    confidence: Option<f64>,
    loss: Option<f64>,
}

/// Of the first candidate set the highest; of a text its own numbers.
fn chosen(record: &SampleResult) -> Chosen {
    let mean = |sum: f64, tokens: usize| (tokens > 0).then(|| -sum / tokens as f64);
    match record.responses.first() {
        None => Chosen::default(),
        Some(Response::Generate(written)) => {
            let sum = written.token_log_probs.iter().map(|&log_prob| f64::from(log_prob)).sum();
            let confidence = Some(written.confidence());
            Chosen { request: 0, confidence, loss: mean(sum, written.token_log_probs.len()) }
        }
        Some(Response::Rolling(score)) => {
            Chosen { request: 0, confidence: None, loss: mean(score.log_likelihood, score.tokens) }
        }
        Some(Response::LogLikelihood(only)) => {
            let tokens = only.token_log_probs.len();
            let target = Chosen {
                request: 0,
                confidence: Some(only.log_likelihood.exp()),
                loss: mean(only.log_likelihood, tokens),
            };
            record.candidate_sets.first().and_then(|set| highest(record, set)).map_or(
                target,
                |(request, share)| {
                    let response = record.responses.get(request);
                    let tokens = response.map_or(0, Response::target_tokens);
                    let score = response.and_then(Response::log_likelihood).unwrap_or_default();
                    Chosen { request, confidence: Some(share), loss: mean(score, tokens) }
                },
            )
        }
    }
}

/// The response with the highest score of a set, the first of equals, and its share: its probability if one of the
/// candidates is meant and all have the same prior.
fn highest(record: &SampleResult, set: &CandidateSet) -> Option<(usize, f64)> {
    let scores: Vec<(usize, f64)> = set
        .responses
        .iter()
        .filter_map(|&index| Some((index, record.responses.get(index)?.log_likelihood()?)))
        .collect();
    let (best, highest) =
        scores.iter().copied().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let sum: f64 = scores.iter().map(|(_, score)| (score - highest).exp()).sum();
    Some((best, 1.0 / sum))
}

/// The metrics that one sample has a value of, over this one.
fn metric_values(record: &SampleResult, metrics: &[Metric]) -> Vec<Option<f64>> {
    let metrics = metrics.iter().filter(|metric| is_of_samples(metric));
    if record.error.is_some() {
        return metrics.map(|_| None).collect();
    }
    let columns: Columns = record.values.iter().map(|(name, &value)| (name.clone(), vec![value])).collect();
    metrics.map(|metric| metric.value(&columns, 1).and_then(rounded)).collect()
}

/// Three decimals are more than anybody sees of nats.
fn log_probs(log_probs: &[f32]) -> Vec<Option<f64>> {
    let rounded = |log_prob: f64| (log_prob * 1000.0).round() / 1000.0;
    log_probs
        .iter()
        .map(|&log_prob| Some(rounded(f64::from(log_prob))).filter(|value| value.is_finite()))
        .collect()
}

/// Six significant digits; nothing for what is no number.
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
