//! Winograd schemas (Levesque et al. 2012; Trinh & Le 2018; Radford et al. 2019, §3.4): what a pronoun refers to.

mod harness;
mod sentences;
mod words;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::choice::{choice_baselines, correct, log_likelihood_request, log_likelihoods};
use super::{HeuristicBaseline, Item, Setting, Task, TaskConfig, UnexpectedResponse, clusters};
use crate::data::{
    BundledFile, DataError, DataFile, Provenance, WinogradForm, WinogradSchema, read_winograd,
};
use crate::record::{CandidateSet, Protocol};
use gpt2_model::request::{Request, Response};
use text_metrics::SampleValues;
use text_metrics::{Aggregate, Metric};

static CONFIG: LazyLock<TaskConfig> =
    LazyLock::new(|| TaskConfig::bundled(include_str!("../../../tasks/winograd/task.toml")));

pub(super) struct Winograd;

/// The sentence up to and including each candidate, and the rest.
#[derive(Debug, PartialEq, Eq)]
struct Substituted {
    contexts: [String; 2],
    rest: String,
}

fn is_harness(protocol: &Protocol) -> bool {
    protocol.name == "harness"
}

/// The published sentences, or those that the protocol makes from a pronoun or a blank.
fn substituted(schema: &WinogradSchema, protocol: &Protocol) -> Substituted {
    match &schema.form {
        WinogradForm::Pronoun { text, pronoun, location, options } if is_harness(protocol) => {
            harness::substitute(text, pronoun, *location, options)
        }
        WinogradForm::Pronoun { text, pronoun, location, options } => {
            sentences::replace_pronoun(text, pronoun, *location, options)
        }
        WinogradForm::Blank { before, after, options } => sentences::fill_blank(before, after, options),
        WinogradForm::Substituted { contexts, rest } => {
            Substituted { contexts: contexts.clone(), rest: rest.clone() }
        }
    }
}

/// The sentence without its candidates, by which schemas of one pair are told.
fn frame(schema: &WinogradSchema) -> String {
    match &schema.form {
        WinogradForm::Pronoun { text, pronoun, location, .. } => {
            let before: String = text.chars().take(*location).collect();
            let after: String = text.chars().skip(location + pronoun.chars().count()).collect();
            format!("{before} {after}")
        }
        WinogradForm::Blank { before, after, .. } => format!("{before} {after}"),
        WinogradForm::Substituted { contexts: [first, second], rest } => {
            let common = first.split_whitespace().zip(second.split_whitespace());
            let before: Vec<&str> = common.take_while(|(a, b)| a == b).map(|(word, _)| word).collect();
            format!("{} {rest}", before.join(" "))
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
        &[("sample.jsonl", include_bytes!("../../../tasks/winograd/sample.jsonl"))]
    }

    fn docs(&self, file: &DataFile, protocol: &Protocol) -> Result<Vec<Item<WinogradSchema>>, DataError> {
        let schemas = read_winograd(file)?;
        let frames: Vec<String> = schemas.iter().map(frame).collect();
        let clusters = clusters::of_similar_texts(&frames);
        let id = |index| format!("{index:05}");
        schemas
            .into_iter()
            .zip(clusters)
            .enumerate()
            .map(|(index, (schema, cluster))| {
                let line = schema.line;
                if is_harness(protocol) && !matches!(schema.form, WinogradForm::Pronoun { .. }) {
                    let reason =
                        "protocol `harness` needs the pronoun and its location, which this format lacks; use protocol `paper`";
                    return Err(file.record_error(line, reason));
                }
                Ok(Item { id: id(index), cluster: cluster.map(id), line, doc: schema })
            })
            .collect()
    }

    /// `sentences=rules` under `paper`, unless all sentences are published ones or those of the bundled sample.
    fn label(
        &self,
        file: &DataFile,
        items: &[Item<WinogradSchema>],
        protocol: &Protocol,
    ) -> BTreeMap<String, String> {
        let is_published =
            |item: &Item<WinogradSchema>| matches!(item.doc.form, WinogradForm::Substituted { .. });
        let is_made = !is_harness(protocol) && !items.iter().all(is_published);
        let label = (is_made && file.provenance != Provenance::Sample)
            .then(|| ("sentences".to_owned(), "rules".to_owned()));
        label.into_iter().collect()
    }

    fn content(&self, doc: &WinogradSchema) -> Option<Vec<String>> {
        Some(doc.normalized())
    }

    /// The sentence with the correct candidate.
    fn few_shot_example(&self, doc: &WinogradSchema, protocol: &Protocol) -> String {
        let Substituted { contexts, rest } = substituted(doc, protocol);
        let correct = contexts.get(doc.label).map_or("", String::as_str);
        format!("{correct}{}\n\n", joined(&rest))
    }

    fn expected(&self, doc: &WinogradSchema, protocol: &Protocol) -> Vec<String> {
        let Substituted { contexts, rest } = substituted(doc, protocol);
        contexts.get(doc.label).map(|correct| format!("{correct}{}", joined(&rest))).into_iter().collect()
    }

    fn candidate_sets(&self, doc: &WinogradSchema, protocol: &Protocol) -> Vec<CandidateSet> {
        let partial = CandidateSet::consecutive(0, 2, doc.label);
        if is_harness(protocol) {
            return vec![partial];
        }
        vec![partial, CandidateSet::consecutive(2, 2, doc.label)]
    }

    /// `paper`: both partial scores, then both full ones. `harness`: both partial scores; its template adds a space before
    /// the rest, which already begins with one.
    fn requests(&self, doc: &WinogradSchema, setting: &Setting<'_>) -> Vec<Request> {
        let Setting { protocol, few_shot_examples, .. } = setting;
        let Substituted { contexts, rest } = substituted(doc, protocol);
        let request = |context: &str, continuation: String| {
            log_likelihood_request(format!("{few_shot_examples}{context}"), continuation)
        };
        if is_harness(protocol) {
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
        if !is_harness(protocol) {
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
        let values: &[&str] =
            if is_harness(protocol) { &["correct_partial"] } else { &["correct_partial", "correct_full"] };
        // The index that is correct most often.
        let first = items.iter().filter(|item| item.doc.label == 0).count();
        let majority = usize::from(2 * first < items.len());
        choice_baselines(items, seed, values, |doc| (majority, [doc.label], 2))
    }

    fn metrics(&self, protocol: &Protocol) -> Vec<Metric> {
        let accuracy = |name, correct| Metric { name, aggregate: Aggregate::Accuracy { correct } };
        if is_harness(protocol) {
            return vec![accuracy("accuracy", "correct_partial")];
        }
        vec![accuracy("accuracy_partial", "correct_partial"), accuracy("accuracy_full", "correct_full")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_space_before_punctuation() {
        assert_eq!(joined(" . He left"), ". He left");
        assert_eq!(joined(" was old"), " was old");
    }
}
