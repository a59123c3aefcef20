//! The metrics that a custom task's config can name.

use toml::Spanned;

use super::error::Problem;
use super::raw::{Kind, Normalization, RawTaskConfig};
use crate::tasks::choice::{BITS_OF_ANSWER, PROBABILITY_OF_ANSWER};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, BleuStatistics, BleuTokenizer, Metric, rouge};
use text_metrics::{coqa_score, squad_exact_match, squad_f1};
use untrusted_input::{did_you_mean, strip};

/// A metric, and the kind of task that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomMetric {
    metric: Metric,
    kind: Kind,
}

const fn accuracy(kind: Kind, name: &'static str, correct: &'static str) -> CustomMetric {
    CustomMetric { metric: Metric { name, aggregate: Aggregate::Accuracy { correct } }, kind }
}

const fn perplexity(kind: Kind, name: &'static str, units: &'static str) -> CustomMetric {
    let aggregate = Aggregate::Perplexity { log_likelihood: "log_likelihood", units };
    CustomMetric { metric: Metric { name, aggregate }, kind }
}

const fn bits(kind: Kind) -> CustomMetric {
    let aggregate = Aggregate::Bits { log_likelihood: "log_likelihood", units: "bytes" };
    CustomMetric { metric: Metric { name: "bits_per_byte", aggregate }, kind }
}

/// Of the correct choice.
const BITS_OF_CHOICE: CustomMetric = CustomMetric { metric: BITS_OF_ANSWER, kind: Kind::Choice };

/// The share of the correct choice in the probability of all choices.
const PROBABILITY_OF_CHOICE: CustomMetric =
    CustomMetric { metric: PROBABILITY_OF_ANSWER, kind: Kind::Choice };

/// The mean of the sample value that has the metric's name.
const fn mean(name: &'static str) -> CustomMetric {
    let aggregate = Aggregate::Mean { value: name };
    CustomMetric { metric: Metric { name, aggregate }, kind: Kind::Generate }
}

const KNOWN: [CustomMetric; 23] = [
    perplexity(Kind::LastWord, "perplexity", "targets"),
    accuracy(Kind::LastWord, "accuracy", "correct"),
    perplexity(Kind::LastWord, "token_perplexity", "tokens"),
    bits(Kind::LastWord),
    accuracy(Kind::Choice, "accuracy", "correct"),
    accuracy(Kind::Choice, "accuracy_normalized", "correct_normalized"),
    BITS_OF_CHOICE,
    PROBABILITY_OF_CHOICE,
    perplexity(Kind::Perplexity, "perplexity", "units"),
    perplexity(Kind::Perplexity, "word_perplexity", "words"),
    perplexity(Kind::Perplexity, "token_perplexity", "tokens"),
    perplexity(Kind::Perplexity, "byte_perplexity", "bytes"),
    bits(Kind::Perplexity),
    accuracy(Kind::Generate, "exact_match", "exact_match"),
    mean("f1"),
    mean("coqa_exact_match"),
    mean("coqa_f1"),
    accuracy(Kind::Generate, "exact_text", "exact_text"),
    CustomMetric {
        metric: Metric { name: "bleu", aggregate: Aggregate::Bleu { prefix: "bleu_" } },
        kind: Kind::Generate,
    },
    mean("rouge1"),
    mean("rouge2"),
    mean("rougeL"),
    mean("rougeLsum"),
];

impl CustomMetric {
    /// The metrics that a task config names, headline first; else the defaults of its kind.
    pub(super) fn of_config(raw: &RawTaskConfig, kind: Kind) -> Result<Vec<Self>, Problem> {
        let is_normalized = raw
            .normalization
            .as_ref()
            .is_some_and(|normalization| *normalization.get_ref() != Normalization::None);
        let Some(given) = &raw.metrics else {
            let defaults: &[&str] = match kind {
                Kind::LastWord => &["perplexity", "accuracy"],
                Kind::Choice if is_normalized => &["accuracy", "accuracy_normalized"],
                Kind::Choice => &["accuracy"],
                Kind::Perplexity => &["perplexity", "token_perplexity", "bits_per_byte"],
                Kind::Generate => &["exact_match", "f1"],
            };
            return Ok(defaults.iter().filter_map(|name| Self::find(kind, name)).collect());
        };
        if given.get_ref().is_empty() {
            return Err(Problem::new(
                given.span(),
                "`metrics` is an empty list; name a metric, or remove the key",
            ));
        }
        let mut metrics = Vec::new();
        for name in given.get_ref() {
            let metric = Self::named(name, kind)?;
            if metric.name() == "accuracy_normalized" && !is_normalized {
                let reason = "`accuracy_normalized` needs the key `normalization`";
                return Err(Problem::new(name.span(), reason));
            }
            if metrics.contains(&metric) {
                return Err(Problem::new(
                    name.span(),
                    format!("`{}` is listed twice; remove one", metric.name()),
                ));
            }
            metrics.push(metric);
        }
        Ok(metrics)
    }

