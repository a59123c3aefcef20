//! Which samples a run measures: the subset of `--limit`, and the part of each of several runs that share the work.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::seeding::shuffled;
use crate::tasks::TaskSamples;
use gpt2_model::GPT2_POSITIONS;
use gpt2_model::request::Request;

/// Cost of generating a token, in bytes of text that could be read in the same time.
const BYTES_PER_NEW_TOKEN: usize = 20;

/// A sample that is run.
pub(super) struct LoadedSample {
    /// Index among all samples of the data.
    pub index: usize,
    /// Index among the samples of the whole run, of which a shard has only some.
    pub index_in_run: usize,
    /// What every model is asked; dropped when it is tokenized and in `prompts/`.
    pub requests: Vec<Request>,
    /// sha256 of the requests.
    pub prompt_sha256: String,
}

impl LoadedSample {
    pub fn new(all: &dyn TaskSamples, index: usize, index_in_run: usize) -> Self {
        let requests = all.requests(index);
        // Requests have string keys and no floats that JSON cannot hold.
        let json = serde_json::to_vec(&requests).unwrap_or_default();
        let prompt_sha256 = hex::encode(Sha256::digest(json));
        Self { index, index_in_run, requests, prompt_sha256 }
    }
}

/// Version of the rule by which `--limit` chooses samples; raised when the same limit means other samples.
pub(super) const SELECTION_VERSION: u32 = 2;

/// Indices of at most `limit` samples that have something to score, ascending; all samples if there are not more. The subset
/// depends on the seed and on the samples' content, not on their order, and contains the subset of every smaller limit.
pub(super) fn nested_subset(
    all: &dyn TaskSamples,
    limit: Option<usize>,
    seed: u64,
    mut has_targets: impl FnMut(usize) -> bool,
) -> Vec<usize> {
    let everything = || (0..all.len()).collect();
    let Some(limit) = limit.filter(|&limit| limit < all.len()) else { return everything() };
    let contents = numbered((0..all.len()).map(|index| all.content(index)));
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let order = shuffled(&contents, seed, "limit").into_iter();
    let mut chosen: Vec<usize> = order.filter(|&index| has_targets(index)).take(limit).collect();
    if chosen.len() < limit {
        return everything();
    }
    chosen.sort_unstable();
    chosen
}

/// Names, each followed by how many equal ones are before it.
fn numbered(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    names
        .map(|name| {
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            format!("{name} {count}")
        })
        .collect()
}

/// Distributes the samples of task after task over several shards, so that each shard has about the same cost in each
/// task and over all tasks.
///
/// Depends on ids, clusters and requests of the samples only, never on a model or a machine: every shard computes the same
/// distribution.
pub(super) struct Dealer {
    /// Cost of each shard so far.
    costs: Vec<u64>,
}

impl Dealer {
    pub fn new(shards: usize) -> Self {
        Self { costs: vec![0; shards.max(1)] }
    }

    /// The shard of each of `samples`. A cluster stays together because its samples share prompts. Clusters come in
    /// the order of a hash of their names; each goes to the shard with the lowest cost.
    pub fn deal(&mut self, all: &dyn TaskSamples, samples: &[LoadedSample]) -> Vec<usize> {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, sample) in samples.iter().enumerate() {
            let cluster = all.cluster(sample.index).unwrap_or(all.id(sample.index));
            members.entry(cluster).or_default().push(number);
        }
        let names: Vec<&str> = members.keys().copied().collect();
        let mut owners = vec![0; samples.len()];
        let mut costs_of_task = vec![0; self.costs.len()];
        for name in shuffled(&names, 0, "shard") {
            let Some(cluster) = members.get(names[name]) else { continue };
            let shards = 0..self.costs.len();
            let cheapest = shards.min_by_key(|&shard| (costs_of_task[shard], self.costs[shard])).unwrap_or(0);
            for &number in cluster {
                let cost = cost_of(&samples[number].requests);
                costs_of_task[cheapest] += cost;
                self.costs[cheapest] += cost;
                owners[number] = cheapest;
            }
        }
        owners
    }
}

