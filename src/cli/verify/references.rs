//! The values that `gpt2-eval verify` expects: built in, or a file of the user's.

use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::models::PAPER_SIZES;
use crate::report::{Certainty, published_values};
use crate::tasks::Registry;
use untrusted_input::read_bounded;

/// Maximum bytes of a file of references.
const MAX_BYTES: u64 = 10_000_000;

/// Tasks whose published values are checked, and their protocol.
const SCORED: [(&str, &str); 2] = [("lambada", "harness"), ("hellaswag", "harness")];

/// The values that models must have, each with the label of its model.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct References {
    pub weights: Vec<Weights>,
    pub greedy: Vec<Greedy>,
    pub log_likelihood: Vec<LogLikelihood>,
    pub rolling: Vec<Rolling>,
    pub score: Vec<Score>,
}

/// The checksum of `model.safetensors`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    pub model: String,
    pub sha256: String,
    pub source: String,
}

/// A greedy completion.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Greedy {
    pub model: String,
    pub prompt: String,
    /// The prompt's tokens, if the tokenizer is checked too.
    pub prompt_tokens: Option<Vec<u32>>,
    /// The tokens that follow.
    pub tokens: Vec<u32>,
    pub source: String,
}

/// The log-likelihood of a continuation, in nats, and whether it is the greedy one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLikelihood {
    pub model: String,
    pub context: String,
    pub continuation: String,
    pub sum: Option<f64>,
    pub greedy: Option<bool>,
    /// Relative.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
    pub source: String,
}

/// The log-probability of every token of a text, in nats, in windows of `context` tokens that do not overlap.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rolling {
    pub model: String,
    pub text: String,
    /// Without it, as many as the model has.
    pub context: Option<usize>,
    pub token_log_probs: Vec<f64>,
    /// Relative.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
    pub source: String,
}

/// A metric of a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Score {
    pub model: String,
    pub task: String,
    /// The protocol's label, with `data=sample` for the bundled sample.
    pub protocol: String,
    pub metric: String,
    /// Accuracies in percent.
    pub value: f64,
    /// Number of samples that it was measured on.
    pub samples: Option<usize>,
    pub source: String,
}

/// The tolerance of lm-evaluation-harness's own tests.
fn tolerance() -> f64 {
    1e-3
}

impl References {
    /// The references of the paper's models.
    pub fn built_in(registry: &Registry) -> anyhow::Result<Self> {
        let mut references: Self = toml::from_str(include_str!("../../../results/references.toml"))
            .context("results/references.toml")?;
        references.weights.extend(PAPER_SIZES.iter().map(|size| Weights {
            model: size.name.to_owned(),
            sha256: size.sha256.to_owned(),
            source: format!("{}@{}", size.hub, size.commit),
        }));
        let is_scored = |task: &str, protocol: &str| SCORED.contains(&(task, protocol));
        for value in published_values().map_err(anyhow::Error::msg)? {
            let is_first = !references.score.iter().any(|known| {
                known.model == value.model && known.task == value.task && known.metric == value.metric
            });
            if is_first
                && is_scored(&value.task, &value.protocol)
                && value.certainty == Certainty::Certain
                && value.note.is_empty()
                && let Some(task) = registry.find(&value.task)
            {
                references.score.push(Score {
                    model: value.model.clone(),
                    task: value.task.clone(),
                    protocol: value.protocol.clone(),
                    metric: value.metric.clone(),
                    value: value.value,
                    samples: task.config().data.files.iter().find_map(|file| file.records),
                    source: value.origin(),
                });
            }
        }
        Ok(references)
    }