    fn named(name: &Spanned<String>, kind: Kind) -> Result<Self, Problem> {
        let text = name.get_ref();
        Self::find(kind, text).ok_or_else(|| {
            let of_kind = KNOWN.iter().filter(|known| known.kind == kind).map(|known| known.metric.name);
            let names: Vec<&str> = of_kind.collect();
            let hint = did_you_mean(text, names.iter().copied());
            let (kind, names) = (kind.as_str(), names.join(", "));
            Problem::new(name.span(), format!("kind `{kind}` has no metric `{text}`{hint}; it has {names}"))
        })
    }

    fn find(kind: Kind, name: &str) -> Option<Self> {
        KNOWN.into_iter().find(|known| known.kind == kind && known.metric.name == name)
    }

    /// Its name in every output.
    pub fn name(self) -> &'static str {
        self.metric.name
    }

    /// How it is computed.
    pub fn metric(self) -> Metric {
        self.metric
    }

    /// Whether it is about the probability of the correct choice, not about the best one.
    pub(super) fn is_of_correct_choice(self) -> bool {
        self == BITS_OF_CHOICE || self == PROBABILITY_OF_CHOICE
    }

    /// Whether a record without references has no value. The others follow `SQuAD` 2.0: the right answer is none.
    pub(super) fn needs_reference(self) -> bool {
        matches!(self.name(), "bleu" | "rouge1" | "rouge2" | "rougeL" | "rougeLsum")
    }

    /// The sample values of a completion against its references. Without references an empty completion is right.
    pub(super) fn of_text(self, text: &str, references: &[&str]) -> SampleValues {
        if references.is_empty() && !self.needs_reference() {
            let is_right = match self.name() {
                "exact_text" => f64::from(u8::from(text.is_empty())),
                _ => squad_exact_match(text, &[""]),
            };
            return SampleValues::from([(self.name().to_owned(), is_right)]);
        }
        let best =
            |score: &dyn Fn(&str) -> f64| references.iter().map(|text| score(text)).fold(0.0, f64::max);
        let value = match self.name() {
            "bleu" => {
                return BleuStatistics::of(text, references, BleuTokenizer::Mteval13a)
                    .named("bleu_")
                    .collect();
            }
            "exact_match" => squad_exact_match(text, references),
            "f1" => squad_f1(text, references),
            "coqa_exact_match" => coqa_score(text, references).exact_match,
            "coqa_f1" => coqa_score(text, references).f1,
            "exact_text" => best(&|reference| f64::from(u8::from(strip(reference) == text))),
            "rouge1" => best(&|reference| rouge(reference, text, true).rouge1.f1),
            "rouge2" => best(&|reference| rouge(reference, text, true).rouge2.f1),
            "rougeL" => best(&|reference| rouge(reference, text, true).rouge_l.f1),
            "rougeLsum" => best(&|reference| rouge(reference, text, true).rouge_lsum.f1),
            _ => return SampleValues::new(),
        };
        SampleValues::from([(self.name().to_owned(), value)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_a_completion_has_its_values() {
        for metric in KNOWN.into_iter().filter(|known| known.kind == Kind::Generate) {
            let values = metric.of_text("The cat sat.", &["A dog ran", "the cat sat."]);
            let needed = metric.metric().values(&values);
            assert!(!needed.is_empty(), "{}", metric.name());
            assert!(needed.iter().all(|name| values.contains_key(name)), "{}", metric.name());
        }
        for name in ["exact_match", "f1", "coqa_exact_match", "coqa_f1", "exact_text"] {
            let metric = CustomMetric::find(Kind::Generate, name).unwrap();
            assert!(!metric.needs_reference());
            assert_eq!(
                (metric.of_text("", &[])[name], metric.of_text("A cat", &[])[name]),
                (1.0, 0.0),
                "{name}"
            );
        }
        let score = |name: &str| {
            let metric = CustomMetric::find(Kind::Generate, name).unwrap();
            metric.of_text("The cat sat.", &["A dog ran", "the cat sat."])[name]
        };
        assert_eq!((score("exact_match"), score("exact_text"), score("f1")), (1.0, 0.0, 1.0));
        assert_eq!((score("rouge2"), score("coqa_exact_match")), (1.0, 0.5));
    }
}