/// Approximate cost of requests, in bytes of text.
fn cost_of(requests: &[Request]) -> u64 {
    let mut previous = "";
    let mut cost = 0;
    for request in requests {
        cost += match request {
            Request::LogLikelihood { context, continuation, .. } => {
                // A repeated context is read once.
                let read = if context == previous { 0 } else { context.len() };
                previous = context;
                read + continuation.len()
            }
            // For any model, as if it had GPT-2's context: models of one run may differ.
            Request::Rolling { part, window, .. } => {
                part.len() * window.tokens(GPT2_POSITIONS).div_ceil(window.step(GPT2_POSITIONS))
            }
            Request::Generate { prompt, max_new_tokens, .. } => {
                let read = if prompt == previous { 0 } else { prompt.len() };
                previous = prompt;
                read + max_new_tokens * BYTES_PER_NEW_TOKEN
            }
        };
    }
    cost as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataFile;
    use crate::plan::DataSource;
    use crate::record::Protocol;
    use crate::tasks::{REGISTRY, Source};

    fn passages(texts: impl Iterator<Item = String>) -> Box<dyn TaskSamples> {
        let lines: String = texts.map(|text| format!("{{\"text\": \"{text}\"}}\n")).collect();
        let lambada = crate::tasks::find("lambada").unwrap();
        lambada.read(DataFile::bundled("l.jsonl", lines.leak().as_bytes()), &Protocol::new("paper")).unwrap()
    }

    #[test]
    fn subsets_are_nested_and_seeded() {
        let all = passages((0..200).map(|index| format!("passage {index}")));
        let subset = |limit, seed| nested_subset(&*all, limit, seed, |_| true);
        let (ten, fifty) = (subset(Some(10), 7), subset(Some(50), 7));
        assert_eq!(ten.len(), 10);
        assert!(ten.is_sorted());
        assert!(ten.iter().all(|index| fifty.contains(index)));
        assert_ne!(ten, subset(Some(10), 8));
        assert_eq!(subset(Some(200), 7), (0..200).collect::<Vec<_>>());
        assert_eq!(subset(None, 7).len(), 200);
        assert!(subset(Some(0), 7).is_empty());
    }

    #[test]
    fn subsets_depend_on_content_not_on_order() {
        // Every fifth passage occurs four times.
        let texts: Vec<String> = (0..200)
            .map(|index| format!("passage {}", if index % 5 == 0 { index / 20 } else { 1000 + index }))
            .collect();
        let chosen = |order: &dyn Fn(usize) -> usize| {
            let all = passages((0..200).map(|index| texts[order(index)].clone()));
            let chosen = nested_subset(&*all, Some(60), 7, |_| true);
            let mut texts: Vec<String> = chosen.iter().map(|&index| texts[order(index)].clone()).collect();
            texts.sort();
            (chosen, texts)
        };
        let (in_order, texts_in_order) = chosen(&|index| index);
        let (shuffled, texts_shuffled) = chosen(&|index| index * 77 % 200);
        assert_ne!(in_order, shuffled);
        assert_eq!(texts_in_order, texts_shuffled);
        assert!(texts_in_order.windows(2).any(|pair| pair[0] == pair[1]), "equal passages count each");
    }

    #[test]
    fn subsets_have_only_samples_with_targets() {
        let all = passages((0..200).map(|index| format!("passage {index}")));
        let is_even = |index: usize| index.is_multiple_of(2);
        let ten = nested_subset(&*all, Some(10), 7, is_even);
        assert!(ten.len() == 10 && ten.iter().all(|&index| is_even(index)));
        let twenty = nested_subset(&*all, Some(20), 7, is_even);
        assert!(ten.iter().all(|index| twenty.contains(index)));
        // Not 101 of them have targets: these are all of the data.
        assert_eq!(nested_subset(&*all, Some(101), 7, is_even).len(), 200);
    }

    #[test]
    fn every_sample_has_one_shard_and_shards_cost_about_the_same() {
        let mut dealer = Dealer::new(4);
        let mut counts = [0; 4];
        for task in REGISTRY.iter() {
            let config = task.config();
            let protocol = config.planned(config.default_protocol()).protocol;
            let all = task.load(&Source::new(&DataSource::Sample, config.data.split, 0), &protocol).unwrap();
            let samples: Vec<LoadedSample> =
                (0..all.len()).map(|index| LoadedSample::new(&*all, index, index)).collect();
            let owners = dealer.deal(&*all, &samples);
            assert_eq!(owners.len(), samples.len());
            for (index, &owner) in owners.iter().enumerate() {
                counts[owner] += 1;
                let is_of_cluster = |other: &usize| {
                    all.cluster(*other).is_some() && all.cluster(*other) == all.cluster(index)
                };
                assert!((0..all.len()).filter(is_of_cluster).all(|other| owners[other] == owner));
            }
        }
        let (lowest, highest) = (dealer.costs.iter().min().unwrap(), dealer.costs.iter().max().unwrap());
        assert!(*highest < lowest + lowest / 4, "{:?}", dealer.costs);
        assert!(counts.iter().all(|&count| count > 50), "{counts:?}");
    }
}
