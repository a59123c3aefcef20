//! Winograd schemas (Levesque et al. 2012; Trinh & Le 2018; Radford et al. 2019, §3.4): what a pronoun refers to.

use std::sync::LazyLock;

use super::choice::{choice_baselines, correct, log_likelihood_request, log_likelihoods};
use super::{HeuristicBaseline, Item, Setting, Task, TaskConfig, UnexpectedResponse};
use crate::data::{BundledFile, DataError, DataFile, WinogradForm, WinogradSchema, read_winograd};
use crate::record::{CandidateSet, Protocol};
use gpt2_model::request::{Request, Response};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Metric};

static CONFIG: LazyLock<TaskConfig> =
    LazyLock::new(|| TaskConfig::bundled(include_str!("../../tasks/winograd/task.toml")));

/// First words of candidates that are lower-cased within a sentence: lm-evaluation-harness's list.
const LOWERED: [&str; 11] = ["A", "An", "The", "She", "He", "It", "They", "My", "His", "Her", "Their"];
/// Pronouns whose candidates get `'s`.
const POSSESSIVE: [&str; 5] = ["my", "his", "her", "our", "their"];

pub(super) struct Winograd;

/// The sentence up to and including each candidate, and the rest.
#[derive(Debug, PartialEq, Eq)]
struct Substituted {
    contexts: [String; 2],
    rest: String,
}

/// Replaces the pronoun by each candidate, as lm-evaluation-harness's `wsc273` does: `'s` for a possessive, lower case
/// within a sentence, double spaces collapsed without adjusting the pronoun's offset.
fn substitute(text: &str, pronoun: &str, location: usize, options: &[String; 2]) -> Substituted {
    let characters: Vec<char> = text.replace("  ", " ").chars().collect();
    let location = location.min(characters.len());
    let end = (location + pronoun.chars().count()).min(characters.len());
    // As in Python, a negative index counts from the end: for a pronoun at the start, the end of the sentence is checked.
    let before = if location >= 2 { location - 2 } else { (characters.len() + location).saturating_sub(2) };
    let starts_sentence = characters.get(before) == Some(&'.');
    let prefix: String = characters[..location].iter().collect();
    let contexts = options.clone().map(|mut option| {
        if POSSESSIVE.contains(&pronoun.to_lowercase().as_str()) {
            option.push_str("'s");
        }
        let first = option.split_whitespace().next().unwrap_or_default().to_owned();
        if !starts_sentence && LOWERED.contains(&first.as_str()) {
            option = option.replace(&first, &first.to_lowercase());
        }
        format!("{prefix}{option}")
    });
    Substituted { contexts, rest: characters[end..].iter().collect() }
}

fn substituted(schema: &WinogradSchema) -> Substituted {
    match &schema.form {
        WinogradForm::Pronoun { text, pronoun, location, options } => {
            substitute(text, pronoun, *location, options)
        }
        WinogradForm::Substituted { contexts, rest } => {
            Substituted { contexts: contexts.clone(), rest: rest.clone() }
        }
    }
}

/// The rest of the sentence, without a space before punctuation.
fn joined(rest: &str) -> &str {
    match rest.strip_prefix(' ') {
        Some(after) if after.starts_with(['.', ',', ';', ':', '!', '?', '\'']) => after,
        _ => rest,
    }
}

impl Task for Winograd {
    type Doc = WinogradSchema;

    fn config(&self) -> &TaskConfig {
        &CONFIG
    }