    /// Reads a file of references: JSON if its name ends in `.json`, else TOML.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let bytes = read_bounded(path, MAX_BYTES).with_context(|| format!("cannot read {shown}"))?;
        let text = std::str::from_utf8(&bytes).with_context(|| format!("{shown}: not UTF-8"))?;
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let references: Self = if is_json {
            serde_json::from_str(text).with_context(|| format!("{shown}: not a file of references"))?
        } else {
            toml::from_str(text).with_context(|| format!("{shown}: not a file of references"))?
        };
        for reference in &references.log_likelihood {
            if reference.sum.is_none() && reference.greedy.is_none() {
                bail!(
                    "{shown}: the log-likelihood of {:?} after {:?} has neither `sum` nor `greedy`",
                    reference.continuation,
                    reference.context
                );
            }
        }
        if let Some(greedy) = references.greedy.iter().find(|greedy| greedy.tokens.is_empty()) {
            bail!("{shown}: `tokens` after {:?} is empty", greedy.prompt);
        }
        if let Some(rolling) = references.rolling.iter().find(|rolling| rolling.context == Some(0)) {
            bail!("{shown}: `context` of {:?} is 0: expected at least 1", rolling.text);
        }
        let Self { log_likelihood, rolling, score, .. } = &references;
        let values = log_likelihood.iter().filter_map(|reference| reference.sum);
        let values =
            values.chain(rolling.iter().flat_map(|reference| reference.token_log_probs.iter().copied()));
        let mut values = values.chain(score.iter().map(|reference| reference.value));
        let tolerances = log_likelihood.iter().map(|reference| reference.tolerance);
        let mut tolerances = tolerances.chain(rolling.iter().map(|reference| reference.tolerance));
        if values.any(|value| !value.is_finite())
            || tolerances.any(|tolerance| !tolerance.is_finite() || tolerance < 0.0)
        {
            bail!("{shown}: values must be finite, and tolerances at least 0");
        }
        Ok(references)
    }

    /// Labels of all models that have a reference.
    pub fn models(&self) -> Vec<&str> {
        let weights = self.weights.iter().map(|reference| reference.model.as_str());
        let greedy = self.greedy.iter().map(|reference| reference.model.as_str());
        let sums = self.log_likelihood.iter().map(|reference| reference.model.as_str());
        let rolling = self.rolling.iter().map(|reference| reference.model.as_str());
        let scores = self.score.iter().map(|reference| reference.model.as_str());
        crate::report::distinct(weights.chain(greedy).chain(sums).chain(rolling).chain(scores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_references_cover_the_papers_models() {
        let references = References::built_in(&Registry::default()).unwrap();
        assert_eq!(references.weights.len(), 4);
        assert_eq!(references.greedy[0].prompt_tokens, Some(vec![464, 3290]));
        assert_eq!(references.greedy[0].tokens.len(), 18, "transformers' max_length is 20");
        assert_eq!(references.rolling[0].token_log_probs.len(), references.rolling[1].token_log_probs.len());
        let lambada: Vec<(&str, &str, f64, Option<usize>)> = references
            .score
            .iter()
            .filter(|score| score.task == "lambada")
            .map(|score| (&*score.model, &*score.metric, score.value, score.samples))
            .collect();
        assert_eq!(
            lambada,
            [
                ("117M", "accuracy", 32.56, Some(5153)),
                ("117M", "perplexity", 40.0554, Some(5153)),
                ("1542M", "accuracy", 51.21, Some(5153)),
                ("1542M", "perplexity", 10.634, Some(5153)),
            ]
        );
    }

    #[test]
    fn mistakes_in_a_file_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let message = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            format!("{:#}", References::read(&path).unwrap_err())
        };
        let text = "[[greedy]]\nmodel = \"a\"\nprompt = \"b\"\ntokens = []\nsource = \"c\"\n";
        assert!(message("a.toml", text).contains("`tokens` after \"b\" is empty"));
        assert!(message("a.toml", "[[gredy]]\n").contains("unknown field `gredy`"));
        assert!(message("a.json", "{").contains("a.json: not a file of references"));
        let text =
            "[[log_likelihood]]\nmodel = \"a\"\ncontext = \"b\"\ncontinuation = \"c\"\nsource = \"d\"\n";
        assert!(message("b.toml", text).contains("neither `sum` nor `greedy`"));
        let text = format!("{text}sum = nan\n");
        assert!(message("b.toml", &text).contains("must be finite"));
        let empty = directory.path().join("c.json");
        std::fs::write(&empty, "{}").unwrap();
        assert!(References::read(&empty).unwrap().models().is_empty());
    }
}