    fn samples(&self) -> &'static [BundledFile] {
        &[("sample.jsonl", include_bytes!("../../tasks/winograd/sample.jsonl"))]
    }

    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<WinogradSchema>>, DataError> {
        read_winograd(file)?
            .into_iter()
            .enumerate()
            .map(|(index, schema)| {
                let line = schema.line;
                if protocol.name == "harness" && matches!(schema.form, WinogradForm::Substituted { .. }) {
                    let reason =
                        "protocol `harness` needs the pronoun and its location, which this format lacks; use protocol `paper`";
                    return Err(file.record_error(line, reason));
                }
                Ok(Item { id: format!("{index:05}"), cluster: None, line, doc: schema })
            })
            .collect()
    }

    /// The sentence with the correct candidate.
    fn few_shot_example(&self, doc: &WinogradSchema, _: &Protocol) -> String {
        let Substituted { contexts, rest } = substituted(doc);
        let correct = contexts.get(doc.label).map_or("", String::as_str);
        format!("{correct}{}\n\n", joined(&rest))
    }

    fn expected(&self, doc: &WinogradSchema) -> Vec<String> {
        let Substituted { contexts, rest } = substituted(doc);
        contexts.get(doc.label).map(|correct| format!("{correct}{}", joined(&rest))).into_iter().collect()
    }

    fn candidate_sets(&self, doc: &WinogradSchema, protocol: &Protocol) -> Vec<CandidateSet> {
        let partial = CandidateSet::consecutive(0, 2, doc.label);
        if protocol.name == "harness" {
            return vec![partial];
        }
        vec![partial, CandidateSet::consecutive(2, 2, doc.label)]
    }

    /// `paper`: both partial scores, then both full ones. `harness`: both partial scores; its template adds a space before
    /// the rest, which already begins with one.
    fn requests(&self, doc: &WinogradSchema, setting: &Setting<'_>) -> Vec<Request> {
        let Setting { protocol, few_shot_examples, .. } = setting;
        let Substituted { contexts, rest } = substituted(doc);
        let request = |context: &str, continuation: String| {
            log_likelihood_request(format!("{few_shot_examples}{context}"), continuation)
        };
        if protocol.name == "harness" {
            return contexts.iter().map(|context| request(context, format!(" {rest}"))).collect();
        }
        let rest = joined(&rest);
        let partial = contexts.iter().map(|context| request(context, rest.to_owned()));
        partial.chain(contexts.iter().map(|context| request("", format!("{context}{rest}")))).collect()
    }

    fn score(
        &self,
        doc: &WinogradSchema,
        protocol: &Protocol,
        responses: &[Response],
    ) -> Result<SampleValues, UnexpectedResponse> {
        let scores = log_likelihoods(responses)?;
        let (partial, full) = scores.split_at(scores.len().min(2));
        let mut values = SampleValues::from([("correct_partial".to_owned(), correct(partial, doc.label))]);
        if protocol.name != "harness" {
            values.insert("correct_full".to_owned(), correct(full, doc.label));
        }
        Ok(values)
    }

    fn baselines(
        &self,
        items: &[Item<WinogradSchema>],
        _: &[Item<WinogradSchema>],
        protocol: &Protocol,
        seed: u64,
    ) -> Vec<HeuristicBaseline> {
        let values: &[&str] = if protocol.name == "harness" {
            &["correct_partial"]
        } else {
            &["correct_partial", "correct_full"]
        };
        // The index that is correct most often.
        let first = items.iter().filter(|item| item.doc.label == 0).count();
        let majority = usize::from(2 * first < items.len());
        choice_baselines(items, seed, values, |doc| (majority, doc.label, 2))
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let accuracy = |name, correct| Metric { name, aggregate: Aggregate::Accuracy { correct } };
        if protocol.name == "harness" {
            return vec![accuracy("accuracy", "correct_partial")];
        }
        vec![accuracy("accuracy_partial", "correct_partial"), accuracy("accuracy_full", "correct_full")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contexts(text: &str, pronoun: &str, options: [&str; 2]) -> [String; 2] {
        let location = text.find(&format!(" {pronoun} ")).map_or(0, |at| at + 1);
        substitute(text, pronoun, location, &options.map(str::to_owned)).contexts
    }

    #[test]
    fn articles_are_lowered_within_a_sentence_only() {
        assert_eq!(
            contexts("It broke because it was old.", "it", ["The vase", "Ann"]),
            ["It broke because the vase", "It broke because Ann"]
        );
        assert_eq!(contexts("It fell. It broke .", "It", ["The vase", "Ann"])[0], "It fell. The vase");
    }

    #[test]
    fn possessive_pronouns_add_s_to_candidates() {
        assert_eq!(
            contexts("Ann fed Bo in her house.", "her", ["Ann", "Bo"]),
            ["Ann fed Bo in Ann's", "Ann fed Bo in Bo's"]
        );
    }

    #[test]
    fn no_space_before_punctuation() {
        assert_eq!(joined(" . He left"), ". He left");
        assert_eq!(joined(" was old"), " was old");
    }
}
